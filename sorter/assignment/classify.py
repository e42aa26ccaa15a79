"""What one code is: a waybill, and of which brand; a bag; something else; or not to be told.

The order of proof, and never a guess: pre-advice; a pattern that is certain for one brand; patterns
of one brand and nothing else. What is left over is ambiguous: it is a waybill of one of several
brands, or either a waybill or another code (a product code of 13 digits looks like a waybill).
"""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES, Disposition
from sorter.assignment.arrays import (
    ACCEPT_CERTAIN,
    ACCEPT_CLASSES,
    ACCEPT_POSSIBLE,
    CHECK_GS1,
    CHECK_NONE,
    CHECK_S10,
    CLASS_BAG,
    DFA_DEAD,
    DFA_START,
    PlanArrays,
)
from sorter.assignment.compiled import compiled

ROUTED = int(Disposition.ROUTED)
NOT_A_WAYBILL = int(Disposition.NOT_A_WAYBILL)
AMBIGUOUS = int(Disposition.AMBIGUOUS)
BAG = int(Disposition.BAG)
BRACKET, DIGIT_0, DIGIT_9, LETTER_A, LETTER_Z = b"]09az"
LOWER_CASE = 0x20
"""Bit that makes an ASCII letter a small one."""
S10_BYTES, S10_SERIAL, S10_CHECK = 13, 2, 10
"""Length of an S10 code, where its eight serial digits begin, where its check digit stands."""
S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
GS1_BYTES = (8, 12, 13, 14)
"""Lengths of product codes: EAN-8, UPC-A, EAN-13, GTIN-14."""


@compiled
def code_start(code: NDArray[np.uint8]) -> int:
    """Return where a code begins after its AIM prefix: 3, or 0 where it has none."""
    letter = int(code[1]) | LOWER_CASE
    modifier = int(code[2])
    if code[0] == BRACKET and LETTER_A <= letter <= LETTER_Z:
        is_digit = DIGIT_0 <= modifier <= DIGIT_9
        if is_digit or LETTER_A <= (modifier | LOWER_CASE) <= LETTER_Z:
            return 3
    return 0


@compiled
def code_end(code: NDArray[np.uint8]) -> int:
    """Return where a code's NUL padding begins; 40 where it has none."""
    for k in range(CODE_BYTES):
        if code[k] == 0:
            return k
    return CODE_BYTES


@compiled
def match_code(code: NDArray[np.uint8], length: int, plan: PlanArrays) -> int:
    """Return the accept set of ``code[:length]``, 0 where no pattern accepts it."""
    state = DFA_START
    for k in range(length):
        state = int(plan.dfa_next[state, code[k]])
        if state == DFA_DEAD:
            return 0
    return int(np.int64(plan.dfa_accept[state]))


@compiled
def has_s10_check(code: NDArray[np.uint8], length: int) -> bool:
    """Return whether a code is as long as an S10 one and its check digit is right.

    UPU S10: the serial digits weighted 8 6 4 2 3 5 9 7; 11 less the sum modulo 11; 10 becomes 0,
    11 becomes 5.
    """
    if length != S10_BYTES:
        return False
    total = 0
    for k in range(len(S10_WEIGHTS)):
        digit = int(code[S10_SERIAL + k]) - DIGIT_0
        if digit < 0 or digit > DIGIT_9 - DIGIT_0:
            return False
        total += digit * S10_WEIGHTS[k]
    check = 11 - total % 11
    if check == 10:
        check = 0
    elif check == 11:
        check = 5
    return int(code[S10_CHECK]) - DIGIT_0 == check


@compiled
def has_gs1_check(code: NDArray[np.uint8], length: int) -> bool:
    """Return whether a code has a product code's length, digits alone, and a right check digit.

    GS1: from the right, the digits before the check digit are weighted 3 1 3 1 ...; all digits
    together then make a multiple of 10.
    """
    if length not in GS1_BYTES:
        return False
    total = 0
    for k in range(length):
        digit = int(code[k]) - DIGIT_0
        if digit < 0 or digit > DIGIT_9 - DIGIT_0:
            return False
        total += digit if (length - k) % 2 == 1 else 3 * digit
    return total % 10 == 0


@compiled
def accepted(code: NDArray[np.uint8], length: int, plan: PlanArrays) -> tuple[int, int, int]:
    """Return bits of the brands a code proves, of those it may belong to, of its other classes."""
    number = match_code(code, length, plan)
    if number == 0:
        return 0, 0, 0
    sets = plan.accept_sets
    certain = int(sets[number, CHECK_NONE, ACCEPT_CERTAIN])
    possible = int(sets[number, CHECK_NONE, ACCEPT_POSSIBLE])
    classes = int(sets[number, CHECK_NONE, ACCEPT_CLASSES])
    for check in (CHECK_S10, CHECK_GS1):
        if sets[number, check, ACCEPT_POSSIBLE] == 0 and sets[number, check, ACCEPT_CLASSES] == 0:
            continue
        if has_s10_check(code, length) if check == CHECK_S10 else has_gs1_check(code, length):
            certain |= int(sets[number, check, ACCEPT_CERTAIN])
            possible |= int(sets[number, check, ACCEPT_POSSIBLE])
            classes |= int(sets[number, check, ACCEPT_CLASSES])
    return certain, possible, classes


@compiled
def only_brand(bits: int) -> int:
    """Return the brand whose bit is the only one set; 0 where there is none, or several."""
    if bits == 0 or bits & (bits - 1) != 0:
        return 0
    brand = 1
    while bits > 1:
        bits >>= 1
        brand += 1
    return brand


@compiled
def classify(
    code: NDArray[np.uint8], length: int, slot: int, plan: PlanArrays
) -> tuple[int, bool, int]:
    """Tell what a code is.

    Args:
        code: Its bytes, without AIM prefix.
        length: How many of them count.
        slot: Its slot in the pre-advice, −1 for none.
        plan: The plan whose patterns count.

    Returns:
        Finding (ROUTED for a waybill, AMBIGUOUS, BAG, NOT_A_WAYBILL); whether it surely is a
        waybill, if only of an unknown brand; the brand, 0 unknown.
    """
    certain, possible, classes = accepted(code, length, plan)
    brand = only_brand(certain if certain != 0 else possible)
    if slot >= 0:
        return ROUTED, True, brand
    if possible == 0:
        return (BAG if classes == CLASS_BAG else NOT_A_WAYBILL), False, 0
    is_waybill = certain != 0 or classes == 0
    if is_waybill and brand != 0:
        return ROUTED, True, brand
    return AMBIGUOUS, is_waybill, 0
