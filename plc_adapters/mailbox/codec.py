"""From registers to EVENT records, and from INSTRUCTION records to registers.

Pure: no clock, no link. Every offset comes from the table; what a PLC stores differently (word
order of 32-bit values, byte order of texts) is a parameter. Bad input never raises here: it is
counted, what can be read of it is kept, and the next valid event is read as if nothing had been.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    CODES_MAX,
    EVENT,
    LAPS_MAX,
    STATION_NUMBER_MAX,
    UNKNOWN,
    EventKind,
    Records,
    ScanStatus,
)
from plc_adapters.mailbox.sequences import SEQUENCES, advance
from plc_adapters.mailbox.table import (
    ANSWER,
    EVENT_SLOT,
    HEADER,
    INSTRUCTION_SLOT,
    SEAT_HEAD,
    Block,
    Kind,
)

ByteOrder = Literal["big", "little"]
Registers = NDArray[np.uint16]

_NUMPY = {Kind.U16: "<u2", Kind.I16: "<i2", Kind.U32: "<u4", Kind.I32: "<i4"}
_WIDE = (Kind.U32, Kind.I32)
# As plain numbers: a member of an enum costs a microsecond each time it is looked up and compared.
_SCAN, _ECHO = int(EventKind.SCANNED), int(EventKind.INSTRUCTED)
_KIND_MAX = int(max(EventKind))
_CODE = EVENT_SLOT.field("code")
_CODE_REGISTERS = slice(_CODE.offset, _CODE.offset + _CODE.size)
_END = EVENT_SLOT.field("sequence_end").offset
_CHECK = INSTRUCTION_SLOT.field("check").offset
_PLAIN = (
    "kind", "status", "piece_id", "station", "chute", "cell", "lap", "plc_time_ms",
    "weight_g", "length_mm", "width_mm", "height_mm",
)  # fmt: skip
"""Fields that an event slot and an EVENT have in common."""
_ANSWERED = ("instruction_sequence", "epoch", "revision", "disposition", "plan_version", "chutes")
"""Fields that an answer and an EVENT have in common."""
_INSTRUCTED = ("epoch", "piece_id", "lap", "revision", "chutes", "disposition", "plan_version",
               "sequence")  # fmt: skip
"""Fields that an instruction slot and an INSTRUCTION have in common."""


def block_dtype(block: Block, size: int) -> np.dtype[np.void]:
    """Return a little-endian dtype of the block's fields over ``size`` registers of memory."""
    names, formats, offsets = [], [], []
    for field in block.fields:
        names.append(field.name)
        if field.kind is Kind.TEXT:
            formats.append(f"({field.count},)u1")
        else:
            scalar = _NUMPY[field.kind]
            formats.append(scalar if field.count == 1 else f"({field.count},){scalar}")
        offsets.append(2 * field.offset)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": 2 * size})


def word_places(block: Block, size: int, word_order: ByteOrder) -> NDArray[np.intp]:
    """Return for each little-endian register of memory where it stands on the wire.

    The same permutation leads both ways, as it only exchanges neighbours.
    """
    places = np.arange(size)
    if word_order == "big":
        for field in block.fields:
            if field.kind in _WIDE:
                for word in range(field.offset, field.offset + field.size, 2):
                    places[word], places[word + 1] = word + 1, word
    return places


_SLOT_DTYPE = block_dtype(EVENT_SLOT, EVENT_SLOT.size)
_ANSWER_DTYPE = block_dtype(ANSWER, EVENT_SLOT.size)
_INSTRUCTION_DTYPE = block_dtype(INSTRUCTION_SLOT, INSTRUCTION_SLOT.size)


