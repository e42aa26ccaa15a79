"""Which waybill a piece carries: by the codes of one scan, and by what earlier laps read."""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES, CODES_MAX, Disposition, ScanStatus
from sorter.assignment.arrays import PlanArrays, PreAdviceArrays
from sorter.assignment.classify import classify, code_end, code_start
from sorter.assignment.compiled import compiled
from sorter.assignment.labels import place_by_label
from sorter.assignment.tables import find_advice, same_bytes
from sorter.ports import HELD_BACK

ROUTED = int(Disposition.ROUTED)
NO_READ = int(Disposition.NO_READ)
CONFLICT = int(Disposition.CONFLICT)
NOT_A_WAYBILL = int(Disposition.NOT_A_WAYBILL)
AMBIGUOUS = int(Disposition.AMBIGUOUS)
BAG = int(Disposition.BAG)
SCAN_NOT_TIED = int(Disposition.SCAN_NOT_TIED)
CODE_CUT = int(ScanStatus.CODE_CUT)
TIE_AMBIGUOUS = int(ScanStatus.TIE_AMBIGUOUS)


@compiled
def tells_more(finding: int, than: int) -> bool:
    """Return whether one finding without a waybill tells more of the piece than another."""
    if finding == AMBIGUOUS:
        return True
    return than == NO_READ or (finding == BAG and than == NOT_A_WAYBILL)


@compiled
def identify(
    codes: NDArray[np.uint8], count: int, status: int, plan: PlanArrays, pre: PreAdviceArrays,
    today: int,
) -> tuple[int, int, int, int, int, int]:  # fmt: skip
    """Tell the waybill among the codes of one scan.

    Only waybills contradict each other: a product code or a bag's beside a waybill is no conflict,
    nor is a code that may be a product's. One that surely is a waybill, although of an unknown
    brand, does count. A code that fills all its bytes in a scan with ``CODE_CUT`` may be the head
    of a longer one and is never a waybill. Codes that may be a neighbour's count for nothing.

    Returns:
        Finding (ROUTED: one waybill; NO_READ, CONFLICT, NOT_A_WAYBILL, BAG, AMBIGUOUS or
        SCAN_NOT_TIED), number of its code, its first byte, its length (0 where no code surely is a
        waybill), its brand (0 unknown), its slot in the pre-advice (−1 for none).
    """
    if status & TIE_AMBIGUOUS:
        return SCAN_NOT_TIED, 0, 0, 0, 0, -1
    finding = NO_READ
    found, found_start, found_length, found_brand, found_slot = 0, 0, 0, 0, -1
    for j in range(min(count, CODES_MAX)):
        end = code_end(codes[j])
        start = code_start(codes[j])
        length = end - start
        if length <= 0:
            continue
        code = codes[j][start:]
        kind, is_waybill, brand, slot = NOT_A_WAYBILL, False, 0, -1
        if not (status & CODE_CUT and end == CODE_BYTES):
            slot = find_advice(code, length, pre, today)
            if slot >= 0 and pre.brand[slot] != 0:
                # Pre-advice says all that patterns could: they are not asked.
                kind, is_waybill, brand = ROUTED, True, int(np.int64(pre.brand[slot]))
            else:
                kind, is_waybill, brand = classify(code, length, slot, plan)
        if is_waybill and found_length == 0:
            finding, found, found_start, found_length = kind, j, start, length
            found_brand, found_slot = brand, slot
        elif is_waybill:
            first = codes[found][found_start:]
            if length != found_length or not same_bytes(first, code, length):
                return CONFLICT, 0, 0, 0, 0, -1
        elif found_length == 0 and tells_more(kind, finding):
            finding = kind
    return finding, found, found_start, found_length, found_brand, found_slot


@compiled
def write_identity(decision: np.void, waybill: NDArray[np.uint8], length: int) -> None:
    """Write the waybill of a decision, NUL-padded; length 0 writes none."""
    written = decision["waybill"]
    decision["waybill_length"] = length
    for k in range(length):
        written[k] = waybill[k]
    for k in range(length, CODE_BYTES):
        written[k] = 0


@compiled
def settle_identity(
    event: np.void, piece: np.void, plan: PlanArrays, pre: PreAdviceArrays, today: int,
    decision: np.void,
) -> tuple[int, int]:  # fmt: skip
    """Tell which waybill the piece carries by this scan and by what earlier laps read.

    Its destination is what pre-advice says now, else what an earlier lap knew, else what a route
    label of its brand says. A piece that was held asks its label only once pre-advice has released
    it: a row that goes away, or one that expires, sets nothing free.

    Writes waybill, brand, service class and destination of the decision.

    Returns:
        ROUTED for one waybill, else NO_READ, CONFLICT, NOT_A_WAYBILL, BAG, AMBIGUOUS or
        SCAN_NOT_TIED; and the waybill's slot in the pre-advice, −1 where it has none or there is no
        waybill.
    """
    codes = event["codes"]
    status = int(event["status"])
    # Nothing that may be a neighbour's is read, neither a waybill nor a label.
    count = 0 if status & TIE_AMBIGUOUS else int(event["code_count"])
    finding, number, start, length, brand, slot = identify(codes, count, status, plan, pre, today)
    waybill = codes[number][start:]
    known = int(np.int64(piece["waybill_length"]))
    known_waybill = piece["waybill"][:]
    is_known = known != 0 and finding != CONFLICT
    if is_known and length != 0:
        is_known = known == length and same_bytes(waybill, known_waybill, length)
        if not is_known:
            finding = CONFLICT
    if piece["conflict"] != 0:
        finding = CONFLICT
    elif is_known and finding != ROUTED:
        finding, waybill, length = ROUTED, known_waybill, known
        slot = find_advice(waybill, length, pre, today)
    service_class, destination = 0, 0
    if finding != ROUTED:
        length, brand, slot = 0, 0, -1
    elif slot >= 0:
        service_class = int(pre.service_class[slot])
        destination = int(pre.destination[slot])
        if pre.brand[slot] != 0:
            brand = int(pre.brand[slot])
        elif is_known and piece["brand"] != 0:
            brand = int(piece["brand"])
    elif is_known:
        brand = int(piece["brand"])
        service_class = int(piece["service_class"])
    may_ask_label = finding == ROUTED and destination == 0
    if may_ask_label and is_known:
        destination = max(int(piece["destination"]), 0)
        is_released = slot >= 0
        may_ask_label = destination == 0 and (is_released or int(piece["destination"]) != HELD_BACK)
    write_identity(decision, waybill, length)
    if may_ask_label:
        destination = place_by_label(codes, count, status, decision["waybill"], length, brand, plan)
    decision["brand"] = brand
    decision["service_class"] = service_class
    decision["destination"] = destination
    return finding, slot
