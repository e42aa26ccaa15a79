"""The mailbox as a PLC programmer reads it: every register, and the rules, printed from the table.

``sorter plc export --format csv`` prints one row per field of the first copy of each block;
``--format md`` prints the same with the rules in words.
"""

import csv
import io
from collections.abc import Iterator
from enum import IntEnum, IntFlag
from typing import NamedTuple

from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    CODES_MAX,
    LAPS_MAX,
    STATION_NUMBER_MAX,
    AnswerStatus,
    ChuteState,
    DischargeStatus,
    Disposition,
    EventKind,
    MachineState,
    ScanStatus,
)
from plc_adapters.mailbox.register_rules import RULES, TYPES
from plc_adapters.mailbox.table import (
    ANSWER,
    EVENT_RING,
    EVENT_SLOT,
    EVENT_SLOTS_MAX,
    EVENT_SLOTS_MIN,
    HEADER,
    INSTRUCTION_SLOT,
    INSTRUCTION_SLOTS,
    LAYOUT_VERSION,
    SEAT_HEAD,
    SEATS,
    Block,
    Field,
    Kind,
    image_size,
    seat_address,
)

REGISTERS_MAX = 65_536
"""Holding registers that a Modbus device can have."""
EVENT_SLOTS = 256
"""Size of the event ring that is printed if none is asked for."""
COLUMNS = ("block", "copies", "every", "offset", "registers", "name", "type", "writer", "meaning")

"""Columns of the CSV; :class:`Row` says what each holds."""

CODES: tuple[tuple[str, type[IntEnum] | type[IntFlag]], ...] = (
    ("kind of an event", EventKind),
    ("status of a scanned event: the sum of these", ScanStatus),
    ("status of an instructed event", AnswerStatus),
    ("status of a discharged event", DischargeStatus),
    ("status of a chute state event", ChuteState),
    ("status of a machine state event, and machine_state", MachineState),
    ("disposition; the PLC only gives it back", Disposition),
)
"""Every list of codes in the registers."""


class Area(NamedTuple):
    """Equal blocks one after the other."""

    name: str
    block: Block
    address: int
    """First register, from the start of the mailbox."""
    copies: int = 1
    every: int = 0
    """Registers from one copy to the next; 0 for one copy alone."""


class Row(NamedTuple):
    """One line of the map."""

    block: str
    """What the registers belong to."""
    copies: int
    """How many such blocks follow one another, numbered from 0."""
    every: int
    """Registers from one copy to the next; 0 for one copy alone."""
    offset: int
    """Holding register, counted from 0, at which the field of copy 0 begins."""
    registers: int
    """Registers that the field takes."""
    name: str
    type: str
    writer: str
    """The one side that writes them."""
    meaning: str


class MapError(ValueError):
    """There can be no such mailbox: ``setting`` is the argument at fault; the rest says why."""

    def __init__(self, setting: str, why: str) -> None:
        super().__init__(f"{setting.replace('_', ' ')}: {why}")
        self.setting = setting
        self.why = why


def areas(event_slots: int) -> list[Area]:
    """Return all blocks of the mailbox in the order of their addresses."""
    found = [Area(HEADER.name, HEADER, 0)]
    for seat in range(SEATS):
        first = seat_address(seat)
        ring = first + SEAT_HEAD.size
        found.append(Area(f"seat {seat}", SEAT_HEAD, first))
        found.append(
            Area(
                f"seat {seat} {INSTRUCTION_SLOT.name}",
                INSTRUCTION_SLOT,
                ring,
                INSTRUCTION_SLOTS,
                INSTRUCTION_SLOT.size,
            )
        )
    found.append(Area(EVENT_SLOT.name, EVENT_SLOT, EVENT_RING, event_slots, EVENT_SLOT.size))
    # The answer lies over the code of an event slot, so it is named as what it is: the same place.
    found.append(Area("event slot, instructed", ANSWER, EVENT_RING, event_slots, EVENT_SLOT.size))
    return found


def rows(base_address: int, event_slots: int) -> Iterator[Row]:
    """Yield the map, field by field.

    Args:
        base_address: holding register at which the mailbox begins.
        event_slots: slots of the event ring.

    Raises:
        MapError: the ring is of no size that the layout allows, or the mailbox does not fit the
            registers of a Modbus device.
    """
    check(base_address, event_slots)
    for area in areas(event_slots):
        for field in area.block.fields:
            offset = base_address + area.address + field.offset
            yield Row(area.name, area.copies, area.every, offset, field.size, field.name,
                      _type(field), area.block.writer, field.meaning)  # fmt: skip


