"""The tie against a naive oracle: candidates counted over the whole stream, without any order."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plc_adapters.autoid.codes import Codes
from plc_adapters.autoid.tie import (
    CANDIDATES_MAX,
    LATE_KEEP_NS,
    NS_PER_MS,
    RESULTS_MAX,
    TRIGGERS_MAX,
    Outcome,
    Result,
    StationTie,
    Trigger,
    Window,
)

START = 1_800_000_000_000 * NS_PER_MS
WINDOW = Window(offset_ms=20, window_ms=100, delivery_ms=150)
BY_ID = Window(offset_ms=20, window_ms=100, delivery_ms=150, by_trigger=True)
REPORT_MS = 40
"""The PLC tells of a piece at most so long after it passed."""


def codes(mark: int) -> Codes:
    found = np.zeros((4, 40), np.uint8)
    found[0, :4] = np.frombuffer(mark.to_bytes(4, "big"), np.uint8)
    return Codes(found, 1, 0, 0)


def mark_of(trigger: Trigger) -> int:
    return int.from_bytes(trigger.codes.codes[0, :4].tobytes(), "big")


def at(ms: int) -> int:
    return START + ms * NS_PER_MS


def read_at(ms: int, mark: int, delay: int = 0, trigger: int = 0) -> Result:
    return Result(codes(mark), at(ms), at(ms + delay), trigger)


@dataclass(frozen=True)
class Piece:
    """A piece of a stream; ``reads`` are jitter and delay, in ms, of each result of it."""

    gap: int
    report: int
    reads: tuple[tuple[int, int], ...]


READS = st.tuples(st.integers(0, WINDOW.window_ms), st.integers(0, WINDOW.delivery_ms))
PIECES = st.lists(
    st.builds(
        Piece,
        st.integers(1, 300),
        st.integers(0, REPORT_MS),
        st.lists(READS, max_size=2).map(tuple),
    ),
    max_size=12,
)
EXTRAS = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, WINDOW.delivery_ms)), max_size=4)


def told(pieces: list[Piece], extras: list[tuple[int, int]], step: int) -> list[Trigger]:
    """Run a stream as it would be told in time, in turns of ``step`` ms; return the triggers."""
    tie = StationTie(WINDOW)
    happenings: list[tuple[int, int, Result | tuple[int, int]]] = []
    passed = 0
    told_ms = 0
    for number, piece in enumerate(pieces, 1):
        passed += piece.gap
        told_ms = max(told_ms, passed + piece.report)  # the PLC tells in order
        happenings.append((told_ms, len(happenings), (number, passed)))
        for jitter, delay in piece.reads:
            read = passed + WINDOW.offset_ms + jitter
            result = read_at(read, number, delay)
            happenings.append((read + delay, len(happenings), result))
    for read, delay in extras:
        result = read_at(read, 10_000 + len(happenings), delay)
        happenings.append((read + delay, len(happenings), result))
    happenings.sort()
    triggers: list[Trigger] = []
    now = 0
    while happenings or now < passed + 3000:
        now += step
        while happenings and happenings[0][0] <= now:
            _, _, happened = happenings.pop(0)
            if isinstance(happened, Result):
                tie.result(happened)
            else:
                triggers.append(tie.trigger(happened[0], at(happened[1])))
        # The PLC tells in order, so a piece may wait behind one that was told late.
        tie.settle(at(now), at(now - REPORT_MS))
    return triggers


def naive(pieces: list[Piece], extras: list[tuple[int, int]]) -> list[tuple[Outcome, int]]:
    """Return what becomes of each piece, and whose result it gets."""
    windows = []
    results = list(extras_at(extras))
    passed = 0
    for number, piece in enumerate(pieces, 1):
        passed += piece.gap
        first = passed + WINDOW.offset_ms
        windows.append((first, first + WINDOW.window_ms))
        results += [(first + jitter, number) for jitter, _ in piece.reads]

    def inside(read: int, window: tuple[int, int]) -> bool:
        return window[0] <= read <= window[1]

    found = []
    for window in windows:
        mine = [(read, mark) for read, mark in results if inside(read, window)]
        if not mine:
            found.append((Outcome.NOTHING, 0))
        elif len(mine) == 1 and sum(inside(mine[0][0], other) for other in windows) == 1:
            found.append((Outcome.TIED, mine[0][1]))
        else:
            found.append((Outcome.AMBIGUOUS, 0))
    return found


def extras_at(extras: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(read, -1) for read, _ in extras]


@given(PIECES, EXTRAS, st.integers(1, 120))
@example([Piece(100, 40, ()), Piece(1, 40, ((0, 0),))], [], 1)
def test_each_piece_gets_what_the_oracle_says(
    pieces: list[Piece], extras: list[tuple[int, int]], step: int
) -> None:
    triggers = told(pieces, extras, step)
    expected = naive(pieces, extras)
    assert [trigger.outcome for trigger in triggers] == [outcome for outcome, _ in expected]
    for trigger, (outcome, mark) in zip(triggers, expected, strict=True):
        if outcome is Outcome.TIED:
            assert mark_of(trigger) == mark or (mark == -1 and mark_of(trigger) > 10_000)


@given(PIECES, st.integers(1, 120))
def test_never_a_neighbours_code(pieces: list[Piece], step: int) -> None:
    """Whatever is missing or told twice: a tied piece has its own code."""
    for trigger in told(pieces, [], step):
        if trigger.outcome is Outcome.TIED:
            assert mark_of(trigger) == trigger.piece_id


def test_a_result_between_two_pieces_is_neithers() -> None:
    tie = StationTie(WINDOW)
    both = tie.trigger(1, at(0)), tie.trigger(2, at(50))
    tie.result(read_at(100, 7))
    tie.settle(at(2000), at(2000))
    assert [trigger.outcome for trigger in both] == [Outcome.AMBIGUOUS] * 2
    assert tie.counts.ambiguous == 2


def test_it_waits_until_the_plc_has_told_of_all_pieces_of_the_window() -> None:
    """A cut link to the PLC must not make a piece look alone."""
    tie = StationTie(WINDOW)
    first = tie.trigger(1, at(0))
    tie.result(read_at(100, 2))
    tie.settle(at(9000), at(60))
    assert first.outcome is Outcome.OPEN
    second = tie.trigger(2, at(60))
    tie.settle(at(9000), at(9000))
    assert first.outcome is second.outcome is Outcome.AMBIGUOUS


def test_a_result_by_id_needs_no_window() -> None:
    tie = StationTie(BY_ID)
    tie.result(read_at(5, 2, trigger=2))
    first, second = tie.trigger(1, at(0)), tie.trigger(2, at(1))
    tie.result(read_at(5, 1, trigger=1))
    tie.settle(at(6), at(0))
    assert first.outcome is second.outcome is Outcome.TIED
    assert (mark_of(first), mark_of(second)) == (1, 2)


def test_a_result_without_an_id_is_nobodys_where_ids_count() -> None:
    tie = StationTie(BY_ID)
    trigger = tie.trigger(1, at(0))
    tie.result(read_at(30, 1))
    tie.settle(at(1000), at(1000))
    assert trigger.outcome is Outcome.NOTHING
    tie.settle(at(30) + 2 * LATE_KEEP_NS, at(0))
    assert (tie.counts.unanswered, tie.counts.strays) == (1, 1)


def test_two_results_of_one_id_are_ambiguous() -> None:
    tie = StationTie(BY_ID)
    trigger = tie.trigger(1, at(0))
    tie.result(read_at(30, 1, trigger=1))
    tie.result(read_at(31, 2, trigger=1))
    tie.settle(at(40), at(40))
    assert trigger.outcome is Outcome.AMBIGUOUS


@pytest.mark.parametrize("window", [WINDOW, BY_ID])
def test_a_late_result_is_counted_and_given_to_nobody(window: Window) -> None:
    tie = StationTie(window)
    trigger = tie.trigger(1, at(0))
    tie.settle(at(1000), at(1000))
    tie.result(read_at(50, 1, delay=2000, trigger=1))
    after = tie.trigger(2, at(2000))
    tie.settle(at(4000), at(4000))
    assert trigger.outcome is after.outcome is Outcome.NOTHING
    assert tie.counts.late == 1


def test_a_result_that_is_old_by_its_own_clock_is_late_though_a_window_is_open() -> None:
    """The scanner's clock was set back: by it the piece in hand is the one before."""
    tie = StationTie(WINDOW)
    trigger = tie.trigger(1, at(0))
    tie.result(read_at(30, 2, delay=151))
    tie.settle(at(1000), at(1000))
    assert trigger.outcome is Outcome.NOTHING
    assert tie.counts.late == 1


