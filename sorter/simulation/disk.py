"""A disk that forgets what was not synced, tears what was being written, fills up, and fails."""

import errno
import os
import random
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class _File:
    """What processes see (``content``), and what a power cut leaves of it (``durable``)."""

    content: bytearray
    durable: bytearray
    unsynced: list[tuple[int, bytes]] = field(default_factory=list)


class SimulatedDisk:
    """One machine's disk. It outlives the processes on it; see :class:`ProcessDisk`."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"{seed}:disk")  # noqa: S311 - a run must be repeatable
        self._files: dict[Path, _File] = {}
        self.full = False
        """Whether no room is left: nothing can be made or grow; what has its room can be filled."""
        self.sync_failures = 0
        """Syncs to come that fail, and lose what they were to make durable."""

    def power_cut(self) -> int:
        """Lose what was not synced: of each write nothing, all, or a torn part stays.

        Returns:
            How many writes were lost or torn.
        """
        hurt = 0
        for each in self._files.values():
            for at, data in each.unsynced:
                kept = self._chance.choice((0, len(data), self._chance.randrange(len(data) + 1)))
                hurt += kept < len(data)
                _put(each.durable, at, data[:kept])
            each.unsynced.clear()
            each.content = bytearray(each.durable)
        return hurt

    def file(self, path: Path) -> _File:
        """Return a file; OSError where it is not there."""
        found = self._files.get(path)
        if found is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return found

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder, sorted: a set's order would differ from run to run."""
        return sorted(path.name for path in self._files if path.parent == folder)

    def make(self, path: Path, size: int) -> None:
        """Make a file of zeros."""
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        self._files[path] = _File(bytearray(size), bytearray(size))

    def write(self, path: Path, data: bytes, at: int) -> None:
        """Write as far as there is room."""
        each = self.file(path)
        if self.full and at + len(data) > len(each.content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        _put(each.content, at, data)
        each.unsynced.append((at, data))

    def sync(self, path: Path) -> None:
        """Make durable, or fail and take the pages for clean, as Linux file systems do."""
        each = self.file(path)
        if self.sync_failures and each.unsynced:
            self.sync_failures -= 1
            each.unsynced.clear()
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        for at, data in each.unsynced:
            _put(each.durable, at, data)
        each.unsynced.clear()

    def cut(self, path: Path, size: int) -> None:
        """Cut a file."""
        each = self.file(path)
        del each.content[size:]
        del each.durable[size:]
        each.unsynced = [(at, data) for at, data in each.unsynced if at < size]

    def rename(self, old: Path, new: Path) -> None:
        """Rename a file, durably."""
        self._files[new] = self.file(old)
        del self._files[old]

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        self._files.pop(path, None)


class ProcessDisk:
    """The disk as one process uses it, until that process is killed; see ``journal.disk.Disk``."""

    def __init__(self, disk: SimulatedDisk) -> None:
        self.disk = disk
        self._handles: dict[int, Path] = {}
        self._next = 3
        self.killed = False

    def make_folder(self, folder: Path) -> None:
        """Folders are there as soon as they hold a file."""

    def names(self, folder: Path) -> list[str]:
        """See :class:`sorter.journal.disk.Disk`."""
        return self.disk.names(folder)

    def size(self, path: Path) -> int:
        """See :class:`sorter.journal.disk.Disk`."""
        return len(self.disk.file(path).content)

    def create(self, path: Path, size: int) -> int:
        """See :class:`sorter.journal.disk.Disk`."""
        self._alive()
        self.disk.make(path, size)
        return self.open(path)

    def open(self, path: Path) -> int:
        """See :class:`sorter.journal.disk.Disk`."""
        self.disk.file(path)
        self._next += 1
        self._handles[self._next] = path
        return self._next

    def read(self, file: int, at: int, size: int) -> bytes:
        """See :class:`sorter.journal.disk.Disk`."""
        return bytes(memoryview(self.disk.file(self._handles[file]).content)[at : at + size])

    def write(self, file: int, data: bytes, at: int) -> None:
        """See :class:`sorter.journal.disk.Disk`."""
        self._alive()
        self.disk.write(self._handles[file], data, at)

    def sync(self, file: int) -> None:
        """See :class:`sorter.journal.disk.Disk`."""
        self._alive()
        self.disk.sync(self._handles[file])

    def cut(self, file: int, size: int) -> None:
        """See :class:`sorter.journal.disk.Disk`."""
        self._alive()
        self.disk.cut(self._handles[file], size)

    def close(self, file: int) -> None:
        """See :class:`sorter.journal.disk.Disk`."""
        self._handles.pop(file, None)

    def rename(self, old: Path, new: Path) -> None:
        """See :class:`sorter.journal.disk.Disk`."""
        self._alive()
        self.disk.rename(old, new)
        for file, path in self._handles.items():
            if path == old:
                self._handles[file] = new

    def remove(self, path: Path) -> None:
        """See :class:`sorter.journal.disk.Disk`."""
        self._alive()
        self.disk.remove(path)

    def _alive(self) -> None:
        if self.killed:
            raise OSError(errno.EIO, "the process is dead")


def _put(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data
