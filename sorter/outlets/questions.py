"""The questions for the upstream host, in shared memory: a ring that its writer never waits for.

The line process writes, the face follows. A reader that is too slow, or was not there, loses the
oldest questions and counts them; their pieces are asked for again on their next lap.
"""

import time
from pathlib import Path

import numpy as np

from plc_adapters.contract import Records
from sorter.errors import UnavailableError
from sorter.outlets.layout import HEAD, layout_hash
from sorter.outlets.mapped import BoardFile, BoardSource, Monotonic
from sorter.ports import QUESTION

SLOTS = 4096
"""Questions that can be waiting to be read: 6 s of a line's every piece at 625 a second."""
READ_MAX = 512
"""Questions that one look returns at most."""

SLOT = np.dtype([("begin", "u8"), ("question", QUESTION), ("end", "u8")], align=True)
"""A question with its number, from 1, at both ends: whole where both are the one expected."""
RING = np.dtype([("head", HEAD), ("last", "u8"), ("slots", SLOT, (SLOTS,))], align=True)
"""``last`` is the number of the newest question, 0 before the first."""
RING_ID = layout_hash(RING)


class QuestionRing:
    """The writer's side, for all lines of a process."""

    def __init__(
        self, path: Path, started_ns: int, monotonic: Monotonic = time.monotonic_ns
    ) -> None:
        """Make an empty ring; raises UnavailableError where its file can't be made."""
        self._monotonic = monotonic
        self._file = BoardFile(path, RING, RING_ID, started_ns, monotonic)
        self._slots = self._file.record["slots"][0]
        self._last = 0

    def put(self, questions: Records, now_ns: int) -> None:
        """Leave QUESTIONs whose instants are of a clock on which it is now ``now_ns``."""
        offset_ns = self._monotonic() - now_ns
        for question in questions:
            self._last += 1
            slot = self._slots[self._last % SLOTS]
            slot["begin"] = self._last
            slot["question"] = question
            slot["question"]["asked_ns"] += offset_ns
            slot["question"]["answer_by_ns"] += offset_ns
            slot["end"] = self._last
            self._file.record["last"] = self._last


class QuestionReader:
    """The reader's side: each question once, across restarts of the writer."""

    def __init__(self, path: Path, monotonic: Monotonic = time.monotonic_ns) -> None:
        """Begin with the oldest question that is still there."""
        self.lost = 0
        """Questions overwritten before they were read."""
        self._source = BoardSource(path, RING_ID, "line", monotonic)
        self._started = (0, 0)
        self._next = 1

    def read(self) -> Records:
        """Return the next QUESTIONs, at most READ_MAX, none where there are no new ones."""
        try:
            raw = self._source.bytes()
        except UnavailableError:
            return np.empty(0, QUESTION)
        ring = np.ndarray(1, RING, raw)
        head = ring["head"][0]
        started = (int(head["pid"]), int(head["started_ns"]))
        if started != self._started:
            # Another process writes: what it leaves is numbered from 1 again. What the one before
            # left and was not read is asked again by it.
            self._started = started
            self._next = max(1, int(ring["last"][0]) - SLOTS + 1)
        last = int(ring["last"][0])
        oldest = last - SLOTS + 1
        if self._next < oldest:
            self.lost += oldest - self._next
            self._next = oldest
        found: list[Records] = []
        slots = ring["slots"][0]
        while self._next <= last and len(found) < READ_MAX:
            slot = slots[self._next % SLOTS : self._next % SLOTS + 1]
            copy = slot.copy()
            number = self._next
            self._next += 1
            # Written over while it was copied: the writer sets the beginning first.
            if copy["begin"][0] != number or copy["end"][0] != number or slot["begin"][0] != number:
                self.lost += 1
                continue
            found.append(copy["question"])
        return np.concatenate(found) if found else np.empty(0, QUESTION)
