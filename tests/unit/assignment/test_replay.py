"""The kernels that prove and try a plan, against the oracle."""

import heapq
from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import naive
from bench.naive_arrays import (
    chute_records,
    decision_of,
    plan_arrays,
    pre_advice_arrays,
    scan_events,
)
from plc_adapters.contract import ChuteState, Disposition
from sorter.assignment.apart import decide_apart
from sorter.assignment.replay import END, SCAN, replay
from sorter.ports import DECISION, PIECE
from tests.unit.assignment.cases import (
    CODES,
    DESTINATIONS,
    RATES,
    SECOND,
    START_NS,
    advices,
    machines,
    plans,
)

BRANDS, CLASSES = 3, 3
FINDINGS = [Disposition.ROUTED] * 4 + [
    Disposition.NO_READ, Disposition.CONFLICT, Disposition.INTERCEPTED,
]  # fmt: skip


@settings(deadline=None)
@given(st.data())
def test_scans_decided_apart_know_nothing_of_each_other(data: st.DataObject) -> None:
    plan = data.draw(plans(friendly=data.draw(st.booleans())))
    advice = data.draw(advices(friendly=data.draw(st.booleans())))
    machine = data.draw(machines(friendly=True))
    codes = data.draw(st.lists(st.lists(CODES, max_size=4), min_size=1, max_size=12))
    laps = st.integers(0, 3)
    scans = [
        naive.Scan(number, data.draw(laps), START_NS + number, each)
        for number, each in enumerate(codes, 1)
    ]
    events = scan_events(scans, 1, 1, 1)
    pieces = np.zeros(len(scans), PIECE)
    pieces["boot_id"], pieces["lap"] = 1, events["lap"]
    decisions = np.zeros(len(scans), DECISION)
    chutes = chute_records(machine)
    before = chutes.tobytes()
    arrays = plan_arrays(plan)
    made = decide_apart(events, pieces, chutes, arrays, pre_advice_arrays(advice), decisions)
    assert made == len(scans)
    assert chutes.tobytes() == before
    for scan, decision in zip(scans, decisions, strict=True):
        alone = naive.Line(plan, advice, chutes=machine)
        (expected,) = alone.batch([scan], scan.event_ns)
        for chute in expected.chutes[:1]:
            machine[chute].reserved -= 1
            machine[chute].drawn_ns = None
        assert decision_of(decision) == expected


@dataclass(slots=True)
class Recorded:
    """A recorded piece, plainly."""

    scanned_ns: int
    finding: Disposition
    facts: naive.Advice


class Model:
    """The closed loop with every happening as an event of its own, in order of time."""

    DISCHARGE, EMPTY, SCAN, RETURN = range(4)

    def __init__(
        self, plan: naive.Plan, chutes: dict[int, naive.Chute], lap_ns: int, empty_ns: int
    ) -> None:
        self._line = naive.Line(plan, {}, chutes)
        self._lap_ns, self._empty_ns = lap_ns, empty_ns
        self._agenda: list[tuple[int, int, int, int, int]] = []
        self._order = 0
        self.ends: dict[int, tuple[Disposition, int, int, int]] = {}
        self.emptied: dict[int, int] = {}

    def run(self, pieces: list[Recorded]) -> None:
        for number, piece in enumerate(pieces):
            self._plan_for(piece.scanned_ns, self.SCAN, number, 0)
        while self._agenda:
            now_ns, kind, _, subject, lap = heapq.heappop(self._agenda)
            if kind == self.DISCHARGE:
                self._discharge(now_ns, subject)
            elif kind == self.EMPTY:
                self._line.chutes[subject].fill = 0
                self.emptied[subject] = self.emptied.get(subject, 0) + 1
            else:
                self._decide(now_ns, subject, pieces[subject], lap)

    def _plan_for(self, at_ns: int, kind: int, subject: int, lap: int) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (at_ns, kind, self._order, subject, lap))

    def _discharge(self, now_ns: int, number: int) -> None:
        chute = self._line.chutes[number]
        chute.reserved -= 1
        chute.fill += 1
        if chute.fill == chute.capacity:
            self._plan_for(now_ns + self._empty_ns, self.EMPTY, number, 0)

    def _decide(self, now_ns: int, number: int, piece: Recorded, lap: int) -> None:
        disposition, group = piece.finding, 0
        waits = self._line.plan.host_laps
        if disposition == Disposition.ROUTED and piece.facts.destination == 0 and waits is not None:
            late = lap >= min(waits, self._line.plan.lap_limit)
            disposition = Disposition.HOST_LATE if late else Disposition.AWAITING_HOST
        elif disposition == Disposition.ROUTED:
            disposition, group = self._line._route(disposition, piece.facts)
        margin_ns = self._line.plan.margin_ns
        claim = self._line._claim(disposition, piece.facts, lap, now_ns, margin_ns)
        disposition, group, chutes = self._line._chutes(disposition, group, lap, claim)
        into = chutes[0] if chutes else 0
        if into:
            chute = self._line.chutes[into]
            chute.take(now_ns)
            if chute.fill + chute.reserved < chute.capacity:
                chute.reserved += 1
                self._plan_for(now_ns + chute.travel_ns, self.DISCHARGE, into, 0)
        elif lap < self._line.plan.lap_limit:
            lap += 1
            self._plan_for(now_ns + self._lap_ns, self.RETURN, number, lap)
        self.ends[number] = (disposition, group, into, lap)


