"""Asks the service's own decision what the oracle is asked."""

import numpy as np

from bench import naive
from bench.naive_arrays import (
    answer_records,
    chute_records,
    decision_of,
    plan_arrays,
    pre_advice_arrays,
    scan_events,
)
from plc_adapters.contract import EVENT, DischargeStatus, EventKind, Records
from sorter.assignment.arrays import PlanArrays
from sorter.assignment.decider import Decider
from sorter.line.tracking import Tracking

LINE, BOOT = 3, 7
ROWS = 64


class Compiled:
    """The service's own parts, driven with the oracle's scans."""

    def __init__(
        self,
        plan: naive.Plan,
        pre_advice: dict[bytes, naive.Advice],
        chutes: dict[int, naive.Chute],
        arrays: PlanArrays | None = None,
        rows: int = ROWS,
    ) -> None:
        self.tracking = Tracking(chute_records(chutes), rows=rows)
        self._decider = Decider(arrays or plan_arrays(plan), pre_advice_arrays(pre_advice))
        self._sequence = 1
        self.quarantined = False

    @property
    def pieces(self) -> Records:
        return self.tracking.pieces

    @property
    def chutes(self) -> Records:
        return self.tracking.chutes

    def batch(self, scans: list[naive.Scan], now_ns: int) -> list[naive.Decision]:
        events = scan_events(scans, LINE, BOOT, self._sequence)
        rows, _ = self.tracking.apply(events)
        decisions = self._decider.decide(events, rows, self, now_ns)
        answered = {int(sequence) for sequence in decisions["event_sequence"]}
        assert answered <= set(range(self._sequence, self._sequence + len(scans)))
        assert len(answered) == len(decisions)
        self._sequence += len(scans)
        for decision in decisions:
            assert (decision["line"], decision["boot_id"]) == (LINE, BOOT)
            assert decision["decided_ns"] == now_ns
            assert decision["plan_version"] in self._decider.held
        return [decision_of(decision) for decision in decisions]

    def answers(self, answers: list[naive.Answer], now_ns: int) -> list[naive.Decision]:
        """Answer for pieces of this boot, as the line hands the host's words on."""
        records = answer_records(answers, BOOT)
        rows = self.tracking.rows_of(records)
        decisions, became = self._decider.decide_answers(records, rows, self, now_ns, 0)
        assert np.count_nonzero(became) == len(decisions)
        return [decision_of(decision) for decision in decisions]

    def leave(self, pieces: list[int]) -> None:
        """Let pieces be taken off the sorter."""
        events = np.zeros(len(pieces), EVENT)
        events["line"], events["kind"], events["boot_id"] = LINE, EventKind.DISCHARGED, BOOT
        events["sequence"] = np.arange(self._sequence, self._sequence + len(pieces))
        events["piece_id"], events["status"] = pieces, DischargeStatus.REMOVED
        self._sequence += len(pieces)
        self.tracking.apply(events)

    def activate(self, plan: naive.Plan) -> None:
        self._decider.let_go(self.tracking.versions_in_flight())
        self._decider.activate(plan_arrays(plan))

    def advise(self, pre_advice: dict[bytes, naive.Advice]) -> None:
        self._decider.pre_advice = pre_advice_arrays(pre_advice)

    @property
    def held(self) -> tuple[int, ...]:
        return self._decider.held

    def change(self, number: int, state: int, *, locked: bool, fill: int) -> None:
        chute = self.tracking.chutes[number]
        chute["state"], chute["locked"], chute["fill"] = state, locked, fill
