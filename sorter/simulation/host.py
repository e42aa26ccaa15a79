"""One life of the service on its machine: line, journal and recorder, from start to kill."""

import asyncio
from collections.abc import Callable

from plc_adapters.contract import LinkStatus, Resume
from plc_adapters.host.adapter import HostAdapter
from sorter.assignment.decider import Decider
from sorter.errors import FencedError, UnavailableError
from sorter.journal.reader import recovery
from sorter.journal.writer import JournalWriter
from sorter.line.following import Following
from sorter.line.keeper import Keeper
from sorter.line.ledger import ledger_of
from sorter.line.loop import LineLoop
from sorter.line.recovery import recover
from sorter.line.slip import SlipLimits
from sorter.line.standby import Standby
from sorter.line.tracking import Tracking
from sorter.outlets.record import Recording
from sorter.ports import Batch
from sorter.simulation.disk import ProcessDisk, SimulatedDisk
from sorter.simulation.link import Cable, Grip, SimulatedLink, SimulatedWire
from sorter.simulation.plant import JOURNAL, LINE, machine
from sorter.simulation.safeguards import Safeguards
from sorter.simulation.settings import Settings
from sorter.simulation.store import SimulatedStore
from sorter.simulation.trace import Violation

PRE_ADVICE = "all"
"""Name of the one table of pre-advice."""
START_S = 0.05
"""A process takes so long to start."""


class SimulatedClock:
    """One process's clock: the machine's wall clock as it stood at its start, never stepping."""

    def __init__(self, now_ns: Callable[[], int], offset_ns: int) -> None:
        self._now_ns = now_ns
        self._offset_ns = offset_ns

    def now_ns(self) -> int:
        """Return the instant."""
        return self._now_ns() + self._offset_ns


class Watcher:
    """The outlet of the loop: looks at every turn."""

    def __init__(self, settings: Settings, journal: JournalWriter) -> None:
        self._settings = settings
        self._journal = journal

    def record(self, _batch: Batch, tracking: Tracking, _link: LinkStatus, _ns: int) -> None:
        """Check what must hold after every turn."""
        ledger = ledger_of(tracking)
        if not ledger.balanced:
            raise Violation(1, f"the ledger does not balance: {ledger.as_dict()}")
        if self._journal.waiting > self._settings.queue_batches_max + 1:
            raise Violation(9, f"{self._journal.waiting} batches wait")


class Host:
    """The line process of one machine, in one life."""

    def __init__(
        self,
        cable: Cable,
        disk: SimulatedDisk,
        clock: SimulatedClock,
        settings: Settings,
        safeguards: Safeguards,
        *,
        plan: int = 0,
        locks: frozenset[int] = frozenset(),
        seat: int = 0,
        paired: bool = False,
    ) -> None:
        """Read the journal and make everything; nothing runs yet.

        Args:
            cable: The way to the PLC.
            disk: The machine's.
            clock: The process's.
            settings: The scale of the run.
            safeguards: Which of them are off.
            plan: Which of the two plans is active.
            locks: Chutes that an operator locked.
            seat: Seat of the mailbox.
            paired: Whether another host is in the other seat, so that this one stands by.
        """
        shared = machine(10_000)
        self.grip = Grip()
        self.disk = safeguards.disk(ProcessDisk(disk))
        self._settings = settings
        self._tasks: list[asyncio.Task[None]] = []
        self.tracking = Tracking(shared.chutes, settings.rows)
        blank = self.tracking.snapshot()
        journaled = recovery(JOURNAL / LINE, 0, self.disk) if safeguards.recovers else ()
        self.resume: Resume = recover([self.tracking], journaled)[0][0]
        self.journal = JournalWriter(
            JOURNAL, [LINE], [self.resume.sequence], clock,
            segment_bytes=settings.segment_bytes, queue_max=settings.queue_batches_max,
            disk=self.disk,
        )  # fmt: skip
        self.tracking.lock_only(locks)
        decider = Decider(shared.plans[plan], safeguards.pre_advice(shared.pre_advice))
        decider.hold(shared.plans[1 - plan])
        self.adapter = HostAdapter(
            0, SimulatedLink(settings, seat), clock.now_ns, lambda: SimulatedWire(cable, self.grip)
        )
        asked, kept = safeguards.decider(decider), safeguards.journal(self.journal)
        watcher = Watcher(settings, self.journal)
        self.loop = LineLoop(
            0, LINE, self.adapter, self.tracking, asked, kept, watcher, clock,
        )  # fmt: skip
        self.decider = decider
        self.keeper = Keeper(
            0, self.journal, self.tracking, decider, SlipLimits(), clock.now_ns(), PRE_ADVICE
        )
        self.keeper.keep_state()
        self.keeper.keep_standing()
        self._runs: LineLoop | Standby = self.loop
        if paired:
            self._runs = Standby(
                self.loop, self.adapter, self.tracking,
                Following(0, self.tracking, blank, asked), kept, self.keeper, watcher, clock,
            )  # fmt: skip
        self._stop = asyncio.Event()
        self.fenced = False

    def start(self, on_end: Callable[[asyncio.Task[None]], None]) -> None:
        """Run; ``on_end`` is called if a part of it ends by itself."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._turn()), loop.create_task(self._commit())]
        for task in self._tasks:
            task.add_done_callback(on_end)

    def kill(self) -> None:
        """End at once, wherever it is: nothing of it reaches cable or disk any more."""
        self.grip.killed = self.disk.killed = True
        self.grip.go_on()
        for task in self._tasks:
            task.cancel()

    def swap_plan(self, plan: int) -> None:
        """Have the other plan activated between two batches."""
        arrays = machine(10_000).plans[plan]
        self._tell(lambda: self.decider.activate(arrays))

    def lock(self, chutes: frozenset[int]) -> None:
        """Have these chutes locked, and no others, between two batches."""
        self._tell(lambda: self.tracking.lock_only(chutes))

    def _tell(self, change: Callable[[], None]) -> None:
        def apply() -> None:
            change()
            self.keeper.keep_standing()

        self.loop.commands.submit(apply)

    async def _turn(self) -> None:
        try:
            await self._runs.run(self.resume, self._stop)
        except FencedError:
            self.fenced = True

    async def _commit(self) -> None:
        while True:
            await asyncio.sleep(self._settings.commit_interval_ms / 1000)
            await self.grip.pass_by()
            self.journal.commit()
            self.journal.take_room()


class SimulatedRecorder:
    """The recorder process in one life."""

    def __init__(
        self, disk: SimulatedDisk, store: SimulatedStore, settings: Settings, seat: int = 0
    ) -> None:
        self.disk = ProcessDisk(disk)
        self.recording = Recording(JOURNAL, {LINE: seat}, store, self.disk)
        self._settings = settings
        self._task: asyncio.Task[None] | None = None

    def start(self, on_end: Callable[[asyncio.Task[None]], None]) -> None:
        """Run until killed."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(on_end)

    def kill(self) -> None:
        """End at once."""
        self.disk.killed = True
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._settings.record_interval_ms / 1000)
            try:
                await self.recording.begin()
                while await self.recording.step():
                    pass
                for line in self.recording.lines:
                    line.follower.remove_read(line.recorded)
            except (UnavailableError, OSError):
                continue
