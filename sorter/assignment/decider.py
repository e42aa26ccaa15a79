"""The compiled decision with the arrays it stands on: the one object that a line asks."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Records
from sorter.assignment.arrays import SCALAR_VERSION, PlanArrays, PreAdviceArrays
from sorter.assignment.kernels import decide_batch
from sorter.ports import BATCH_MAX, DECISION


class State(Protocol):
    """What a decision needs of the line's tracking."""

    @property
    def pieces(self) -> Records:
        """PIECE[rows], in flight."""

    @property
    def chutes(self) -> Records:
        """CHUTE[CHUTE_NUMBER_MAX + 1], by number."""


class Decider:
    """Decides batches under one plan; a swap replaces plan and pre-advice between two batches."""

    def __init__(self, plan: PlanArrays, pre_advice: PreAdviceArrays) -> None:
        self.plan = plan
        self.pre_advice = pre_advice
        self._decisions = np.zeros(BATCH_MAX, DECISION)

    @property
    def plan_version(self) -> int:
        """Version of the plan that decides now."""
        return int(self.plan.scalars[SCALAR_VERSION])

    def decide(
        self, events: Records, rows: NDArray[np.int32], state: State, now_ns: int
    ) -> Records:
        """Return the DECISIONs for the scans in ``events``; a view, valid until the next call.

        ``rows``: int32, each event's row in ``state.pieces``, −1 where it has none.
        """
        if not len(events):
            return self._decisions[:0]
        count = decide_batch(
            events,
            len(events),
            state.pieces,
            rows,
            state.chutes,
            self.plan,
            self.pre_advice,
            now_ns,
            self._decisions,
        )
        return self._decisions[:count]
