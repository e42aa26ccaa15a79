"""Sessions of the page: a key is shown once, and a random cookie stands for it from then on.

The cookie is for this face alone (``SameSite=Strict``) and out of reach of scripts (``HttpOnly``).
Sessions live in this process's memory: a restart ends them, and so does the key's removal.
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

COOKIE = "sorter_session"
SESSION_S = 12 * 3600
"""A shift; then the page asks for the key again."""
SESSIONS_MAX = 256
"""Beyond it the oldest one ends."""


@dataclass(frozen=True, slots=True)
class Session:
    """For which key a session stands."""

    name: str
    sha256: str
    ends_s: float


class Sessions:
    """The sessions of one face, kept by the hash of their cookie."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, Session] = OrderedDict()

    def begin(self, name: str, sha256: str) -> str:
        """Begin a session for a key, and return its cookie."""
        cookie = secrets.token_urlsafe(32)
        self._known[_mark(cookie)] = Session(name, sha256, self._clock() + SESSION_S)
        while len(self._known) > SESSIONS_MAX:
            self._known.popitem(last=False)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Return a session that has not ended."""
        found = self._known.get(_mark(cookie))
        if found and self._clock() >= found.ends_s:
            self.end(cookie)
            return None
        return found

    def end(self, cookie: str) -> None:
        """End a session; one that is unknown has ended."""
        self._known.pop(_mark(cookie), None)


def _mark(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
