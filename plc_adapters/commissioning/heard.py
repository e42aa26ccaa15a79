"""What a PLC's event ring told: slots as first read, events, counts, and what never came."""

from collections import deque
from typing import NamedTuple

from plc_adapters.commissioning.machine import MachineWatch
from plc_adapters.contract import DischargeStatus, EventKind, Records
from plc_adapters.mailbox.codec import EventDecoder, Header
from plc_adapters.mailbox.sequences import advance, distance, oldest_kept
from plc_adapters.mailbox.table import EVENT_SLOT

EVENTS_KEPT_MAX = 20_000
"""Events kept for the verdicts, the newest."""
COUNTED_KEPT_MAX = 4096
"""Sequences for which the counts of pieces up to them are known, the newest."""
GAP_S = 1.0
"""How long an event that the header counts may stay away from its slot."""
DEFAULTED = (
    DischargeStatus.DEFAULT_NO_INSTRUCTION,
    DischargeStatus.DEFAULT_HOST_SILENT,
    DischargeStatus.DEFAULT_LAP_LIMIT,
)


class Counts(NamedTuple):
    """Pieces that the events up to a sequence told of."""

    inducted: int = 0
    ended: int = 0
    defaulted: int = 0


class Heard:
    """Everything read of one PLC's ring, and the sequence to read next."""

    def __init__(self, decoder: EventDecoder) -> None:
        self._decoder = decoder
        self.expected = 1
        self.events: deque[Records] = deque(maxlen=EVENTS_KEPT_MAX)
        self.raw: dict[int, list[int]] = {}
        """Slots as first read, of the events not acknowledged yet."""
        self.seen_ns: dict[int, int] = {}
        """When the event of a sequence was read."""
        self.counted: dict[int, Counts] = {0: Counts()}
        """What the events up to a sequence told of."""
        self.gaps: list[int] = []
        """Sequences that the header counted and no slot ever held."""
        self.machine = MachineWatch()
        self.overwritten = 0
        """Events that were gone before they were read."""
        self.more = False
        """Whether the last read held nothing but events, so that more may have waited."""
        self._caught_up_ns = 0
        """When a slot was last found without its event."""
        self._gap_since_ns = 0

    @property
    def malformed(self) -> int:
        """Slots so far that broke a rule of the layout."""
        return self._decoder.malformed

    @property
    def newest(self) -> int:
        """Sequence of the newest event read."""
        return advance(self.expected, -1)

    def begin(self, header: Header, now_ns: int) -> None:
        """Take up the ring at the oldest event that is not acknowledged."""
        self._caught_up_ns = now_ns
        self.expected = advance(header.acknowledged, 1)
        oldest = oldest_kept(header.head_sequence, header.event_slots)
        if distance(oldest, self.expected) > 0:
            self.expected = oldest

    def behind_s(self, now_ns: int) -> float:
        """Return for how long every read has held nothing but events, so that more waited.

        What waits only because reading is slow is not to be blamed on whoever wrote it.
        """
        return (now_ns - self._caught_up_ns) / 1e9

    def take(self, registers: list[int], now_ns: int) -> list[Records]:
        """Keep what slots held, from the one expected next on; return the events, one by one."""
        before = self.expected
        events, self.expected = self._decoder.decode(registers, before)
        came = distance(self.expected, before)
        for place in range(came):
            sequence = advance(before, place)
            at = place * EVENT_SLOT.size
            self.raw[sequence] = registers[at : at + EVENT_SLOT.size]
            self.seen_ns[sequence] = now_ns
        self.more = came * EVENT_SLOT.size == len(registers)
        if not self.more:
            self._caught_up_ns = now_ns
        found = [events[row : row + 1] for row in range(len(events))]
        self.events.extend(found)
        for event in events:
            self.machine.hear(event)
        if came:
            self._gap_since_ns = 0
            self._count(events)
        return found

    def pass_gap(self, header: Header, now_ns: int) -> None:
        """Go past an event that the header counted and that does not come."""
        behind = distance(header.head_sequence, self.expected)
        if header.head_sequence == 0 or behind < 0:
            self._gap_since_ns = 0
            return
        lost = distance(oldest_kept(header.head_sequence, header.event_slots), self.expected)
        if lost > 0:
            self.overwritten += lost
            self.expected = advance(self.expected, lost)
        elif self._gap_since_ns == 0:
            self._gap_since_ns = now_ns
        elif now_ns - self._gap_since_ns > GAP_S * 1e9:
            self.gaps.append(self.expected)
            self.expected = advance(self.expected, 1)
            self._gap_since_ns = 0

    def forget_up_to(self, sequence: int) -> None:
        """Drop the slots of events that are acknowledged."""
        for acknowledged in [s for s in self.raw if distance(sequence, s) >= 0]:
            del self.raw[acknowledged]

    def last(self, kind: EventKind, piece_id: int | None = None) -> Records | None:
        """Return the newest event of a kind (and piece); None if there is none."""
        for event in reversed(self.events):
            if event["kind"][0] == kind and piece_id in (None, int(event["piece_id"][0])):
                return event
        return None

    def _count(self, events: Records) -> None:
        """Carry the counts of pieces on to the newest sequence read."""
        counts = self.counted[next(reversed(self.counted))]
        for event in events:
            ended = event["kind"] == EventKind.DISCHARGED
            counts = Counts(
                counts.inducted + bool(event["kind"] == EventKind.INDUCTED),
                counts.ended + bool(ended),
                counts.defaulted + bool(ended and event["status"] in DEFAULTED),
            )
            self.counted[int(event["sequence"])] = counts
        self.counted[self.newest] = counts
        for known in (self.counted, self.seen_ns):
            while len(known) > COUNTED_KEPT_MAX:
                del known[next(iter(known))]
