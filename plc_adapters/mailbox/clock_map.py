"""The PLC's millisecond counter on the service's clock, and back."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from plc_adapters.mailbox.compiled import compiled

WINDOW_MAX = 64
"""Samples looked at, newest last."""
AGE_MAX_NS = 10_000_000_000
"""Age of the oldest sample looked at: a drift of 100 ppm between the clocks then costs 1 ms, and
the first sample after an outage counts alone, however far the clocks went apart meanwhile."""
NS_PER_MS = 1_000_000
_WRAP_MS = 1 << 32
_HALF_MS = 1 << 31


@compiled
def host_instant(plc_time_ms: int, latest_ms: int, offset_ns: int) -> int:
    """Return the instant of a PLC time; the rest as in :class:`ClockMap`."""
    behind_ms = (plc_time_ms - latest_ms + _HALF_MS) % _WRAP_MS - _HALF_MS
    return (behind_ms + latest_ms) * NS_PER_MS + offset_ns


@compiled
def host_instants(
    plc_time_ms: NDArray[np.uint32], latest_ms: int, offset_ns: int, host_ns: NDArray[np.int64]
) -> None:
    """Write the instants of PLC times."""
    for i in range(len(plc_time_ms)):
        host_ns[i] = host_instant(int(np.int64(plc_time_ms[i])), latest_ms, offset_ns)


@compiled
def plc_times(
    host_ns: NDArray[np.int64], latest_ms: int, offset_ns: int, plc_time_ms: NDArray[np.uint32]
) -> None:
    """Write the PLC times of instants; of those that the counter can't tell the furthest it can."""
    for i in range(len(host_ns)):
        plc_ms = (int(np.int64(host_ns[i])) - offset_ns) // NS_PER_MS
        if plc_ms < latest_ms - _HALF_MS + 1:
            plc_ms = latest_ms - _HALF_MS + 1
        elif plc_ms > latest_ms + _HALF_MS - 1:
            plc_ms = latest_ms + _HALF_MS - 1
        plc_time_ms[i] = plc_ms % _WRAP_MS


class ClockMap:
    """Maps PLC time to the service's clock by the fastest of the last samples.

    A sample pairs a PLC time with the instant the service had it in hand, which is the true pairing
    plus a delay that is never negative; so the least difference in the window is the best estimate.
    The counter's wrap (every 49.7 days) is followed as long as one sample comes in 24 days.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=WINDOW_MAX)
        """Instant of a sample, and the service's clock less the PLC's by it; both ns."""
        self.offset_ns = 0
        """The service's clock less the PLC's."""
        self.latest_ms = 0
        """Newest sample's PLC time, counted on beyond 32 bits."""

    @property
    def ready(self) -> bool:
        """Whether there is a sample to map by."""
        return bool(self._samples)

    def reset(self) -> None:
        """Forget everything: the PLC started anew, and its counter with it."""
        self._samples.clear()
        self.latest_ms = 0

    def sample(self, plc_time_ms: int, host_ns: int) -> None:
        """Take in that the PLC's counter stood at ``plc_time_ms`` no later than ``host_ns``."""
        if self._samples:
            step = (plc_time_ms - self.latest_ms + _HALF_MS) % _WRAP_MS - _HALF_MS
            self.latest_ms += step
        else:
            self.latest_ms = plc_time_ms
        while self._samples and host_ns - self._samples[0][0] > AGE_MAX_NS:
            self._samples.popleft()
        self._samples.append((host_ns, host_ns - self.latest_ms * NS_PER_MS))
        self.offset_ns = min(offset_ns for _, offset_ns in self._samples)

    def to_host_ns(self, plc_time_ms: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the instants of these PLC times, at most 24 days from the newest sample."""
        result = np.empty(len(plc_time_ms), np.int64)
        host_instants(np.ascontiguousarray(plc_time_ms), self.latest_ms, self.offset_ns, result)
        return result

    def to_plc_ms(self, host_ns: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the PLC times of these instants, rounded down, 32 bits with wrap.

        Instants further away than the counter can tell are taken for the furthest it can.
        """
        result = np.empty(len(host_ns), np.uint32)
        plc_times(np.ascontiguousarray(host_ns), self.latest_ms, self.offset_ns, result)
        return result
