"""The thread that commits a journal, so that no line ever waits for the disk."""

import threading
import time

from sorter.errors import JournalError
from sorter.journal.writer import JournalWriter

RETRY_S = 0.5
"""Pause before a disk that refused is tried again, and between two looks after room."""
CLOSE_S = 10.0
"""Longest wait for the last batches as the journal is closed."""


class CommitThread:
    """Commits at an interval until closed. It alone touches the journal's files."""

    def __init__(self, journal: JournalWriter, commit_interval_s: float) -> None:
        self.journal = journal
        self._interval_s = commit_interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Make durable what was offered, end the thread, close the journal.

        Raises:
            JournalError: the disk did not take it in time; the PLCs still have those events.
        """
        self._stop.set()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            raise JournalError(
                f"{self.journal.folder}: the disk does not answer; {self.journal.waiting} "
                "batches are read again from the PLC at the next start"
            )
        self.journal.close()

    def _run(self) -> None:
        deadline_s = float("inf")
        room_due_s = 0.0
        while True:
            stopping = self._stop.is_set()
            if stopping and deadline_s == float("inf"):
                deadline_s = time.monotonic() + CLOSE_S / 2
            committed = self.journal.commit()
            if time.monotonic() > room_due_s:
                self.journal.take_room()
                room_due_s = time.monotonic() + RETRY_S
            done = stopping and not self.journal.waiting
            if done or time.monotonic() > deadline_s:
                return
            self._stop.wait(self._interval_s if committed else RETRY_S)
            if stopping:
                time.sleep(self._interval_s)
