"""The mailbox as one declarative table: every register, its writer, its unit, its meaning.

The codec, the emulator's memory, the printed register map and the PLC-side reference code are all
made from this table; nothing else knows an offset. The image is an array of 16-bit registers:

    header | host seat 0 | host seat 1 | event ring

Header and event ring are written by the PLC alone, each seat by the one host that sits in it.
32-bit values take two registers, high word first in the table's own order; a PLC that stores them
the other way is configured, not patched. Texts hold two bytes a register, first byte high.
"""

from dataclasses import dataclass
from enum import StrEnum

from plc_adapters.contract import CHUTES_MAX, CODE_BYTES

LAYOUT_VERSION = 1
MAGIC = 0x12345678
"""Constant in the header: its word order as read tells the PLC's word order."""
MAGIC_TEXT = b"ABCD"
"""Constant in the header: its byte order as read tells the PLC's string byte order."""
SEATS = 2
"""Hosts that may share a PLC (active and standby), each writing only its own registers."""
INSTRUCTION_SLOTS = 32
"""Slots of one seat's instruction ring; a host never has more unanswered."""
EVENT_SLOTS_MIN = 8
"""Event rings are powers of two, so that a slot number survives the wrap of the sequence."""
EVENT_SLOTS_MAX = 1024
"""The image must fit the 65,536 registers of a Modbus device."""
READ_SLOTS_MAX = 480
"""Event slots that a host asks for at once. A turn takes 512 events: these, and those that shorter
reads of the same turn have brought before."""


class Kind(StrEnum):
    """Type of a field on the wire."""

    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    TEXT = "text"


class Writer(StrEnum):
    """The one side that writes a register."""

    PLC = "PLC"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a block. ``offset`` and ``size`` count registers; ``count`` repeats the kind."""

    name: str
    offset: int
    kind: Kind
    meaning: str
    count: int = 1
    """Repetitions; for TEXT the number of bytes."""

    @property
    def size(self) -> int:
        """Registers the field takes."""
        if self.kind is Kind.TEXT:
            return (self.count + 1) // 2
        return self.count * (2 if self.kind in (Kind.U32, Kind.I32) else 1)


@dataclass(frozen=True, slots=True)
class Block:
    """A run of registers with one writer."""

    name: str
    writer: Writer
    size: int
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """Return the field of that name; KeyError if there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name!r}")


def _block(name: str, writer: Writer, size: int, *rows: tuple[str, Kind, str, int]) -> Block:
    """Lay the rows out one after the other and check that they end within ``size``."""
    fields: list[Field] = []
    offset = 0
    for field_name, kind, meaning, count in rows:
        fields.append(Field(field_name, offset, kind, meaning, count))
        offset += fields[-1].size
    if offset > size:
        raise ValueError(f"{name}: fields take {offset} registers, the block has {size}")
    return Block(name, writer, size, tuple(fields))


U16, I16, U32, I32, TEXT = Kind.U16, Kind.I16, Kind.U32, Kind.I32, Kind.TEXT

HEADER = _block(
    "header",
    Writer.PLC,
    40,
    ("magic", U32, "constant 16#12345678; proves the word order", 1),
    ("magic_text", TEXT, "constant 'ABCD'; proves the string byte order", 4),
    ("layout_version", U16, "version of this layout", 1),
    ("event_slots", U16, "slots of the event ring", 1),
    ("boot_id", U32, "new at every start of the PLC program, never 0", 1),
    ("heartbeat", U16, "counts up every PLC cycle", 1),
    (
        "machine_state",
        U16,
        "1 stopped, 2 execute, 3 held, 4 suspended, 5 aborted; PackML: 100 + StateCurrent",
        1,
    ),
    ("plc_time_ms", U32, "free-running milliseconds, the clock of all PLC times here", 1),
    ("head_sequence", U32, "sequence of the newest event; 0 before the first", 1),
    ("acknowledged", U32, "the host's acknowledgement as the PLC has taken it", 1),
    ("overflow_count", U32, "events lost because the ring was full of unacknowledged ones", 1),
    ("granted_epoch", U32, "epoch whose instructions are accepted; 0 after a start", 1),
    ("granted_seat", U16, "seat that holds the granted epoch", 1),
    ("host_silent", U16, "1 while the granted host's heartbeat stands still", 1),
    ("refused_count", U32, "instructions refused for their epoch", 1),
    ("consumed", U32, "last instruction sequence taken from each seat", SEATS),
    ("inducted_count", U32, "pieces inducted since the start", 1),
    ("ended_count", U32, "pieces discharged, removed or lost since the start", 1),
    ("defaulted_count", U32, "pieces sent to the default chute since the start", 1),
)

