"""A line's adapter with scanners of its own beside the PLC.

The PLC's scan event without codes (status ``CODES_ELSEWHERE``) is held until the scanner's result
is tied to it, or until no result can come; what the PLC told after it is held as well, so that
order and sequence stay the PLC's. The event that then goes on is the PLC's own with the codes
filled in: journaled once and acknowledged like any other. A service killed meanwhile is told the
event again; the codes are gone by then, so that piece is a no-read that says why.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from plc_adapters.autoid.tie import (
    NS_PER_MS,
    Outcome,
    Result,
    StationTie,
    TieCounts,
    Trigger,
    Window,
)
from plc_adapters.contract import EVENT, EventKind, Records, Resume, ScanStatus, StandbyAdapter

HELD_MAX = 4096
"""Events held for results at once; beyond that the oldest trigger is closed as it stands."""
RELEASED_MAX = 256
"""Events that one read returns; what is free beyond them comes with the next."""
REPORT_NS = 50 * NS_PER_MS
"""How late the PLC may write an event into its ring: its longest cycle."""
ELSEWHERE = int(ScanStatus.CODES_ELSEWHERE)
SCANNED = int(EventKind.SCANNED)


@dataclass(slots=True)
class ScannerStatus:
    """How one scanner stands; written by its connection."""

    connected: bool = False
    problem: str = "not connected yet"
    """What is wrong in one line, and what to do; empty while all is well."""
    results: int = 0
    no_reads: int = 0
    """Of those, the ones without a code that counts."""
    reconnects: int = 0
    gaps: int = 0
    """Times that results were lost on their way: with the link, or thrown away by the server."""
    malformed: int = 0
    """Results, or codes of them, that could not be read."""
    untimed: int = 0
    """Results of an instant that can't be told: the scanner's clock was not known yet, or is
    wrong; dropped."""
    left_out: int = 0
    """Codes that the station's filter did not let through."""
    ties: TieCounts = field(default_factory=TieCounts)


class Scanner(Protocol):
    """A scanner's connection; it heals itself, and no method raises for a broken one."""

    name: str
    station: int
    window: Window
    status: ScannerStatus

    def open(self) -> None:
        """Begin to connect."""

    def take(self) -> list[Result]:
        """Return the results that came since the last call, in order."""

    async def close(self) -> None:
        """Let the scanner go."""


class TiedAdapter:
    """A way to one PLC and its scanners; see :class:`plc_adapters.contract.StandbyAdapter`.

    Args:
        inner: the way to the PLC.
        scanners: one for each station whose codes come from elsewhere.
        clock: tells nanoseconds since the Unix epoch, never stepping back.
    """

    def __init__(
        self, inner: StandbyAdapter, scanners: Sequence[Scanner], clock: Callable[[], int]
    ) -> None:
        self.status = inner.status
        self.scanners = tuple(scanners)
        self.unknown_stations = 0
        """Scans whose codes come from elsewhere, of stations that have no scanner here."""
        self._inner = inner
        self._clock = clock
        self._ties = {scanner.station: StationTie(scanner.window) for scanner in scanners}
        for scanner in scanners:
            scanner.status.ties = self._ties[scanner.station].counts
        self._held: deque[tuple[Records, Trigger | None]] = deque()
        """EVENT[1] each, in the PLC's order, and the trigger it waits for."""
        self._boot_id = 0
        self._known_ns = 0

    async def open(self, resume: Resume) -> None:
        """Begin to connect to the scanners, and open the way to the PLC."""
        for scanner in self.scanners:
            scanner.open()
        await self._inner.open(resume)

    def follow(self, resume: Resume) -> None:
        """Stand by; the scanners are listened to as well, for the pieces of a takeover."""
        for scanner in self.scanners:
            scanner.open()
        self._inner.follow(resume)

    def hand_over(self, *, begins: bool) -> None:
        """Let a standby have the line, or keep it after all."""
        self._inner.hand_over(begins=begins)

    async def read(self) -> Records:
        """Return the next EVENTs in order; scans as soon as it is settled what was read."""
        started_ns, polls = self._clock(), self.status.polls
        events = await self._inner.read()
        if len(events):
            self._hold(events)
        elif self.status.polls != polls:
            self._known_ns = max(self._known_ns, started_ns - REPORT_NS)
        for scanner in self.scanners:
            tie = self._ties[scanner.station]
            for result in scanner.take():
                tie.result(result)
            tie.settle(self._clock(), self._known_ns)
        return self._release()

    async def write(self, instructions: Records) -> None:
        """Give INSTRUCTIONs to the PLC."""
        await self._inner.write(instructions)

    def acknowledge(self, sequence: int) -> None:
        """Free the PLC's slots up to this event."""
        self._inner.acknowledge(sequence)

    async def close(self) -> None:
        """Let the scanners and the PLC go; the PLC keeps what is held here."""
        for scanner in self.scanners:
            await scanner.close()
        await self._inner.close()

    def _hold(self, events: Records) -> None:
        """Queue events behind those held, with a trigger for each scan without codes."""
        for k in range(len(events)):
            event = events[k : k + 1]
            boot_id = int(event["boot_id"][0])
            if boot_id != self._boot_id:
                self._begin_boot(boot_id, int(event["event_ns"][0]))
            self._held.append((event, self._trigger_of(event[0])))
        newest_ns = int(events["event_ns"][-1])
        self._known_ns = max(self._known_ns, newest_ns - REPORT_NS)
        while len(self._held) > HELD_MAX and self._close_oldest():
            pass

    def _begin_boot(self, boot_id: int, first_ns: int) -> None:
        for tie in self._ties.values():
            tie.begin_anew(first_ns)
        self._boot_id = boot_id

    def _trigger_of(self, event: np.void) -> Trigger | None:
        if event["kind"] != SCANNED or not int(event["status"]) & ELSEWHERE:
            return None
        tie = self._ties.get(int(event["station"]))
        if tie is None:
            self.unknown_stations += 1
            return None
        return tie.trigger(int(event["piece_id"]), int(event["event_ns"]))

    def _close_oldest(self) -> bool:
        """Close the oldest open trigger; return whether there was one."""
        for event, trigger in self._held:
            if trigger is not None and trigger.outcome is Outcome.OPEN:
                self._ties[int(event["station"][0])].close(trigger)
                return True
        return False

    def _release(self) -> Records:
        """Return the events in front of the first open trigger."""
        free: list[Records] = []
        while self._held and len(free) < RELEASED_MAX:
            event, trigger = self._held[0]
            if trigger is not None:
                if trigger.outcome is Outcome.OPEN:
                    break
                _fill_in(event[0], trigger)
            free.append(event)
            self._held.popleft()
        return np.concatenate(free) if free else np.empty(0, EVENT)


def _fill_in(event: np.void, trigger: Trigger) -> None:
    """Write into a scan event what became of its trigger."""
    if trigger.outcome is Outcome.NOTHING:
        return
    status = int(event["status"]) & ~ELSEWHERE
    if trigger.outcome is Outcome.AMBIGUOUS:
        event["status"] = status | ScanStatus.TIE_AMBIGUOUS
        return
    codes = trigger.codes
    event["status"] = status | codes.status
    event["code_count"] = codes.count
    event["codes"] = codes.codes
