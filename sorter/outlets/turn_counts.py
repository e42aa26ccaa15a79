"""Counts what a line's turns bring, in bulk: latencies, and pieces that ended.

A turn leaves raw copies in preallocated buffers, which takes a few microseconds whatever came; now
and then the buffers are counted together.
"""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import (
    DISPOSITIONS_MAX,
    EVENT,
    AnswerStatus,
    EventKind,
    Records,
)
from sorter.outlets.layout import HISTOGRAMS, OUTCOMES_MAX
from sorter.ports import BATCH_MAX, BRANDS_MAX, CLASSES_MAX, DECISION, PIECE, Batch

HELD_MAX = 4 * BATCH_MAX
"""Events, decisions and ended pieces held back to be counted together; a turn that no longer fits
has them counted first."""


class TurnCounts:
    """What is counted of one line's turns, since its process began."""

    def __init__(self) -> None:
        self.outcomes = np.zeros((BRANDS_MAX, OUTCOMES_MAX), np.int64)
        """int64[brand, DischargeStatus]: pieces that ended."""
        self.class_outcomes = np.zeros((CLASSES_MAX, OUTCOMES_MAX), np.int64)
        """int64[service class, DischargeStatus]: the same."""
        self.ended_by = np.zeros(DISPOSITIONS_MAX, np.int64)
        """int64[Disposition]: the same."""
        self.histograms = {
            name: np.zeros(len(bounds.values) + 1, np.int64) for name, bounds in HISTOGRAMS.items()
        }
        """Of each in HISTOGRAMS int64, by bucket."""
        self.totals = dict.fromkeys(HISTOGRAMS, 0)
        """Of each in HISTOGRAMS the sum of its values, in its own unit."""
        self._bounds = {name: np.array(b.values, np.int64) for name, b in HISTOGRAMS.items()}
        self._events = np.zeros(HELD_MAX, EVENT)
        self._decisions = np.zeros(HELD_MAX, DECISION)
        self._answered_ns = np.zeros(HELD_MAX, np.int64)
        self._ended = np.zeros(HELD_MAX, PIECE)
        self._event_count = 0
        self._decision_count = 0
        self._ended_count = 0

    def hold(self, batch: Batch, answered_ns: int) -> None:
        """Hold a turn; ``answered_ns`` is when its instructions were with the PLC, 0 if none."""
        events, decisions = len(batch.events), len(batch.decisions)
        if events or decisions:
            if max(self._event_count + events, self._decision_count + decisions) > HELD_MAX:
                self.count()
            start = self._event_count
            self._event_count = start + events
            _copy(self._events[start : self._event_count], batch.events)
        if decisions and answered_ns:
            start = self._decision_count
            self._decision_count = start + decisions
            _copy(self._decisions[start : self._decision_count], batch.decisions)
            self._answered_ns[start : self._decision_count] = answered_ns
        if len(batch.pieces):
            self._hold_ended(batch.pieces)

    def _hold_ended(self, pieces: Records) -> None:
        if len(pieces) > HELD_MAX:  # A whole table of them, settled as its PLC started anew.
            self._count_ended(pieces)
            return
        if self._ended_count + len(pieces) > HELD_MAX:
            self.count()
        start = self._ended_count
        self._ended_count = start + len(pieces)
        _copy(self._ended[start : self._ended_count], pieces)

    def count(self) -> None:
        """Count what is held, and hold nothing."""
        events = self._events[: self._event_count]
        decisions = self._decisions[: self._decision_count]
        answered_ns = self._answered_ns[: self._decision_count]
        kind = events["kind"]
        taken = (kind == EventKind.INSTRUCTED) & (events["status"] == AnswerStatus.ACCEPTED)
        self._add("slack", events["slack_ms"][taken].astype(np.int64))
        if len(decisions):
            self._add("write", (answered_ns - decisions["decided_ns"]) // 1_000)
            scans = events[kind == EventKind.SCANNED]
            scanned, answered = _key(scans["boot_id"], scans["sequence"]), answered_ns
            asked = _key(decisions["boot_id"], decisions["event_sequence"])
            _, of_scan, of_answer = np.intersect1d(scanned, asked, return_indices=True)
            heard_ns = scans["host_receive_ns"][of_scan]
            self._add("answer", (answered[of_answer] - heard_ns) // 1_000)
        self._count_ended(self._ended[: self._ended_count])
        self._event_count = 0
        self._decision_count = 0
        self._ended_count = 0

    def _count_ended(self, pieces: Records) -> None:
        outcome = _within(pieces["outcome"], OUTCOMES_MAX)
        np.add.at(self.outcomes, (_within(pieces["brand"], BRANDS_MAX), outcome), 1)
        service_class = _within(pieces["service_class"], CLASSES_MAX)
        np.add.at(self.class_outcomes, (service_class, outcome), 1)
        np.add.at(self.ended_by, _within(pieces["disposition"], DISPOSITIONS_MAX), 1)

    def _add(self, name: str, values: NDArray[np.int64]) -> None:
        if not len(values):
            return
        counts = self.histograms[name]
        buckets = np.searchsorted(self._bounds[name], values, side="left")
        counts += np.bincount(buckets, minlength=len(counts))
        self.totals[name] += int(values.sum())


def _within(numbers: NDArray[np.uint16], limit: int) -> NDArray[np.uint16]:
    """Return the numbers, 0 in place of those that an array of this size has no place for."""
    return np.where(numbers < limit, numbers, 0)


def _copy(to: Records, records: Records) -> None:
    """Copy records byte for byte: many times faster than field by field."""
    opaque = f"V{to.dtype.itemsize}"
    to.view(opaque)[:] = records.view(opaque)


def _key(boot_id: NDArray[np.uint32], sequence: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return one number for each event's (boot, sequence)."""
    return (boot_id.astype(np.uint64) << np.uint64(32)) | sequence
