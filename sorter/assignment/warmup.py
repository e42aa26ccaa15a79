"""Compiles the decision, or loads it from numba's cache, before a line is ready."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    CODE_BYTES,
    DISPOSITIONS_MAX,
    EVENT,
    EventKind,
)
from sorter.assignment.answers import answer_batch
from sorter.assignment.arrays import (
    ACCEPT_KINDS,
    SCALARS,
    PlanArrays,
    PreAdviceArrays,
    no_pre_advice,
)
from sorter.assignment.kernels import decide_batch
from sorter.assignment.quarantine import withdraw
from sorter.ports import CHUTE, DECISION, HOST_ANSWER, PIECE


def empty_plan() -> PlanArrays:
    """Return a plan that routes nothing: no pattern, no place, no chute."""
    return PlanArrays(
        scalars=np.zeros(SCALARS, np.int64),
        dfa_next=np.zeros((2, 256), np.uint16),
        dfa_accept=np.zeros(2, np.uint16),
        accept_sets=np.zeros((1, 3, ACCEPT_KINDS), np.int64),
        place_keys=np.zeros(2, np.int64),
        place_zone=np.zeros(2, np.int32),
        zone_group=np.zeros((1, 1, 1), np.uint16),
        label_length=np.zeros(2, np.uint16),
        label_brand=np.zeros(2, np.uint16),
        label_text=np.zeros((2, CODE_BYTES), np.uint8),
        label_place=np.zeros(2, np.int64),
        group_first=np.zeros(2, np.int32),
        group_chutes=np.zeros(0, np.uint16),
        group_policy=np.zeros(1, np.uint16),
        group_overflow=np.zeros(1, np.uint16),
        class_keep=np.zeros(1, np.uint16),
        disposition_group=np.zeros(DISPOSITIONS_MAX, np.uint16),
    )


def mapped(plan: PlanArrays) -> PlanArrays:
    """Return a plan as it is once mapped from its file: views that can't be written.

    Numba compiles once more for arrays of another kind, so every decision is asked with these.
    """
    return PlanArrays(*(_read_only(column) for column in plan))


def mapped_pre_advice(table: PreAdviceArrays) -> PreAdviceArrays:
    """Return a pre-advice table as it is once mapped from its file."""
    return PreAdviceArrays(*(_read_only(column) for column in table))


def _read_only(column: NDArray[Any]) -> NDArray[Any]:
    view = np.ascontiguousarray(column).view()
    view.flags.writeable = False
    return view


def warm_up() -> None:
    """Make each kind of decision under an empty plan: no piece ever waits for the compiler."""
    events = np.zeros(1, EVENT)
    events["kind"] = EventKind.SCANNED
    plan, pre = mapped(empty_plan()), mapped_pre_advice(no_pre_advice())
    pieces, rows = np.zeros(1, PIECE), np.zeros(1, np.int32)
    chutes = np.zeros(CHUTE_NUMBER_MAX + 1, CHUTE)
    decisions, became = np.zeros(1, DECISION), np.zeros(1, np.uint8)
    decide_batch(events, 1, pieces, rows, chutes, plan, pre, 0, decisions)
    answers = np.zeros(1, HOST_ANSWER)
    answer_batch(answers, 1, pieces, rows, chutes, plan, pre, 0, decisions, became)
    withdraw(np.zeros(1, np.intp), pieces, chutes, plan, 0, decisions)