class EventDecoder:
    """Reads event slots; keeps the one event whose further codes have not been read yet.

    What is malformed is counted in ``malformed`` and delivered all the same, so that it is recorded
    and the ring moves on: a kind that does not exist stays as sent; a station or chute out of range
    becomes 0 (none), a lap beyond the limit the limit; a slot whose number among the codes of its
    scan does not fit ends the scan it was to continue, which is delivered with the codes it has.
    """

    def __init__(self, word_order: ByteOrder, string_byte_order: ByteOrder) -> None:
        self._slot_places = word_places(EVENT_SLOT, EVENT_SLOT.size, word_order)
        self._answer_places = word_places(ANSWER, EVENT_SLOT.size, word_order)
        self._high_word = 0 if word_order == "big" else 1
        self._swap_text = string_byte_order == "big"
        self._pending: Records | None = None
        """EVENT[1]: a scan with some of its codes, waiting for the others."""
        self._parts_in = 0
        self._parts_of = 0
        self.malformed = 0
        """Slots so far that broke a rule of the layout."""

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
        wire: Registers = np.array(registers, np.uint16).reshape(-1, EVENT_SLOT.size)
        slots = self._view(wire, self._slot_places, _SLOT_DTYPE)
        wanted = (np.arange(len(wire), dtype=np.uint64) + (expected - 1)) % SEQUENCES + 1
        valid = (slots["sequence_begin"] == wanted) & (slots["sequence_end"] == wanted)
        count = len(wire) if valid.all() else int(valid.argmin())
        slots, wire = slots[:count], wire[:count]
        events = self._events(slots, wire)
        scanned = slots["kind"] == _SCAN
        parts = np.where(scanned, slots["parts"], 0)
        if self._pending is not None or (parts > 1).any():
            events = self._join(events, (parts >> 8).tolist(), (parts & 0xFF).tolist())
        return events, advance(expected, count)

    def flush(self) -> Records:
        """Give up the scan whose further codes can't come any more: return it with what it has."""
        if self._pending is None:
            return np.empty(0, EVENT)
        self.malformed += 1
        event, self._pending = self._pending, None
        return event

    @staticmethod
    def _view(wire: Registers, places: NDArray[np.intp], dtype: np.dtype[np.void]) -> Records:
        """Return registers [n, size] as n records, 32-bit values in order, texts as they lie."""
        return np.ascontiguousarray(wire[:, places], "<u2").view(dtype)[:, 0]

    def _events(self, slots: Records, wire: Registers) -> Records:
        """Return one EVENT per slot, each with its own code at most."""
        events = np.zeros(len(slots), EVENT)
        events["sequence"] = slots["sequence_begin"]
        for name in _PLAIN:
            events[name] = slots[name]
        for name in ("weight_g", "length_mm", "width_mm", "height_mm"):
            # A scale or camera that could not measure sends 0 (SICK Master Data Analyzer, 10.4).
            events[name][events[name] <= 0] = UNKNOWN
        coded = (slots["kind"] == _SCAN) & ((slots["parts"] & 0xFF) > 0)
        if coded.any():
            text = wire[:, _CODE_REGISTERS].astype(">u2" if self._swap_text else "<u2")
            events["code_count"] = coded
            events["codes"][coded, 0] = text.view(np.uint8)[coded]
        answered = slots["kind"] == _ECHO
        if answered.any():
            self._take_answers(events, wire, answered)
        self._bound(events)
        return events

    def _take_answers(self, events: Records, wire: Registers, rows: NDArray[np.bool_]) -> None:
        """Fill in what the PLC holds, from what lies in place of a code in these slots."""
        answers = self._view(wire[rows], self._answer_places, _ANSWER_DTYPE)
        for name in _ANSWERED:
            events[name][rows] = answers[name]
        # The difference of two 32-bit counters is right across their wrap if it wraps as well.
        slack = answers["deadline_ms"] - events["plc_time_ms"][rows]
        # Where nothing is held there is no deadline; an epoch is never 0.
        events["slack_ms"][rows] = np.where(answers["epoch"] == 0, 0, slack.view(np.int32))

    def _bound(self, events: Records) -> None:
        """Bring what is out of range to where arrays indexed by it are safe, and count it."""
        kind, chutes = events["kind"], events["chutes"]
        bad = (kind == 0) | (kind > _KIND_MAX)
        for name, limit, instead in (
            ("station", STATION_NUMBER_MAX, 0),
            ("chute", CHUTE_NUMBER_MAX, 0),
            ("lap", LAPS_MAX, LAPS_MAX),
        ):
            beyond = events[name] > limit
            events[name][beyond] = instead
            bad |= beyond
        unreal = chutes > CHUTE_NUMBER_MAX
        chutes[unreal] = 0
        bad |= unreal.any(axis=1)
        self.malformed += int(np.count_nonzero(bad))

    def _join(self, events: Records, numbers: list[int], totals: list[int]) -> Records:
        """Put the codes of a scan that took several slots into one EVENT.

        Args:
            events: one EVENT per slot.
            numbers: number of each slot's code, from 0.
            totals: codes in all of the scan each slot belongs to, 0 for none.
        """
        # One scan that waits may end before the first of these.
        joined, count = np.empty(len(events) + 1, EVENT), 0
        for row, (number, total) in enumerate(zip(numbers, totals, strict=True)):
            event = events[row : row + 1]
            if self._pending is not None:
                if self._fits(event, number, total):
                    self._add_code(self._pending, event)
                    if self._parts_in == self._parts_of:
                        joined[count] = self._pending[0]
                        count += 1
                        self._pending = None
                    continue
                joined[count] = self.flush()[0]
                count += 1
            if number > 0:
                self.malformed += 1
            elif total > 1:
                self._pending, self._parts_in, self._parts_of = event.copy(), 1, total
                continue
            joined[count] = events[row]
            count += 1
        return joined[:count]

    def _fits(self, event: Records, number: int, total: int) -> bool:
        """Return whether this slot is the next one of the scan that waits for its codes."""
        assert self._pending is not None
        return (
            number == self._parts_in
            and total == self._parts_of
            and bool(event["piece_id"][0] == self._pending["piece_id"][0])
        )

    def _add_code(self, scan: Records, part: Records) -> None:
        """Add a further slot's code; of more codes than a scan can carry, only that they were."""
        scan["sequence"] = part["sequence"]
        scan["status"] |= part["status"]
        if self._parts_in < CODES_MAX:
            scan["codes"][0, self._parts_in] = part["codes"][0, 0]
            scan["code_count"] = self._parts_in + 1
        else:
            scan["status"] |= np.uint16(ScanStatus.MORE_CODES)
        self._parts_in += 1


class InstructionEncoder:
    """Writes INSTRUCTIONs as the registers of their slots."""

    def __init__(self, word_order: ByteOrder) -> None:
        self._places = word_places(INSTRUCTION_SLOT, INSTRUCTION_SLOT.size, word_order)

    def encode(self, instructions: Records, deadline_ms: NDArray[np.uint32]) -> Registers:
        """Return uint16[n, 18]: the slots as they go on the wire, check sum included.

        Args:
            instructions: INSTRUCTIONs with epoch and sequence set.
            deadline_ms: their deadlines in PLC time, as ``deadline_ns`` is in the service's.
        """
        slots = np.zeros(len(instructions), _INSTRUCTION_DTYPE)
        for name in _INSTRUCTED:
            slots[name] = instructions[name]
        slots["deadline_ms"] = deadline_ms
        memory = slots.view("<u2").reshape(-1, INSTRUCTION_SLOT.size)
        wire: Registers = memory[:, self._places].astype(np.uint16)
        wire[:, _CHECK] = wire[:, :_CHECK].sum(axis=1, dtype=np.uint64) & 0xFFFF
        return wire


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
