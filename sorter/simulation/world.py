"""One run: a PLC, a host, a recorder, a store, and faults as the seed draws them."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from sorter.simulation import promises
from sorter.simulation.disk import ProcessDisk, SimulatedDisk
from sorter.simulation.host import START_S, Host, SimulatedClock, SimulatedRecorder
from sorter.simulation.link import Cable
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
        self.cable = Cable(seed, self.plc)
        self.disk = SimulatedDisk(seed)
        self.store = SimulatedStore(
            seed, self.trace, checks_duplicates=self._safeguards.checks_duplicates
        )
        self._offset_ns = EPOCH_2026_NS
        self._plan = 0
        self._locks: frozenset[int] = frozenset()
        self._seat = 0
        self._host: Host | None = None
        self._recorder: SimulatedRecorder | None = None

    async def run(self) -> None:
        """Let pieces travel among faults, then without, until all is drained.

        Raises:
            Violation: a promise was broken.
        """
        self._draw_chances()
        self.plc.start()
        cycling = self._loop.create_task(self.plc.run())
        cycling.add_done_callback(self._note_end)
        self._start_host(power_lost=False)
        self._start_recorder()
        await self._befall()
        self._calm()
        await self._drain()
        promises.check_records(self.plc, self.store)
        promises.check_holds(self.plc, self.store)
        promises.check_decided_again(ProcessDisk(self.disk))

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
        kinds = list(Fault)
        pending: list[asyncio.Task[None]] = []
        for instant in instants:
            fault = self._chance.choice(kinds)
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
        switches: dict[Fault, tuple[object, str]] = {
            Fault.CUT: (self.cable, "is_cut"),
            Fault.SLOW_LINK: (self.cable, "is_slow"),
            Fault.STORE_AWAY: (self.store, "away"),
            Fault.STORE_STALL: (self.store, "stalled"),
            Fault.DISK_FULL: (self.disk, "full"),
        }
        if fault in switches:
            return self._for_a_while(*switches[fault], duration)
        if fault is Fault.HOST_STOP:
            return self._stop_host(duration)
        if fault in (Fault.HOST_KILL, Fault.HOST_POWER):
            return self._kill_host(duration, power_lost=fault is Fault.HOST_POWER)
        if fault is Fault.RECORDER_KILL:
            return self._kill_recorder(duration)
        return self.plc.restart() if fault is Fault.PLC_RESTART else self._at_once(fault)

    async def _at_once(self, fault: Fault) -> None:
        match fault:
            case Fault.PLC_REPEATS:
                self.plc.repeats = 0.1
            case Fault.STORE_LOSES_ANSWER:
                self.store.loses_answers = 1
            case Fault.DISK_FAILS:
                self.disk.sync_failures = self._chance.randint(1, 3)
            case Fault.CLOCK_JUMP:
                self._offset_ns += self._chance.randint(-3600, 3600) * 1_000_000_000
            case Fault.PLAN_SWAP:
                self._plan = 1 - self._plan
                if self._host:
                    self._host.swap_plan(self._plan)
            case Fault.CHUTE_LOCK:
                self._locks = frozenset(self._chance.sample(range(1, 7), 2))
                if self._host:
                    self._host.lock(self._locks)
            case _:
                raise AssertionError(fault)

    @staticmethod
    async def _for_a_while(thing: object, name: str, seconds: float) -> None:
        setattr(thing, name, True)
        await asyncio.sleep(seconds)
        setattr(thing, name, False)

    async def _kill_host(self, seconds: float, *, power_lost: bool) -> None:
        if self._host is None:
            return
        self._host.kill()
        self._host = None
        if power_lost:
            if self._recorder:
                self._recorder.kill()
            self._recorder = None
            self.trace.note("disk", f"{self.disk.power_cut()} writes lost or torn")
        await asyncio.sleep(START_S + seconds)
        self._start_host(power_lost=power_lost)
        if power_lost:
            self._start_recorder()

    async def _stop_host(self, seconds: float) -> None:
        """Stand a host still for a while, then let it go on as though nothing had been."""
        host = self._host
        if host is None:
            return
        host.grip.stop()
        await asyncio.sleep(seconds)
        host.grip.go_on()

    async def _kill_recorder(self, seconds: float) -> None:
        if self._recorder is None:
            return
        self._recorder.kill()
        self._recorder = None
        await asyncio.sleep(seconds)
        self._start_recorder()

    def _start_host(self, *, power_lost: bool) -> None:
        if self._host is not None:
            return
        clock = SimulatedClock(self._loop.now_ns, self._offset_ns)
        try:
            host = Host(
                self.cable, self.disk, clock, self._settings, self._safeguards,
                plan=self._plan, locks=self._locks, seat=self._seat,
            )  # fmt: skip
        except OSError as error:
            # As under the supervisor: a process that can't start is started again.
            self.trace.note("host", f"can't start: {error}")
            self._loop.call_later(START_S, lambda: self._start_host(power_lost=power_lost))
            return
        at = host.resume
        self.trace.note("host", f"starts at {at}")
        promises.check_recovered(self.plc, at.boot_id, at.sequence, power_lost=power_lost)
        host.start(self._note_end)
        self._host = host

    def _start_recorder(self) -> None:
        if self._recorder is None:
            self._recorder = SimulatedRecorder(self.disk, self.store, self._settings)
            self._recorder.start(self._note_end)

    def _calm(self) -> None:
        """End all faults: from here on everything must drain."""
        self.trace.note("world", "faults stop")
        self.cable.is_cut = self.cable.is_slow = False
        self.store.away = self.store.stalled = self.disk.full = False
        self.store.loses_answers = self.disk.sync_failures = 0
        self._locks = frozenset()
        if self._host:
            self._host.lock(self._locks)

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