def as_csv(base_address: int = 0, event_slots: int = EVENT_SLOTS) -> str:
    """Return the map as CSV with a heading; arguments and errors as for :func:`rows`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows(base_address, event_slots))
    return text.getvalue()


def as_markdown(base_address: int = 0, event_slots: int = EVENT_SLOTS) -> str:
    """Return the map with its rules; arguments and errors as for :func:`rows`."""
    size = image_size(event_slots)
    parts = [
        "# The mailbox, register by register\n\n"
        "Printed by `sorter plc export --format md`; not edited by hand.\n\n"
        f"Layout version {LAYOUT_VERSION}. {size} holding registers, from {base_address} to "
        f"{base_address + size - 1}, with an event ring of {event_slots} slots (any power of two "
        f"from {EVENT_SLOTS_MIN} to {EVENT_SLOTS_MAX}). Registers are counted from 0, as they "
        "stand in a Modbus request; a tool that counts from 400001 shows register 0 there.\n",
        "## Registers\n",
    ]
    found = list(rows(base_address, event_slots))
    parts.extend(_area_table(area, found, base_address) for area in areas(event_slots))
    parts += [TYPES, _codes(), _limits(), RULES]
    return "\n".join(parts)


def check(base_address: int, event_slots: int) -> None:
    """Raise MapError if there can be no such mailbox; what it says is what to give instead."""
    if not EVENT_SLOTS_MIN <= event_slots <= EVENT_SLOTS_MAX or event_slots & (event_slots - 1):
        raise MapError(
            "event_slots",
            f"{event_slots} is not a power of two from {EVENT_SLOTS_MIN} to {EVENT_SLOTS_MAX}; "
            "give one that is",
        )
    highest = REGISTERS_MAX - image_size(event_slots)
    if not 0 <= base_address <= highest:
        raise MapError(
            "base_address",
            f"{base_address} is not from 0 to {highest}, where a mailbox with {event_slots} event "
            f"slots ends within a device's {REGISTERS_MAX} registers; give a lower one, or fewer "
            "event slots",
        )


def _type(field: Field) -> str:
    """Return a field's type as the map writes it; a text's number is that of its bytes."""
    if field.kind is Kind.TEXT or field.count > 1:
        return f"{field.kind}[{field.count}]"
    return field.kind


def _area_table(area: Area, found: list[Row], base_address: int) -> str:
    """Return the heading of an area and the table of its fields."""
    title = f"### {area.name[0].upper()}{area.name[1:]}\n\n"
    first = base_address + area.address
    if area.copies > 1:
        last = first + (area.copies - 1) * area.every
        title += (
            f"{area.copies} copies, every {area.every} registers: copy n begins at "
            f"{first} + {area.every} × n, the last at {last}. Shown is copy 0.\n"
        )
    else:
        title += f"{area.block.size} registers from {first}.\n"
    lines = [
        f"| {row.offset} | {row.registers} | `{row.name}` | {row.type} | {row.writer} | "
        f"{row.meaning} |"
        for row in found
        if row.block == area.name
    ]
    heading = "| offset | registers | name | type | writer | meaning |\n|---:|---:|---|---|---|---|"
    return "\n".join([title, heading, *lines, ""])


def _codes() -> str:
    """Return every list of codes."""
    lines = ["## Codes\n", "| register | codes |", "|---|---|"]
    for title, codes in CODES:
        listed = ", ".join(f"{code.value} {str(code.name).lower()}" for code in codes)
        lines.append(f"| {title} | {listed} |")
    return "\n".join([*lines, ""])


def _limits() -> str:
    """Return the limits of numbers; what is beyond them is counted as malformed by the host."""
    return (
        "## Limits\n\n"
        f"Chutes are numbered 1 to {CHUTE_NUMBER_MAX}, stations and scanners 1 to "
        f"{STATION_NUMBER_MAX}, laps from 0 to {LAPS_MAX}; 0 means none, except for a lap. The "
        "host counts a slot with a number beyond these as malformed, and takes a chute or station "
        f"that is too high for none. A scan carries at most {CODES_MAX} codes.\n"
    )
