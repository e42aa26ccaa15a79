"""A chute takes no more pieces a minute than it may, and is passed over meanwhile."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import naive
from bench.naive_arrays import chute_records
from plc_adapters.contract import EVENT, AnswerStatus, DischargeStatus, Disposition, EventKind
from sorter.assignment.rates import burst_of, may_take, spacing_ns, take
from tests.unit.assignment.cases import SECOND
from tests.unit.assignment.driver import BOOT, LINE, Compiled

MINUTE = 60 * SECOND
NOW = 1_800_000_000 * SECOND
D = Disposition


def taken_at(per_minute: int, asked: list[int]) -> list[int]:
    """The instants at which a chute that is asked so often takes a piece."""
    chutes = chute_records({1: naive.Chute(9, SECOND, per_minute=per_minute)})
    plain = naive.Chute(9, SECOND, per_minute=per_minute)
    taken = []
    for now in asked:
        assert may_take(chutes[1], now) == plain.may_take(now)
        if may_take(chutes[1], now):
            take(chutes[1], now)
            plain.take(now)
            taken.append(now)
    return taken


@given(
    st.integers(1, 200),
    st.lists(st.integers(0, 5 * SECOND) | st.integers(0, 2 * MINUTE), min_size=1, max_size=400),
)
@settings(max_examples=200, deadline=None)
def test_no_minute_sees_more_than_the_rate(per_minute: int, gaps: list[int]) -> None:
    taken = taken_at(per_minute, (NOW + np.cumsum(gaps)).tolist())
    for first, beyond in zip(taken, taken[per_minute:], strict=False):
        assert beyond - first >= MINUTE


@pytest.mark.parametrize("per_minute", [1, 2, 11, 12, 13, 24, 60, 6000])
def test_a_chute_takes_a_few_at_once_and_then_one_after_the_other(per_minute: int) -> None:
    at_once, wait = burst_of(per_minute), spacing_ns(per_minute)
    later = [NOW + k * wait for k in range(1, per_minute) if k * wait < MINUTE]
    early = [instant - 1 for instant in later]
    asked = sorted([NOW] * (per_minute + 1) + later + early)
    assert taken_at(per_minute, asked) == [NOW] * at_once + later
    assert at_once + len(later) in (per_minute, per_minute - 1)  # Whole nanoseconds are rounded up.


def test_no_rate_takes_all() -> None:
    assert len(taken_at(0, [NOW] * 1000)) == 1000


def plan() -> naive.Plan:
    return naive.Plan(
        version=1,
        lap_limit=1,
        margin_ns=0,
        brands=[["A[0-9]{3}"]],
        places={"32": 0},
        routes=[{(1, 0): 1}],
        classes=1,
        groups={
            1: naive.Group([1, 2], overflow=2),
            2: naive.Group([3]),
            3: naive.Group([4]),
        },
        exceptions={D.LAP_LIMIT: 3, D.NO_READ: 3},
    )


class Line(Compiled):
    """A line of four chutes, one for each piece; chutes 1, 2 and 4 take two a minute."""

    def __init__(self) -> None:
        chutes = {n: naive.Chute(99, n * SECOND, per_minute=2 * (n != 3)) for n in range(1, 5)}
        advices = {b"A%03d" % n: naive.Advice(1, 0, 32) for n in range(1000)}
        super().__init__(plan(), advices, chutes)
        self.tracking.chutes[3]["locked"] = 1

    def outcome(self, piece: int, now: int, lap: int = 0) -> tuple[Disposition, list[int]]:
        scan = naive.Scan(piece, lap, now, [b"A%03d" % piece])
        (decision,) = self.batch([scan], now)
        return decision.disposition, decision.chutes

    def told(self, kind: EventKind, piece: int, **fields: object) -> None:
        event = np.zeros(1, EVENT)
        event["line"], event["boot_id"], event["kind"], event["piece_id"] = LINE, BOOT, kind, piece
        for name, value in fields.items():
            event[name] = value
        self.tracking.apply(event)


def test_a_chute_whose_rate_is_used_up_is_passed_over() -> None:
    """Two a minute: the next 30 s later."""
    line = Line()
    assert line.outcome(1, NOW) == (D.ROUTED, [1, 2])
    assert line.outcome(2, NOW) == (D.ROUTED, [2])
    assert line.outcome(3, NOW + 29 * SECOND) == (D.RECIRCULATED, [])
    assert line.outcome(4, NOW + 30 * SECOND) == (D.ROUTED, [1, 2])
    assert line.outcome(5, NOW + 31 * SECOND) == (D.ROUTED, [2])
    line.tracking.chutes[3]["locked"] = 0
    assert line.outcome(6, NOW + 32 * SECOND) == (D.OVERFLOW, [3])
    line.tracking.chutes[3]["locked"] = 1
    assert line.outcome(7, NOW + 33 * SECOND, lap=1) == (D.LAP_LIMIT, [4])
    # The exception's own chute is named on the last lap, whatever its rate.
    assert line.outcome(8, NOW + 34 * SECOND, lap=1) == (D.LAP_LIMIT, [4])


def test_a_second_answer_for_the_same_chute_counts_once() -> None:
    line = Line()
    for chute in (1, 2):
        line.tracking.chutes[chute]["locked"] = 1
    (first,) = line.batch([naive.Scan(1, 0, NOW, [])], NOW)
    due = int(line.tracking.chutes[4]["rate_due_ns"])
    (again,) = line.batch([naive.Scan(1, 0, NOW, [b"A001", b"A002"])], NOW)
    assert (first.chutes, again.chutes) == ([4], [])
    assert int(line.tracking.chutes[4]["rate_due_ns"]) == due == NOW + 30 * SECOND


def test_a_piece_counts_where_it_went_in_spite_of_its_answer() -> None:
    line = Line()
    assert line.outcome(1, NOW)[1] == [1, 2]
    sorted_in = int(DischargeStatus.SORTED)
    line.told(EventKind.DISCHARGED, 1, chute=2, status=sorted_in, event_ns=NOW + 2 * SECOND)
    dues = line.tracking.chutes["rate_due_ns"][1:3].tolist()
    assert dues == [NOW + 30 * SECOND, NOW + 30 * SECOND]
    assert line.outcome(2, NOW + 3 * SECOND) == (D.RECIRCULATED, [])
    # One that went where it was told to is not counted again.
    assert line.outcome(3, NOW + 30 * SECOND)[1] == [1, 2]
    line.told(EventKind.DISCHARGED, 3, chute=1, status=sorted_in, event_ns=NOW + 31 * SECOND)
    assert int(line.tracking.chutes[1]["rate_due_ns"]) == NOW + 60 * SECOND


def test_what_the_plc_holds_instead_counts() -> None:
    line = Line()
    assert line.outcome(1, NOW)[1] == [1, 2]
    line.told(
        EventKind.INSTRUCTED, 1, status=AnswerStatus.REFUSED_HELD, disposition=D.ROUTED,
        chutes=[2, 0, 0, 0], event_ns=NOW,
    )  # fmt: skip
    assert int(line.tracking.chutes[2]["rate_due_ns"]) == NOW + 30 * SECOND


def test_a_recovered_line_knows_what_was_taken() -> None:
    line, again = Line(), Line()
    line.outcome(1, NOW)
    line.outcome(2, NOW)
    again.tracking.restore(line.tracking.snapshot())
    dues = line.tracking.chutes["rate_due_ns"]
    assert dues[1:3].tolist() == [NOW + 30 * SECOND] * 2
    assert again.tracking.chutes["rate_due_ns"].tolist() == dues.tolist()
