"""What happened in a run: a hash over all of it, and the last of it in words."""

import hashlib
from collections import deque
from collections.abc import Callable

LAST_MAX = 40
"""Happenings kept in words."""


class Violation(Exception):  # noqa: N818 - the field's word for a broken invariant
    """A promise was broken: which one, and how."""

    def __init__(self, promise: int, what: str) -> None:
        super().__init__(f"promise {promise}: {what}")
        self.promise = promise


class Trace:
    """Takes happenings in their order; the same seed must give the same hash."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.last: deque[str] = deque(maxlen=LAST_MAX)
        self.count = 0
        self._now_ns = now_ns
        self._hash = hashlib.blake2b(digest_size=8)

    def note(self, who: str, what: str) -> None:
        """Note one happening."""
        line = f"{self._now_ns() / 1e6:10.3f} ms  {who}: {what}"
        self._hash.update(line.encode())
        self.last.append(line)
        self.count += 1

    @property
    def digest(self) -> str:
        """Hash over all happenings so far."""
        return self._hash.hexdigest()
