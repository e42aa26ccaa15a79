"""The reference program's one source, rendered in both dialects.

``sorter.st`` is written in Structured Text with the names of constants left open; here each unit
gets those it uses, as both dialects know constants of a unit. SCL differs in four ways alone:
names of a unit's own variables begin with ``#``, names of units and types stand in quotes, a unit's
head has its attributes, and its statements begin with ``BEGIN``.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from plc_adapters.mailbox.register_map import MapError
from plc_adapters.mailbox.table import LAYOUT_VERSION, image_size
from plc_adapters.reference.constants import Constant, Size, constants

SOURCE = Path(__file__).with_name("sorter.st")
TOKEN = re.compile(r"\(\*.*?\*\)|[A-Za-z_][A-Za-z0-9_]*|:=|\s+|.", re.DOTALL)
"""Comments, names, assignments, blanks, and every other character by itself."""
UNIT = re.compile(
    r"^(TYPE|FUNCTION_BLOCK|FUNCTION)\s+(\w+)[^\n]*\n(.*?)^END_\1\n", re.DOTALL | re.MULTILINE
)
DECLARED = re.compile(r"^\s+(\w+) :", re.MULTILINE)
S7_BYTES_MAX = 65_536
"""Bytes of a data block without optimised access (16-bit byte addresses)."""
S7_ATTRIBUTES = "{ S7_Optimized_Access := 'FALSE' }\nVERSION : 0.1\n"
GLOBALS = {"Sorter": "SorterState", "Image": "MailboxImage"}
"""What the program is called with: by name, its type."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A type, function or function block of the source."""

    kind: str
    name: str
    head: str
    """Its first line."""
    sections: str
    """Its declarations, constants included."""
    body: str
    local: frozenset[str]
    """Names of its own."""


def as_st(size: Size) -> str:
    """Return the program in Structured Text (IEC 61131-3).

    Raises:
        MapError: there can be no program of that size.
    """
    size.check()
    parts = [_heading(size, "Structured Text (IEC 61131-3)")]
    for comment, unit in _units(size):
        if comment:
            parts.append(comment)
        parts.append(f"{unit.head}\n{unit.sections}{unit.body}END_{unit.kind}\n")
    instances = "".join(f"    {name} : {type_};\n" for name, type_ in GLOBALS.items())
    parts.append(f"VAR_GLOBAL\n{instances}END_VAR\n")
    return "\n".join(parts)


def as_scl(size: Size) -> str:
    """Return the program in Siemens SCL, as a source file for S7-1200 and S7-1500.

    Raises:
        MapError: there can be no program of that size, or no data block of an S7 holds its image.
    """
    size.check()
    registers = image_size(size.event_slots)
    if 2 * registers > S7_BYTES_MAX:
        raise MapError(
            "event_slots",
            f"{size.event_slots} make an image of {2 * registers} bytes, and a data block without "
            f"optimised access holds {S7_BYTES_MAX}; give fewer",
        )
    units = _units(size)
    names = frozenset(unit.name for _, unit in units)
    parts = [_heading(size, "SCL (S7-1200, S7-1500)")]
    for comment, unit in units:
        if comment:
            parts.append(comment)
        parts.append(_scl_unit(unit, names))
    parts += [
        f'DATA_BLOCK "{name}"\n{S7_ATTRIBUTES}NON_RETAIN\n"{type_}"\nBEGIN\nEND_DATA_BLOCK\n'
        for name, type_ in GLOBALS.items()
    ]
    return "\n".join(parts)


def _heading(size: Size, dialect: str) -> str:
    """Return the comment at the top."""
    registers = image_size(size.event_slots)
    first, last = size.base_address, size.base_address + registers - 1
    return f"""\
(* The PLC's side of the mailbox, layout version {LAYOUT_VERSION}, in {dialect}.
   Printed by sorter plc export; the rules it follows: sorter plc export --format md.

   Yours to fill in: SorterSettings (chutes, default chute, watchdog) and SorterMetal (what happened
   since the last cycle). Then call an instance of SorterProgram once in every cycle, and nothing
   else of this from any other task.

   Serve Image, {registers} registers in one piece, as holding registers {first} to {last}.
   A host may write Image.Seats and nothing else. High word and high byte come first, whatever the
   CPU's own order: word_order = "big", string_byte_order = "big".

   Made for {size.event_slots} event slots, and {size.backlog_slots} more that wait for room;
   {size.cells} cells; chutes up to number {size.chutes}. All loops are bounded, nothing is
   allocated, no arithmetic overflows. Values are converted by name wherever their type changes. *)
"""


