"""From registers to EVENT records, and from INSTRUCTION records to registers.

Pure: no clock, no link. Every offset comes from the table; what a PLC stores differently (word
order of 32-bit values, byte order of texts) is a parameter. Bad input never raises here: it is
counted, what can be read of it is kept, and the next valid event is read as if nothing had been.
"""

from array import array
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import EVENT, Records
from plc_adapters.mailbox.sequences import advance
from plc_adapters.mailbox.slot_kernels import Decoding, Registers, decode_slots, write_slots
from plc_adapters.mailbox.table import (
    EVENT_SLOT,
    HEADER,
    INSTRUCTION_SLOT,
    SEAT_HEAD,
    Block,
    Kind,
)

ByteOrder = Literal["big", "little"]

_WIDE = (Kind.U32, Kind.I32)
_TAKEN = int(Decoding.TAKEN)
_END = EVENT_SLOT.field("sequence_end").offset


class EventDecoder:
    """Reads event slots; keeps the one event whose further codes have not been read yet.

    What is malformed is counted in ``malformed`` and delivered all the same, so that it is recorded
    and the ring moves on: a kind that does not exist stays as sent; a station or chute out of range
    becomes 0 (none), a lap beyond the limit the limit; a slot whose number among the codes of its
    scan does not fit ends the scan it was to continue, which is delivered with the codes it has.
    """

    def __init__(self, word_order: ByteOrder, string_byte_order: ByteOrder) -> None:
        self._high_word = 0 if word_order == "big" else 1
        self._first_byte = 0 if string_byte_order == "big" else 1
        self._pending = np.zeros(1, EVENT)
        """A scan with some of its codes, waiting for the others."""
        self._state = np.zeros(len(Decoding), np.int64)

    @property
    def malformed(self) -> int:
        """Slots so far that broke a rule of the layout."""
        return int(self._state[Decoding.MALFORMED])

    def sequence_at(self, registers: list[int], slot: int) -> int:
        """Return the sequence of a slot if both its ends agree, else 0."""
        at = slot * EVENT_SLOT.size
        high, low = self._high_word, 1 - self._high_word
        begin = registers[at + high] << 16 | registers[at + low]
        end = registers[at + _END + high] << 16 | registers[at + _END + low]
        return begin if begin == end else 0

    def decode(self, registers: list[int], expected: int) -> tuple[Records, int]:
        """Read consecutive slots, up to the first that does not hold the sequence expected.

        Args:
            registers: whole event slots as read, each 0 to 65535.
            expected: sequence that the first slot should hold.

        Returns:
            EVENTs without ``line``, ``boot_id`` and ``*_ns``, and the sequence expected next. A
            scan of several codes comes with the slot of its last code, and bears its sequence.
        """
        if self.sequence_at(registers, 0) != expected:
            return np.empty(0, EVENT), expected
        # One scan that waits may end before the first of these.
        events = np.empty(len(registers) // EVENT_SLOT.size + 1, EVENT)
        words = np.frombuffer(array("H", registers), np.uint16)
        made = decode_slots(
            words, expected, self._high_word, self._first_byte, events, self._pending, self._state
        )
        return events[:made], advance(expected, int(self._state[_TAKEN]))

    def flush(self) -> Records:
        """Give up the scan whose further codes can't come any more: return it with what it has."""
        if not self._state[Decoding.PENDING]:
            return np.empty(0, EVENT)
        self._state[Decoding.MALFORMED] += 1
        self._state[Decoding.PENDING] = 0
        return self._pending.copy()


class InstructionEncoder:
    """Writes INSTRUCTIONs as the registers of their slots."""

    def __init__(self, word_order: ByteOrder) -> None:
        self._high_word = 0 if word_order == "big" else 1

    def encode(self, instructions: Records, deadline_ms: NDArray[np.uint32]) -> Registers:
        """Return uint16[n, 18]: the slots as they go on the wire, check sum included.

        Args:
            instructions: INSTRUCTIONs with epoch and sequence set.
            deadline_ms: their deadlines in PLC time, as ``deadline_ns`` is in the service's.
        """
        slots = np.empty((len(instructions), INSTRUCTION_SLOT.size), np.uint16)
        write_slots(instructions, deadline_ms, self._high_word, slots)
        return slots


@dataclass(frozen=True, slots=True)
class Header:
    """The mailbox's header; the fields are the table's."""

    magic: int
    layout_version: int
    event_slots: int
    boot_id: int
    heartbeat: int
    machine_state: int
    plc_time_ms: int
    head_sequence: int
    acknowledged: int
    overflow_count: int
    granted_epoch: int
    granted_seat: int
    host_silent: int
    refused_count: int
    consumed: tuple[int, ...]
    """By seat."""
    inducted_count: int
    ended_count: int
    defaulted_count: int


@dataclass(frozen=True, slots=True)
class SeatHead:
    """A seat's head; the fields are the table's."""

    heartbeat: int
    epoch: int
    acknowledge: int


def decode_header(registers: list[int], word_order: ByteOrder) -> Header:
    """Return the header that these ``HEADER.size`` registers hold."""
    values = _values(HEADER, registers, word_order)
    return Header(**values)  # type: ignore[arg-type]  # the names are checked by a test


def decode_seat_head(registers: list[int], word_order: ByteOrder) -> SeatHead:
    """Return the seat head that these ``SEAT_HEAD.size`` registers hold."""
    return SeatHead(**_values(SEAT_HEAD, registers, word_order))  # type: ignore[arg-type]


def encode_seat_head(head: SeatHead, word_order: ByteOrder) -> list[int]:
    """Return the registers of a seat's head, up to its last field: all in one write."""
    registers: list[int] = []
    for field in SEAT_HEAD.fields:
        value = getattr(head, field.name)
        if field.kind in _WIDE:
            words = [value >> 16 & 0xFFFF, value & 0xFFFF]
            registers += words if word_order == "big" else words[::-1]
        else:
            registers.append(value & 0xFFFF)
    return registers


def _values(
    block: Block, registers: list[int], word_order: ByteOrder
) -> dict[str, int | tuple[int, ...]]:
    """Return the numbers of a block by name; a field that repeats as a tuple."""
    values: dict[str, int | tuple[int, ...]] = {}
    for field in block.fields:
        raw = registers[field.offset : field.offset + field.size]
        if field.kind is Kind.TEXT:
            continue
        if field.kind in _WIDE:
            first, second = (0, 1) if word_order == "big" else (1, 0)
            numbers = [raw[i + first] << 16 | raw[i + second] for i in range(0, len(raw), 2)]
        else:
            numbers = list(raw)
        values[field.name] = numbers[0] if field.count == 1 else tuple(numbers)
    return values