def test_a_restarted_plc_gives_ids_anew() -> None:
    tie = StationTie(BY_ID)
    before = tie.trigger(5, at(0))
    tie.result(read_at(20, 1, trigger=6))
    tie.begin_anew(at(1000))
    tie.result(read_at(30, 1, trigger=5))
    after = [tie.trigger(5, at(1000)), tie.trigger(6, at(1100))]
    tie.settle(at(3000), at(3000))
    assert [trigger.outcome for trigger in (before, *after)] == [Outcome.NOTHING] * 3
    assert tie.counts.strays == 2


def test_a_scanner_that_floods_takes_no_more_memory() -> None:
    tie = StationTie(WINDOW)
    for number in range(RESULTS_MAX + 10):
        tie.result(read_at(number, number))
    assert tie.counts.strays == 10


def test_a_plc_that_floods_takes_no_more_memory() -> None:
    tie = StationTie(WINDOW)
    triggers = [tie.trigger(number, at(0)) for number in range(TRIGGERS_MAX + 10)]
    tie.result(read_at(50, 1))
    outcomes = [trigger.outcome for trigger in triggers]
    assert outcomes == [Outcome.NOTHING] * 10 + [Outcome.OPEN] * TRIGGERS_MAX
    assert [len(trigger.candidates) for trigger in triggers] == [0] * 10 + [1] * TRIGGERS_MAX