@st.composite
def recordings(draw: st.DrawFn) -> list[Recorded]:
    gaps = draw(st.lists(st.integers(1, 8), min_size=1, max_size=60))
    facts = st.builds(
        naive.Advice, st.integers(0, BRANDS), st.integers(0, CLASSES), st.sampled_from(DESTINATIONS)
    )
    # Odd instants, so that no two happenings of different kinds fall together.
    return [
        Recorded(START_NS + sum(gaps[:k]) * SECOND // 2 + 1, draw(st.sampled_from(FINDINGS)),
                 draw(facts))
        for k in range(1, len(gaps) + 1)
    ]  # fmt: skip


@settings(deadline=None)
@given(
    plans(friendly=True),
    st.dictionaries(
        st.integers(1, 9),
        st.builds(
            naive.Chute,
            st.integers(1, 3),
            st.integers(1, 9).map(lambda s: s * SECOND),
            per_minute=RATES,
        ),
        min_size=1,
    ),
    recordings(),
    st.integers(10, 30),
    st.integers(0, 40),
    st.sampled_from([None, 0, 1, 2]),
)
def test_a_replay_ends_as_the_model_told_event_by_event(
    plan: naive.Plan, machine: dict[int, naive.Chute], pieces: list[Recorded], lap: int, empty: int,
    waits: int | None,
) -> None:  # fmt: skip
    plan.host_laps, plan.exceptions[Disposition.HOST_LATE] = waits, 1
    lap_ns, empty_ns = lap * SECOND + 3, empty * SECOND + 7
    scans = np.zeros(len(pieces), SCAN)
    for scan, piece in zip(scans, pieces, strict=True):
        scan["scanned_ns"], scan["finding"] = piece.scanned_ns, piece.finding
        scan["destination"], scan["brand"] = piece.facts.destination, piece.facts.brand
        scan["service_class"] = piece.facts.service_class
    ends = np.zeros(len(scans), END)
    chutes = chute_records(machine)
    emptied = np.zeros(len(chutes), np.int32)
    minutes = np.zeros(2, np.int32)
    arrays = plan_arrays(plan)
    decisions = replay(scans, chutes, arrays, lap_ns, empty_ns, ends, emptied, minutes)
    model = Model(plan, machine, lap_ns, empty_ns)
    model.run(pieces)
    assert [tuple(end) for end in ends.tolist()] == [model.ends[k] for k in range(len(pieces))]
    # What would be emptied after the last scan is left to another day.
    for number, times in model.emptied.items():
        assert emptied[number] in (times, times - 1)
    assert decisions == minutes.sum() == len(pieces) + int(ends["laps"].sum())
    into, counts = np.unique(ends["chute"], return_counts=True)
    for number, count in zip(into.tolist(), counts.tolist(), strict=True):
        assert number == 0 or chutes[number]["discharged"] == count


def test_a_full_chute_takes_again_once_it_is_emptied() -> None:
    plan = naive.Plan(
        version=1, lap_limit=3, margin_ns=0, brands=[["A"]], places={"32": 0},
        routes=[{(0, 0): 1}], classes=1, groups={1: naive.Group([1])}, exceptions={},
    )  # fmt: skip
    machine = {1: naive.Chute(2, 5 * SECOND)}
    scans = np.zeros(4, SCAN)
    scans["scanned_ns"] = START_NS + np.array([0, 1, 2, 26]) * SECOND
    scans["finding"], scans["destination"] = Disposition.ROUTED, 32
    ends = np.zeros(4, END)
    chutes = chute_records(machine)
    emptied, minutes = np.zeros(len(chutes), np.int32), np.zeros(1, np.int32)
    # Full at 1 s, its last piece is in at 6 s, empty at 26 s: the third piece comes by at 32 s.
    replay(scans, chutes, plan_arrays(plan), 30 * SECOND, 20 * SECOND, ends, emptied, minutes)
    assert ends["laps"].tolist() == [0, 0, 1, 0]
    assert ends["chute"].tolist() == [1, 1, 1, 1]
    assert emptied[1] == 1
    assert chutes[1]["state"] == ChuteState.OPEN
