"""The PLC's millisecond counter on the service's clock, and back."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

WINDOW_MAX = 64
"""Samples looked at, newest last."""
AGE_MAX_NS = 10_000_000_000
"""Age of the oldest sample looked at: a drift of 100 ppm between the clocks then costs 1 ms, and
the first sample after an outage counts alone, however far the clocks went apart meanwhile."""
NS_PER_MS = 1_000_000
_WRAP_MS = 1 << 32
_HALF_MS = 1 << 31


class ClockMap:
    """Maps PLC time to the service's clock by the fastest of the last samples.

    A sample pairs a PLC time with the instant the service had it in hand, which is the true pairing
    plus a delay that is never negative; so the least difference in the window is the best estimate.
    The counter's wrap (every 49.7 days) is followed as long as one sample comes in 24 days.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=WINDOW_MAX)
        """Instant of a sample, and the service's clock less the PLC's by it; both ns."""
        self._offset_ns = 0
        self._latest_ms = 0
        """Newest sample's PLC time, counted on beyond 32 bits."""

    @property
    def ready(self) -> bool:
        """Whether there is a sample to map by."""
        return bool(self._samples)

    def reset(self) -> None:
        """Forget everything: the PLC started anew, and its counter with it."""
        self._samples.clear()
        self._latest_ms = 0

    def sample(self, plc_time_ms: int, host_ns: int) -> None:
        """Take in that the PLC's counter stood at ``plc_time_ms`` no later than ``host_ns``."""
        if self._samples:
            step = (plc_time_ms - self._latest_ms + _HALF_MS) % _WRAP_MS - _HALF_MS
            self._latest_ms += step
        else:
            self._latest_ms = plc_time_ms
        while self._samples and host_ns - self._samples[0][0] > AGE_MAX_NS:
            self._samples.popleft()
        self._samples.append((host_ns, host_ns - self._latest_ms * NS_PER_MS))
        self._offset_ns = min(offset_ns for _, offset_ns in self._samples)

    def to_host_ns(self, plc_time_ms: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the instants of these PLC times, at most 24 days from the newest sample."""
        behind = (plc_time_ms.astype(np.int64) - self._latest_ms + _HALF_MS) % _WRAP_MS - _HALF_MS
        result: NDArray[np.int64] = (behind + self._latest_ms) * NS_PER_MS + self._offset_ns
        return result

    def to_plc_ms(self, host_ns: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the PLC times of these instants, rounded down, 32 bits with wrap.

        Instants further away than the counter can tell are taken for the furthest it can.
        """
        plc_ms = (host_ns - self._offset_ns) // NS_PER_MS
        near = np.clip(plc_ms, self._latest_ms - _HALF_MS + 1, self._latest_ms + _HALF_MS - 1)
        return (near % _WRAP_MS).astype(np.uint32)
