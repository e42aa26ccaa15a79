"""Open-addressing tables of a decision: division codes and pre-advised waybills.

A table has a power of two of slots, at least twice its entries, and is probed linearly, so that a
probe always ends at a free slot. The full key is compared on every probe: two keys of one hash
stand beside each other and are never mistaken for one another.
"""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES
from sorter.assignment.arrays import PreAdviceArrays, blank_pre_advice
from sorter.assignment.compiled import compiled
from sorter.ports import HoldKind

PLACES_MAX = 1_048_576
"""Division codes of one plan; the whole country has 664,432, from province to village."""
PRE_ADVICE_MAX = 4_194_304
"""Waybills of one pre-advice table, 60 bytes a slot: 503 MB when full, 126 MB for a million."""
REPLACED_SHOWN_MAX = 20
"""Replaced rows of a pre-advice table that are told one by one; the others are counted."""
HOLDS_ALL = int(sum(HoldKind))
"""All bits that a waybill's holds can have."""
CODE_MAX = 999_999_999_999
"""Highest division code: 12 digits."""
LEVEL_FLOORS = (10**11, 10**8, 10**5, 10**3, 10**1)
"""Smallest number with as many digits as each of ``PLACE_LEVELS``: 12, 9, 6, 4, 2."""
FULL_64 = 0xFFFFFFFFFFFFFFFF


@compiled
def mix(key: int) -> int:
    """Return 64 well-mixed bits of a non-negative key (the finaliser of splitmix64).

    The masks change nothing in compiled code; they keep the sum right where it runs as Python.
    """
    bits = int(np.uint64(key))
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & FULL_64
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & FULL_64
    return bits ^ (bits >> 31)


@compiled
def hash_waybill(code: NDArray[np.uint8], length: int) -> int:
    """Return 64 bits of hash over the first ``length`` bytes, eight a step."""
    bits = int(np.uint64(length))
    at = 0
    while at < length:
        word = int(np.uint64(0))
        for k in range(at, min(at + 8, length)):
            word = (word << 8) | int(np.uint64(code[k]))
        bits = mix(bits ^ word)
        at += 8
    return bits


@compiled
def slot_of(bits: int, slots: int) -> int:
    """Return the first slot to probe for a hash, in a table of a power of two of ``slots``."""
    return int(np.int64(bits & np.uint64(slots - 1)))


@compiled
def same_bytes(left: NDArray[np.uint8], right: NDArray[np.uint8], length: int) -> bool:
    """Return whether the first ``length`` bytes of both are the same."""
    for k in range(length):  # noqa: SIM110 - numba compiles no generator expression
        if left[k] != right[k]:
            return False
    return True


@compiled
def probe_place(code: int, keys: NDArray[np.int64], zones: NDArray[np.int32]) -> int:
    """Return the zone of exactly this division code, or −1."""
    mask = len(keys) - 1
    slot = slot_of(mix(code), len(keys))
    while keys[slot] != 0:
        if keys[slot] == code:
            return int(zones[slot])
        slot = (slot + 1) & mask
    return -1


@compiled
def find_place(destination: int, keys: NDArray[np.int64], zones: NDArray[np.int32]) -> int:
    """Return the zone of the longest known prefix (12, 9, 6, 4, 2 digits), or −1.

    A number of more than 12 digits is no division code and has no zone.
    """
    if destination > CODE_MAX:
        return -1
    code = destination
    for floor in LEVEL_FLOORS:
        while code >= 10 * floor:
            code //= 10
        if code >= floor:
            zone = probe_place(code, keys, zones)
            if zone >= 0:
                return zone
    return -1


@compiled
def find_waybill(
    code: NDArray[np.uint8],
    length: int,
    table_length: NDArray[np.uint16],
    table_waybill: NDArray[np.uint8],
) -> int:
    """Return the slot of the pre-advised waybill ``code[:length]``, or −1."""
    mask = len(table_length) - 1
    slot = slot_of(hash_waybill(code, length), len(table_length))
    while table_length[slot] != 0:
        if table_length[slot] == length and same_bytes(code, table_waybill[slot], length):
            return slot
        slot = (slot + 1) & mask
    return -1


@compiled
def find_advice(code: NDArray[np.uint8], length: int, pre: PreAdviceArrays, today: int) -> int:
    """Return the slot of the waybill ``code[:length]`` if its row counts on that day, or −1.

    ``today`` is in days since 1970 (UTC).
    """
    slot = find_waybill(code, length, pre.length, pre.waybill)
    if slot >= 0 and pre.expires_day[slot] != 0 and today > pre.expires_day[slot]:
        return -1
    return slot


