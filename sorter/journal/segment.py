"""The segment of a line that is being written, and the empty one that waits to follow it."""

from contextlib import suppress
from pathlib import Path

from sorter.clock import Clock
from sorter.journal.disk import Disk
from sorter.journal.format import SUFFIX, segment_head, segment_path, segments

SPARE = "next.spare"
"""Name of the segment that has its room on the disk already and no number yet."""
MARGIN_BYTES = 1 << 20
"""Room beyond a segment's size, for the commit that fills it."""


class SegmentWriter:
    """One line's folder and the segment that is being written.

    Room for a whole segment is taken before the segment is needed, so that a full disk is known
    while the present segment still has its own room.
    """

    def __init__(
        self, folder: Path, name: str, clock: Clock, disk: Disk, segment_bytes: int
    ) -> None:
        """Write nothing yet.

        Args:
            folder: The line's own; segments of earlier processes stay in it as they are.
            name: Of the line.
            clock: The line's clock.
            disk: Where the folder lies.
            segment_bytes: Room of a segment; a larger snapshot makes its segment larger.
        """
        self.folder = folder
        self.full = False
        """Whether a new segment is due, as soon as the line gives a snapshot."""
        self._name = name
        self._clock = clock
        self._disk = disk
        self._segment_bytes = segment_bytes
        self._file = -1
        self._durable_size = 0
        self._begun_size = 0
        self._spare = -1

    def put(self, data: bytes) -> None:
        """Write data after what is durable, and make it durable too.

        After a failed write the same data is put again at the same place, so that a reader who saw
        it before finds it where it was; after a failed sync it is put into a new segment.

        Raises:
            OSError: the disk refused; none of the data counts as durable.
        """
        if self._file < 0:
            self.begin_segment()
        self._disk.write(self._file, data, self._durable_size)
        try:
            self._disk.sync(self._file)
        except OSError:
            # The kernel may have dropped what it could not write and call the file clean: a second
            # sync of it proves nothing. The same frames go to a new segment.
            self.close()
            raise
        self._durable_size += len(data)
        self.full = self._durable_size - self._begun_size >= self._segment_bytes

    def begin_segment(self, snapshot_bytes: int = 0) -> None:
        """Begin the next segment, its head and its name durable.

        The snapshot it is to begin with does not count for its size: one larger than a segment
        would else be followed by another at once.

        Its number is the second it begins in, so that one begun after the folder was moved away is
        not taken for one that was recorded long ago.

        Raises:
            OSError: the disk refused; the segment before goes on.
        """
        self.prepare()
        newest = next(reversed(segments(self.folder, self._disk)), 0)
        number = max(newest + 1, self._clock.now_ns() // 1_000_000_000)
        head = segment_head(number, self._clock.now_ns(), self._name)
        spare, self._spare = self._spare, -1
        try:
            self._disk.write(spare, head, 0)
            self._disk.sync(spare)
            self._disk.rename(self.folder / SPARE, segment_path(self.folder, number))
        except OSError:
            self._disk.close(spare)
            raise
        self.close()
        self._file, self._durable_size, self.full = spare, len(head), False
        self._begun_size = len(head) + snapshot_bytes

    def prepare(self) -> None:
        """Take the room of the next segment, if it is not taken yet.

        Raises:
            OSError: the disk has no such room.
        """
        if self._spare < 0:
            room = self._segment_bytes + MARGIN_BYTES
            self._spare = self._disk.create(self.folder / SPARE, room)

    def close(self) -> None:
        """Give back the room that the segment did not need, and close it."""
        if self._file < 0:
            return
        file, self._file = self._file, -1
        with suppress(OSError):  # zeros at its end do no harm
            self._disk.cut(file, self._durable_size)
        self._disk.close(file)

    def close_all(self) -> None:
        """Close the segment, and give back the room of the next one."""
        self.close()
        if self._spare >= 0:
            spare, self._spare = self._spare, -1
            self._disk.close(spare)
            self._disk.remove(self.folder / SPARE)


def clear_leftovers(folder: Path, disk: Disk) -> None:
    """Delete what an earlier process had begun and not given a number."""
    for name in disk.names(folder):
        if not name.endswith(SUFFIX):
            disk.remove(folder / name)
