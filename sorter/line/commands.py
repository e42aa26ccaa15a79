"""What a line is told while it runs, applied between two batches."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

COMMANDS_MAX = 64
"""Commands that wait for the end of a batch; a further one is refused."""


class QueueFullError(Exception):
    """COMMANDS_MAX commands wait already."""


class CommandQueue:
    """Commands of one line. Each is applied whole, in their order, and never within a batch.

    Used by one thread only. While the line waits for its PLC there is no batch in hand, so a
    command is applied at once then, also when the PLC is away.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._in_batch = True

    @property
    def waiting(self) -> int:
        """Commands not applied yet."""
        return len(self._waiting)

    def submit(self, command: Callable[[], None]) -> Future[None]:
        """Take a command; the future is done once it is applied, with what it raised if it did.

        Args:
            command: Changes the line; must be quick and must not wait.

        Raises:
            QueueFullError: too many wait; the command was not taken.
        """
        if len(self._waiting) >= COMMANDS_MAX:
            raise QueueFullError(f"{COMMANDS_MAX} commands wait already; try again")
        future: Future[None] = Future()
        self._waiting.append((command, future))
        if not self._in_batch:
            self._apply()
        return future

    def begin_batch(self) -> None:
        """Hold commands back from here on."""
        self._in_batch = True

    def end_batch(self) -> None:
        """Apply what waits, and what comes until the next batch begins."""
        self._in_batch = False
        self._apply()

    def _apply(self) -> None:
        while self._waiting:
            command, future = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                command()
            except Exception as error:  # noqa: BLE001 - it is the sender's, not the line's
                future.set_exception(error)
            else:
                future.set_result(None)
