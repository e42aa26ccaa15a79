"""Tells a running line process what to do, over its Unix socket.

One request and one answer a line, JSON: ``{"command": "state", "line": "loop-1"}``. An answer has
``ok``; where that is false, ``error`` says why and ``refusal`` what kind (:class:`Refusal`).
"""

import hashlib
import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

import orjson

from sorter.errors import CommandError, Refusal
from sorter.wiring.paths import StatePaths

SOCKET_PATH_BYTES_MAX = 107
"""sun_path of unix(7) less its NUL."""
ANSWER_S = 30.0
"""Time an answer has: a line applies a command between two batches."""
ANSWER_BYTES_MAX = 1 << 20
HOST_ANSWERS_MAX = 64
"""Answers of the upstream host in one command."""


def socket_path(state: StatePaths) -> Path:
    """Return where the line process of a site listens: in its run folder, unless that is too long.

    Then it is a folder of the temporary directory, named by the run folder and open to its owner
    alone.
    """
    path = state.line_socket.absolute()
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        return path
    mark = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()).absolute() / f"sorter-{mark}" / path.name


def check_owner(folder: Path) -> None:
    """Check that nobody else can have put a socket into this folder.

    Raises:
        PermissionError: it is no folder, or another user's.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, os.geteuid()):
        raise PermissionError(f"{folder} belongs to another user; remove it")


class LineClient:
    """Asks the line process of a site; may be used by several threads."""

    def __init__(self, state: StatePaths) -> None:
        self._path = socket_path(state)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return what came of it.

        Args:
            request: ``command``, ``line``, and what the command needs.

        Raises:
            CommandError: the command was refused, or nobody answers.
        """
        try:
            answer = self._exchange(orjson.dumps(request) + b"\n")
        except TimeoutError:
            raise CommandError(
                Refusal.UNAVAILABLE,
                f"{self._path}: no answer in {ANSWER_S:.0f} s; the command may still be applied: "
                "see 'sorter plan list' and the log of the line process",
            ) from None
        except OSError as error:
            raise CommandError(
                Refusal.UNAVAILABLE,
                f"{self._path}: the line process does not answer ({error.strerror or error}); "
                "start it with 'sorter run'",
            ) from None
        if not answer.pop("ok"):
            raise CommandError(Refusal(answer["refusal"]), str(answer["error"]))
        return answer

    def _exchange(self, request: bytes) -> dict[str, Any]:
        check_owner(self._path.parent)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(str(self._path))
            connection.sendall(request)
            content = b""
            while not content.endswith(b"\n"):
                part = connection.recv(65_536)
                if not part or len(content) > ANSWER_BYTES_MAX:
                    raise ConnectionResetError("it ended within its answer")
                content += part
        answer: dict[str, Any] = orjson.loads(content)
        return answer
