"""How many pieces a minute a chute may take: a token bucket, kept as one instant in its record.

A chute of N pieces a minute may take B = max(1, N // 12) at once (five seconds' worth) and one more
every 60 s / (N - B + 1): so no 60 seconds see more than N. A piece counts at the instant it is
decided; all pieces travel equally long from the scanner to one chute, so they come as they were
decided. What was taken is not given back if the piece then goes elsewhere.
"""

import numpy as np

from sorter.assignment.compiled import compiled

MINUTE_NS = 60_000_000_000
BURST_SHARE = 12
"""A chute takes at once at most this part of what it may take in a minute."""


@compiled
def burst_of(per_minute: int) -> int:
    """Return how many pieces a chute of this rate may take at once."""
    return max(1, per_minute // BURST_SHARE)


@compiled
def spacing_ns(per_minute: int) -> int:
    """Return how long it takes until a chute of this rate may take one more."""
    return -(-MINUTE_NS // (per_minute - burst_of(per_minute) + 1))


@compiled
def may_take(chute: np.void, now_ns: int) -> bool:
    """Return whether a chute's rate allows one more piece now; always if it has none."""
    per_minute = int(chute["per_minute"])
    if per_minute == 0:
        return True
    ahead_ns = (burst_of(per_minute) - 1) * spacing_ns(per_minute)
    return now_ns >= int(chute["rate_due_ns"]) - ahead_ns


@compiled
def take(chute: np.void, now_ns: int) -> None:
    """Count a piece against a chute's rate, if it has one."""
    per_minute = int(chute["per_minute"])
    if per_minute != 0:
        chute["rate_due_ns"] = max(int(chute["rate_due_ns"]), now_ns) + spacing_ns(per_minute)
