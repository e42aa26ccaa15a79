"""Arithmetic of sequences around the wrap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plc_adapters.mailbox.sequences import SEQUENCES, advance, distance, oldest_kept
from plc_adapters.mailbox.table import next_sequence

SEQUENCE = st.one_of(
    st.integers(1, 5000), st.integers(SEQUENCES - 5000, SEQUENCES), st.integers(1, SEQUENCES)
)
STEPS = st.integers(-5000, 5000)


@given(SEQUENCE, STEPS)
def test_distance_undoes_advance(sequence: int, steps: int) -> None:
    later = advance(sequence, steps)
    assert 1 <= later <= SEQUENCES
    assert distance(later, sequence) == steps
    assert distance(sequence, later) == -steps


@given(SEQUENCE, STEPS, STEPS)
def test_steps_add_up(sequence: int, one: int, other: int) -> None:
    assert advance(advance(sequence, one), other) == advance(sequence, one + other)


@given(SEQUENCE, st.integers(0, 200))
def test_advance_is_as_many_single_steps(sequence: int, steps: int) -> None:
    stepped = sequence
    for _ in range(steps):
        stepped = next_sequence(stepped)
    assert stepped == advance(sequence, steps)


def test_nothing_counts_as_the_place_before_the_first() -> None:
    assert advance(0, 1) == 1
    assert distance(1, 0) == 1
    assert distance(0, 0) == 0
    assert distance(0, 5) == -5


@given(SEQUENCE, st.sampled_from([8, 16, 256, 1024]))
def test_oldest_kept_is_what_a_ring_written_to_still_holds(newest: int, slots: int) -> None:
    ring = {}
    sequence = advance(newest, -3 * slots)
    while True:
        ring[sequence % slots] = sequence
        if sequence == newest:
            break
        sequence = next_sequence(sequence)
    oldest = oldest_kept(newest, slots)
    held = sequence = oldest
    while held != newest:
        assert ring[held % slots] == held
        held = next_sequence(held)
    before = advance(oldest, -1)
    spans_the_wrap = oldest > newest
    # The slot of 0 is never written, so what stood there stays: it is no part of the run.
    assert ring[before % slots] != before or spans_the_wrap


@pytest.mark.parametrize(
    ("newest", "oldest"),
    [(0, 1), (8, 1), (9, 2), (7, 1), (1, SEQUENCES - 5), (SEQUENCES, 2**32 - 8)],
)
def test_oldest_kept_by_a_ring_of_eight(newest: int, oldest: int) -> None:
    assert oldest_kept(newest, 8) == oldest
