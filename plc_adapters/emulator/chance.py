"""Chance, seeded: the same seed gives the same day."""

import random


def stream(seed: int, purpose: str) -> random.Random:
    """Return a stream of its own for a purpose, so that one draw more disturbs no other purpose."""
    return random.Random(f"{seed}:{purpose}")  # noqa: S311
