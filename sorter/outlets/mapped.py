"""A record in a mapped file that one process writes and others read, whoever of them dies."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from plc_adapters.contract import Records
from sorter.errors import UnavailableError
from sorter.outlets.layout import HEAD, MAGIC
from sorter.outlets.pauses import GC_NUMBERS, GcPauses

BEAT_STALE_S = 3.0
"""A process that has not beaten for so long is taken for dead or stuck."""

Monotonic = Callable[[], int]
"""The machine's monotonic clock in ns, the same for all its processes."""


class BoardFile:
    """The writer's side: a fresh board put in place of the one before."""

    def __init__(
        self,
        path: Path,
        layout: np.dtype[np.void],
        layout_id: int,
        started_ns: int,
        monotonic: Monotonic = time.monotonic_ns,
        fill: Callable[[Records], None] = lambda _: None,
    ) -> None:
        """Make a board of zeros; ``layout`` begins with HEAD.

        It is complete before it gets its name, so that no reader sees half of one, and readers of
        the one before find out at their next look. What readers rely on from the first instant,
        ``fill`` writes to it; it gets the whole board, shape (1,).

        Raises:
            UnavailableError: the file can't be made.
        """
        self.gc = GcPauses()
        """Copied to the board with each beat; whoever measures puts its own here."""
        self._monotonic = monotonic
        temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            mapped = np.memmap(temporary, layout, "w+", shape=(1,))
            self.record: Records = np.asarray(mapped)
            """The whole board, shape (1,)."""
            self.head: Records = np.ndarray(1, HEAD, mapped)
            """Its beginning, shape (1,)."""
            self.head["layout"] = layout_id
            self.head["pid"] = os.getpid()
            self.head["started_ns"] = started_ns
            self.head["magic"] = MAGIC
            self.beat()
            fill(self.record)
            temporary.replace(path)
        except OSError as error:
            raise UnavailableError(
                f"{path}: the board can't be made ({error.strerror}); make its folder writable and "
                "see that the disk has room"
            ) from None

    def beat(self) -> None:
        """Tell the readers that this process lives."""
        self.head["gc"] = [getattr(self.gc, name) for name in GC_NUMBERS]
        self.head["beat_ns"] = self._monotonic()


class BoardSource:
    """The reader's side: finds the newest board of a process, and tells what is wrong with it."""

    def __init__(
        self, path: Path, layout_id: int, process: str, monotonic: Monotonic = time.monotonic_ns
    ) -> None:
        """Read nothing yet; ``process`` is what messages call the writer."""
        self.path = path
        self._layout_id = layout_id
        self._process = process
        self._monotonic = monotonic
        self._mapped: np.memmap[tuple[int], np.dtype[np.uint8]] | None = None
        self._identity: tuple[int, int, int] | None = None

    def bytes(self) -> np.memmap[tuple[int], np.dtype[np.uint8]]:
        """Return the board as it is now, uint8[size], mapped read-only.

        Raises:
            UnavailableError: there is none, or one of another version.
        """
        try:
            stat = self.path.stat()
            identity = (stat.st_dev, stat.st_ino, stat.st_size)
            if self._mapped is None or identity != self._identity:
                self._mapped = self._checked(np.memmap(self.path, np.uint8, "r"))
                self._identity = identity
        except FileNotFoundError:
            raise self._lost(f"is not running: no board at {self.path}; start it") from None
        except (OSError, ValueError) as error:
            raise self._lost(f"can't be watched: {self.path}: {error}") from None
        return self._mapped

    def _checked(
        self, mapped: np.memmap[tuple[int], np.dtype[np.uint8]]
    ) -> np.memmap[tuple[int], np.dtype[np.uint8]]:
        head = np.ndarray(1, HEAD, mapped) if len(mapped) >= HEAD.itemsize else np.zeros(1, HEAD)
        if head["magic"][0] != MAGIC:
            raise self._lost(
                f"can't be watched: {self.path} is no board; delete it and start the process again"
            )
        if int(head["layout"][0]) != self._layout_id:
            raise self._lost(
                f"can't be watched: {self.path} was written by another version of this service; "
                "run all processes at one version"
            )
        return mapped

    def _lost(self, problem: str) -> UnavailableError:
        self._mapped = None
        return UnavailableError(f"the {self._process} process {problem}")

    def age_s(self, head: Records) -> float:
        """Return the seconds since the last beat; infinite for a board from before a reboot."""
        age_ns = self._monotonic() - int(head["beat_ns"][0])
        return age_ns / 1e9 if age_ns >= 0 else float("inf")

    def problem(self, head: Records) -> str:
        """Return what is wrong with the writer, empty while it beats."""
        age_s = self.age_s(head)
        if age_s <= BEAT_STALE_S:
            return ""
        since = f"since {age_s:.0f} s" if age_s != float("inf") else "since the machine started"
        return (
            f"the {self._process} process (pid {int(head['pid'][0])}) has not beaten {since}: "
            "it is dead or stuck; see its log"
        )
