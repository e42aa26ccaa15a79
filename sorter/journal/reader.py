"""The journal read again: by a line that recovers, and by the recorder that follows it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sorter.journal.disk import SYSTEM_DISK, Disk
from sorter.journal.format import (
    FRAME_BYTES_MAX,
    FRAME_HEAD,
    KIND_BATCH,
    KIND_SNAPSHOT,
    SEGMENT_HEAD,
    Frame,
    Gap,
    check_segment_head,
    decode,
    frames,
    is_blank,
    segment_path,
    segments,
)
from sorter.ports import Batch, Snapshot, Standing

READ_BYTES = 4 * 1024 * 1024
"""Read at once by the recorder; more only where one frame is larger."""
SEGMENTS_KEPT = 2
"""Segments of a line that stay whatever is recorded: a line recovers from the newest."""

_logger = logging.getLogger(__name__)


class Position(NamedTuple):
    """A place in a line's journal: all before it is read."""

    segment: int = 0
    offset: int = 0


def recovery(
    folder: Path, line: int, disk: Disk = SYSTEM_DISK
) -> Iterator[Batch | Snapshot | Standing]:
    """Yield a line's newest snapshot and all after it, in order; nothing if there is none.

    Damage is told in the log and passed over.

    Raises:
        JournalError: a segment was written by another version of the service.
    """
    numbers = segments(folder, disk)
    newest = next((n for n in reversed(numbers) if _has_snapshot(folder, n, disk)), None)
    for each in entries(folder, line, newest or 0, disk):
        yield each.entry


class Entry(NamedTuple):
    """What one frame holds, and where it stands."""

    segment: int
    read: float
    """Share of the segment that is read with it."""
    entry: Batch | Snapshot | Standing


def entries(folder: Path, line: int, first: int = 0, disk: Disk = SYSTEM_DISK) -> Iterator[Entry]:
    """Yield all that a line's journal holds from a segment on, in order, up to what it holds now.

    Damage is told in the log and passed over, and so are segments that are removed meanwhile.

    Raises:
        JournalError: a segment was written by another version of the service.
    """
    numbers = [number for number in segments(folder, disk) if number >= first]
    last_frame = 0
    for number in numbers:
        path = segment_path(folder, number)
        try:
            size = disk.size(path)
            for found in _segment_frames(path, disk):
                if isinstance(found, Gap):
                    if number != numbers[-1] or found.end < size:
                        tell_damage(path, found)
                elif found.number > last_frame:
                    last_frame = found.number
                    yield Entry(number, found.end / size, decode(found, line))
        except FileNotFoundError:
            continue


def newest_snapshot(
    folder: Path, line: int, disk: Disk = SYSTEM_DISK
) -> tuple[Position, Snapshot | None]:
    """Return a line's newest snapshot, and the place from which a follower of it reads on.

    Raises:
        JournalError: a segment was written by another version of the service.
    """
    numbers = segments(folder, disk)
    for number in reversed(numbers):
        if _has_snapshot(folder, number, disk):
            frames_there = _segment_frames(segment_path(folder, number), disk)
            head = next(found for found in frames_there if isinstance(found, Frame))
            entry = decode(head, line)
            assert isinstance(entry, Snapshot)
            return Position(number, 0), entry
    return Position(numbers[0] if numbers else 0, 0), None


def open_again(folder: Path, disk: Disk = SYSTEM_DISK) -> int:
    """Cut the torn end that a crash left of a line's newest segment.

    Returns:
        The highest number of a frame in the journal, 0 if there is none.
    """
    numbers = segments(folder, disk)
    if numbers:
        path = segment_path(folder, numbers[-1])
        ends = (f.end for f in _segment_frames(path, disk) if isinstance(f, Frame))
        end = max(ends, default=SEGMENT_HEAD.size)
        if disk.size(path) > end:
            with _opened(path, disk) as file:
                disk.cut(file, end)
                disk.sync(file)
    for number in reversed(numbers):
        path = segment_path(folder, number)
        whole = [f.number for f in _segment_frames(path, disk) if isinstance(f, Frame)]
        if whole:
            return max(whole)
    return 0


def tell_damage(path: Path, gap: Gap) -> None:
    """Log that a stretch of a segment can't be read."""
    _logger.error(
        "%s: bytes %d to %d are damaged; the events in them are lost here unless the database has "
        "them: check the disk, and compare the sequences around them in the event table",
        path, gap.start, gap.end,
    )  # fmt: skip


def _has_snapshot(folder: Path, number: int, disk: Disk) -> bool:
    path = segment_path(folder, number)
    first = next((f for f in _segment_frames(path, disk) if isinstance(f, Frame)), None)
    return first is not None and first.kind == KIND_SNAPSHOT


