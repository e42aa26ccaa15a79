"""One machine of a run: its disk, its cable to the PLC, and the processes that live on it."""

import asyncio
from collections.abc import Callable

from sorter.simulation import promises
from sorter.simulation.disk import SimulatedDisk
from sorter.simulation.host import START_S, Host, SimulatedClock, SimulatedRecorder
from sorter.simulation.link import Cable
from sorter.simulation.plc import SimulatedPlc
from sorter.simulation.safeguards import Safeguards
from sorter.simulation.settings import SEEDS_MAX, Settings
from sorter.simulation.store import SimulatedStore
from sorter.simulation.trace import Trace


class Computer:
    """A machine in one seat of the line's PLC, with a line process and a recorder.

    Args:
        seed: Of the run.
        seat: Seat of the mailbox.
        paired: Whether another machine is in the other seat, so that each stands by.
        plc: The line's.
        store: The database that the recorder writes to.
        trace: What happened.
        now_ns: Virtual time.
        settings: The scale of the run.
        safeguards: Which of them are off.
        on_end: Called if a part of a process ends by itself.
    """

    def __init__(
        self,
        seed: int,
        seat: int,
        plc: SimulatedPlc,
        store: SimulatedStore,
        trace: Trace,
        now_ns: Callable[[], int],
        settings: Settings,
        safeguards: Safeguards,
        on_end: Callable[[asyncio.Task[None]], None],
        *,
        paired: bool,
    ) -> None:
        own = seed + seat * SEEDS_MAX
        self.cable = Cable(own, plc)
        self.disk = SimulatedDisk(own)
        self.host: Host | None = None
        self.offset_ns = 0
        """The wall clock less virtual time."""
        self.plan = 0
        self.locks: frozenset[int] = frozenset()
        self._seat = seat
        self._paired = paired
        self._plc = plc
        self._store = store
        self._trace = trace
        self._now_ns = now_ns
        self._settings = settings
        self._safeguards = safeguards
        self._on_end = on_end
        self._recorder: SimulatedRecorder | None = None

    @property
    def name(self) -> str:
        """What the trace calls its line process."""
        return f"host {self._seat}" if self._paired else "host"

    def start(self, *, power_lost: bool = False) -> None:
        """Start whatever does not run."""
        self._start_host(power_lost=power_lost)
        self.start_recorder()

    def _start_host(self, *, power_lost: bool) -> None:
        if self.host is not None:
            return
        clock = SimulatedClock(self._now_ns, self.offset_ns)
        try:
            host = Host(
                self.cable, self.disk, clock, self._settings, self._safeguards,
                plan=self.plan, locks=self.locks, seat=self._seat, paired=self._paired,
            )  # fmt: skip
        except OSError as error:
            # As under the supervisor: a process that can't start is started again.
            self._trace.note(self.name, f"can't start: {error}")
            asyncio.get_running_loop().call_later(
                START_S, lambda: self._start_host(power_lost=power_lost)
            )
            return
        at = host.resume
        self._trace.note(self.name, f"starts at {at}")
        if not self._paired:
            promises.check_recovered(self._plc, at.boot_id, at.sequence, power_lost=power_lost)
        host.start(self._on_end)
        self.host = host

    def start_recorder(self) -> None:
        """Start the recorder unless it runs."""
        if self._recorder is None:
            self._recorder = SimulatedRecorder(self.disk, self._store, self._settings, self._seat)
            self._recorder.start(self._on_end)

    async def kill_host(self, seconds: float, *, power_lost: bool) -> None:
        """Kill the line process, or cut the machine's power, and start again after a while."""
        if self.host is None:
            return
        self.host.kill()
        self.host = None
        if power_lost:
            if self._recorder:
                self._recorder.kill()
            self._recorder = None
            self._trace.note("disk", f"{self.disk.power_cut()} writes lost or torn")
        await asyncio.sleep(START_S + seconds)
        self._start_host(power_lost=power_lost)
        if power_lost:
            self.start_recorder()

    async def stop_host(self, seconds: float) -> None:
        """Stand the line process still for a while, then let it go on as if nothing had been."""
        host = self.host
        if host is None:
            return
        host.grip.stop()
        await asyncio.sleep(seconds)
        host.grip.go_on()

    async def kill_recorder(self, seconds: float) -> None:
        """Kill the recorder and start it again after a while."""
        if self._recorder is None:
            return
        self._recorder.kill()
        self._recorder = None
        await asyncio.sleep(seconds)
        self.start_recorder()

    def swap_plan(self, plan: int) -> None:
        """Have the other plan activated."""
        self.plan = plan
        if self.host:
            self.host.swap_plan(plan)

    def lock(self, chutes: frozenset[int]) -> None:
        """Have these chutes locked, and no others."""
        self.locks = chutes
        if self.host:
            self.host.lock(chutes)

    async def hand_over(self, seconds: float) -> None:
        """Have the line handed over if this machine has it; it is kept if nobody takes it."""
        host = self.host
        if host is None:
            return
        host.adapter.hand_over(begins=True)
        await asyncio.sleep(seconds)
        if host is self.host and not host.adapter.status.standby:
            host.adapter.hand_over(begins=False)