INSTRUCTION_SLOT = _block(
    "instruction slot",
    Writer.HOST,
    18,
    ("epoch", U32, "the host's epoch", 1),
    ("piece_id", U32, "piece the instruction is for", 1),
    ("lap", U16, "lap the instruction is for", 1),
    ("revision", U16, "0 for the first answer; a higher one replaces what is held", 1),
    ("chutes", U16, "in order of preference, 0 after the last; all 0: stay on", CHUTES_MAX),
    ("disposition", U16, "why it goes there (disposition code)", 1),
    ("plan_version", U32, "sort plan it was decided under", 1),
    ("deadline_ms", U32, "plc_time_ms at which the first chute can no longer be served", 1),
    ("check", U16, "sum of the registers before it, modulo 65536", 1),
    ("sequence", U32, "written last; counts up by 1, skips 0", 1),
)

SEAT_HEAD = _block(
    "seat",
    Writer.HOST,
    8,
    ("heartbeat", U16, "counts up while the host is alive", 1),
    ("epoch", U32, "epoch the host claims; must exceed the granted one", 1),
    ("acknowledge", U32, "newest event the host holds safely", 1),
)

EVENT_SLOT = _block(
    "event slot",
    Writer.PLC,
    40,
    ("sequence_begin", U32, "counts up by 1, skips 0; slot = sequence mod event_slots", 1),
    ("kind", U16, "1 inducted 2 scanned 3 instructed 4 discharged 5 chute 6 machine 7 sensor", 1),
    ("status", U16, "by kind: scan bits, answer, way of discharge, chute or machine state", 1),
    ("piece_id", U32, "given by the sorter, unique within a boot; 0 where none", 1),
    ("station", U16, "induction station or scanner", 1),
    ("chute", U16, "chute it happened at; 0 where none", 1),
    ("cell", U16, "cell that carries the piece", 1),
    ("lap", U16, "0 on the piece's first way round", 1),
    ("plc_time_ms", U32, "when it happened", 1),
    ("weight_g", I32, "grams; -1 not measured", 1),
    ("length_mm", I16, "-1 not measured", 1),
    ("width_mm", I16, "-1 not measured", 1),
    ("height_mm", I16, "-1 not measured", 1),
    ("parts", U16, "high byte: number of this slot's code, from 0; low byte: codes in all", 1),
    ("code", TEXT, "one code with its AIM prefix, NUL-padded", CODE_BYTES),
    ("sequence_end", U32, "equals sequence_begin; written last", 1),
)

ANSWER = Block(
    "answer",
    Writer.PLC,
    EVENT_SLOT.field("code").size,
    tuple(
        Field(f.name, f.offset + EVENT_SLOT.field("code").offset, f.kind, f.meaning, f.count)
        for f in _block(
            "answer",
            Writer.PLC,
            EVENT_SLOT.field("code").size,
            ("instruction_sequence", U32, "instruction this answers", 1),
            ("epoch", U32, "epoch of the instruction held", 1),
            ("revision", U16, "revision of the instruction held", 1),
            ("chutes", U16, "chutes of the instruction held", CHUTES_MAX),
            ("disposition", U16, "disposition of the instruction held", 1),
            ("plan_version", U32, "plan version of the instruction held", 1),
            ("deadline_ms", U32, "deadline of the instruction held", 1),
        ).fields
    ),
)
"""What an event slot of kind 'instructed' holds in place of a code; offsets within the slot."""

SEAT_SIZE = SEAT_HEAD.size + INSTRUCTION_SLOTS * INSTRUCTION_SLOT.size
EVENT_RING = HEADER.size + SEATS * SEAT_SIZE
"""First register of the event ring."""


def seat_address(seat: int) -> int:
    """First register of a seat, from the start of the image."""
    return HEADER.size + seat * SEAT_SIZE


def instruction_address(seat: int, sequence: int) -> int:
    """First register of the slot that holds the instruction of that sequence."""
    slot = sequence % INSTRUCTION_SLOTS
    return seat_address(seat) + SEAT_HEAD.size + slot * INSTRUCTION_SLOT.size


def event_address(sequence: int, event_slots: int) -> int:
    """First register of the slot that holds the event of that sequence."""
    return EVENT_RING + (sequence % event_slots) * EVENT_SLOT.size


def image_size(event_slots: int) -> int:
    """Registers of the whole image."""
    return EVENT_RING + event_slots * EVENT_SLOT.size


def next_sequence(sequence: int) -> int:
    """The sequence after this one: 32 bits, wraps, skips 0 (0 means "none")."""
    return 1 if sequence >= 0xFFFFFFFF else sequence + 1
