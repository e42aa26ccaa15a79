"""A scanner's clock on the service's clock: within which span of ours an instant of it lies.

Nobody sets the two clocks by each other. But each message tells when its server sent it, and it
can't have arrived earlier: so the least difference of the newest messages is the best estimate of
what the clocks differ by, and the message's own difference is what they differ by at most. An
instant told by that message lies between the two. Where messages do not tell, the server's clock is
read behind each of them instead, and at times. A clock that is set back while in use only makes the
span long, until the messages from before are forgotten; one that is set forward is followed at
once. What the fastest message was under way cannot be seen; a station's window offset covers it.
"""

from collections import deque
from typing import NamedTuple

SAMPLES_MAX = 64
"""Messages looked at, newest last."""
SAMPLES_MIN = 4
"""Before so many have come, nothing is known: the first one may have been held up."""
AGE_MAX_NS = 10_000_000_000
"""Age of the oldest one looked at: a drift of 100 ppm between the clocks then costs 1 ms."""


class Span(NamedTuple):
    """Both ends on the service's clock, ns."""

    first_ns: int
    last_ns: int


class DeviceClock:
    """Maps instants of one scanner's clock, ns since the Unix epoch, by its newest messages."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES_MAX)
        """Instant of a message's arrival, and the service's clock less the scanner's by it."""

    def sample(self, sent_ns: int, arrived_ns: int) -> None:
        """Take in a message, sent by the scanner's clock and arrived by the service's."""
        while self._samples and arrived_ns - self._samples[0][0] > AGE_MAX_NS:
            self._samples.popleft()
        self._samples.append((arrived_ns, arrived_ns - sent_ns))

    def span(self, first_ns: int, last_ns: int) -> Span | None:
        """Return within what two instants lie that the newest message told.

        None while too little is known of the scanner's clock.
        """
        if len(self._samples) < SAMPLES_MIN:
            return None
        least_ns = min(offset_ns for _, offset_ns in self._samples)
        return Span(first_ns + least_ns, last_ns + self._samples[-1][1])
