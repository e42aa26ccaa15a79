"""The journal's writer: takes batches without waiting, makes them durable a commit at a time."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sorter.clock import Clock
from sorter.errors import JournalError
from sorter.journal.disk import SYSTEM_DISK, Disk
from sorter.journal.format import encode_batch, encode_snapshot, encode_standing
from sorter.journal.reader import open_again
from sorter.journal.segment import SegmentWriter, clear_leftovers
from sorter.ports import Batch, Standing

_logger = logging.getLogger(__name__)


class Frame(NamedTuple):
    """A frame on its way to disk."""

    line: int
    content: bytes
    offered_ns: int
    sequence: int = 0
    """Newest event in it, 0 for none."""
    begins_segment: bool = False


@dataclass(slots=True)
class Commits:
    """What was committed so far."""

    count: int = 0
    total_ns: int = 0
    longest_ns: int = 0
    written_bytes: int = 0
    failures: int = 0


class JournalWriter:
    """The journal of all lines of a process; see :class:`sorter.ports.JournalPort`.

    Lines offer on their thread; :meth:`commit` runs on another one
    (:class:`sorter.journal.thread.CommitThread`), or by turns with them in a simulation. A disk
    that refuses (full, failing) is tried again with every commit; meanwhile the queue fills, the
    lines stop reading, and the PLCs keep their events.
    """

    def __init__(
        self,
        folder: Path,
        lines: Sequence[str],
        durable: Sequence[int],
        clock: Clock,
        *,
        segment_bytes: int,
        queue_max: int,
        disk: Disk = SYSTEM_DISK,
    ) -> None:
        """Open the journal: torn ends are cut; nothing is written before the first commit.

        Args:
            folder: Has, or gets, one folder a line.
            lines: Names of the lines by number.
            durable: Sequence of the newest event that each line's journal holds now.
            clock: The lines' clock.
            segment_bytes: Size from which a segment is followed by another.
            queue_max: Batches that may wait.
            disk: Where the folder lies.

        Raises:
            JournalError: a folder can't be made or read.
        """
        self.folder = folder
        self._clock = clock
        self._queue_max = queue_max
        self._durable = list(durable)
        self._queue: deque[Frame] = deque()
        self._refused = 0
        self._commits = Commits()
        self._problem = self._room_problem = ""
        self._oldest_ns = 0
        self._segments: list[SegmentWriter] = []
        self._numbers: list[int] = []
        self._standings: dict[int, Standing] = {}
        self._standings_due: set[int] = set()
        for name in lines:
            own = folder / name
            try:
                disk.make_folder(own)
                clear_leftovers(own, disk)
                self._numbers.append(open_again(own, disk))
            except OSError as error:
                raise JournalError(
                    f"{own}: the journal can't be kept there ({error.strerror}); "
                    "give site.state_dir a folder that this user can write"
                ) from None
            self._segments.append(SegmentWriter(own, name, clock, disk, segment_bytes))

    def offer(self, batch: Batch) -> bool:
        """Take a copy of a batch; False, and counted, if the queue is full."""
        if len(self._queue) >= self._queue_max:
            self._refused += 1
            return False
        if batch.line in self._standings_due:
            self._put_standing(batch.line)
        sequence = int(batch.events["sequence"][-1]) if len(batch.events) else 0
        number = self._next_number(batch.line)
        self._put(Frame(batch.line, encode_batch(number, batch), self._now(), sequence))
        return True

    def wants_snapshot(self, line: int) -> bool:
        """Return whether a line's segment is full, so that a snapshot should begin the next."""
        return self._segments[line].full

    def offer_snapshot(self, line: int, content: bytes) -> None:
        """Begin a new segment with the line's state after all batches offered so far."""
        self.offer_blank(line, content)
        if line in self._standings:
            self._put_standing(line)

    def offer_blank(self, line: int, content: bytes) -> None:
        """Begin a new segment with a state on which no decision stands.

        Up to the next snapshot come events that another host decided, and no standing.
        """
        self._segments[line].full = False
        number = self._next_number(line)
        content = encode_snapshot(number, content)
        self._put(Frame(line, content, self._now(), begins_segment=True))

    def offer_standing(self, standing: Standing) -> None:
        """Take what a line's decisions stand on from here on.

        While the queue is full the newest one of a line is kept back for its next batch, as no
        decision can come before that.
        """
        self._standings[standing.line] = standing
        if len(self._queue) < self._queue_max:
            self._put_standing(standing.line)
        else:
            self._standings_due.add(standing.line)

    def durable(self, line: int) -> int:
        """Return the sequence of the line's newest event that a crash can't take any more."""
        return self._durable[line]

    @property
    def waiting(self) -> int:
        """Batches offered and not durable yet."""
        return len(self._queue)

    @property
    def refused(self) -> int:
        """Offers that found the queue full."""
        return self._refused

    @property
    def lag_ns(self) -> int:
        """Age of the oldest batch that is not durable yet."""
        oldest_ns = self._oldest_ns
        return self._now() - oldest_ns if oldest_ns else 0

    @property
    def commits(self) -> Commits:
        """What was committed so far."""
        return self._commits

    @property
    def problem(self) -> str:
        """Why the disk refuses, or soon will; empty while all is well."""
        return self._problem or self._room_problem

    def commit(self) -> bool:
        """Make durable what waits.

        Returns:
            False if the disk refused any of it; the problem is noted, and what waited still waits.
        """
        began_ns = time.monotonic_ns()
        waiting = [self._queue[i] for i in range(len(self._queue))]
        try:
            for line in sorted({frame.line for frame in waiting}):
                self._write(self._segments[line], [f for f in waiting if f.line == line])
        except OSError as error:
            self._commits.failures += 1
            self._problem = self._told(
                self._problem, error, "pieces go to the PLC's default chute once its ring is full"
            )
            return False
        for frame in waiting:
            if frame.sequence:
                self._durable[frame.line] = frame.sequence
            self._queue.popleft()
        self._oldest_ns = self._queue[0].offered_ns if self._queue else 0
        if waiting:
            self._count(waiting, time.monotonic_ns() - began_ns)
        return True

    def take_room(self) -> None:
        """Take the disk's room for the next segments, or note that there is none."""
        try:
            for segment in self._segments:
                segment.prepare()
        except OSError as error:
            self._room_problem = self._told(
                self._room_problem, error, "only the room of the present segment is left"
            )
            return
        if self._room_problem:
            _logger.warning("the journal has room for its next segment again")
            self._room_problem = ""

    def close(self) -> None:
        """Give back the room that is not needed; :meth:`commit` comes before.

        Raises:
            JournalError: batches still wait; the PLCs still have those events.
        """
        for segment in self._segments:
            segment.close_all()
        if self._queue:
            raise JournalError(
                f"{self.folder}: {len(self._queue)} batches could not be "
                f"written ({self._problem or 'the disk is slow'}); their events are read "
                "again from the PLC at the next start"
            )

    def _now(self) -> int:
        return self._clock.now_ns()

    def _next_number(self, line: int) -> int:
        self._numbers[line] += 1
        return self._numbers[line]

    def _put_standing(self, line: int) -> None:
        self._standings_due.discard(line)
        content = encode_standing(self._next_number(line), self._standings[line])
        self._put(Frame(line, content, self._now()))

    def _put(self, frame: Frame) -> None:
        if not self._oldest_ns:
            self._oldest_ns = frame.offered_ns
        self._queue.append(frame)

    @staticmethod
    def _write(segment: SegmentWriter, waiting: list[Frame]) -> None:
        """Write a line's frames, each run of them to the segment it belongs to."""
        run: list[bytes] = []
        for frame in waiting:
            if frame.begins_segment:
                if run:
                    segment.put(b"".join(run))
                    run = []
                segment.begin_segment(len(frame.content))
            run.append(frame.content)
        segment.put(b"".join(run))

    def _count(self, waiting: list[Frame], took_ns: int) -> None:
        commits = self._commits
        commits.count += 1
        commits.total_ns += took_ns
        commits.longest_ns = max(commits.longest_ns, took_ns)
        commits.written_bytes += sum(len(frame.content) for frame in waiting)
        if self._problem:
            _logger.warning("the journal can be written again")
            self._problem = ""

    def _told(self, before: str, error: OSError, until_then: str) -> str:
        problem = (
            f"{error.filename or self.folder}: the journal can't be written "
            f"({error.strerror}); free space or replace the disk; until then {until_then}"
        )
        if problem != before:
            _logger.error("%s", problem)
        return problem
