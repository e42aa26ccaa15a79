"""What one running line can be told: activate a plan version, roll back, lock a chute.

Each change is written to its file first and then applied between two batches, so that a line which
is killed in between comes up with what it was told. Pieces keep the version they were inducted
under; a version that none of them uses any more is let go.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from sorter.assignment.arrays import PreAdviceArrays
from sorter.assignment.decider import Decider
from sorter.clock import Clock
from sorter.errors import CommandError, ConfigError, Refusal
from sorter.line.commands import CommandQueue, QueueFullError
from sorter.line.host_desk import HostDesk
from sorter.line.keeper import Keeper
from sorter.line.tracking import Tracking
from sorter.outlets.board import LineBoard
from sorter.plans.image import map_image
from sorter.plans.versions import PAGE_MAX, versions_page
from sorter.wiring.active import Active, read_active, read_json, write_active
from sorter.wiring.command_log import ROLL_BACK, START, CommandLog
from sorter.wiring.loaded import Loaded, load_version
from sorter.wiring.orders import (
    EMPTY,
    NOW,
    Order,
    check_when,
    in_thread,
    instant_ns,
    keep_file,
    read_locks,
    read_order,
)
from sorter.wiring.paths import StatePaths

WATCH_S = 0.05
"""Pause between two looks at what waits and at which versions are in use."""

OnDue = Callable[[Order, int], Awaitable[None]]
"""Is told which order that waited was carried out, and the version that was active before."""

_logger = logging.getLogger(__name__)


class PlanLife:
    """One line's active version, the activation that waits, and the operator's locks.

    Its methods may be called at any time from the line's own event loop; each waits until the one
    before is done. They raise CommandError where the line does not do what it is told.
    """

    def __init__(
        self,
        name: str,
        state: StatePaths,
        commands: CommandQueue,
        decider: Decider,
        tracking: Tracking,
        outlet: LineBoard,
        clock: Clock,
        active: Active,
        desk: HostDesk,
        keeper: Keeper,
    ) -> None:
        """Take over what the files say: what is active, what waits, which chutes are locked.

        ``keeper`` leaves in the journal what changes.

        Raises:
            ConfigError: one of them is damaged.
        """
        self.name = name
        self._state = state
        self._commands = commands
        self._decider = decider
        self._tracking = tracking
        self._outlet = outlet
        self._clock = clock
        self._active = active
        self.desk = desk
        """Takes the upstream host's answers."""
        self._keeper = keeper
        self._turn = asyncio.Lock()
        self._waits = read_order(state.pending_plan(name))
        self._told_problem = ""
        self._log = CommandLog(state.commands(name))
        self._note_start()
        self._locks = read_locks(state.locks(name))
        tracking.lock_only(map(int, self._locks))

    async def activate(
        self, order: Order, expect: int | None = None, *, replaces: bool = False
    ) -> dict[str, Any]:
        """Activate a version, now or once its time has come.

        Args:
            order: Which version, when, who, why.
            expect: Version that must be active now; None for any.
            replaces: Whether it replaces an activation that waits.
        """
        async with self._turn:
            return await self._activate(order, expect, replaces=replaces)

    async def roll_back(
        self, who: str, why: str, expect: int | None = None, *, replaces: bool = False
    ) -> dict[str, Any]:
        """Activate at once the version that was active before; told twice, it is as it was."""
        async with self._turn:
            if not self._active.previous:
                raise CommandError(
                    Refusal.REFUSED,
                    f"line {self.name}: no version was active before {self._active.version}",
                )
            order = Order(self._active.previous, NOW, who, why, ROLL_BACK)
            return await self._activate(order, expect, replaces=replaces)

    async def lock(self, chute: int, who: str, why: str) -> dict[str, Any]:
        """Name a chute for no piece any more, until it is unlocked.

        Pieces that the PLC holds an instruction for are still sorted into it.
        """
        entry = {"who": who, "why": why, "since": self._now()}
        async with self._turn:
            told = await self._set_locks(chute, {**self._locks, str(chute): entry})
            await self._note("lock", who, why, chute=chute)
            return told

    async def unlock(self, chute: int, who: str, why: str) -> dict[str, Any]:
        """Let a chute be named again."""
        async with self._turn:
            others = {name: lock for name, lock in self._locks.items() if name != str(chute)}
            told = await self._set_locks(chute, others)
            await self._note("unlock", who, why, chute=chute)
            return told

    async def release_quarantine(self, who: str, why: str) -> dict[str, Any]:
        """Sort again after somebody has looked; released twice, it is as it was."""
        was = self._tracking.quarantined

        def release() -> None:
            self._tracking.release_quarantine()
            self._keeper.keep_state()

        async with self._turn:
            if was:
                await self._apply(release)
                await self._note("release", who, why)
                _logger.warning("line %s: quarantine released, by %s: %s", self.name, who, why)
            return {"line": self.name, "quarantined": False, "was_quarantined": was}

    async def note_switch(self, who: str, why: str) -> None:
        """Keep that the line was handed over to another host."""
        async with self._turn:
            await self._note("switch", who, why)

    async def shadow(self, version: int, who: str, why: str) -> dict[str, Any]:
        """Have a version decide beside the active one from now on; 0 for none.

        The shadow process does it, by this line's journal; the line feels nothing of it.
        """
        path, folder = self._state.shadow(self.name), self._state.versions(self.name)
        async with self._turn:
            order = {"version": version, "who": who, "why": why, "since": self._now()}
            if version:
                await in_thread(lambda: load_version(folder, version))
                await in_thread(lambda: keep_file(path, order))
            else:
                await in_thread(lambda: path.unlink(missing_ok=True))
            await self._note("shadow", who, why, version=version)
            return {"line": self.name, "shadow": order if version else None}

    async def reload_pre_advice(self, who: str, why: str) -> dict[str, Any]:
        """Use the pre-advice that its file names as active."""

        def load() -> tuple[Active, PreAdviceArrays]:
            active = read_active(self._state.pre_advice)
            if active is None:
                raise ConfigError(f"{self._state.pre_advice}: no pre-advice was compiled yet")
            return active, map_image(active.image, PreAdviceArrays)[0]

        async with self._turn:
            active, table = await in_thread(load)

            def swap() -> None:
                self._decider.pre_advice = table
                self._keeper.pre_advice = active.image.name

            await self._apply(swap)
            await self._note(
                "pre_advice", who, why, version=active.version, previous=active.previous,
                name=active.name,
            )  # fmt: skip
            _logger.info("line %s: pre-advice %s is in use, by %s: %s",
                         self.name, active.name, who, why)  # fmt: skip
            return {"line": self.name, "pre_advice": active.name, "version": active.version}

    async def state(self, before: int | None = None, limit: int = PAGE_MAX) -> dict[str, Any]:
        """Return what is active, what waits, what is locked, and the newest versions.

        Of versions those below ``before``, the newest ``limit`` of them; ``next_before`` goes on.

        ``pieces`` counts those on the sorter by version; where that is not among ``held`` (or 0, as
        before the first decision for a piece first heard of late), they go by the active one.
        """
        folder = self._state.versions(self.name)
        versions, next_before = await in_thread(lambda: versions_page(folder, before, limit))
        in_flight = self._tracking.versions_in_flight()
        return {
            "line": self.name,
            "active": self._told_active(),
            "pending": asdict(self._waits) if self._waits else None,
            "held": list(self._decider.held),
            "pieces": {str(version): count for version, count in in_flight.items()},
            "locked": self._locks,
            "quarantined": self._tracking.quarantined,
            "commands": [asdict(each) for each in self._log.newest],
            "versions": [each.as_dict() for each in versions],
            "next_before": next_before,
        }

    def standing(self) -> dict[str, Any]:
        """Return what commands change, as the audit log keeps it; reads a file."""
        shadow = read_json(self._state.shadow(self.name))
        return {
            "version": self._active.version,
            "pending": asdict(self._waits) if self._waits else None,
            "locked": sorted(map(int, self._locks)),
            "quarantined": self._tracking.quarantined,
            "shadow": shadow["version"] if shadow else 0,
            "pre_advice": self._keeper.pre_advice,
        }

    async def watch(self, on_due: OnDue | None = None) -> None:
        """Activate what waits once its time has come, and let unused versions go; never returns."""
        while True:
            await asyncio.sleep(WATCH_S)
            self._let_go()
            if self._waits is not None and self._is_due(self._waits):
                async with self._turn:
                    await self._activate_waiting(on_due)

    async def _activate_waiting(self, on_due: OnDue | None) -> None:
        order, before = self._waits, self._active.version
        if order is None or not self._is_due(order):
            return
        try:
            await self._activate(replace(order, when=NOW), None, replaces=True)
            if on_due:
                await on_due(order, before)
        except CommandError as error:
            # It stays in force: room for a version comes, a file can be restored.
            if str(error) != self._told_problem:
                _logger.warning("line %s: plan version %d waits on: %s", self.name,
                                order.version, error)  # fmt: skip
            self._told_problem = str(error)

    async def _activate(
        self, order: Order, expect: int | None, *, replaces: bool
    ) -> dict[str, Any]:
        active, folder = self._active, self._state.versions(self.name)
        if expect is not None and expect != active.version:
            raise CommandError(
                Refusal.REFUSED,
                f"line {self.name}: version {expect} was expected, but {active.version} is active "
                f"since {active.since}, by {active.who}: {active.why}; look at it, then try again",
            )
        if self._waits and not replaces:
            raise CommandError(
                Refusal.REFUSED,
                f"line {self.name}: version {self._waits.version} waits for {self._waits.when!r}, "
                f"by {self._waits.who}: {self._waits.why}; give --replace (HTTP: \"replace\") to "
                "put this in its place",
            )  # fmt: skip
        loaded = await in_thread(lambda: load_version(folder, order.version))
        if order.when != NOW:
            check_when(order.when, self._clock.now_ns())
            await self._set_waiting(order)
            await self._note(
                "wait", order.who, order.why, version=order.version, previous=active.version,
                name=order.when,
            )  # fmt: skip
            return {"line": self.name, "active": self._told_active(), "pending": asdict(order)}
        if order.version != active.version:
            await self._swap(loaded, order)
        if self._waits:
            await self._set_waiting(None)
        return {"line": self.name, "active": self._told_active(), "pending": None}

    async def _swap(self, loaded: Loaded, order: Order) -> None:
        version = loaded.version
        self._let_go()
        if not self._decider.has_room(version.number):
            raise CommandError(
                Refusal.REFUSED,
                f"line {self.name}: pieces on the sorter go by versions "
                f"{', '.join(map(str, self._decider.held))}; wait until some have left",
            )
        active = Active.of(version, order.who, order.why, self._now(), self._active.version)
        path = self._state.active_plan(self.name)
        await in_thread(lambda: write_active(path, active))
        brands, classes = loaded.metadata["brands"], loaded.metadata["service_classes"]

        def swap() -> None:
            self._decider.activate(loaded.plan)
            self._outlet.set_plan(version.name, version.number, brands, classes, loaded.groups)
            self.desk.set_names(brands, classes)

        self._active = active
        await self._note(
            order.action, order.who, order.why, active.since, version=version.number,
            previous=active.previous, name=version.name,
        )  # fmt: skip
        await self._apply(swap)
        _logger.info("line %s: plan version %d is active, by %s: %s",
                     self.name, version.number, order.who, order.why)  # fmt: skip

    def _note_start(self) -> None:
        """Keep which version a start found active, unless the log has it."""
        active = self._active
        if self._log.active == (active.version, active.since):
            return
        try:
            self._log.append(
                active.since or self._now(), START, active.who, active.why,
                version=active.version, previous=active.previous, name=active.name,
            )  # fmt: skip
        except OSError as error:
            _logger.error("line %s: its commands can't be kept: %s", self.name, error.strerror)

    async def _note(self, action: str, who: str, why: str, at: str = "", **more: Any) -> None:
        """Keep a command. One that was carried out is not taken back where it can't be kept."""
        try:
            await asyncio.to_thread(self._log.append, at or self._now(), action, who, why, **more)
        except OSError as error:
            _logger.error(
                "line %s: %s by %s (%s) was carried out but can't be kept: %s; make room",
                self.name, action, who, why, error.strerror,
            )  # fmt: skip

    async def _set_waiting(self, order: Order | None) -> None:
        path = self._state.pending_plan(self.name)
        if order:
            await in_thread(lambda: keep_file(path, asdict(order)))
        else:
            await in_thread(lambda: path.unlink(missing_ok=True))
        self._waits, self._told_problem = order, ""

    async def _set_locks(self, chute: int, locks: dict[str, dict[str, str]]) -> dict[str, Any]:
        chutes = self._tracking.chutes
        if not (0 < chute < len(chutes) and chutes["exists"][chute]):
            raise CommandError(Refusal.UNKNOWN, f"line {self.name}: no chute {chute}")
        await in_thread(lambda: keep_file(self._state.locks(self.name), locks))
        self._locks = locks
        await self._apply(lambda: self._tracking.lock_only(map(int, locks)))
        return {"line": self.name, "locked": locks}

    async def _apply(self, change: Callable[[], None]) -> None:
        """Have the loop apply a change between two batches, and wait for that.

        The journal then says what the decisions after it stand on.
        """

        def apply() -> None:
            change()
            self._keeper.keep_standing()

        try:
            future = self._commands.submit(apply)
        except QueueFullError as error:
            raise CommandError(Refusal.UNAVAILABLE, f"line {self.name}: {error}") from None
        await asyncio.wrap_future(future)

    def _let_go(self) -> None:
        if len(self._decider.held) > 1:
            self._decider.let_go(self._tracking.versions_in_flight())

    def _is_due(self, order: Order) -> bool:
        if order.when == EMPTY:
            return self._tracking.is_empty()
        return self._clock.now_ns() >= instant_ns(order.when)

    def _told_active(self) -> dict[str, Any]:
        told = ("version", "name", "who", "why", "since", "previous")
        return {name: getattr(self._active, name) for name in told}

    def _now(self) -> str:
        instant = datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC)
        return instant.isoformat(timespec="milliseconds")
