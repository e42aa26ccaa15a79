"""Arithmetic of sequences: 32 bits, counting up by 1, skipping 0, surviving the wrap."""

SEQUENCES = 0xFFFFFFFF
"""Number of different sequences: all values of 32 bits but 0."""


def advance(sequence: int, by: int) -> int:
    """Return the sequence ``by`` places after (before, if negative) this one; never 0.

    For 0 ("none yet") the first sequence, 1, is one place after.
    """
    return (sequence + by - 1) % SEQUENCES + 1


def distance(later: int, earlier: int) -> int:
    """Return how many places ``later`` is after ``earlier``; negative if it is before it.

    0 counts as the place before 1. Right as long as the two are less than half the range apart.
    """
    steps = (later - earlier) % SEQUENCES
    return steps - SEQUENCES if steps > SEQUENCES // 2 else steps


def oldest_kept(newest: int, slots: int) -> int:
    """Return the oldest sequence that a ring of so many slots can still hold.

    As 0 is skipped, a ring holds one event less while it spans the wrap: the slot of 0 stays empty.
    """
    if newest == 0:
        return 1
    oldest = newest - slots + 1
    if oldest > 0:
        return oldest
    return advance(newest, 2 - slots)
