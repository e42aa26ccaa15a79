"""Every constant of the reference program, from the mailbox's table and the contract's codes."""

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    CHUTES_MAX,
    CODE_BYTES,
    CODES_MAX,
    LAPS_MAX,
    UNKNOWN,
    AnswerStatus,
    ChuteState,
    DischargeStatus,
    EventKind,
    MachineState,
    ScanStatus,
)
from plc_adapters.mailbox.register_map import EVENT_SLOTS, MapError, check
from plc_adapters.mailbox.table import (
    ANSWER,
    EVENT_SLOT,
    HEADER,
    INSTRUCTION_SLOT,
    INSTRUCTION_SLOTS,
    LAYOUT_VERSION,
    MAGIC,
    MAGIC_TEXT,
    SEAT_HEAD,
    SEAT_SIZE,
    SEATS,
    Block,
)

CELLS_MAX = 65_535
"""A cell's number takes one register, and counts from 1."""
BACKLOG_SLOTS_MAX = 10_000
"""Slots that may wait before the ring; more memory than that no PLC has to spare."""


@dataclass(frozen=True)
class Size:
    """How large the program is made."""

    base_address: int = 0
    """Holding register at which the mailbox begins."""
    event_slots: int = EVENT_SLOTS
    cells: int = 200
    """Most pieces on the sorter at once; a search for a piece looks at all of them."""
    chutes: int = 100
    """Highest chute number."""
    backlog_slots: int = 64
    """Event slots that may wait for room in the ring."""

    def check(self) -> None:
        """Raise MapError if there can be no such program; what it says is what to give instead."""
        check(self.base_address, self.event_slots)
        limits = (
            ("cells", self.cells, 1, CELLS_MAX),
            ("chutes", self.chutes, 1, CHUTE_NUMBER_MAX),
            ("backlog_slots", self.backlog_slots, CODES_MAX, BACKLOG_SLOTS_MAX),
        )
        for setting, value, least, most in limits:
            if not least <= value <= most:
                raise MapError(setting, f"{value} is not from {least} to {most}; give one that is")


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant as it is declared."""

    type: str
    value: int


_OFFSETS: tuple[tuple[str, Block], ...] = (
    ("HEADER", HEADER),
    ("SEAT", SEAT_HEAD),
    ("INSTRUCTION", INSTRUCTION_SLOT),
    ("EVENT", EVENT_SLOT),
    ("ECHO", ANSWER),
)
"""By prefix: the block whose fields' offsets are constants."""
_CODES: tuple[tuple[str, type[IntEnum] | type[IntFlag]], ...] = (
    ("KIND", EventKind),
    ("SCAN", ScanStatus),
    ("ANSWER", AnswerStatus),
    ("OUT", DischargeStatus),
    ("CHUTE", ChuteState),
    ("MACHINE", MachineState),
)
"""By prefix: the list of codes that are constants."""
NEARLY_FULL = (3, 4)
"""Share of the ring from which inductions wait: the rest is for pieces already on the sorter."""


def constants(size: Size) -> dict[str, Constant]:
    """Return every constant by name: offsets as DINT, codes as UINT, sequences as UDINT."""
    found = {
        f"{prefix}_{field.name.upper()}": Constant("DINT", field.offset)
        for prefix, block in _OFFSETS
        for field in block.fields
    }
    found |= {
        f"{prefix}_{code.name}": Constant("UINT", code.value)
        for prefix, codes in _CODES
        for code in codes
    }
    part, whole = NEARLY_FULL
    text = [int.from_bytes(MAGIC_TEXT[i : i + 2], "big") for i in (0, 2)]
    dints = {
        "HEADER_SIZE": HEADER.size,
        "SEAT_HEAD_SIZE": SEAT_HEAD.size,
        "SEAT_SIZE": SEAT_SIZE,
        "SEATS": SEATS,
        "INSTRUCTION_SIZE": INSTRUCTION_SLOT.size,
        "INSTRUCTION_SLOTS": INSTRUCTION_SLOTS,
        "EVENT_SIZE": EVENT_SLOT.size,
        "EVENT_REGISTERS": size.event_slots * EVENT_SLOT.size,
        "BACKLOG_SLOTS": size.backlog_slots,
        "CELLS": size.cells,
        "CHUTES_NAMED": CHUTES_MAX,
        "CODE_BYTES": CODE_BYTES,
        "UNKNOWN_WEIGHT": UNKNOWN,
    }
    uints = {
        "CHUTES": size.chutes,
        "CODES_MAX": CODES_MAX,
        "LAPS_MAX": LAPS_MAX,
        "LAYOUT_VERSION": LAYOUT_VERSION,
        "MAGIC_HIGH": MAGIC >> 16,
        "MAGIC_LOW": MAGIC & 0xFFFF,
        "MAGIC_TEXT_AB": text[0],
        "MAGIC_TEXT_CD": text[1],
    }
    udints = {
        "EVENT_SLOTS": size.event_slots,
        "NEARLY_FULL": -(-size.event_slots * part // whole),
        "SEQUENCE_LAST": 0xFFFF_FFFF,
    }
    found |= {name: Constant("DINT", value) for name, value in dints.items()}
    found |= {name: Constant("UINT", value) for name, value in uints.items()}
    found |= {name: Constant("UDINT", value) for name, value in udints.items()}
    found["UNKNOWN_LENGTH"] = Constant("INT", UNKNOWN)
    return found