def _units(size: Size) -> list[tuple[str, Unit]]:
    """Return the source's units in order, each with the comment that stands before it."""
    source = SOURCE.read_text(encoding="ascii")
    known = constants(size)
    found: list[tuple[str, Unit]] = []
    end = 0
    for match in UNIT.finditer(source):
        comment = source[end : match.start()].strip()
        end = match.end()
        unit = _unit(match.group(1), match.group(2), match.group(0).partition("\n")[0],
                     match.group(3), known)  # fmt: skip
        found.append((comment + "\n" if comment else "", unit))
    return found


def _unit(kind: str, name: str, head: str, rest: str, known: dict[str, Constant]) -> Unit:
    """Return a unit with its constants declared; of a type, with its bounds as numbers."""
    rest = re.sub(r"ARRAY\[(.*?)\]", lambda bounds: f"ARRAY[{_bounds(bounds[1], known)}]", rest)
    cut = rest.rindex("END_VAR\n") + len("END_VAR\n") if kind != "TYPE" else len(rest)
    sections, body = rest[:cut], rest[cut:]
    # A comment's count as well: the units to be filled in name there what is wanted inside them.
    mine = sorted(set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", body)) & known.keys())
    local = DECLARED.findall(sections) if kind != "TYPE" else []
    if mine:
        lines = [f"    {n} : {known[n].type} := {known[n].value};\n" for n in mine]
        sections += f"VAR CONSTANT\n{''.join(lines)}END_VAR\n"
    return Unit(kind, name, head, sections, body, frozenset((*local, *mine)))


def _bounds(text: str, known: dict[str, Constant]) -> str:
    """Return an array's bounds as numbers; they are sums and products of constants."""
    numbers = []
    for bound in text.split(".."):
        total, sign = 0, 1
        for term in re.split(r"\s*([-+])\s*", bound):
            if term in ("+", "-"):
                sign = 1 if term == "+" else -1
                continue
            product = sign
            for factor in re.split(r"\s*\*\s*", term):
                product *= int(factor) if factor.isdigit() else known[factor].value
            total += product
        numbers.append(str(total))
    return "..".join(numbers)


def _scl_unit(unit: Unit, names: frozenset[str]) -> str:
    """Return one unit in SCL."""
    sections = _scl(unit, unit.sections, names, declaring=True)
    if unit.kind == "TYPE":
        return f'TYPE "{unit.name}"\nVERSION : 0.1\n{sections}END_TYPE\n'
    if unit.kind == "FUNCTION":
        sections = re.sub(r"^VAR$", "VAR_TEMP", sections, flags=re.MULTILINE)
    head = unit.head.replace(unit.name, f'"{unit.name}"', 1)
    body = _scl(unit, unit.body, names, declaring=False)
    return f"{head}\n{S7_ATTRIBUTES}{sections}BEGIN\n{body}END_{unit.kind}\n"


def _scl(unit: Unit, text: str, names: frozenset[str], *, declaring: bool) -> str:
    """Mark the names in a text as SCL wants them; members and parameters stay bare."""
    tokens = TOKEN.findall(text)
    solid = [(i, token) for i, token in enumerate(tokens) if not token.isspace()]
    depth = 0
    for place, (i, token) in enumerate(solid):
        depth += (token == "(") - (token == ")")  # noqa: S105 - parentheses
        before = solid[place - 1][1] if place else ""
        after = solid[place + 1][1] if place + 1 < len(solid) else ""
        if before == "." or (depth and after == ":="):
            continue
        own = token in unit.local or (token == unit.name and after == ":=")
        if own and not declaring:
            tokens[i] = f"#{token}"
        elif token in names:
            tokens[i] = f'"{token}"'
    return "".join(tokens)
