"""The mailbox as OPC UA variables: every node that a server offers, from the adapter's own map."""

from plc_adapters.mailbox.register_map import check
from plc_adapters.mailbox.table import (
    EVENT_SLOT,
    HEADER,
    INSTRUCTION_SLOT,
    INSTRUCTION_SLOTS,
    LAYOUT_VERSION,
    SEAT_HEAD,
    SEATS,
)
from plc_adapters.opcua.nodes import (
    NAMESPACE,
    PER_SLOT,
    SEAT_MARK,
    SLOT_MARK,
    NodeMap,
    variables,
)

READ, WRITE = "read", "read, write"
HEADING = (
    "| identifier | variables | type | host may | registers | holds |\n|---|---:|---|---|---:|---|"
)
DIFFERENT = f"""\
Other identifiers, or another namespace, are set in the link's `nodes`. `{SEAT_MARK}` stands for the
seat, 0 to {SEATS - 1}; `{SLOT_MARK}` for the slot, from 0. What a register holds is
the same as over Modbus: `sorter plc export --format md`.
"""


def as_node_list(event_slots: int) -> str:
    """Return the list of nodes, for servers with index ranges and for those without.

    Raises:
        MapError: the ring is of no size that the layout allows.
    """
    check(0, event_slots)
    return "\n".join([
        "# The mailbox as OPC UA variables\n",
        "Printed by `sorter plc export --format opcua`; not edited by hand.\n",
        f"Layout version {LAYOUT_VERSION}, {event_slots} event slots. Namespace `{NAMESPACE}`.\n",
        DIFFERENT,
        "## One array a block\n",
        "For servers that read and write a part of an array by its index range (OPC 10000-4, 7.27)."
        "\n",
        HEADING,
        *_by_block(event_slots),
        "\n## One variable a slot\n",
        "For servers that know no index ranges.\n",
        HEADING,
        *_by_slot(event_slots),
        "",
    ])  # fmt: skip


def _by_block(event_slots: int) -> list[str]:
    """Return a row for each variable of the map that a link has if it names no other."""
    nodes = NodeMap()
    seats = {nodes.seat.replace(SEAT_MARK, str(seat)): seat for seat in range(SEATS)}
    rows = []
    for one in variables(nodes, event_slots):
        if one.identifier in seats:
            seat = seats[one.identifier]
            holds = f"seat {seat}: its head, then {INSTRUCTION_SLOTS} instruction slots"
        else:
            holds = "header" if one.base == 0 else f"{event_slots} event slots"
        may = WRITE if one.identifier in seats else READ
        rows.append(_row(one.identifier, 1, f"UInt16[{one.size}]", may, str(one.base), holds))
    return [*rows, _head(nodes)]


def _by_slot(event_slots: int) -> list[str]:
    """Return a row for each kind of variable where every slot is one of its own."""
    first = {one.identifier: one.base for one in variables(PER_SLOT, event_slots)}

    def kind(identifier: str, copies: int, size: int, may: str, holds: str) -> str:
        name = identifier.replace(SEAT_MARK, "0").replace(SLOT_MARK, "0")
        more = " on" if copies > 1 else ""
        return _row(identifier, copies, f"UInt16[{size}]", may, f"{first[name]}{more}", holds)

    return [
        kind(PER_SLOT.header, 1, HEADER.size, READ, "header"),
        kind(PER_SLOT.seat, SEATS, SEAT_HEAD.size, WRITE, "a seat's head"),
        kind(PER_SLOT.instruction, SEATS * INSTRUCTION_SLOTS, INSTRUCTION_SLOT.size, WRITE,
             "one instruction slot"),
        kind(PER_SLOT.events, event_slots, EVENT_SLOT.size, READ, "one event slot"),
        _head(PER_SLOT),
    ]  # fmt: skip


def _head(nodes: NodeMap) -> str:
    """Return the row of the variable that a host may subscribe to."""
    offset = HEADER.field("head_sequence").offset
    return _row(nodes.head, 1, "UInt32", READ, str(offset),
                "head_sequence once more, to be watched; not needed")  # fmt: skip


def _row(identifier: str, copies: int, kind: str, may: str, registers: str, holds: str) -> str:
    """Return a line of the table."""
    return f"| `{identifier}` | {copies} | {kind} | {may} | {registers} | {holds} |"
