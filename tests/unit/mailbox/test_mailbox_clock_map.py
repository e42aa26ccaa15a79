"""PLC time to the service's time, and back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from plc_adapters.mailbox.clock_map import AGE_MAX_NS, WINDOW_MAX, ClockMap

MS = 1_000_000
BEGIN_NS = 1_790_000_000 * 1_000_000_000
WRAP = 1 << 32


def at(clock_map: ClockMap, plc_ms: int) -> int:
    return int(clock_map.to_host_ns(np.array([plc_ms % WRAP], np.uint32))[0])


def plc_ms(clock_map: ClockMap, host_ns: int) -> int:
    return int(clock_map.to_plc_ms(np.array([host_ns], np.int64))[0])


def test_is_ready_with_its_first_sample_and_not_after_a_reset() -> None:
    clock_map = ClockMap()
    assert not clock_map.ready
    clock_map.sample(5, BEGIN_NS)
    assert clock_map.ready
    clock_map.reset()
    assert not clock_map.ready
    clock_map.sample(70_000, BEGIN_NS + 1)
    assert at(clock_map, 70_000) == BEGIN_NS + 1


@given(st.lists(st.integers(0, 500 * MS), min_size=1, max_size=60), st.integers(0, WRAP - 1))
def test_the_least_delay_counts(delays_ns: list[int], first_ms: int) -> None:
    clock_map = ClockMap()
    for number, delay_ns in enumerate(delays_ns):
        now_ns = BEGIN_NS + number * 100 * MS
        clock_map.sample((first_ms + number * 100) % WRAP, now_ns + delay_ns)
    assert at(clock_map, first_ms) == BEGIN_NS + min(delays_ns)


@given(st.integers(0, WRAP - 1), st.integers(-(2**30), 2**30))
def test_both_ways_agree_across_the_wrap(first_ms: int, later_ms: int) -> None:
    clock_map = ClockMap()
    clock_map.sample(first_ms, BEGIN_NS)
    there = (first_ms + later_ms) % WRAP
    assert at(clock_map, there) == BEGIN_NS + later_ms * MS
    assert plc_ms(clock_map, BEGIN_NS + later_ms * MS) == there
    assert plc_ms(clock_map, BEGIN_NS + later_ms * MS + MS - 1) == there


def test_the_counter_is_followed_over_many_wraps() -> None:
    clock_map = ClockMap()
    step_ms = 2_000_000_000
    for number in range(10):
        clock_map.sample(number * step_ms % WRAP, BEGIN_NS + number * step_ms * MS)
    assert at(clock_map, 9 * step_ms) == BEGIN_NS + 9 * step_ms * MS


def test_deadlines_beyond_the_counter_become_the_furthest_it_can_tell() -> None:
    clock_map = ClockMap()
    clock_map.sample(1000, BEGIN_NS)
    year_ns = 365 * 86_400 * 1_000_000_000
    assert plc_ms(clock_map, BEGIN_NS + year_ns) == 1000 + 2**31 - 1
    assert plc_ms(clock_map, BEGIN_NS - year_ns) == (1000 - 2**31 + 1) % WRAP


def test_old_samples_are_forgotten_by_number() -> None:
    clock_map = ClockMap()
    clock_map.sample(0, BEGIN_NS)
    for number in range(1, WINDOW_MAX + 1):
        clock_map.sample(number, BEGIN_NS + number * MS + 7 * MS)
    assert at(clock_map, 0) == BEGIN_NS + 7 * MS


def test_a_fast_sample_from_before_an_outage_does_not_outlive_it() -> None:
    # An hour in which the PLC's counter falls behind by 100 ppm: 360 ms.
    clock_map = ClockMap()
    clock_map.sample(0, BEGIN_NS)
    hour_ms = 3_600_000
    clock_map.sample(hour_ms - 360, BEGIN_NS + hour_ms * MS)
    assert at(clock_map, hour_ms - 360) == BEGIN_NS + hour_ms * MS
    clock_map.sample(hour_ms - 360 + 10_000, BEGIN_NS + hour_ms * MS + AGE_MAX_NS + 3 * MS)
    assert at(clock_map, hour_ms - 360) == BEGIN_NS + hour_ms * MS + 3 * MS
