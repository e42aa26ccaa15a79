"""What one scanner beside a PLC tells, kept for the verdicts: its answers, scans, clock."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from plc_adapters.autoid.client import AutoIdScanner, Scan
from plc_adapters.autoid.probe import Probe
from plc_adapters.autoid.results import PieceIdError
from plc_adapters.autoid.settings import ScannerSettings
from plc_adapters.autoid.tie import RESULTS_MAX
from plc_adapters.autoid.tie import Result as Told
from plc_adapters.commissioning.findings import ScannerMark, ScannerResult, Verdict
from plc_adapters.contract import AdapterError
from plc_adapters.host.wire import LinkError

LOOK_S = 0.05
"""How often it is looked what a scanner told."""
SCANS_ENOUGH = 5
"""Scans after which a scanner need not be waited for any more."""
NEXT_STEP = {
    ScannerMark.REACHABLE: "power it, connect it, and correct url",
    ScannerMark.SECURITY: "correct the link's security, certificate and user",
    ScannerMark.AUTOID: "give the address of an AutoID device",
    ScannerMark.DEVICE: "correct device, or use the other mode",
}
"""What to do where the scanner's own answer does not say."""


class Ear:
    """Listens to one scanner by the way that a line has to it, and keeps what it told.

    Args:
        settings: what to know of it.
        clock: nanoseconds that never step back.
        wall: nanoseconds since the Unix epoch.

    Raises:
        AdapterError: the settings contradict each other, or a file that they name is of no use.
    """

    def __init__(
        self, settings: ScannerSettings, clock: Callable[[], int], wall: Callable[[], int]
    ) -> None:
        self.settings = settings
        self.enough = asyncio.Event()
        """Set once there is nothing more to wait for."""
        self.result = ScannerResult(settings.name, settings.station, settings.endpoint.peer)
        self.scanner = AutoIdScanner(settings, clock, tap=self)
        self.scans: deque[Scan] = deque(maxlen=RESULTS_MAX)
        self.told: deque[Told] = deque(maxlen=RESULTS_MAX)
        """What would have been tied to pieces."""
        self.ahead_ns: deque[int] = deque(maxlen=RESULTS_MAX)
        """Of each scan that bears an instant: that, less this machine's time at its arrival."""
        self.unread_why: Counter[str] = Counter()
        self.ids_unread = 0
        self.began_ns = self.ended_ns = 0
        """From when to when scans could be tied."""
        self.problem = ""
        """Why scans can't be had or dated yet; of no meaning later."""
        self.untimed_before = 0
        """Scans whose instant could not be told as the scanner's clock was not known yet."""
        self._clock = clock
        self._wall = wall
        self._probe = Probe(settings)

    def scan(self, scan: Scan) -> None:
        """Take one that could be read."""
        self.scans.append(scan)
        instant_ns = min((one.read_ns for one in scan.told if one.read_ns), default=scan.time_ns)
        if instant_ns:
            self.ahead_ns.append(instant_ns - self._wall())

    def unread(self, error: Exception) -> None:
        """Take why one could not."""
        self.ids_unread += isinstance(error.__cause__, PieceIdError)
        why = str(error).removeprefix(f"{self.result.peer}: a scan can't be read: ")
        if len(self.unread_why) < SCANS_ENOUGH or why in self.unread_why:
            self.unread_why[why] += 1

    async def listen(self) -> None:
        """Ask the scanner one thing after the other, then listen until cancelled."""
        if not await self._ask():
            self.enough.set()
            return
        self.scanner.open()
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                self._look()
        finally:
            self._look()
            await self.scanner.close()

    async def _ask(self) -> bool:
        """Return whether it answered everything as it should."""
        probe = self._probe
        steps = {
            ScannerMark.REACHABLE: probe.reach,
            ScannerMark.SECURITY: probe.secure,
            ScannerMark.AUTOID: probe.model,
            ScannerMark.DEVICE: probe.device,
        }
        try:
            for mark, step in steps.items():
                try:
                    self.result.add(mark, Verdict.OK, await step())
                except (LinkError, AdapterError) as error:
                    self.fail(mark, str(error))
                    return False
        finally:
            await probe.close()
        return True

    def _look(self) -> None:
        """Take what came; note how the connection stands."""
        status = self.scanner.status
        self.told.extend(self.scanner.take())
        if len(self.told) >= SCANS_ENOUGH:
            self.enough.set()
        if status.connected and self.scanner.knows_clock:
            if not self.began_ns:
                self.began_ns, self.untimed_before = self._clock(), status.untimed
            self.ended_ns = self._clock()
        elif not self.began_ns:
            self.problem = status.problem

    def fail(self, mark: ScannerMark, text: str) -> None:
        """Add a failure in the words of whoever met it: what is seen, then what to do."""
        seen, _, advice = text.removeprefix(f"{self.result.peer}: ").partition("; ")
        self.result.add(mark, Verdict.FAIL, seen, advice or NEXT_STEP.get(mark, ""))
