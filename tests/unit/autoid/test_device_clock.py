"""An instant of the scanner's clock lies in the span it is given, whatever the clocks do."""

from hypothesis import given
from hypothesis import strategies as st

from plc_adapters.autoid.device_clock import AGE_MAX_NS, SAMPLES_MIN, DeviceClock

MS = 1_000_000
START = 1_800_000_000_000 * MS
delays = st.integers(0, 300)


def test_nothing_is_known_before_enough_messages() -> None:
    clock = DeviceClock()
    for number in range(SAMPLES_MIN):
        assert clock.span(0, 0) is None
        clock.sample(number, START + number)
    assert clock.span(0, 0) == (START, START)


def test_an_outage_ends_what_was_known() -> None:
    clock = DeviceClock()
    for number in range(SAMPLES_MIN):
        clock.sample(number, START + number)
    clock.sample(5, START + AGE_MAX_NS + SAMPLES_MIN)
    assert clock.span(0, 0) is None


@given(
    offset=st.integers(-(10**9), 10**9),
    messages=st.lists(st.tuples(delays, delays, st.integers(-500, 500)), min_size=20, max_size=100),
    fastest=delays,
)
def test_the_true_instant_is_at_most_early_by_the_fastest_way(
    offset: int, messages: list[tuple[int, int, int]], fastest: int
) -> None:
    """Clock steps of either sign come between messages; ``now`` never runs backwards."""
    clock = DeviceClock()
    now, offset_ms = 0, offset
    for number, (waited, under_way, step) in enumerate(messages):
        offset_ms += step if number > SAMPLES_MIN else 0
        read = now + 1
        sent = read + waited
        now = arrived = sent + fastest + under_way
        clock.sample(START + (sent - offset_ms) * MS, START + arrived * MS)
        span = clock.span(START + (read - offset_ms) * MS, START + (read - offset_ms) * MS)
        if span is not None:
            assert span.first_ns <= START + (read + fastest + under_way) * MS
            assert START + read * MS <= span.last_ns <= START + arrived * MS