def test_a_piece_keeps_no_more_results_than_make_it_ambiguous() -> None:
    tie = StationTie(WINDOW)
    trigger = tie.trigger(1, at(0))
    for number in range(100):
        tie.result(read_at(50, number))
    tie.settle(at(1000), at(1000))
    assert trigger.outcome is Outcome.AMBIGUOUS
    assert len(trigger.candidates) == CANDIDATES_MAX
    assert tie.counts.strays == 0


def vague(first_ms: int, spread_ms: int, arrived_ms: int) -> Result:
    return Result(codes(1), at(first_ms), at(arrived_ms), spread_ns=spread_ms * NS_PER_MS)


def test_a_result_of_a_vague_instant_is_every_pieces_it_may_be_of() -> None:
    tie = StationTie(Window(offset_ms=0, window_ms=100, delivery_ms=500))
    first = tie.trigger(1, at(0))
    tie.result(vague(90, 60, 200))
    # The PLC has told of the window of the first piece, and not yet of all the result may be of.
    tie.settle(at(700), at(120))
    assert first.outcome is Outcome.OPEN
    second = tie.trigger(2, at(130))
    tie.settle(at(900), at(900))
    assert [first.outcome, second.outcome] == [Outcome.AMBIGUOUS, Outcome.AMBIGUOUS]


def test_a_vague_instant_with_one_piece_in_reach_is_that_pieces() -> None:
    tie = StationTie(Window(offset_ms=0, window_ms=100, delivery_ms=500))
    piece = tie.trigger(1, at(0))
    tie.result(vague(-5, 20, 150))
    tie.settle(at(900), at(900))
    assert piece.outcome is Outcome.TIED
