"""The decision asked of many scans that know nothing of each other, to prove a plan."""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Records
from sorter.assignment.arrays import PlanArrays, PreAdviceArrays
from sorter.assignment.compiled import compiled
from sorter.assignment.kernels import decide_batch
from sorter.assignment.reservation import release


def decide_apart(
    events: Records, pieces: Records, chutes: Records, plan: PlanArrays, pre: PreAdviceArrays,
    decisions: Records,
) -> int:  # fmt: skip
    """Decide each scan as though its piece were alone on the machine, answered at once.

    A chute's rate does not count: a piece alone uses none up.

    Args:
        events: EVENT[n], scans.
        pieces: PIECE[n], the piece of each; what is decided is written to it.
        chutes: CHUTE by number; not changed.
        plan: The sort plan.
        pre: The pre-advised waybills.
        decisions: DECISION[n]; the i-th is that of the i-th scan, untouched where it has none.

    Returns:
        Number of decisions.
    """
    row = np.zeros(1, np.int32)
    machine = chutes.copy()
    machine["per_minute"] = 0
    return int(decide_each(events, pieces, machine, plan, pre, decisions, row))


@compiled
def decide_each(
    events: Records, pieces: Records, chutes: Records, plan: PlanArrays, pre: PreAdviceArrays,
    decisions: Records, row: NDArray[np.int32],
) -> int:  # fmt: skip
    """Decide as :func:`decide_apart` says; ``row``: int32[1], 0, the row of the piece alone."""
    made = 0
    for i in range(len(events)):
        now_ns = int(events[i]["event_ns"])
        made += decide_batch(
            events[i : i + 1], 1, pieces[i : i + 1], row, chutes, plan, pre, now_ns,
            decisions[i : i + 1],
        )  # fmt: skip
        release(pieces[i], chutes)
    return made
