"""The journal's writer: takes batches without waiting, and makes them durable on its thread."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sorter.clock import Clock
from sorter.errors import JournalError
from sorter.journal.format import (
    encode_batch,
    encode_snapshot,
    segment_head,
    segment_path,
    segments,
)
from sorter.journal.reader import last_frame_number
from sorter.ports import Batch

RETRY_S = 0.5
"""Pause before a disk that refused is tried again."""
CLOSE_S = 10.0
"""Longest wait for the last batches as the journal is closed."""

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
    """What the writer's thread did so far."""

    count: int = 0
    total_ns: int = 0
    longest_ns: int = 0
    written_bytes: int = 0
    failures: int = 0
    problem: str = ""


class _Stream:
    """One line's folder and the segment that is being written."""

    def __init__(self, folder: Path, name: str, clock: Clock, segment_bytes: int) -> None:
        self.folder = folder
        self.full = False
        """Whether a new segment is due, as soon as the line gives a snapshot."""
        self._name = name
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._file = -1
        self._durable_size = 0

    def put(self, data: bytes) -> None:
        """Write data after what is durable, and make it durable too.

        After a failed write the same data is put again at the same place, so that a reader who saw
        it before finds it where it was; after a failed sync it is put into a new segment.
        """
        if self._file < 0:
            self.begin_segment()
        view = memoryview(data)
        at = self._durable_size
        while view:
            written = os.pwrite(self._file, view, at)
            view = view[written:]
            at += written
        try:
            os.fdatasync(self._file)
        except OSError:
            # The kernel may have dropped what it could not write and call the file clean: a second
            # sync of it proves nothing. The same frames go to a new segment.
            self.close()
            raise
        self._durable_size = at
        self.full = at >= self._segment_bytes

    def begin_segment(self) -> None:
        """Begin the next segment, its head and its name durable.

        Its number is the second it begins in, so that one begun after the folder was moved away is
        not taken for one that was recorded long ago.
        """
        newest = next(reversed(segments(self.folder)), 0)
        number = max(newest + 1, self._clock.now_ns() // 1_000_000_000)
        path = segment_path(self.folder, number)
        head = segment_head(number, self._clock.now_ns(), self._name)
        temporary = path.with_suffix(".new")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            os.write(file, head)
            os.fdatasync(file)
            temporary.rename(path)
            _sync_folder(self.folder)
        except OSError:
            os.close(file)
            raise
        self.close()
        self._file, self._durable_size = file, len(head)

    def close(self) -> None:
        """Close the segment."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


class JournalWriter:
    """The journal of all lines of a process; see :class:`sorter.ports.JournalPort`.

    Every batch offered is durable within a commit interval. A disk that refuses (full, failing)
    makes it try again until it takes the batches; meanwhile the queue fills, the
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
        commit_interval_s: float,
        queue_max: int,
    ) -> None:
        """Prepare the journal; nothing is written before the first offer.

        Args:
            folder: Has, or gets, one folder a line.
            lines: Names of the lines by number.
            durable: Sequence of the newest event that each line's journal holds now.
            clock: The lines' clock.
            segment_bytes: Size from which a segment is followed by another.
            commit_interval_s: Pause between commits.
            queue_max: Batches that may wait.

        Raises:
            JournalError: a folder can't be made or read.
        """
        self._clock = clock
        self._interval_s = commit_interval_s
        self._queue_max = queue_max
        self._durable = list(durable)
        self._queue: deque[Frame] = deque()
        self._refused = 0
        self._commits = Commits()
        self._oldest_ns = 0
        self._stop = threading.Event()
        self._streams: list[_Stream] = []
        self._numbers: list[int] = []
        for name in lines:
            own = folder / name
            try:
                own.mkdir(parents=True, exist_ok=True)
                self._numbers.append(last_frame_number(own))
            except OSError as error:
                raise JournalError(
                    f"{own}: the journal can't be kept there ({error.strerror}); "
                    "give site.state_dir a folder that this user can write"
                ) from None
            self._streams.append(_Stream(own, name, clock, segment_bytes))
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def offer(self, batch: Batch) -> bool:
        """Take a copy of a batch; False, and counted, if the queue is full."""
        if len(self._queue) >= self._queue_max:
            self._refused += 1
            return False
        sequence = int(batch.events["sequence"][-1]) if len(batch.events) else 0
        number = self._next_number(batch.line)
        self._put(Frame(batch.line, encode_batch(number, batch), self._now(), sequence))
        return True

    def wants_snapshot(self, line: int) -> bool:
        """Return whether a line's segment is full, so that a snapshot should begin the next."""
        return self._streams[line].full

    def offer_snapshot(self, line: int, content: bytes) -> None:
        """Begin a new segment with the line's state after all batches offered so far."""
        self._streams[line].full = False
        number = self._next_number(line)
        content = encode_snapshot(number, content)
        self._put(Frame(line, content, self._now(), begins_segment=True))

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
        """What the thread did so far."""
        return self._commits

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Make durable what was offered, and end the thread.

        Raises:
            JournalError: the disk did not take it in time; the PLCs still have those events.
        """
        self._stop.set()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive() or self._queue:
            raise JournalError(
                f"{self._streams[0].folder.parent}: {len(self._queue)} batches could not be "
                f"written ({self._commits.problem or 'the disk is slow'}); their events are read "
                "again from the PLC at the next start"
            )

    def _now(self) -> int:
        return self._clock.now_ns()

    def _next_number(self, line: int) -> int:
        self._numbers[line] += 1
        return self._numbers[line]

    def _put(self, frame: Frame) -> None:
        if not self._oldest_ns:
            self._oldest_ns = frame.offered_ns
        self._queue.append(frame)

    # The thread. It alone touches the streams' files, and takes frames from the queue only once
    # they are durable.

    def _run(self) -> None:
        failed = False
        deadline_s = float("inf")
        while True:
            stopping = self._stop.is_set()
            if stopping and deadline_s == float("inf"):
                deadline_s = time.monotonic() + CLOSE_S
            if self._queue:
                failed = not self._commit()
            elif stopping:
                break
            if time.monotonic() > deadline_s:
                break
            if not stopping or failed:
                time.sleep(RETRY_S if failed else self._interval_s)
        for stream in self._streams:
            stream.close()

    def _commit(self) -> bool:
        """Make durable what waits; return False, with the problem noted, if the disk refused."""
        began_ns = time.monotonic_ns()
        waiting = [self._queue[i] for i in range(len(self._queue))]
        try:
            for line in {frame.line for frame in waiting}:
                self._write(self._streams[line], [f for f in waiting if f.line == line])
        except OSError as error:
            self._note(error)
            return False
        for frame in waiting:
            if frame.sequence:
                self._durable[frame.line] = frame.sequence
            self._queue.popleft()
        self._oldest_ns = self._queue[0].offered_ns if self._queue else 0
        self._count(waiting, time.monotonic_ns() - began_ns)
        return True

    @staticmethod
    def _write(stream: _Stream, waiting: list[Frame]) -> None:
        """Write a line's frames, each run of them to the segment it belongs to."""
        run: list[bytes] = []
        for frame in waiting:
            if frame.begins_segment:
                if run:
                    stream.put(b"".join(run))
                    run = []
                stream.begin_segment()
            run.append(frame.content)
        stream.put(b"".join(run))

    def _count(self, waiting: list[Frame], took_ns: int) -> None:
        commits = self._commits
        commits.count += 1
        commits.total_ns += took_ns
        commits.longest_ns = max(commits.longest_ns, took_ns)
        commits.written_bytes += sum(len(frame.content) for frame in waiting)
        if commits.problem:
            _logger.warning("the journal can be written again")
            commits.problem = ""

    def _note(self, error: OSError) -> None:
        problem = (
            f"{error.filename or self._streams[0].folder.parent}: the journal can't be written "
            f"({error.strerror}); free space or replace the disk; until then pieces go to the "
            "PLC's default chute once its event ring is full"
        )
        if problem != self._commits.problem:
            _logger.error("%s", problem)
        self._commits.problem = problem
        self._commits.failures += 1


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder durable."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
