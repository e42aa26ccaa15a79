"""Where a piece is bound by the route label (three-segment code) printed on it.

A label counts for its own brand alone, and only beside a waybill: whose piece it is, and whether it
is held, no label tells. Keys are the very bytes with which a label begins, compared in full.
"""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES, CODES_MAX, ScanStatus
from sorter.assignment.arrays import (
    ACCEPT_KEYED,
    ACCEPT_OPAQUE,
    ACCEPT_SEGMENTS,
    CHECK_NONE,
    PlanArrays,
)
from sorter.assignment.classify import code_end, code_start, match_code
from sorter.assignment.compiled import compiled
from sorter.assignment.tables import hash_waybill, mix, same_bytes, slot_of, slots_for

CODE_CUT = int(ScanStatus.CODE_CUT)
DASH, COMMA = b"-,"


@compiled
def hash_label(text: NDArray[np.uint8], length: int, brand: int) -> int:
    """Return 64 bits of hash over a brand and the first ``length`` bytes."""
    return mix(hash_waybill(text, length) ^ brand)


@compiled
def find_label(text: NDArray[np.uint8], length: int, brand: int, plan: PlanArrays) -> int:
    """Return the division code that exactly these bytes stand for, 0 where the table has none."""
    mask = len(plan.label_length) - 1
    slot = slot_of(hash_label(text, length, brand), len(plan.label_length))
    while plan.label_length[slot] != 0:
        if (
            plan.label_length[slot] == length
            and plan.label_brand[slot] == brand
            and same_bytes(text, plan.label_text[slot], length)
        ):
            return int(plan.label_place[slot])
        slot = (slot + 1) & mask
    return 0


@compiled
def find_leading(
    code: NDArray[np.uint8], length: int, last: int, delimiter: int, brand: int, plan: PlanArrays
) -> int:  # fmt: skip
    """Return what the most of a label's leading segments stand for that the table knows, else 0.

    The last segment of a label that was cut may be the head of a longer one and never counts.
    """
    for end in range(last, 0, -1):
        if end == length or code[end] == delimiter:
            place = find_label(code, end, brand, plan)
            if place != 0:
                return place
    return 0


@compiled
def read_label(
    code: NDArray[np.uint8], length: int, last: int, brand: int, plan: PlanArrays
) -> int:
    """Return the division code that a code stands for as this brand's route label, 0 for none.

    ``last`` is the last byte at which one of its parts may end: ``length``, one less if it was cut.
    """
    number = match_code(code, length, plan)
    if number == 0:
        return 0
    bit = np.int64(1) << (brand - 1)
    place = 0
    if plan.accept_sets[number, CHECK_NONE, ACCEPT_OPAQUE] & bit != 0 and last == length:
        place = find_label(code, length, brand, plan)
    if place == 0 and plan.accept_sets[number, CHECK_NONE, ACCEPT_SEGMENTS] & bit != 0:
        place = find_leading(code, length, last, DASH, brand, plan)
    if place == 0 and plan.accept_sets[number, CHECK_NONE, ACCEPT_KEYED] & bit != 0:
        place = find_leading(code, length, last, COMMA, brand, plan)
    return place


@compiled
def closer(one: int, other: int) -> int:
    """Return the closer of two places of which one lies in the other; 0 where neither does."""
    inner, outer = max(one, other), min(one, other)
    around = inner
    while around > outer:
        around //= 10
    return inner if around == outer else 0


@compiled
def place_by_label(
    codes: NDArray[np.uint8], count: int, status: int, waybill: NDArray[np.uint8], length: int,
    brand: int, plan: PlanArrays,
) -> int:  # fmt: skip
    """Return the division code that the route labels of a scan stand for, 0 for none.

    Two labels of which one names a place inside the other's agree on that; two that contradict
    each other stand for nothing.

    Args:
        codes: The codes of the scan.
        count: How many there are.
        status: Of the scan.
        waybill: The piece's waybill, which is no label even if it looks like one.
        length: Its bytes.
        brand: Its brand; 0, or one beyond the plan's, has no labels.
        plan: The plan with the label table.
    """
    if brand == 0 or brand >= plan.zone_group.shape[1]:
        return 0
    found = 0
    for j in range(min(count, CODES_MAX)):
        end = code_end(codes[j])
        start = code_start(codes[j])
        if end <= start:
            continue
        code = codes[j][start:]
        length_here = end - start
        if length_here == length and same_bytes(code, waybill, length):
            continue
        is_cut = status & CODE_CUT != 0 and end == CODE_BYTES
        last = length_here - 1 if is_cut else length_here
        place = read_label(code, length_here, last, brand, plan)
        if place != 0 and found != 0:
            found = closer(found, place)
            if found == 0:
                return 0
        elif place != 0:
            found = place
    return found


@compiled
def _enter_labels(
    brand: NDArray[np.uint16], length: NDArray[np.uint16], text: NDArray[np.uint8],
    place: NDArray[np.int64], table_brand: NDArray[np.uint16], table_length: NDArray[np.uint16],
    table_text: NDArray[np.uint8], table_place: NDArray[np.int64],
) -> None:  # fmt: skip
    """Fill an empty label table with different keys."""
    mask = len(table_length) - 1
    for k in range(len(length)):
        bits = hash_label(text[k], int(np.int64(length[k])), int(np.int64(brand[k])))
        slot = slot_of(bits, len(table_length))
        while table_length[slot] != 0:
            slot = (slot + 1) & mask
        table_brand[slot] = brand[k]
        table_length[slot] = length[k]
        table_place[slot] = place[k]
        for b in range(CODE_BYTES):
            table_text[slot, b] = text[k, b]


def build_labels(
    brand: NDArray[np.uint16],
    length: NDArray[np.uint16],
    text: NDArray[np.uint8],
    place: NDArray[np.int64],
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint8], NDArray[np.int64]]:
    """Build the label table of a plan.

    Args:
        brand: uint16[n], from 1.
        length: uint16[n], bytes of each key, 1 to 40; no key is there twice.
        text: uint8[n, 40], NUL-padded.
        place: int64[n], the division code of each, not 0.

    Returns:
        ``label_length``, ``label_brand``, ``label_text`` and ``label_place`` of PlanArrays.
    """
    slots = slots_for(len(length))
    table_length = np.zeros(slots, np.uint16)
    table_brand = np.zeros(slots, np.uint16)
    table_text = np.zeros((slots, CODE_BYTES), np.uint8)
    table_place = np.zeros(slots, np.int64)
    _enter_labels(brand, length, text, place, table_brand, table_length, table_text, table_place)
    return table_length, table_brand, table_text, table_place
