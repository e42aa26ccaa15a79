"""A candidate plan decides beside the active one: the same scans, the same line, another plan.

It follows what the line journaled. Each scan that the line decided, and each answer of the upstream
host that changed something, is decided once more by the candidate, with the piece, the chutes and
their room as they stood for the line, and on copies: what differs comes from the plan alone, and
the candidate changes nothing. So a piece that would have gone elsewhere is on its later laps still
where the line has it; and an answer of no use to the line, which its journal does not have, is none
to the candidate.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Disposition, EventKind, Records
from sorter.assignment.answers import UNUSED, answers_behind
from sorter.assignment.arrays import PlanArrays, PreAdviceArrays
from sorter.assignment.decider import Decider
from sorter.line.tracking import State, Tracking
from sorter.ports import Batch, HostAnswer

DIFFERENCES_MAX = 10_000
"""Differences kept apart by destination, chute and disposition; more are counted together."""


class Difference(NamedTuple):
    """What the line decided, and what the candidate would have; chute 0 is none."""

    destination: int
    """Division code, 0 unknown."""
    chute: int
    candidate_chute: int
    disposition: str
    candidate_disposition: str


@dataclass(slots=True)
class Seen:
    """What a shadow has counted."""

    decisions: int = 0
    differ: int = 0
    chute_differs: int = 0
    disposition_differs: int = 0
    differences: Counter[Difference] = field(default_factory=Counter)
    kept_together: int = 0
    """Differing decisions beyond DIFFERENCES_MAX kinds."""


class Shadow:
    """One line's candidate, and the line as its journal tells it."""

    def __init__(
        self, tracking: Tracking, plan: PlanArrays, pre_advice: PreAdviceArrays, since_ns: int
    ) -> None:
        """Begin.

        Args:
            tracking: The line at the place of its journal where the batches to come begin.
            plan: The candidate.
            pre_advice: The pre-advised waybills; may be replaced.
            since_ns: Decisions before it are followed and not counted.
        """
        self.tracking = tracking
        self.decider = Decider(plan, pre_advice)
        self.seen = Seen()
        self._since_ns = since_ns

    def follow(self, batch: Batch) -> None:
        """Take one turn of the line."""
        rows, _ = self.tracking.apply(batch.events)
        made = batch.decisions
        # The line decides a turn's scans before it hears the host, and at one instant.
        answers = made["host_answer"] != HostAnswer.NONE
        first = int(answers.argmax()) if answers.any() else len(made)
        counts = len(made) > 0 and int(made["decided_ns"][0]) >= self._since_ns
        if counts:
            self._compare_scans(batch.events, rows, made[~answers])
        self.tracking.adopt_decisions(made[:first])
        if counts:
            self._compare_answers(made[answers])
        self.tracking.adopt_decisions(made[first:])

    def _copies(self, rows: NDArray[np.int32]) -> tuple[State, NDArray[np.int32]]:
        """Return these pieces with the line's chutes, and the rows that they now have."""
        tracking = self.tracking
        copies = State(tracking.pieces[rows], tracking.chutes.copy(), tracking.quarantined)
        return copies, np.arange(len(rows), dtype=np.int32)

    def _compare_scans(self, events: Records, rows: NDArray[np.int32], made: Records) -> None:
        decided = np.isin(events["sequence"], made["event_sequence"])
        scans = decided & (events["kind"] == EventKind.SCANNED) & (rows >= 0)
        if not scans.any():
            return
        copies, copied = self._copies(rows[scans])
        again = self.decider.decide(
            np.ascontiguousarray(events[scans]), copied, copies, int(made["decided_ns"][0])
        )
        # What a quarantine took back in the same turn came after the scan's own decision.
        by_event = {int(each["event_sequence"]): each for each in reversed(made)}
        for other in again:
            own = by_event[int(other["event_sequence"])]
            if int(own["piece_id"]) == int(other["piece_id"]):
                self._count(own, other)

    def _compare_answers(self, made: Records) -> None:
        answers = answers_behind(made)
        rows = self.tracking.rows_of(answers)
        here = rows >= 0
        if not here.any():
            return
        made, answers = made[here], answers[here]
        copies, copied = self._copies(rows[here])
        before = copies.pieces.copy()
        again, became = self.decider.decide_answers(
            answers, copied, copies, int(made["decided_ns"][0]), after=0
        )
        others = iter(again)
        for own, piece, use in zip(made, before, became, strict=True):
            # Where the answer is of no use to the candidate, the piece keeps what it had.
            self._count(own, piece if use == UNUSED else next(others))

    def _count(self, own: np.void, other: np.void) -> None:
        seen = self.seen
        seen.decisions += 1
        chutes = int(own["chutes"][0]), int(other["chutes"][0])
        dispositions = int(own["disposition"]), int(other["disposition"])
        seen.chute_differs += chutes[0] != chutes[1]
        seen.disposition_differs += dispositions[0] != dispositions[1]
        if chutes[0] == chutes[1] and dispositions[0] == dispositions[1]:
            return
        seen.differ += 1
        names = [Disposition(number).name.lower() for number in dispositions]
        key = Difference(int(own["destination"]), *chutes, *names)
        if key in seen.differences or len(seen.differences) < DIFFERENCES_MAX:
            seen.differences[key] += 1
        else:
            seen.kept_together += 1
