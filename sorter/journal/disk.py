"""The disk as the journal uses it: handed in, so that a simulated one can fail on purpose."""

import os
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """Files of one folder tree. Every method may raise OSError."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it; one that is there is well."""

    def names(self, folder: Path) -> list[str]:
        """Return the names of a folder's files; none for a folder not there."""

    def size(self, path: Path) -> int:
        """Return a file's size in bytes."""

    def create(self, path: Path, size: int) -> int:
        """Make a file anew with room for so many bytes, all zero, and return its handle."""

    def open(self, path: Path) -> int:
        """Open a file that is there, for reading and cutting."""

    def read(self, file: int, at: int, size: int) -> bytes:
        """Return up to so many bytes from an offset on; fewer only at the file's end."""

    def write(self, file: int, data: bytes, at: int) -> None:
        """Write all of the data at an offset."""

    def sync(self, file: int) -> None:
        """Make durable what was written to a file."""

    def cut(self, file: int, size: int) -> None:
        """Cut a file to so many bytes."""

    def close(self, file: int) -> None:
        """Let a handle go."""

    def rename(self, old: Path, new: Path) -> None:
        """Give a file its name, durably."""

    def remove(self, path: Path) -> None:
        """Delete a file; one that is not there is well."""


class SystemDisk:
    """The operating system's files."""

    def make_folder(self, folder: Path) -> None:
        """See :class:`Disk`."""
        folder.mkdir(parents=True, exist_ok=True)

    def names(self, folder: Path) -> list[str]:
        """See :class:`Disk`."""
        return [path.name for path in folder.iterdir()] if folder.is_dir() else []

    def size(self, path: Path) -> int:
        """See :class:`Disk`."""
        return path.stat().st_size

    def create(self, path: Path, size: int) -> int:
        """See :class:`Disk`."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(file, 0, size)
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        return file

    def open(self, path: Path) -> int:
        """See :class:`Disk`."""
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except PermissionError:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, file: int, at: int, size: int) -> bytes:
        """See :class:`Disk`."""
        data = os.pread(file, size, at)
        while 0 < len(data) < size:
            more = os.pread(file, size - len(data), at + len(data))
            if not more:
                break
            data += more
        return data

    def write(self, file: int, data: bytes, at: int) -> None:
        """See :class:`Disk`."""
        view = memoryview(data)
        while view:
            written = os.pwrite(file, view, at)
            view = view[written:]
            at += written

    def sync(self, file: int) -> None:
        """See :class:`Disk`."""
        os.fdatasync(file)

    def cut(self, file: int, size: int) -> None:
        """See :class:`Disk`."""
        os.ftruncate(file, size)

    def close(self, file: int) -> None:
        """See :class:`Disk`."""
        os.close(file)

    def rename(self, old: Path, new: Path) -> None:
        """See :class:`Disk`."""
        old.rename(new)
        folder = os.open(new.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, path: Path) -> None:
        """See :class:`Disk`."""
        path.unlink(missing_ok=True)


SYSTEM_DISK = SystemDisk()
