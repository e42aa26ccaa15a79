"""The words of a pre-advice file: what each column may say, and what is wrong with it if not."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from plc_adapters.contract import CODE_BYTES
from routing_tables.schema import Network, code_problem
from sorter.assignment.arrays import PreAdviceArrays
from sorter.ports import HoldKind

COLUMNS = ("waybill", "brand", "service_class", "destination")
OPTIONAL = ("holds", "expires")
ALL_COLUMNS = COLUMNS + OPTIONAL
HOLD_SEPARATOR = "|"
EPOCH = date(1970, 1, 1)
YEAR_MIN, YEAR_MAX = 2000, 2099
"""Years in which a row may expire; another one is a slip of the pen."""
WITHDRAWN = -1
"""``expires_day`` of a row that no longer counts on any day."""


class BadLineError(ValueError):
    """What is wrong with one line, and what to do."""


@dataclass(frozen=True, slots=True)
class Words:
    """The brands and service classes of a network, by name; an empty name is 0, unknown."""

    brands: dict[str, int]
    classes: dict[str, int]

    @classmethod
    def of(cls, network: Network) -> "Words":
        """Return the words of a network."""
        return cls({"": 0, **network.brand_numbers()}, {"": 0, **network.class_numbers()})

    def enter(self, values: list[str], rows: PreAdviceArrays, k: int) -> None:
        """Enter the values of a line, in the order of ALL_COLUMNS, as row ``k``.

        Raises:
            BadLineError: the line can't be used. If its waybill can be read the row is entered as
                withdrawn: this line's word on the waybill is newer than what stood before, and may
                have been a hold.
        """
        waybill, brand, service_class, destination, holds, expires = values
        problem = _waybill_problem(waybill)
        if problem:
            raise BadLineError(f"waybill: {problem}")
        rows.length[k] = len(waybill)
        rows.waybill[k, : len(waybill)] = np.frombuffer(waybill.encode(), np.uint8)
        rows.expires_day[k] = WITHDRAWN
        if brand not in self.brands:
            raise BadLineError(
                f"brand: no brand {brand!r:.40}; correct it or add it to the network"
            )
        if service_class not in self.classes:
            raise BadLineError(f"service_class: no class {service_class!r:.40}; correct it")
        problem = code_problem(destination) if destination else ""
        if problem:
            raise BadLineError(f"destination: {problem}")
        rows.brand[k] = self.brands[brand]
        rows.service_class[k] = self.classes[service_class]
        rows.destination[k] = int(destination) if destination else 0
        rows.holds[k] = hold_bits(holds)
        rows.expires_day[k] = day_number(expires)


def hold_bits(text: str) -> int:
    """Return the bits of holds named in a text, separated by ``|``; 0 for an empty one.

    Raises:
        BadLineError: a name is unknown.
    """
    bits = HoldKind(0)
    for name in text.split(HOLD_SEPARATOR) if text else ():
        if name.strip() not in HoldKind.__members__:
            known = ", ".join(HoldKind.__members__)
            raise BadLineError(f"holds: no hold {name!r:.40}; the holds are {known}")
        bits |= HoldKind[name.strip()]
    return int(bits)


def day_number(text: str) -> int:
    """Return the days from 1970 to a date YYYY-MM-DD; 0 for an empty text.

    Raises:
        BadLineError: it is no date, or of another century.
    """
    if not text:
        return 0
    try:
        day = date.fromisoformat(text) if text[4:5] == text[7:8] == "-" else None
    except ValueError:
        day = None
    if day is None or not YEAR_MIN <= day.year <= YEAR_MAX:
        raise BadLineError(
            f"expires: {text!r:.40} is no day from {YEAR_MIN} to {YEAR_MAX}; give YYYY-MM-DD"
        )
    return (day - EPOCH).days


def _waybill_problem(waybill: str) -> str:
    if not waybill:
        return "empty; give it or remove the line"
    if len(waybill) > CODE_BYTES:
        return f"{waybill!r:.40}... is longer than {CODE_BYTES} bytes; no scan carries it"
    if not waybill.isascii() or not waybill.isprintable() or " " in waybill:
        return f"{waybill!a:.60} holds more than printable ASCII without blanks; correct it"
    if waybill[0] == "]" and waybill[1:3].isalnum() and len(waybill) > 2:
        return f"{waybill!r} begins with an AIM prefix; remove the first three characters"
    return ""