@contextmanager
def _opened(path: Path, disk: Disk) -> Iterator[int]:
    file = disk.open(path)
    try:
        yield file
    finally:
        disk.close(file)


def _segment_frames(path: Path, disk: Disk) -> Iterator[Frame | Gap]:
    """Yield a segment's frames, durable by then: a line goes on, and acknowledges, from them."""
    with _opened(path, disk) as file:
        data = disk.read(file, 0, disk.size(path))
        disk.sync(file)
    if check_segment_head(data, path):
        yield from frames(data, SEGMENT_HEAD.size)


class Follower:
    """Reads a line's batches as they are written, from a position on."""

    def __init__(
        self, folder: Path, line: int, position: Position, disk: Disk = SYSTEM_DISK
    ) -> None:
        self.position = position
        """All before it was returned by :meth:`read`."""
        self.damaged = 0
        """Damaged stretches met so far."""
        self._folder = folder
        self._line = line
        self._disk = disk
        self._last_frame = 0

    def read(self) -> list[Batch]:
        """Return the next batches, none if there are none yet.

        A segment's damaged end is passed once a later segment exists: its writer began that one
        because it could not trust, or did not live to finish, the one before.

        Raises:
            JournalError: a segment was written by another version of the service.
        """
        while True:
            # What a segment holds once a later one exists is all that it will ever hold.
            later = [n for n in segments(self._folder, self._disk) if n >= self.position.segment]
            if not later:
                return []
            if later[0] > self.position.segment:
                self.position = Position(later[0], 0)
            batches, moved = self._read_segment(is_newest=len(later) == 1)
            if batches or moved:
                return batches
            if len(later) == 1:
                return []
            self.position = Position(later[1], 0)

    def remove_read(self, recorded: Position, keep_bytes: int = 0) -> int:
        """Delete segments wholly before a position, the oldest first; return how many.

        The newest stay, and all from the newest snapshot on, which a line needs to recover; and as
        many as fit into ``keep_bytes``, for those who look back.
        """
        numbers = segments(self._folder, self._disk)
        sizes = {n: self._disk.size(segment_path(self._folder, n)) for n in numbers}
        total = sum(sizes.values())
        removed = 0
        newest: int | None = None
        for number in numbers[:-SEGMENTS_KEPT]:
            if number >= recorded.segment or (keep_bytes and total <= keep_bytes):
                break
            if newest is None:
                newest = newest_snapshot(self._folder, self._line, self._disk)[0].segment
            if number >= newest:
                break
            self._disk.remove(segment_path(self._folder, number))
            total -= sizes[number]
            removed += 1
        return removed

    def _read_segment(self, *, is_newest: bool) -> tuple[list[Batch], bool]:
        """Return batches from the present segment, and whether the position moved at all."""
        number, offset = self.position
        path = segment_path(self._folder, number)
        with _opened(path, self._disk) as file:
            if offset == 0:
                head = self._disk.read(file, 0, SEGMENT_HEAD.size)
                if not check_segment_head(head, path):
                    return [], False
                offset = SEGMENT_HEAD.size
            if is_newest and is_blank(self._disk.read(file, offset, FRAME_HEAD.size)):
                return [], False
            data = self._disk.read(file, offset, READ_BYTES)
            found = list(frames(data, 0, growing=is_newest))
            if len(data) == READ_BYTES and not any(isinstance(each, Frame) for each in found):
                data += self._disk.read(file, offset + READ_BYTES, FRAME_BYTES_MAX)
                found = list(frames(data, 0))
            whole = [each for each in found if isinstance(each, Frame)]
            if whole:
                # What a power cut could take from the journal again must not be in the database:
                # the same event read once more bears another instant.
                self._disk.sync(file)
        self._tell_gaps(path, offset, found, at_end=not is_newest and not whole)
        if whole:
            self.position = Position(number, offset + whole[-1].end)
        return self._batches(whole), bool(whole)

    def _batches(self, whole: list[Frame]) -> list[Batch]:
        batches: list[Batch] = []
        for frame in whole:
            if frame.number > self._last_frame:
                self._last_frame = frame.number
                if frame.kind == KIND_BATCH:
                    entry = decode(frame, self._line)
                    assert isinstance(entry, Batch)
                    batches.append(entry)
        return batches

    def _tell_gaps(
        self, path: Path, offset: int, found: list[Frame | Gap], *, at_end: bool
    ) -> None:
        """Tell of damage: gaps before a whole frame, and one at the end that stays."""
        for place, gap in enumerate(found):
            if isinstance(gap, Gap) and (at_end or place < len(found) - 1):
                self.damaged += 1
                tell_damage(path, Gap(offset + gap.start, offset + gap.end))
