"""A candidate plan decides beside the active one: the same scans, the same line, another plan.

It follows what the line journaled. Each scan that the line decided is decided once more by the
candidate, with the piece, the chutes and their room as they stood for the line, and on copies: what
differs comes from the plan alone, and the candidate changes nothing. So a piece that would have
gone elsewhere is on its later laps still where the line has it.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Disposition, EventKind, Records
from sorter.assignment.arrays import PlanArrays, PreAdviceArrays
from sorter.assignment.decider import Decider
from sorter.line.tracking import Tracking
from sorter.ports import Batch

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


class _Copies(NamedTuple):
    """What the candidate decides on, and may write to."""

    pieces: Records
    chutes: Records
    quarantined: bool


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
        counted = made[made["decided_ns"] >= self._since_ns]
        if len(counted):
            self._compare(batch.events, rows, counted)
        self.tracking.adopt_decisions(made)

    def _compare(self, events: Records, rows: NDArray[np.int32], made: Records) -> None:
        decided = np.isin(events["sequence"], made["event_sequence"])
        scans = decided & (events["kind"] == EventKind.SCANNED) & (rows >= 0)
        if not scans.any():
            return
        tracking = self.tracking
        copies = _Copies(
            tracking.pieces[rows[scans]], tracking.chutes.copy(), bool(tracking.quarantined)
        )
        again = self.decider.decide(
            np.ascontiguousarray(events[scans]),
            np.arange(len(copies.pieces), dtype=np.int32),
            copies,
            int(made["decided_ns"][0]),
        )
        by_event = {int(each["event_sequence"]): each for each in made}
        for other in again:
            own = by_event[int(other["event_sequence"])]
            if int(own["piece_id"]) == int(other["piece_id"]):
                self._count(own, other)

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
