"""One time base for everything: Unix nanoseconds that never step while the process lives."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time in nanoseconds since the Unix epoch."""

    def now_ns(self) -> int:
        """Return the instant; never less than the one before."""


class SystemClock:
    """The machine's clock read once, then carried on by the monotonic one.

    A step of the wall clock (NTP, an operator) therefore moves no deadline and reorders no record.
    """

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """Return the instant; never less than the one before."""
        return self._offset_ns + time.monotonic_ns()
