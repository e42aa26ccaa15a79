"""One run: a PLC, one host or two, a store, and faults as the seed draws them."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from sorter.simulation import promises
from sorter.simulation.computer import Computer
from sorter.simulation.disk import ProcessDisk
from sorter.simulation.plc import SimulatedPlc
from sorter.simulation.safeguards import Safeguards
from sorter.simulation.settings import Fault, Safeguard, Settings
from sorter.simulation.store import SimulatedStore
from sorter.simulation.trace import Trace, Violation
from sorter.simulation.virtual_loop import StalledError, VirtualLoop

EPOCH_2026_NS = 1_767_225_600_000_000_000
"""The wall clock at the start of every run."""
LOOK_S = 0.05
"""Pause between two looks whether all is drained."""
PAIRED_EVERY = 4
"""Of so many seeds in a row the last one's line has two hosts."""


@dataclass(slots=True)
class Result:
    """How one run ended."""

    seed: int
    digest: str
    virtual_s: float
    happenings: int
    faults: list[str]
    pieces: int
    violation: str = ""
    promise: int = 0
    last: list[str] = field(default_factory=list)


class World:
    """Everything of one run, and what can befall it."""

    def __init__(
        self, seed: int, loop: VirtualLoop, settings: Settings, without: Safeguard | None
    ) -> None:
        self.trace = Trace(loop.now_ns)
        self.faults: list[str] = []
        self.failure: BaseException | None = None
        self._loop = loop
        self._settings = settings
        self._chance = random.Random(f"{seed}:faults")  # noqa: S311 - a run must be repeatable
        self._safeguards = Safeguards(without)
        self.plc = SimulatedPlc(seed, settings, self.trace, loop.now_ns, self._safeguards.plc)
        self.store = SimulatedStore(
            seed, self.trace, checks_duplicates=self._safeguards.checks_duplicates
        )
        self._plan = 0
        paired = seed % PAIRED_EVERY == PAIRED_EVERY - 1
        self._computers = [
            Computer(
                seed, seat, self.plc, self.store, self.trace, loop.now_ns, settings,
                self._safeguards, self._note_end, paired=paired,
            )
            for seat in range(1 + paired)
        ]  # fmt: skip
        for computer in self._computers:
            computer.offset_ns = EPOCH_2026_NS
        # A version is activated on each host by itself, so for a while two can be active.
        left_out = Fault.PLAN_SWAP if paired else Fault.HAND_OVER
        self._kinds = [fault for fault in Fault if fault is not left_out]

    async def run(self) -> None:
        """Let pieces travel among faults, then without, until all is drained.

        Raises:
            Violation: a promise was broken.
        """
        self._draw_chances()
        self.plc.start()
        cycling = self._loop.create_task(self.plc.run())
        cycling.add_done_callback(self._note_end)
        for computer in self._computers:
            computer.start()
        await self._befall()
        self._calm()
        await self._drain()
        promises.check_records(self.plc, self.store)
        promises.check_holds(self.plc, self.store)
        for computer in self._computers:
            promises.check_decided_again(ProcessDisk(computer.disk))

    def _draw_chances(self) -> None:
        """Let the metal misbehave in some runs."""
        for fate in self.plc.fates:
            if self._chance.random() < 0.3:
                self.plc.fates[fate] = self._chance.choice((0.02, 0.1))

    async def _befall(self) -> None:
        """Bring faults about, each at its instant."""
        count = self._chance.randint(0, self._settings.faults_max)
        instants = sorted(
            self._chance.uniform(0, self._settings.fault_within_ms / 1000) for _ in range(count)
        )
        pending: list[asyncio.Task[None]] = []
        for instant in instants:
            fault = self._chance.choice(self._kinds)
            await asyncio.sleep(max(0.0, instant - self._loop.time()))
            self._expect_sound()
            self.faults.append(fault)
            self.trace.note("fault", fault)
            task = self._loop.create_task(self._bring(fault))
            task.add_done_callback(self._note_end)
            pending.append(task)
        if pending:
            await asyncio.wait(pending)

    def _bring(self, fault: Fault) -> Coroutine[Any, Any, None]:
        """Return what a fault does, from its beginning to its end."""
        duration = self._chance.choice((0.05, 0.2, 0.6, 1.5))
        computer = self._computers[0]
        if len(self._computers) > 1:
            computer = self._chance.choice(self._computers)
        switches: dict[Fault, tuple[object, str]] = {
            Fault.CUT: (computer.cable, "is_cut"),
            Fault.SLOW_LINK: (computer.cable, "is_slow"),
            Fault.STORE_AWAY: (self.store, "away"),
            Fault.STORE_STALL: (self.store, "stalled"),
            Fault.DISK_FULL: (computer.disk, "full"),
        }
        if fault in switches:
            return self._for_a_while(*switches[fault], duration)
        if fault is Fault.HOST_STOP:
            return computer.stop_host(duration)
        if fault in (Fault.HOST_KILL, Fault.HOST_POWER):
            return computer.kill_host(duration, power_lost=fault is Fault.HOST_POWER)
        if fault is Fault.RECORDER_KILL:
            return computer.kill_recorder(duration)
        if fault is Fault.HAND_OVER:
            return computer.hand_over(duration)
        return self.plc.restart() if fault is Fault.PLC_RESTART else self._at_once(fault, computer)

    async def _at_once(self, fault: Fault, computer: Computer) -> None:
        match fault:
            case Fault.PLC_REPEATS:
                self.plc.repeats = 0.1
            case Fault.STORE_LOSES_ANSWER:
                self.store.loses_answers = 1
            case Fault.DISK_FAILS:
                computer.disk.sync_failures = self._chance.randint(1, 3)
            case Fault.CLOCK_JUMP:
                computer.offset_ns += self._chance.randint(-3600, 3600) * 1_000_000_000
            case Fault.PLAN_SWAP:
                self._plan = 1 - self._plan
                for each in self._computers:
                    each.swap_plan(self._plan)
            case Fault.CHUTE_LOCK:
                self._lock(frozenset(self._chance.sample(range(1, 7), 2)))
            case _:
                raise AssertionError(fault)

    @staticmethod
    async def _for_a_while(thing: object, name: str, seconds: float) -> None:
        setattr(thing, name, True)
        await asyncio.sleep(seconds)
        setattr(thing, name, False)

    def _calm(self) -> None:
        """End all faults: from here on everything must drain."""
        self.trace.note("world", "faults stop")
        self.store.away = self.store.stalled = False
        self.store.loses_answers = 0
        for computer in self._computers:
            computer.cable.is_cut = computer.cable.is_slow = computer.disk.full = False
            computer.disk.sync_failures = 0
        self._lock(frozenset())

    def _lock(self, chutes: frozenset[int]) -> None:
        for computer in self._computers:
            computer.lock(chutes)

    async def _drain(self) -> None:
        """Wait until the belt is empty and everything is recorded; promise 10 bounds that."""
        deadline = self._loop.time() + self._settings.drain_within_ms / 1000
        while not (
            self.plc.exhausted and not self.plc.down and promises.has_ended(self.plc, self.store)
        ):
            self._expect_sound()
            if self._loop.time() > deadline:
                here = [key for key in self.plc.told if key[0] == self.plc.boot_id]
                missing = [key for key in here if key not in self.store.events]
                raise Violation(
                    10, f"not drained in {self._settings.drain_within_ms} ms: {self.plc.on_belt} "
                    f"pieces on the belt, {len(missing)} events not recorded",
                )  # fmt: skip
            await asyncio.sleep(LOOK_S)
        self._expect_sound()

    def _note_end(self, task: asyncio.Task[None]) -> None:
        """Keep what ended a part of the world by itself."""
        if not task.cancelled() and task.exception() and self.failure is None:
            self.failure = task.exception()

    def _expect_sound(self) -> None:
        if self.failure is not None:
            raise self.failure


def simulate(seed: int, settings: Settings, without: Safeguard | None = None) -> Result:
    """Run one seed to its end.

    Args:
        seed: Draws everything: schedule, link, disk, store, metal, faults.
        settings: The scale.
        without: A safeguard to leave out.
    """
    loop = VirtualLoop(seed)
    world = World(seed, loop, settings, without)
    violation, promise = "", 0
    try:
        loop.run_until_complete(world.run())
    except Violation as broken:
        violation, promise = str(broken), broken.promise
    except StalledError as error:
        violation, promise = f"promise 10: {error}", 10
    except Exception as error:  # noqa: BLE001 - a fault of the service is a finding as well
        violation = f"{type(error).__name__}: {error}"
    finally:
        _end(loop)
    return Result(
        seed, world.trace.digest, loop.time(), world.trace.count, list(map(str, world.faults)),
        sum(1 for told in world.plc.told.values() if told.kind == 1), violation, promise,
        list(world.trace.last) if violation else [],
    )  # fmt: skip


def _end(loop: VirtualLoop) -> None:
    """Cancel what is left of a run."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:

        async def end() -> None:
            await asyncio.gather(*tasks, return_exceptions=True)

        loop.run_until_complete(end())
    loop.close()
