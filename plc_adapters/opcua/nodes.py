"""Where the mailbox's registers stand among an OPC UA server's variables.

The image is the same as over Modbus: arrays of UInt16. A server that understands index ranges (OPC
10000-4, 7.27) holds it as one array per block, of which a part is read or written. One that does
not holds one variable per slot; then parts of a variable are never asked for.
"""

from dataclasses import dataclass

from plc_adapters.mailbox.table import (
    EVENT_RING,
    EVENT_SLOT,
    HEADER,
    INSTRUCTION_SLOT,
    SEAT_HEAD,
    SEAT_SIZE,
    SEATS,
    seat_address,
)

NAMESPACE = "urn:sorting-centre:mailbox"
"""Namespace of the variables where a link names no other."""
SEAT_MARK, SLOT_MARK = "{seat}", "{slot}"
"""What stands in an identifier for the number of a seat, 0 or 1, and of a slot, from 0."""


@dataclass(frozen=True, slots=True)
class NodeMap:
    """Identifiers of the variables: ``s=``, ``i=``, ``g=`` or ``b=`` and a value, no namespace.

    The index of a namespace may change with every start of a server, so only its URI is kept.
    """

    namespace: str = NAMESPACE
    header: str = "s=Mailbox.Header"
    """UInt16[40]."""
    seat: str = "s=Mailbox.Seat{seat}"
    """UInt16[584]: a seat with its instruction ring; UInt16[8] if ``instruction`` is given."""
    instruction: str = ""
    """UInt16[18]: one slot of an instruction ring, with ``{seat}`` and ``{slot}``."""
    events: str = "s=Mailbox.Events"
    """UInt16[40 x slots]: the event ring; with ``{slot}`` UInt16[40], one slot of it."""
    head: str = "s=Mailbox.Head"
    """UInt32: the head sequence once more, to be watched; empty if there is none."""

    def problems(self) -> list[str]:
        """Return what is wrong with the identifiers, one line each."""
        found = [
            f"nodes.{name}: {identifier!r} must begin with s=, i=, g= or b="
            for name, identifier in self._identifiers()
            if identifier[:2] not in ("s=", "i=", "g=", "b=") or len(identifier) < 3
        ]
        if SEAT_MARK not in self.seat:
            found.append("nodes.seat: must hold {seat}, as each host writes its own seat only")
        if self.instruction and not {SEAT_MARK, SLOT_MARK} <= _marks(self.instruction):
            found.append("nodes.instruction: must hold {seat} and {slot}")
        return found

    def _identifiers(self) -> list[tuple[str, str]]:
        optional = [("instruction", self.instruction), ("head", self.head)]
        given = [(name, identifier) for name, identifier in optional if identifier]
        return [("header", self.header), ("seat", self.seat), ("events", self.events), *given]


PER_SLOT = NodeMap(
    seat="s=Mailbox.Seat{seat}.Head",
    instruction="s=Mailbox.Seat{seat}.Instruction{slot}",
    events="s=Mailbox.Event{slot}",
)
"""For servers that know no index ranges."""


def _marks(identifier: str) -> set[str]:
    return {mark for mark in (SEAT_MARK, SLOT_MARK) if mark in identifier}


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: its registers begin at ``base`` in the image; ``size`` 0 if not known."""

    identifier: str
    base: int
    size: int
    ranged: bool
    """Whether parts of it may be asked for."""


@dataclass(frozen=True, slots=True)
class Part:
    """Registers of one variable: ``count`` from ``first``, counted within it."""

    variable: Variable
    first: int
    count: int

    @property
    def index_range(self) -> str:
        """What to ask for; empty for the whole variable."""
        if not self.variable.ranged:
            return ""
        last = self.first + self.count - 1
        return f"{self.first}:{last}" if self.count > 1 else str(self.first)


def variable_at(nodes: NodeMap, address: int) -> Variable:
    """Return the variable that holds a register of the image."""
    if address < HEADER.size:
        return Variable(nodes.header, 0, HEADER.size, ranged=False)
    if address >= EVENT_RING:
        if SLOT_MARK not in nodes.events:
            return Variable(nodes.events, EVENT_RING, 0, ranged=True)
        slot = (address - EVENT_RING) // EVENT_SLOT.size
        identifier = nodes.events.replace(SLOT_MARK, str(slot))
        return Variable(
            identifier, EVENT_RING + slot * EVENT_SLOT.size, EVENT_SLOT.size, ranged=False
        )
    seat = (address - HEADER.size) // SEAT_SIZE
    base = seat_address(seat)
    head = nodes.seat.replace(SEAT_MARK, str(seat))
    if not nodes.instruction:
        return Variable(head, base, SEAT_SIZE, ranged=True)
    slot, _ = divmod(address - base - SEAT_HEAD.size, INSTRUCTION_SLOT.size)
    if slot < 0:
        return Variable(head, base, SEAT_HEAD.size, ranged=False)
    identifier = nodes.instruction.replace(SEAT_MARK, str(seat)).replace(SLOT_MARK, str(slot))
    base += SEAT_HEAD.size + slot * INSTRUCTION_SLOT.size
    return Variable(identifier, base, INSTRUCTION_SLOT.size, ranged=False)


def parts_of(nodes: NodeMap, address: int, count: int) -> list[Part]:
    """Return the parts of variables that hold these registers, in the image's order."""
    parts = []
    while count > 0:
        variable = variable_at(nodes, address)
        first = address - variable.base
        taken = min(count, variable.size - first) if variable.size else count
        parts.append(Part(variable, first, taken))
        address += taken
        count -= taken
    return parts


def variables(nodes: NodeMap, event_slots: int) -> list[Variable]:
    """Return every variable of an image with so many event slots, in its order."""
    found = []
    address, end = 0, EVENT_RING + event_slots * EVENT_SLOT.size
    while address < end:
        variable = variable_at(nodes, address)
        size = variable.size or end - variable.base
        found.append(Variable(variable.identifier, variable.base, size, variable.ranged))
        address = variable.base + size
    return found


assert len(variables(NodeMap(), 8)) == 2 + SEATS
