"""The PLC's side of the event ring: publishes events, never over one that is not acknowledged."""

from collections import deque
from typing import NamedTuple

from plc_adapters.contract import UNKNOWN, EventKind
from plc_adapters.emulator.memory import Memory
from plc_adapters.mailbox.table import (
    ANSWER,
    EVENT_SLOT,
    HEADER,
    Field,
    event_address,
    next_sequence,
)

SEQUENCES = 0x1_0000_0000
"""Sequences are 32 bits; differences are taken modulo this."""
NEARLY_FULL = 0.75
"""Share of the ring from which inductions wait: the rest is for pieces already on the loop."""


class Answer(NamedTuple):
    """What an INSTRUCTED event echoes: the instruction answered, and the one now held."""

    instruction_sequence: int
    epoch: int = 0
    revision: int = 0
    chutes: tuple[int, ...] = ()
    disposition: int = 0
    plan_version: int = 0
    deadline_ms: int = 0


class Report(NamedTuple):
    """One event as the PLC program states it; ``codes`` of a scan take one slot each."""

    kind: EventKind
    status: int
    plc_time_ms: int
    piece_id: int = 0
    station: int = 0
    chute: int = 0
    cell: int = 0
    lap: int = 0
    weight_g: int = UNKNOWN
    length_mm: int = UNKNOWN
    width_mm: int = UNKNOWN
    height_mm: int = UNKNOWN
    codes: tuple[bytes, ...] = ()
    answer: Answer | None = None

    @property
    def slots(self) -> int:
        """Slots the event takes."""
        return max(1, len(self.codes))


_SLOT: dict[str, Field] = {field.name: field for field in EVENT_SLOT.fields}
_ANSWER: dict[str, Field] = {field.name: field for field in ANSWER.fields}
_PLAIN = (
    "kind",
    "status",
    "piece_id",
    "station",
    "chute",
    "cell",
    "lap",
    "plc_time_ms",
    "weight_g",
    "length_mm",
    "width_mm",
    "height_mm",
)
"""Fields that a report and a slot name alike."""
_ECHOED = (
    "instruction_sequence",
    "epoch",
    "revision",
    "disposition",
    "plan_version",
    "deadline_ms",
)


class EventRing:
    """Events on their way to the host: the ring itself, and a bounded queue before it.

    ``first_sequence`` numbers the first event; the one before it counts as acknowledged.
    """

    def __init__(
        self, memory: Memory, event_slots: int, backlog_max: int, first_sequence: int = 1
    ) -> None:
        self._memory = memory
        self._slots = event_slots
        self._backlog: deque[Report] = deque()
        self._backlog_max = backlog_max
        self._backlog_slots = 0
        self.head = first_sequence - 1
        self.acknowledged = self.head
        self.overflow_count = 0

    @property
    def backlog(self) -> int:
        """Events that wait for a free slot."""
        return len(self._backlog)

    @property
    def nearly_full(self) -> bool:
        """Whether inductions should wait until the host has acknowledged more."""
        return self._pending + self._backlog_slots >= self._slots * NEARLY_FULL

    @property
    def _pending(self) -> int:
        """Slots taken by events that the host has not acknowledged."""
        return (self.head - self.acknowledged) % SEQUENCES

    def offer(self, report: Report) -> bool:
        """Queue an event; False (and counted) if the queue is at its limit."""
        if len(self._backlog) >= self._backlog_max:
            self.overflow_count += 1
            return False
        self._backlog.append(report)
        self._backlog_slots += report.slots
        return True

    def acknowledge(self, sequence: int) -> None:
        """Take the host's acknowledgement; one outside the events that are pending is ignored."""
        if 0 < (sequence - self.acknowledged) % SEQUENCES <= self._pending and sequence:
            self.acknowledged = sequence

    def flush(self) -> None:
        """Publish what fits; an event of several codes is published whole or not yet."""
        while self._backlog and self._fits(self._backlog[0].slots):
            report = self._backlog.popleft()
            self._backlog_slots -= report.slots
            for part in range(report.slots):
                self.head = self._after(self.head)
                self._write(self.head, report, part)

    def _fits(self, slots: int) -> bool:
        """Whether so many slots are free; the sequence that is skipped at the wrap costs one."""
        newest = self.head
        for _ in range(slots):
            newest = self._after(newest)
        return (newest - self.acknowledged) % SEQUENCES <= self._slots

    def _after(self, sequence: int) -> int:
        """Return the sequence that follows."""
        return next_sequence(sequence)

    def _write(self, sequence: int, report: Report, part: int) -> None:
        """Write one slot, its closing sequence last."""
        memory = self._memory
        base = event_address(sequence, self._slots)
        memory.put(base, _SLOT["sequence_begin"], sequence)
        for name in _PLAIN:
            memory.put(base, _SLOT[name], getattr(report, name))
        memory.put(base, _SLOT["parts"], part << 8 | len(report.codes))
        code = _SLOT["code"]
        text = report.codes[part] if report.codes else b""
        memory.put_text(base + code.offset, code.count, text)
        if report.answer is not None:
            self._write_answer(base, report.answer)
        memory.put(base, _SLOT["sequence_end"], sequence)

    def _write_answer(self, base: int, answer: Answer) -> None:
        """Write the echo over the slot's code."""
        for name in _ECHOED:
            self._memory.put(base, _ANSWER[name], getattr(answer, name))
        for index, chute in enumerate(answer.chutes):
            self._memory.put(base, _ANSWER["chutes"], chute, index)

    def write_header(self) -> None:
        """Write what the header says about the ring."""
        put = self._memory.put
        put(0, HEADER.field("head_sequence"), self.head)
        put(0, HEADER.field("acknowledged"), self.acknowledged)
        put(0, HEADER.field("overflow_count"), self.overflow_count)
