"""The journal read again: by a line that recovers, and by the recorder that follows it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sorter.journal.format import (
    FRAME_BYTES_MAX,
    KIND_BATCH,
    KIND_SNAPSHOT,
    SEGMENT_HEAD,
    Frame,
    check_segment_head,
    decode,
    frames,
    segment_path,
    segments,
)
from sorter.ports import Batch, Snapshot

READ_BYTES = 4 * 1024 * 1024
"""Read at once by the recorder; more only where one frame is larger."""
SEGMENTS_KEPT = 2
"""Segments of a line that stay whatever is recorded: a line recovers from the newest."""


class Position(NamedTuple):
    """A place in a line's journal: all before it is read."""

    segment: int = 0
    offset: int = 0


def recovery(folder: Path, line: int) -> Iterator[Batch | Snapshot]:
    """Yield a line's newest snapshot and all batches after it, in order; nothing if there is none.

    Raises:
        JournalError: a segment was written by another version of the service.
    """
    numbers = segments(folder)
    newest = next((n for n in reversed(numbers) if _has_snapshot(folder, n)), None)
    if newest is None:
        newest = numbers[0] if numbers else 0
    last_frame = 0
    for number in numbers:
        if number < newest:
            continue
        for frame in _segment_frames(segment_path(folder, number)):
            if frame.number > last_frame:
                last_frame = frame.number
                yield decode(frame, line)


def last_frame_number(folder: Path) -> int:
    """Return the highest number of a frame in a line's journal, 0 if there is none."""
    for number in reversed(segments(folder)):
        highest = max((f.number for f in _segment_frames(segment_path(folder, number))), default=0)
        if highest:
            return highest
    return 0


def _has_snapshot(folder: Path, number: int) -> bool:
    path = segment_path(folder, number)
    first = next(_segment_frames(path), None)
    return first is not None and first.kind == KIND_SNAPSHOT


def _segment_frames(path: Path) -> Iterator[Frame]:
    """Yield a segment's frames, durable by then: a line goes on, and acknowledges, from them."""
    with path.open("rb") as file:
        data = file.read()
        os.fdatasync(file.fileno())
    if check_segment_head(data, path):
        yield from frames(data, SEGMENT_HEAD.size)


class Follower:
    """Reads a line's batches as they are written, from a position on."""

    def __init__(self, folder: Path, line: int, position: Position) -> None:
        self.position = position
        """All before it was returned by :meth:`read`."""
        self._folder = folder
        self._line = line
        self._last_frame = 0

    def read(self) -> list[Batch]:
        """Return the next batches, none if there are none yet.

        A segment's damaged end is passed once a later segment exists: its writer began that one
        because it could not trust, or did not live to finish, the one before.

        Raises:
            JournalError: a segment was written by another version of the service.
        """
        numbers = segments(self._folder)
        while True:
            later = [n for n in numbers if n >= self.position.segment]
            if not later:
                return []
            if later[0] > self.position.segment:
                self.position = Position(later[0], 0)
            batches, moved = self._read_segment()
            if batches or moved:
                return batches
            if len(later) == 1:
                return []
            self.position = Position(later[1], 0)

    def _read_segment(self) -> tuple[list[Batch], bool]:
        """Return batches from the present segment, and whether the position moved at all."""
        number, offset = self.position
        path = segment_path(self._folder, number)
        with path.open("rb") as file:
            if offset == 0:
                if not check_segment_head(file.read(SEGMENT_HEAD.size), path):
                    return [], False
                offset = SEGMENT_HEAD.size
            file.seek(offset)
            data = file.read(READ_BYTES)
            found = list(frames(data, 0))
            if not found and len(data) == READ_BYTES:
                data += file.read(FRAME_BYTES_MAX)
                found = list(frames(data, 0))
            if found:
                # What a power cut could take from the journal again must not be in the database:
                # the same event read once more bears another instant.
                os.fdatasync(file.fileno())
        batches: list[Batch] = []
        for frame in found:
            if frame.number > self._last_frame:
                self._last_frame = frame.number
                if frame.kind == KIND_BATCH:
                    entry = decode(frame, self._line)
                    assert isinstance(entry, Batch)
                    batches.append(entry)
        if found:
            self.position = Position(number, offset + found[-1].end)
        return batches, bool(found)

    def remove_read(self, recorded: Position) -> int:
        """Delete segments wholly before a position, but the newest; return how many."""
        old = [n for n in segments(self._folder)[:-SEGMENTS_KEPT] if n < recorded.segment]
        for number in old:
            segment_path(self._folder, number).unlink(missing_ok=True)
        return len(old)
