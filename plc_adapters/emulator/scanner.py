"""A scanner of its own in real time: what it reads is told after a while, or never."""

import heapq
import time
from collections import deque
from typing import Protocol

from plc_adapters.emulator.chance import stream
from plc_adapters.emulator.plc import Scan
from plc_adapters.emulator.scanner_sections import EmulatedScanner

US_PER_MS = 1000


class ScannerFront(Protocol):
    """The scanner's server."""

    async def tell(self, codes: tuple[bytes, ...], read_ns: int, piece_id: int) -> None:
        """Tell a reading to whoever listens; ``read_ns`` since the Unix epoch."""


class Scanner:
    """Holds readings until they are due, in the order in which they are."""

    def __init__(self, settings: EmulatedScanner, seed: int, scans: deque[Scan]) -> None:
        self._settings = settings
        self._scans = scans
        self._rng = stream(seed, "scanner")
        self._due: list[tuple[int, Scan]] = []
        self.told = 0
        self.untold = 0

    async def tell_due(self, now_us: int, front: ScannerFront) -> None:
        """Take what was read, and tell what is due by now."""
        settings, rng = self._settings, self._rng
        while self._scans:
            scan = self._scans.popleft()
            if rng.random() < settings.untold:
                self.untold += 1
                continue
            delay_ms = rng.uniform(settings.deliver_min_ms, settings.deliver_max_ms)
            heapq.heappush(self._due, (scan.read_us + int(delay_ms * US_PER_MS), scan))
        while self._due and self._due[0][0] <= now_us:
            _, scan = heapq.heappop(self._due)
            read_ns = time.time_ns() - (now_us - scan.read_us) * 1000
            await front.tell(scan.codes, read_ns, scan.piece_id)
            self.told += 1