@compiled
def _place_all(
    codes: NDArray[np.int64],
    values: NDArray[np.int32],
    keys: NDArray[np.int64],
    zones: NDArray[np.int32],
) -> int:
    """Fill an empty place table; return the index of a code that is there twice, or −1."""
    mask = len(keys) - 1
    for k in range(len(codes)):
        slot = slot_of(mix(codes[k]), len(keys))
        while keys[slot] != 0:
            if keys[slot] == codes[k]:
                return k
            slot = (slot + 1) & mask
        keys[slot] = codes[k]
        zones[slot] = values[k]
    return -1


@compiled
def _enter_rows(
    rows: PreAdviceArrays, lines: NDArray[np.int64], table: PreAdviceArrays,
    table_line: NDArray[np.int64], room: int, replaced: NDArray[np.int64], noted: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Enter rows in order, a later one in the place of an earlier one of the same waybill.

    Stops before the row that finds no room. ``replaced`` gets the lines of the earlier and the
    later row, and the waybill's slot, where ``noted``, the number of replacements before these
    rows, still points into it.

    Returns:
        Rows gone through, waybills that were new, replacements in all.
    """
    mask = len(table.length) - 1
    fresh = 0
    for k in range(len(rows.length)):
        length = int(np.int64(rows.length[k]))
        if length == 0:
            continue
        waybill = rows.waybill[k]
        slot = slot_of(hash_waybill(waybill, length), len(table.length))
        while table.length[slot] != 0:
            if table.length[slot] == length and same_bytes(waybill, table.waybill[slot], length):
                break
            slot = (slot + 1) & mask
        if table.length[slot] != 0:
            if noted < len(replaced):
                replaced[noted, 0] = table_line[slot]
                replaced[noted, 1] = lines[k]
                replaced[noted, 2] = slot
            noted += 1
        elif fresh == room:
            return k, fresh, noted
        else:
            fresh += 1
            table.length[slot] = length
            for b in range(length):
                table.waybill[slot, b] = waybill[b]
        table_line[slot] = lines[k]
        table.brand[slot] = rows.brand[k]
        table.service_class[slot] = rows.service_class[k]
        table.destination[slot] = rows.destination[k]
        table.holds[slot] = rows.holds[k]
        table.expires_day[slot] = rows.expires_day[k]
    return len(rows.length), fresh, noted


class PreAdviceTable:
    """A table of pre-advised waybills in the making; of a waybill given twice the last row counts.

    While it is made it takes 68 bytes a slot, two to four slots for each of ``rows``, whatever is
    put in.
    """

    def __init__(self, rows: int, limit: int) -> None:
        """Make room for so many rows, but for no more than ``limit`` waybills."""
        self._limit = limit
        self._arrays = blank_pre_advice(slots_for(min(rows, limit)))
        self._line = np.zeros(len(self._arrays.length), np.int64)
        self._replaced = np.zeros((REPLACED_SHOWN_MAX, 3), np.int64)
        self.waybills = 0
        self.replaced_count = 0

    def replaced(self) -> list[tuple[int, int, bytes]]:
        """Return lines of the earlier and the later row, and the waybill, of the first few."""
        shown = self._replaced[: self.replaced_count].tolist()
        known = self._arrays
        return [
            (before, line, known.waybill[slot, : known.length[slot]].tobytes())
            for before, line, slot in shown
        ]

    def add(self, rows: PreAdviceArrays, lines: NDArray[np.int64]) -> int:
        """Enter rows; those of length 0 are passed over.

        Args:
            rows: Columns as those of a table, a row for each waybill in any order.
            lines: int64[n], where each row comes from.

        Returns:
            Rows gone through: fewer than given where the next one found the table full.
        """
        room = min(self._limit, len(self._line) // 2) - self.waybills
        gone, fresh, self.replaced_count = _enter_rows(
            rows, lines, self._arrays, self._line, room, self._replaced, self.replaced_count
        )
        self.waybills += fresh
        return int(gone)

    def arrays(self) -> PreAdviceArrays:
        """Return the table, no larger than its waybills need."""
        if len(self._line) == slots_for(self.waybills):
            return self._arrays
        used = self._arrays.length != 0
        smaller = PreAdviceTable(self.waybills, self._limit)
        smaller.add(PreAdviceArrays(*(column[used] for column in self._arrays)), self._line[used])
        return smaller.arrays()


def slots_for(entries: int) -> int:
    """Return the slots of a table of so many entries: a power of two, at least twice as many."""
    return max(2, 1 << (2 * entries - 1).bit_length()) if entries else 2


def build_places(
    codes: NDArray[np.int64], zones: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Build the place table of a plan.

    Args:
        codes: int64[n], division codes as numbers, each once, 1 to 12 digits.
        zones: int32[n], the zone of each, 0 or more.

    Returns:
        int64[slots] keys, 0 where free, and int32[slots] zones beside them.

    Raises:
        ValueError: more than PLACES_MAX codes, arrays of different length, a code that is no
            division code, a negative zone, a code given twice; the message names the code.
    """
    _check_count("division codes", len(codes), PLACES_MAX)
    _check_shapes(len(codes), zones=zones)
    wrong = np.flatnonzero((codes <= 0) | (codes > CODE_MAX) | (zones < 0))
    if len(wrong):
        k = int(wrong[0])
        raise ValueError(
            f"place {k}: code {codes[k]}, zone {zones[k]}: a code has 1 to 12 digits, "
            "a zone is 0 or more"
        )
    keys = np.zeros(slots_for(len(codes)), np.int64)
    table_zones = np.zeros(len(keys), np.int32)
    twice = _place_all(
        np.ascontiguousarray(codes, np.int64), np.ascontiguousarray(zones, np.int32), keys,
        table_zones,
    )  # fmt: skip
    if twice >= 0:
        raise ValueError(f"place {twice}: code {codes[twice]} is given twice; keep one")
    return keys, table_zones


def build_pre_advice(
    waybills: NDArray[np.uint8],
    lengths: NDArray[np.uint16],
    brand: NDArray[np.uint16],
    service_class: NDArray[np.uint16],
    destination: NDArray[np.int64],
    holds: NDArray[np.uint16] | None = None,
    expires_day: NDArray[np.int32] | None = None,
) -> PreAdviceArrays:
    """Build the table of pre-advised waybills; of a waybill given twice the last one counts.

    Args:
        waybills: uint8[n, 40], the bytes of each without AIM prefix.
        lengths: uint16[n], how many of them count, 1 to 40.
        brand: uint16[n], 0 unknown.
        service_class: uint16[n], 0 unknown.
        destination: int64[n], division code as a number, 0 unknown.
        holds: uint16[n], bits of HoldKind; none of them where left out.
        expires_day: int32[n], last day that the row counts, since 1970 (UTC), 0 and where left out
            for ever.

    Raises:
        ValueError: more than PRE_ADVICE_MAX waybills, arrays of different length, a length,
            destination or hold out of range; the message names the row.
    """
    count = len(lengths)
    _check_count("pre-advised waybills", count, PRE_ADVICE_MAX)
    if waybills.shape != (count, CODE_BYTES):
        raise ValueError(f"waybills: shape {waybills.shape}, must be ({count}, {CODE_BYTES})")
    rows = PreAdviceArrays(
        np.ascontiguousarray(lengths, np.uint16),
        np.ascontiguousarray(waybills, np.uint8),
        np.ascontiguousarray(brand, np.uint16),
        np.ascontiguousarray(service_class, np.uint16),
        np.ascontiguousarray(destination, np.int64),
        np.zeros(count, np.uint16) if holds is None else np.ascontiguousarray(holds, np.uint16),
        np.zeros(count, np.int32)
        if expires_day is None
        else np.ascontiguousarray(expires_day, np.int32),
    )
    _check_shapes(count, **{name: c for name, c in rows._asdict().items() if name != "waybill"})
    wrong = np.flatnonzero(
        (rows.length == 0)
        | (rows.length > CODE_BYTES)
        | (rows.destination < 0)
        | (rows.destination > CODE_MAX)
        | (rows.holds > HOLDS_ALL)
    )
    if len(wrong):
        k = int(wrong[0])
        raise ValueError(
            f"waybill {k}: length {lengths[k]}, destination {destination[k]}, "
            f"holds {rows.holds[k]}: a waybill has 1 to {CODE_BYTES} bytes, "
            f"a destination at most 12 digits, holds are bits of at most {HOLDS_ALL}"
        )
    table = PreAdviceTable(count, PRE_ADVICE_MAX)
    table.add(rows, np.arange(count, dtype=np.int64))
    return table.arrays()


def _check_count(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise ValueError(f"{count} {what}; a table holds at most {limit}")


def _check_shapes(count: int, **columns: NDArray[np.generic]) -> None:
    for name, column in columns.items():
        if column.shape != (count,):
            raise ValueError(f"{name}: shape {column.shape}, must be ({count},)")
