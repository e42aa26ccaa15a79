"""Why a piece went elsewhere than first assigned: it has one cause, any other piece has none.

What it is measured against is ``first_chute``, the first chute of its first answer that named one.
A piece that falls there has no cause, whatever happened before. Of any other the cause is, in this
order:

1. MANUAL: a person took it off.
2. TIMING: it went to the default chute because the PLC held no answer, or took the host for silent;
   also where nothing was ever assigned to it, as what came too late was to be its first answer.
3. none, if nothing was ever assigned to it.
4. MECHANICAL: it was lost (also: in flight as the PLC started anew), or fell into a chute that the
   answer held by the PLC does not name.
5. What took it off its way to the first chute, the last time that it was on it:

   * a new lap began: MECHANICAL if the PLC says that it could not discharge it (full, closed,
     failed) or held the answer and says nothing; TIMING if it had not taken the answer;
   * it was decided anew: READ if the waybill read is another or the first, or two were read;
     DECISION if not.
6. MECHANICAL: nothing did, but the chute was full, closed or failed as it passed, and it fell into
   another one of the same answer, or at the PLC's lap limit into the default chute.

Events and decisions alone lead here, so a recovered line finds the same cause.
"""

import numpy as np

from plc_adapters.contract import (
    CHUTES_MAX,
    CODE_BYTES,
    AnswerStatus,
    DischargeStatus,
    Disposition,
    ScanStatus,
)
from sorter.assignment.compiled import compiled
from sorter.ports import MissortCause

NO_CAUSE, READ, DECISION = (
    int(MissortCause.NONE), int(MissortCause.READ), int(MissortCause.DECISION),
)  # fmt: skip
TIMING, MECHANICAL, MANUAL = (
    int(MissortCause.TIMING), int(MissortCause.MECHANICAL), int(MissortCause.MANUAL),
)  # fmt: skip
NOT_DISCHARGED = int(
    ScanStatus.ABORTED_FULL | ScanStatus.ABORTED_CLOSED | ScanStatus.ABORTED_MECHANICAL
)
NONE, CONFLICT = int(Disposition.NONE), int(Disposition.CONFLICT)
ACCEPTED, REFUSED_HELD = int(AnswerStatus.ACCEPTED), int(AnswerStatus.REFUSED_HELD)
SORTED, REMOVED, LOST, MISSED = (
    int(DischargeStatus.SORTED), int(DischargeStatus.REMOVED), int(DischargeStatus.LOST),
    int(DischargeStatus.MISSED),
)  # fmt: skip
NO_INSTRUCTION = int(DischargeStatus.DEFAULT_NO_INSTRUCTION)
HOST_SILENT = int(DischargeStatus.DEFAULT_HOST_SILENT)


@compiled
def is_answered(piece: np.void) -> bool:
    """Return whether the PLC has told that it holds what was decided last for a piece.

    Before that it may be on its way out by what was decided before.
    """
    return piece["disposition"] != NONE and piece["answer"] in (ACCEPTED, REFUSED_HELD)


@compiled
def names(piece: np.void, number: int) -> bool:
    """Return whether the answer for a piece names a chute."""
    for k in range(CHUTES_MAX):  # noqa: SIM110 - numba compiles no generator expression
        if piece["chutes"][k] == number:
            return True
    return False


@compiled
def bind(piece: np.void, chute: int, cause: int) -> None:
    """Note that a piece is bound for a chute now, 0 for none; ``cause`` if that takes it away."""
    first = int(piece["first_chute"])
    if first == 0 or chute == first:  # noqa: PLR1714 - numba types no such tuple
        piece["cause"] = NO_CAUSE
    elif piece["cause"] == NO_CAUSE:
        piece["cause"] = cause


@compiled
def bind_by_lap(piece: np.void, status: int) -> None:
    """Note that a piece begins a new lap; ``status`` is its scan's, and all else as before."""
    held = (status & NOT_DISCHARGED) != 0 or is_answered(piece)
    bind(piece, 0, MECHANICAL if held else TIMING)


@compiled
def bind_by_decision(piece: np.void, decision: np.void) -> None:
    """Note where a decision sends a piece that does not know of it yet."""
    is_other = int(decision["disposition"]) == CONFLICT
    if not is_other and int(decision["waybill_length"]) != 0:
        is_other = decision["waybill_length"] != piece["waybill_length"]
        for k in range(CODE_BYTES):
            is_other = is_other or decision["waybill"][k] != piece["waybill"][k]
    bind(piece, int(decision["chutes"][0]), READ if is_other else DECISION)


@compiled
def cause_of(piece: np.void, status: int, chute: int) -> int:
    """Return the cause of a piece that leaves.

    Args:
        piece: PIECE as it was until then.
        status: DischargeStatus.
        chute: Where it fell, 0 for nowhere.
    """
    first = int(piece["first_chute"])
    if first != 0 and chute == first:
        return NO_CAUSE
    if status == REMOVED and first != 0:
        return MANUAL
    if status in (NO_INSTRUCTION, HOST_SILENT):
        return TIMING
    if first == 0:
        return NO_CAUSE
    is_found_elsewhere = status == SORTED and is_answered(piece) and not names(piece, chute)
    if status in (LOST, MISSED) or is_found_elsewhere or piece["cause"] == NO_CAUSE:
        return MECHANICAL
    return int(piece["cause"])
