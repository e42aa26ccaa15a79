"""What a standby knows of its line: all that the PLC tells, and which pieces have no answer yet.

Pure: no clock, no link. The PLC's ring carries what the other host did as well, since the PLC
echoes every instruction as an event; so nothing passes between the two hosts. A standby decides
like any line, for what a decision learns of a piece, but gives no answer: the echo of the other
host's answer replaces its own. What has no echo when this host takes over is decided anew, by the
instant it is then.
"""

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import EVENT, AnswerStatus, Disposition, EventKind, Records
from plc_adapters.mailbox.sequences import distance
from sorter.assignment.decider import Decider
from sorter.line.tracking import Tracking
from sorter.ports import BATCH_MAX, HOST_ANSWER, Batch

UNACKNOWLEDGED_MAX = 4096
"""Batches kept because the PLC may still tell them again; its ring holds no more events than that,
and never drops one that is not acknowledged."""


UNANSWERED = (0, AnswerStatus.REFUSED_EPOCH)
"""Answers after which a piece may still have none: the host that lost the line answers in vain."""


class Following:
    """Keeps a line's tracking as its living host has it, ready to be taken over.

    Args:
        line: Number of the line.
        tracking: As the journal left it; changed with every event.
        blank: A snapshot of the line with nothing known.
        decider: The line's.
    """

    def __init__(self, line: int, tracking: Tracking, blank: bytes, decider: Decider) -> None:
        self._line = line
        self._tracking = tracking
        self._blank = blank
        self._decider = decider
        self._unanswered = np.empty(0, EVENT)
        """The scan that each piece's answer is owed to, as far as no echo of one has come; each
        with the revision of what was decided here."""
        self._kept: deque[Batch] = deque(maxlen=UNACKNOWLEDGED_MAX)

    @property
    def blank(self) -> bytes:
        """A snapshot of the line with nothing known."""
        return self._blank

    @property
    def unanswered(self) -> int:
        """Pieces that no host is known to have answered."""
        return len(self._unanswered)

    @property
    def kept(self) -> int:
        """Events that no journal may have yet."""
        return sum(len(batch.events) for batch in self._kept)

    def begin(self) -> None:
        """Follow from the line's state as it stands: it was this host's own until now."""
        self._unanswered = self._unanswered[:0]
        self._kept.clear()

    def forget(self) -> None:
        """Know nothing any more: events were missed, and with them which pieces have left.

        Pieces on the sorter are taken in again with their next event.
        """
        self._tracking.forget(self._blank)
        self.begin()

    def hear(self, events: Records, now_ns: int) -> None:
        """Apply EVENTs in order, at most BATCH_MAX."""
        for run in _runs(events):
            inducted = run["kind"] == EventKind.INDUCTED
            np.putmask(run["plan_version"], inducted, self._decider.plan_version)
            rows, ended = self._tracking.apply(run)
            empty = Batch.empty(self._line)
            self._kept.append(empty._replace(events=run.copy(), pieces=ended.copy()))
            decisions = self._decider.decide(run, rows, self._tracking, now_ns)
            decided = np.isin(run["sequence"], decisions["event_sequence"])
            scans = run[decided & (run["kind"] == EventKind.SCANNED)]
            scans["revision"] = decisions["revision"]
            self._unanswered = self._still_unanswered(np.concatenate((self._unanswered, scans)))

    def acknowledged(self, sequence: int) -> None:
        """Let go what the PLC may forget: the journal of the host that answers holds it."""
        while self._kept and distance(self._kept[0].events["sequence"][-1].item(), sequence) <= 0:
            self._kept.popleft()

    def answers(self, now_ns: int) -> Iterator[Batch]:
        """Yield DECISIONs of pieces without an answer, as batches without events.

        A decision's revision stays, so that a hold which replaced an earlier answer still does.
        """
        scans, self._unanswered = self._unanswered, self._unanswered[:0]
        for first in range(0, len(scans), BATCH_MAX):
            decisions = self._decide_anew(scans[first : first + BATCH_MAX], now_ns)
            yield Batch.empty(self._line)._replace(decisions=decisions)

    def take_kept(self) -> list[Batch]:
        """Return, and let go, the events that no journal may have, and the pieces they ended."""
        kept = list(self._kept)
        self._kept.clear()
        return kept

    def _decide_anew(self, scans: Records, now_ns: int) -> Records:
        pieces = self._tracking.pieces
        rows = self._rows_of(scans)
        revisions = np.maximum(pieces["revision"][rows], scans["revision"])
        pieces["disposition"][rows] = Disposition.NONE
        decisions = self._decider.decide(scans, rows, self._tracking, now_ns).copy()
        decisions["revision"] = revisions
        pieces["revision"][rows] = revisions
        return decisions

    def _still_unanswered(self, scans: Records) -> Records:
        """Return of each piece in flight without an answer the newest of these scans."""
        if not len(scans):
            return scans
        pieces = self._tracking.in_flight()
        waiting = pieces[np.isin(pieces["answer"], UNANSWERED)]
        scans = scans[np.isin(_keys(scans), _keys(waiting))]
        # Of an array turned round, unique returns the last of each.
        _, newest = np.unique(_keys(scans)[::-1], return_index=True)
        kept: Records = scans[np.sort(len(scans) - 1 - newest)]
        return kept

    def _rows_of(self, scans: Records) -> NDArray[np.int32]:
        asked = np.zeros(len(scans), HOST_ANSWER)
        asked["boot_id"], asked["piece_id"] = scans["boot_id"], scans["piece_id"]
        return self._tracking.rows_of(asked)


def _runs(events: Records) -> Iterator[Records]:
    """Yield events so that no run holds a scan and behind it the echo of its answer.

    A scan that is decided after its echo was applied would be taken for a repetition.
    """
    is_echo = events["kind"] == EventKind.INSTRUCTED
    begins = np.flatnonzero(is_echo[1:] & ~is_echo[:-1]) + 1
    for run in np.split(events, begins):
        if len(run):
            yield run


def _keys(records: Records) -> NDArray[np.uint64]:
    """Return one number for boot, piece and lap; a boot's lowest byte is enough beside the rest."""
    keys = np.zeros(len(records), np.uint64)
    for field, bits in (("boot_id", 8), ("piece_id", 32), ("lap", 16)):
        keys <<= np.uint64(bits)
        keys |= records[field].astype(np.uint64) & np.uint64((1 << bits) - 1)
    return keys
