"""Pieces that wait for the upstream host: how long, what its answer does, and what it can't do."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bench import naive
from bench.naive_arrays import answer_records, plan_arrays
from plc_adapters.contract import Disposition
from sorter.assignment.answers import ON_ITS_WAY_NS, answer_batch
from sorter.assignment.arrays import no_pre_advice
from sorter.ports import DECISION, HELD_BACK, PIECE
from tests.unit.assignment.cases import CLASSES, DESTINATIONS, START_NS, World, worlds
from tests.unit.assignment.driver import Compiled
from tests.unit.assignment.test_decision import assert_same_memory

SECOND = 1_000_000_000
NOW = START_NS
D = Disposition
OUT, SPARE, LATE, HELD, REST = 1, 2, 3, 4, 5
FAR = 320706
WAYBILL = b"A123"


def plan(host_laps: int | None = 1, lap_limit: int = 3) -> naive.Plan:
    exceptions = {each: REST for each in Disposition if each >= D.NO_READ}
    exceptions |= {D.HOST_LATE: LATE, D.INTERCEPTED: HELD}
    return naive.Plan(
        version=1,
        lap_limit=lap_limit,
        margin_ns=SECOND // 50,
        brands=[["A[0-9]{3}"]],
        places={"32": 0},
        routes=[{(0, 0): OUT, (1, 0): OUT}],
        classes=0,
        groups={
            OUT: naive.Group([11, 12], overflow=SPARE),
            SPARE: naive.Group([21]),
            LATE: naive.Group([31]),
            HELD: naive.Group([41]),
            REST: naive.Group([51]),
        },
        exceptions=exceptions,
        host_laps=host_laps,
    )


def line_with(
    table: dict[bytes, naive.Advice] | None = None, host_laps: int | None = 1, lap_limit: int = 3
) -> Compiled:
    machine = {n: naive.Chute(capacity=50, travel_ns=n * SECOND) for n in (11, 12, 21, 31, 41, 51)}
    return Compiled(plan(host_laps, lap_limit), table or {}, machine)


def scan(line: Compiled, lap: int = 0, at_s: float = 0, code: bytes = WAYBILL) -> naive.Decision:
    now_ns = NOW + int(at_s * SECOND)
    (decision,) = line.batch([naive.Scan(1, lap, now_ns, [code])], now_ns)
    return decision


def answered(
    line: Compiled, facts: naive.Advice | None, at_s: float, piece: int = 1
) -> naive.Decision | None:
    decisions = line.answers([naive.Answer(piece, facts)], NOW + int(at_s * SECOND))
    return decisions[0] if decisions else None


def told(decision: naive.Decision | None) -> tuple[Disposition, list[int], int] | None:
    return (decision.disposition, decision.chutes, decision.revision) if decision else None


BOUND = naive.Advice(1, 0, FAR)


def test_a_piece_waits_without_a_chute_and_an_answer_sends_it_where_it_goes() -> None:
    line = line_with()
    waiting = scan(line)
    assert told(waiting) == (D.AWAITING_HOST, [], 0)
    # It must be known to stay on before the last chute, where it would leave by default.
    assert waiting.deadline_ns == NOW + 51 * SECOND - SECOND // 50
    decision = answered(line, BOUND, 3)
    assert told(decision) == (D.ROUTED, [11, 12], 1)
    assert decision is not None
    assert decision.facts == naive.Advice(1, 0, FAR)
    assert decision.deadline_ns == NOW + 11 * SECOND - SECOND // 50


def test_a_chute_that_is_passed_is_no_candidate() -> None:
    at_s = 11 - 0.02 - ON_ITS_WAY_NS / SECOND
    early, late = line_with(), line_with()
    for line in (early, late):
        scan(line)
    assert told(answered(early, BOUND, at_s - 0.001)) == (D.ROUTED, [11, 12], 1)
    assert told(answered(late, BOUND, at_s)) == (D.ROUTED, [12], 1)


def test_a_piece_past_its_chutes_keeps_the_answer_for_its_next_lap() -> None:
    line = line_with()
    scan(line)
    # The overflow chute 21 still lies ahead, but its own chutes are open and a lap is left.
    assert told(answered(line, BOUND, 13)) == (D.RECIRCULATED, [], 1)
    assert told(scan(line, lap=1, at_s=60)) == (D.ROUTED, [11, 12], 0)


def test_full_chutes_overflow_as_for_any_other_piece() -> None:
    line = line_with()
    for chute in (11, 12):
        line.change(chute, 2, locked=False, fill=50)
    scan(line)
    assert told(answered(line, BOUND, 3)) == (D.OVERFLOW, [21], 1)


@pytest.mark.parametrize("host_laps", [0, 1, 2, 3])
def test_without_an_answer_it_leaves_after_the_plans_laps(host_laps: int) -> None:
    line = line_with(host_laps=host_laps)
    for lap in range(host_laps):
        assert told(scan(line, lap, 60 * lap)) == (D.AWAITING_HOST, [], 0)
    assert told(scan(line, host_laps, 60 * host_laps)) == (D.HOST_LATE, [31], 0)


def test_the_laps_of_the_wait_count_from_the_first_question() -> None:
    line = line_with(host_laps=1)
    (unread,) = line.batch([naive.Scan(1, 0, NOW, [])], NOW)
    assert unread.disposition == D.NO_READ
    assert told(scan(line, 1, 60)) == (D.AWAITING_HOST, [], 0)
    assert told(scan(line, 2, 120)) == (D.HOST_LATE, [31], 0)


def test_on_its_last_lap_a_piece_does_not_wait() -> None:
    line = line_with(host_laps=1, lap_limit=1)
    line.batch([naive.Scan(1, 0, NOW, [])], NOW)
    assert told(scan(line, 1, 60)) == (D.HOST_LATE, [31], 0)


def test_an_answer_still_serves_a_piece_on_its_way_to_the_late_ones() -> None:
    line = line_with()
    scan(line)
    scan(line, 1, 60)
    assert told(answered(line, BOUND, 62)) == (D.ROUTED, [11, 12], 1)


def test_an_answer_too_late_for_the_last_lap_takes_no_chute_away() -> None:
    line = line_with(lap_limit=1)
    scan(line)
    assert told(scan(line, 1, 60)) == (D.HOST_LATE, [31], 0)
    for chute in (21, 51):
        line.change(chute, 4, locked=True, fill=0)
    before = line.tracking.in_flight().tobytes(), line.tracking.chutes.tobytes()
    assert answered(line, BOUND, 60 + 25) is None
    assert (line.tracking.in_flight().tobytes(), line.tracking.chutes.tobytes()) == before


def test_a_host_that_does_not_know_the_piece_ends_its_wait() -> None:
    line = line_with()
    scan(line)
    assert told(answered(line, None, 3)) == (D.UNKNOWN_DESTINATION, [51], 1)
    # It is not asked again, whatever keeps it on the sorter.
    assert told(scan(line, 1, 60)) == (D.UNKNOWN_DESTINATION, [51], 0)


def test_a_hold_holds_now_and_on_every_later_lap() -> None:
    line = line_with()
    scan(line)
    held = replace(BOUND, holds=frozenset({D.INTERCEPTED}))
    assert told(answered(line, held, 3)) == (D.INTERCEPTED, [41], 1)
    assert told(scan(line, 1, 60)) == (D.INTERCEPTED, [41], 0)
    assert answered(line, BOUND, 62) is None
    assert int(line.tracking.in_flight()["destination"][0]) == HELD_BACK


def test_a_hold_replaces_a_route_that_was_decided_meanwhile() -> None:
    line = line_with({WAYBILL: BOUND})
    assert scan(line).disposition == D.ROUTED
    assert answered(line, naive.Advice(1, 0, 330000), 2) is None
    held = naive.Advice(holds=frozenset({D.INTERCEPTED}))
    assert told(answered(line, held, 3)) == (D.INTERCEPTED, [41], 1)


def test_the_first_of_two_answers_counts() -> None:
    line = line_with()
    scan(line)
    answered(line, BOUND, 1)
    assert answered(line, None, 2) is None
    assert answered(line, replace(BOUND, destination=44), 2) is None


def test_a_place_without_a_route_is_told() -> None:
    line = line_with()
    scan(line)
    assert told(answered(line, replace(BOUND, destination=440305), 2)) == (D.NO_ROUTE, [51], 1)


def test_answers_for_others_change_nothing() -> None:
    line = line_with()
    scan(line)
    assert answered(line, BOUND, 1, piece=2) is None
    (record,) = answer_records([naive.Answer(1, BOUND)], 8)
    assert line.tracking.rows_of(np.array([record])).tolist() == [-1]


def test_a_second_waybill_ends_the_wait() -> None:
    line = line_with()
    scan(line)
    assert scan(line, 0, 1, b"A124").disposition == D.CONFLICT
    assert answered(line, BOUND, 2) is None


def test_a_row_of_pre_advice_without_a_destination_leaves_the_hosts_word() -> None:
    line = line_with({WAYBILL: naive.Advice(1, 0, 0)})
    assert scan(line).disposition == D.AWAITING_HOST
    answered(line, BOUND, 13)
    assert told(scan(line, 1, 60)) == (D.ROUTED, [11, 12], 0)


def test_a_plan_that_does_not_ask_knows_no_wait() -> None:
    assert told(scan(line_with(host_laps=None))) == (D.UNKNOWN_DESTINATION, [51], 0)


def test_arrays_that_are_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match="must hold n records"):
        answer_batch(
            answer_records([naive.Answer(1, BOUND)], 7), 2, np.zeros(1, PIECE),
            np.zeros(2, np.int32), line_with().tracking.chutes, plan_arrays(plan()),
            no_pre_advice(), 0, np.zeros(2, DECISION), np.zeros(2, np.uint8),
        )  # fmt: skip


ANSWERS = st.lists(
    st.builds(
        naive.Answer,
        st.integers(1, 7),
        st.none()
        | st.builds(
            naive.Advice,
            st.sampled_from([0, 1, 2, 3, 31]),
            st.integers(0, CLASSES + 1),
            st.sampled_from(DESTINATIONS[1:]),
            st.just(frozenset()) | st.frozensets(st.sampled_from(naive.HOLDS[:5])),
        ),
    ),
    max_size=6,
)


@given(worlds(), st.integers(0, 3), st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_compiled_answer_is_the_plain_one(
    world: World, host_laps: int, data: st.DataObject
) -> None:
    world.plan.host_laps = host_laps
    # Most pieces are to wait: nothing is known of where they go.
    advised = {w: replace(a, destination=0) for w, a in world.pre_advice.items()}
    world.plan.exceptions[D.HOST_LATE] = data.draw(st.integers(1, len(world.plan.groups)))
    line = naive.Line(world.plan, advised, deepcopy(world.chutes))
    compiled = Compiled(world.plan, advised, world.chutes)
    for turn in world.turns:
        for number, (state, locked, fill) in turn.chutes.items():
            chute = line.chutes[number]
            chute.state, chute.locked, chute.fill = state, locked, fill
            compiled.change(number, state, locked=locked, fill=fill)
        decided = line.batch(turn.scans, turn.now_ns)
        assert compiled.batch(turn.scans, turn.now_ns) == decided
        answers = data.draw(ANSWERS)
        now_ns = turn.now_ns + data.draw(st.sampled_from([0, SECOND, 9 * SECOND]))
        expected = line.answers(answers, now_ns)
        assert compiled.answers(answers, now_ns) == expected
        assert_same_memory(line, compiled.tracking)
        for decision in decided:
            event(decision.disposition.name)
        for decision in expected:
            event(f"answered: {decision.disposition.name}, {len(decision.chutes)} chutes")
