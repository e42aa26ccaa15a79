"""Holds: in their order, each with its own exception group, and never by an outbound chute."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import naive
from plc_adapters.contract import ChuteState, Disposition
from sorter.assignment.holds import find_hold
from sorter.assignment.tables import HOLDS_ALL
from sorter.assignment.warmup import empty_plan
from sorter.ports import PIECE, HoldKind
from tests.unit.assignment.driver import Compiled

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
DAY = 86_400 * SECOND
TODAY = datetime.fromtimestamp(NOW // SECOND, UTC).date()
D = Disposition
OUT, OUT_OVERFLOW, CHECK, HELD, REST = 1, 2, 3, 4, 5
OUTBOUND_CHUTES = {11, 12, 21}
FAR = 32_0706
LIMITS = naive.Limits(30_000, (1000, 600, 0))


def plan(limits: naive.Limits = LIMITS) -> naive.Plan:
    exceptions = {each: REST for each in Disposition if each >= D.NO_READ}
    exceptions |= {D.INTERCEPTED: CHECK, D.OVERSIZE: HELD}
    return naive.Plan(
        version=1,
        lap_limit=2,
        margin_ns=0,
        brands=[["A[0-9]{3}"]],
        places={"32": 0},
        routes=[{(0, 0): OUT, (1, 0): OUT}],
        classes=0,
        groups={
            OUT: naive.Group([11, 12], "balanced", overflow=OUT_OVERFLOW),
            OUT_OVERFLOW: naive.Group([21]),
            CHECK: naive.Group([31], overflow=HELD),
            HELD: naive.Group([41, 42], "filling"),
            REST: naive.Group([51]),
        },
        exceptions=exceptions,
        limits=limits,
    )


def machine() -> dict[int, naive.Chute]:
    return {n: naive.Chute(capacity=50, travel_ns=n * SECOND) for n in (11, 12, 21, 31, 41, 42, 51)}


def advice(*holds: Disposition, days: int | None = None) -> naive.Advice:
    expires = None if days is None else TODAY + timedelta(days)
    return naive.Advice(1, 0, FAR, frozenset(holds), expires)


def line_with(table: dict[bytes, naive.Advice], limits: naive.Limits = LIMITS) -> Compiled:
    return Compiled(plan(limits), table, machine())


def decided(
    line: Compiled, *codes: bytes, lap: int = 0, piece: int = 1, weight_g: int = -1,
    sizes_mm: tuple[int, int, int] = (-1, -1, -1), now_ns: int = NOW,
) -> naive.Decision:  # fmt: skip
    scan = naive.Scan(piece, lap, now_ns, list(codes), 0, weight_g, sizes_mm)
    (decision,) = line.batch([scan], now_ns)
    return decision


def test_bits_and_dispositions_stand_in_one_order() -> None:
    for kind in HoldKind:
        assert Disposition[str(kind.name)] == D.INTERCEPTED + int(kind).bit_length() - 1


@pytest.mark.parametrize("first", range(len(naive.HOLDS)))
def test_the_first_hold_counts_and_goes_to_its_group(first: int) -> None:
    """All holds from ``first`` on are on the piece at once."""
    holds = naive.HOLDS[first:]
    line = line_with({b"A001": advice(*[hold for hold in holds if hold < D.OVERWEIGHT])})
    weight = 30_001 if D.OVERWEIGHT in holds else 30_000
    decision = decided(line, b"A001", weight_g=weight, sizes_mm=(1000, 601, 9999))
    expected = {0: (CHECK, [31]), 6: (HELD, [41, 42])}.get(first, (REST, [51]))
    assert decision.disposition == naive.HOLDS[first]
    assert (decision.group, decision.chutes) == expected


@pytest.mark.parametrize(
    ("weight_g", "sizes_mm", "disposition"),
    [
        (-1, (-1, -1, -1), D.ROUTED),
        (0, (0, 0, 0), D.ROUTED),
        (30_000, (1000, 600, 32_767), D.ROUTED),
        (30_001, (1, 1, 1), D.OVERWEIGHT),
        (1, (1001, 1, 1), D.OVERSIZE),
        (1, (1, 601, 1), D.OVERSIZE),
        (30_001, (1001, 601, 1), D.OVERWEIGHT),
    ],
)
def test_limits(weight_g: int, sizes_mm: tuple[int, int, int], disposition: Disposition) -> None:
    line = line_with({b"A001": advice()})
    assert decided(line, b"A001", weight_g=weight_g, sizes_mm=sizes_mm).disposition == disposition


@pytest.mark.parametrize(
    ("limits", "weight_g", "sizes_mm", "disposition"),
    [
        (naive.Limits(30_000, (0, 0, 0), unknown_is_held=True), -1, (-1, -1, -1), D.OVERWEIGHT),
        (naive.Limits(30_000, (0, 0, 0), unknown_is_held=True), 0, (1, 1, 1), D.OVERWEIGHT),
        (naive.Limits(30_000, (0, 0, 0), unknown_is_held=True), 1, (-1, -1, -1), D.ROUTED),
        (naive.Limits(0, (0, 0, 500), unknown_is_held=True), -1, (1, 1, 0), D.OVERSIZE),
        (naive.Limits(0, (0, 0, 500), unknown_is_held=True), -1, (-1, -1, 500), D.ROUTED),
        (naive.Limits(unknown_is_held=True), -1, (-1, -1, -1), D.ROUTED),
    ],
)
def test_unknown_is_held_if_the_plan_says_so(
    limits: naive.Limits, weight_g: int, sizes_mm: tuple[int, int, int], disposition: Disposition
) -> None:
    line = line_with({b"A001": advice()}, limits)
    assert decided(line, b"A001", weight_g=weight_g, sizes_mm=sizes_mm).disposition == disposition


def test_identity_comes_before_holds() -> None:
    line = line_with({b"A001": advice(D.DAMAGED), b"A002": advice()})
    assert decided(line, weight_g=30_001).disposition == D.NO_READ
    assert decided(line, b"A001", b"A002", piece=2).disposition == D.CONFLICT
    assert decided(line, b"X", piece=3, weight_g=30_001).disposition == D.NOT_A_WAYBILL


def test_holds_come_before_the_destination() -> None:
    line = line_with({b"A001": naive.Advice(1, 0, 0, frozenset([D.DAMAGED]))})
    assert decided(line, b"A001").disposition == D.DAMAGED
    assert decided(line, b"A999", piece=2, weight_g=30_001).disposition == D.OVERWEIGHT
    assert decided(line, b"A999", piece=3).disposition == D.UNKNOWN_DESTINATION


@pytest.mark.parametrize(("days", "counts"), [(None, True), (1, True), (0, True), (-1, False)])
def test_an_expired_row_is_as_if_it_were_not_there(days: int | None, *, counts: bool) -> None:
    line = line_with({b"A001": advice(D.DAMAGED, days=days), b"ODD": advice(days=days)})
    assert decided(line, b"A001").disposition == (D.DAMAGED if counts else D.UNKNOWN_DESTINATION)
    odd = decided(line, b"ODD", piece=2).disposition
    assert odd == (D.ROUTED if counts else D.NOT_A_WAYBILL)


def test_a_hold_that_expires_under_way_does_not_set_the_piece_free() -> None:
    line = line_with({b"A001": advice(D.INTERCEPTED, days=0)})
    held = decided(line, b"A001")
    assert (held.disposition, held.facts.destination) == (D.INTERCEPTED, FAR)
    later = decided(line, b"A001", lap=1, now_ns=NOW + DAY)
    assert (later.disposition, later.group) == (D.UNKNOWN_DESTINATION, REST)


def test_a_destination_known_before_outlives_its_row_if_it_never_was_a_hold() -> None:
    line = line_with({b"A001": advice(days=0)})
    assert decided(line, b"A001").disposition == D.ROUTED
    assert decided(line, b"A001", lap=1, now_ns=NOW + DAY).disposition == D.ROUTED


def test_a_measure_on_the_second_scan_of_a_lap_takes_the_route_back() -> None:
    line = line_with({b"A001": advice()})
    assert decided(line, b"A001").disposition == D.ROUTED
    held = decided(line, b"A001", weight_g=30_001)
    assert (held.disposition, held.revision, held.chutes) == (D.OVERWEIGHT, 1, [51])
    assert int(line.tracking.chutes[11]["reserved"]) == 0
    again = naive.Scan(1, 0, NOW, [b"A001"], 0, 30_002, (2000, 1, 1))
    assert line.batch([again], NOW) == []


def test_a_hold_replaces_a_no_read_and_stays_on_later_laps_that_read_nothing() -> None:
    line = line_with({b"A001": advice(D.INTERCEPTED)})
    assert decided(line).disposition == D.NO_READ
    held = decided(line, b"A001")
    assert (held.disposition, held.revision) == (D.INTERCEPTED, 1)
    assert decided(line, lap=1).disposition == D.INTERCEPTED


def test_a_bit_without_a_name_holds_too() -> None:
    piece, scalars = np.zeros(1, PIECE), empty_plan().scalars
    assert find_hold(0, piece[0], scalars) == D.NONE
    for bit in range(16):
        expected = min(D.INTERCEPTED + bit, D.DAMAGED)
        assert find_hold(1 << bit, piece[0], scalars) == expected
    assert HOLDS_ALL == 0b11111


STATES = st.sampled_from([ChuteState.OPEN, ChuteState.FULL, ChuteState.BLOCKED, ChuteState.EMPTIED])
CHANGES = st.dictionaries(
    st.sampled_from(sorted(machine())), st.tuples(STATES, st.booleans(), st.integers(0, 60))
)


@given(
    holds=st.sets(st.sampled_from(naive.HOLDS), min_size=1),
    free=st.integers(0, 4),
    laps=st.lists(st.tuples(CHANGES, st.booleans(), st.integers(0, 60)), min_size=1, max_size=6),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_held_piece_never_leaves_through_an_outbound_chute(
    holds: set[Disposition],
    free: int,
    laps: list[tuple[dict[int, tuple[int, bool, int]], bool, int]],
) -> None:
    """Whatever chutes are full, shut or passed, on every lap, past the lap limit as well.

    ``free`` pieces without a hold travel with it and take the same chutes.
    """
    advised = {hold for hold in holds if hold < D.OVERWEIGHT}
    line = line_with({b"A001": advice(*advised), b"A002": advice()})
    weight = 30_001 if D.OVERWEIGHT in holds else 1
    sizes = (1001, 1, 1) if D.OVERSIZE in holds else (1, 1, 1)
    for lap, (changes, is_read, gone_s) in enumerate(laps):
        for number, (state, locked, fill) in changes.items():
            line.change(number, state, locked=locked, fill=fill)
        event_ns = NOW - gone_s * SECOND
        codes = [b"A001"] if is_read or lap == 0 else []
        scans = [naive.Scan(1, lap, event_ns, codes, 0, weight, sizes)]
        scans += [naive.Scan(2 + k, lap, event_ns, [b"A002"]) for k in range(free)]
        held = line.batch(scans, NOW)[0]
        assert held.disposition == next(hold for hold in naive.HOLDS if hold in holds)
        assert not OUTBOUND_CHUTES & set(held.chutes)
        assert held.group in {CHECK, HELD, REST}
