"""Where chutes run short, same hour comes before same day before next day before economy."""

import pytest

from bench import naive
from plc_adapters.contract import Disposition
from tests.unit.assignment.cases import SECOND
from tests.unit.assignment.driver import Compiled

NOW = 1_800_000_000 * SECOND
SAME_HOUR, SAME_DAY, NEXT_DAY, ECONOMY, UNKNOWN = 1, 2, 3, 4, 0
KEEPS = [30, 0, 10, 20, 30]
"""Per cent, the unknown class first."""
LAPS = 3
MAIN, SPILL, REJECTS = 1, 2, 3
D = Disposition


def line(fill: int, spill_fill: int = 10) -> Compiled:
    """One chute of ten, an overflow of ten, and a chute for what is given up."""
    plan = naive.Plan(
        version=1,
        lap_limit=LAPS,
        margin_ns=0,
        brands=[["A[0-9]"]],
        places={"32": 0},
        routes=[{(1, c): MAIN for c in range(5)}],
        classes=4,
        groups={
            MAIN: naive.Group([1], overflow=SPILL),
            SPILL: naive.Group([2]),
            REJECTS: naive.Group([3]),
        },
        exceptions={D.LAP_LIMIT: REJECTS, D.NO_READ: SPILL},
        keep_free=KEEPS,
    )
    advices = {b"A%d" % n: naive.Advice(1, n, 32) for n in range(6)}
    fills = {1: fill, 2: spill_fill, 3: 0}
    chutes = {n: naive.Chute(10, n * SECOND, fill=fills[n]) for n in (1, 2, 3)}
    return Compiled(plan, advices, chutes)


def outcome(asked: Compiled, service_class: int, lap: int = 0) -> tuple[Disposition, list[int]]:
    """What becomes of a piece of a class; each class has a piece of its own."""
    scan = naive.Scan(service_class + 1, lap, NOW, [b"A%d" % service_class])
    (decision,) = asked.batch([scan], NOW)
    return decision.disposition, decision.chutes


Outcome = tuple[Disposition, list[int]]
IN: Outcome = (D.ROUTED, [1])
ROUND: Outcome = (D.RECIRCULATED, [])
SPILLED: Outcome = (D.OVERFLOW, [2])


@pytest.mark.parametrize(
    ("fill", "taken"),
    [
        (6, {SAME_HOUR, SAME_DAY, NEXT_DAY, ECONOMY, UNKNOWN}),
        (7, {SAME_HOUR, SAME_DAY, NEXT_DAY}),
        (8, {SAME_HOUR, SAME_DAY}),
        (9, {SAME_HOUR}),
        (10, set()),
    ],
)
def test_the_last_room_is_for_the_most_urgent(fill: int, taken: set[int]) -> None:
    for service_class in (SAME_HOUR, SAME_DAY, NEXT_DAY, ECONOMY, UNKNOWN):
        expected = IN if service_class in taken else ROUND
        assert outcome(line(fill), service_class) == expected


def test_a_class_that_the_plan_does_not_know_waits_like_an_unknown_one() -> None:
    assert outcome(line(6), 5) == IN
    assert outcome(line(7), 5) == ROUND


def test_it_gives_way_in_the_overflow_too() -> None:
    assert outcome(line(9, spill_fill=6), ECONOMY) == SPILLED
    assert outcome(line(9, spill_fill=7), ECONOMY) == ROUND
    assert outcome(line(9, spill_fill=7), SAME_HOUR) == IN
    assert outcome(line(10, spill_fill=9), SAME_HOUR) == SPILLED


@pytest.mark.parametrize(("lap", "most"), [(0, 6), (1, 7), (2, 8), (3, 9)])
def test_what_is_left_free_shrinks_with_the_laps_that_are_left(lap: int, most: int) -> None:
    """30 per cent of ten: three, then two, then one, then none."""
    assert outcome(line(most), ECONOMY, lap) == IN
    beyond = (D.LAP_LIMIT, [3]) if lap == LAPS else ROUND
    assert outcome(line(most + 1), ECONOMY, lap) == beyond


def test_an_exception_leaves_nothing_free() -> None:
    (decision,) = line(0, spill_fill=9).batch([naive.Scan(1, 0, NOW, [])], NOW)
    assert (decision.disposition, decision.chutes) == (D.NO_READ, [2])


def test_room_that_is_kept_counts_as_taken() -> None:
    asked = line(5)
    assert outcome(asked, ECONOMY) == IN
    assert outcome(asked, UNKNOWN) == IN
    assert outcome(asked, NEXT_DAY) == IN
    assert outcome(asked, SAME_DAY) == IN
    late = naive.Scan(9, 0, NOW, [b"A4"])
    (decision,) = asked.batch([late], NOW)
    assert decision.disposition == D.RECIRCULATED
