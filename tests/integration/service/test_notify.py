"""The service tells its service manager how it stands, as systemd would hear it."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.integration.service.conftest import Centre, until

ALLOWED_US = 200_000
"""WatchdogSec of this manager: short, so that the test hears of it often."""
SILENCE_S = 2.0
"""Ten times of it, in which a line that is stopped must say nothing."""


class Manager:
    """A service manager's socket, and all that was heard on it."""

    def __init__(self, path: Path) -> None:
        self.words: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def heard(self, word: str) -> int:
        """Return how often a word was heard so far."""
        while True:
            try:
                self.words += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.words.count(word)

    def close(self) -> None:
        self._socket.close()


def test_ready_alive_and_stopping(
    centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", str(ALLOWED_US))
    centre.start_plc()
    centre.start_service()
    until(lambda: manager.heard("READY=1"), f"READY=1; {manager.words}")
    until(lambda: manager.heard("WATCHDOG=1") > 2, "the watchdog is fed")
    view = centre.board()
    assert view is not None
    os.kill(view.pid, signal.SIGSTOP)
    try:
        # What it said before it stood still may still be on its way out of this very call.
        time.sleep(ALLOWED_US / 1e6)
        before = manager.heard("WATCHDOG=1")
        time.sleep(SILENCE_S)
        assert manager.heard("WATCHDOG=1") == before
    finally:
        os.kill(view.pid, signal.SIGCONT)
    until(lambda: manager.heard("WATCHDOG=1") > before, "the watchdog is fed again")
    assert manager.heard("STOPPING=1") == 0
    centre.stop()
    assert manager.heard("STOPPING=1") == 1
    manager.close()
