"""The instructions of one seat on their way to the PLC, each until the PLC has taken it."""

from typing import NamedTuple

import numpy as np

from plc_adapters.contract import INSTRUCTION, Records
from plc_adapters.mailbox.clock_map import ClockMap
from plc_adapters.mailbox.codec import ByteOrder, InstructionEncoder
from plc_adapters.mailbox.sequences import advance, distance
from plc_adapters.mailbox.table import (
    INSTRUCTION_SLOT,
    INSTRUCTION_SLOTS,
    instruction_address,
)

OUTSTANDING_MAX = INSTRUCTION_SLOTS - 1
"""Instructions that the PLC has not taken yet; one less than its slots, as the skipped sequence 0
would else put two of them in one slot at the wrap."""
WAITING_MAX = 1024
"""Instructions behind those; beyond, the oldest are dropped, as their deadlines pass first."""


class Run(NamedTuple):
    """Instructions that go out in one write."""

    address: int
    """First register, from the start of the image."""
    registers: list[int]
    last: int
    """Sequence of the last one."""


class Outbox:
    """Numbers instructions, fits them into the seat's ring, and knows which to write again."""

    def __init__(self, seat: int, words_per_write: int, word_order: ByteOrder) -> None:
        self._seat = seat
        self._run_max = words_per_write // INSTRUCTION_SLOT.size
        self._encoder = InstructionEncoder(word_order)
        self._waiting: Records = np.empty(0, INSTRUCTION)
        self._ring = np.zeros((INSTRUCTION_SLOTS, INSTRUCTION_SLOT.size), np.uint16)
        self._consumed = 0
        """Last sequence the PLC has taken."""
        self._given = 0
        """Last sequence given out."""
        self._written = 0
        """Last sequence written over this connection."""
        self._tried = 0
        """Last sequence that was ever handed to the link."""

    @property
    def outstanding(self) -> int:
        """Instructions numbered and not known to be taken."""
        return distance(self._given, self._consumed)

    @property
    def waiting(self) -> int:
        """Instructions that have no number yet."""
        return len(self._waiting)

    def restart(self, consumed: int) -> int:
        """Begin a new boot after the sequence the PLC took last; return how many were dropped."""
        dropped = self.outstanding + self.waiting
        self._waiting = self._waiting[:0]
        self._consumed = self._given = self._written = self._tried = consumed
        return dropped

    def reconnect(self, consumed: int) -> int:
        """Go on after a break: what the PLC has not taken is written again; return how many."""
        self.consume(consumed)
        self._written = self._consumed
        return max(0, distance(self._tried, self._consumed))

    def drop_all(self) -> int:
        """Forget what waits for a number, for good; return how many."""
        dropped, self._waiting = self.waiting, self._waiting[:0]
        return dropped

    def consume(self, sequence: int) -> None:
        """Take in that the PLC has taken the instructions up to this one; others are ignored."""
        if 0 < distance(sequence, self._consumed) <= self.outstanding:
            self._consumed = sequence
            if distance(self._written, sequence) < 0:
                self._written = sequence

    def add(self, instructions: Records) -> int:
        """Queue copies of INSTRUCTIONs; return how many of the oldest had to be dropped."""
        waiting = instructions.copy()
        if len(self._waiting):
            # Rare, as it takes numpy long: the PLC is away, or its ring is full.
            waiting = np.concatenate((self._waiting, waiting))
        self._waiting = waiting[-WAITING_MAX:]
        return len(waiting) - len(self._waiting)

    def number(self, epoch: int, clock_map: ClockMap) -> None:
        """Give sequences to as many of the waiting as the ring has room for, and encode them."""
        count = min(OUTSTANDING_MAX - self.outstanding, len(self._waiting))
        if count <= 0:
            return
        going, self._waiting = self._waiting[:count].copy(), self._waiting[count:]
        sequences = [advance(self._given, i + 1) for i in range(count)]
        going["epoch"] = epoch
        going["sequence"] = sequences
        deadlines = clock_map.to_plc_ms(going["deadline_ns"])
        self._ring[[s % INSTRUCTION_SLOTS for s in sequences]] = self._encoder.encode(
            going, deadlines
        )
        self._given = sequences[-1]

    def next_run(self) -> Run | None:
        """Return what to write next, slots side by side; None if all is written."""
        if self._written == self._given:
            return None
        first = advance(self._written, 1)
        slot = first % INSTRUCTION_SLOTS
        ahead = distance(self._given, self._written)
        # The wrap ends a run too: the sequence after the highest is 1, two slots further on.
        count = min(ahead, self._run_max, INSTRUCTION_SLOTS - slot)
        last = advance(first, count - 1)
        if distance(last, self._tried) > 0:
            self._tried = last
        registers: list[int] = self._ring[slot : slot + count].ravel().tolist()
        return Run(instruction_address(self._seat, first), registers, last)

    def wrote(self, run: Run) -> None:
        """Take in that a run was written."""
        self._written = run.last
