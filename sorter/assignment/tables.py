"""Open-addressing tables of a decision: division codes and pre-advised waybills.

A table has a power of two of slots, at least twice its entries, and is probed linearly, so that a
probe always ends at a free slot. The full key is compared on every probe: two keys of one hash
stand beside each other and are never mistaken for one another.
"""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES
from sorter.assignment.arrays import PreAdviceArrays
from sorter.assignment.compiled import compiled

PLACES_MAX = 1_048_576
"""Division codes of one plan; the whole country has 664,432, from province to village."""
PRE_ADVICE_MAX = 4_194_304
"""Waybills of one pre-advice table, 54 bytes a slot: 453 MB when full, 113 MB for a million."""
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
def _advise_all(
    waybills: NDArray[np.uint8],
    lengths: NDArray[np.uint16],
    table_length: NDArray[np.uint16],
    table_waybill: NDArray[np.uint8],
    table_source: NDArray[np.int32],
) -> None:
    """Fill an empty waybill table; ``table_source`` gets the last row that each slot came from."""
    mask = len(table_length) - 1
    for k in range(len(lengths)):
        length = int(np.int64(lengths[k]))
        waybill = waybills[k]
        slot = slot_of(hash_waybill(waybill, length), len(table_length))
        while table_length[slot] != 0:
            if table_length[slot] == length and same_bytes(waybill, table_waybill[slot], length):
                break
            slot = (slot + 1) & mask
        table_source[slot] = k
        table_length[slot] = length
        for b in range(length):
            table_waybill[slot, b] = waybill[b]


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
) -> PreAdviceArrays:
    """Build the table of pre-advised waybills; of a waybill given twice the last one counts.

    Args:
        waybills: uint8[n, 40], the bytes of each without AIM prefix.
        lengths: uint16[n], how many of them count, 1 to 40.
        brand: uint16[n], 0 unknown.
        service_class: uint16[n], 0 unknown.
        destination: int64[n], division code as a number, 0 unknown.

    Raises:
        ValueError: more than PRE_ADVICE_MAX waybills, arrays of different length, a length or
            destination out of range; the message names the row.
    """
    count = len(lengths)
    _check_count("pre-advised waybills", count, PRE_ADVICE_MAX)
    if waybills.shape != (count, CODE_BYTES):
        raise ValueError(f"waybills: shape {waybills.shape}, must be ({count}, {CODE_BYTES})")
    _check_shapes(count, brand=brand, service_class=service_class, destination=destination)
    wrong = np.flatnonzero(
        (lengths == 0) | (lengths > CODE_BYTES) | (destination < 0) | (destination > CODE_MAX)
    )
    if len(wrong):
        k = int(wrong[0])
        raise ValueError(
            f"waybill {k}: length {lengths[k]}, destination {destination[k]}: "
            f"a waybill has 1 to {CODE_BYTES} bytes, a destination at most 12 digits"
        )
    slots = slots_for(count)
    table_length = np.zeros(slots, np.uint16)
    table_waybill = np.zeros((slots, CODE_BYTES), np.uint8)
    source = np.zeros(slots, np.int32)
    _advise_all(
        np.ascontiguousarray(waybills, np.uint8), np.ascontiguousarray(lengths, np.uint16),
        table_length, table_waybill, source,
    )  # fmt: skip
    used = table_length != 0
    columns = PreAdviceArrays(
        table_length,
        table_waybill,
        np.zeros(slots, np.uint16),
        np.zeros(slots, np.uint16),
        np.zeros(slots, np.int64),
    )
    columns.brand[used] = brand[source[used]]
    columns.service_class[used] = service_class[source[used]]
    columns.destination[used] = destination[source[used]]
    return columns


def _check_count(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise ValueError(f"{count} {what}; a table holds at most {limit}")


def _check_shapes(count: int, **columns: NDArray[np.generic]) -> None:
    for name, column in columns.items():
        if column.shape != (count,):
            raise ValueError(f"{name}: shape {column.shape}, must be ({count},)")
