import numpy as np
import pytest

from plc_adapters.contract import EVENT
from sorter.ports import DECISION, PIECE, Batch


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.ns = 1_800_000_000_000_000_000

    def now_ns(self) -> int:
        return self.ns


def batch(first: int, count: int = 3, line: int = 0) -> Batch:
    """A batch whose records bear their sequence wherever a number fits."""
    events = np.zeros(count, EVENT)
    events["sequence"] = range(first, first + count)
    events["host_receive_ns"] = events["sequence"]
    decisions = np.zeros(1, DECISION)
    decisions["event_sequence"] = first
    pieces = np.zeros(count % 2, PIECE)
    pieces["piece_id"] = first
    return Batch(line, events, decisions, pieces)


@pytest.fixture
def clock() -> Time:
    return Time()
