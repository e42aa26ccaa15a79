"""systemd is told that the service is ready and alive, by the lines' own loop alone."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sorter.wiring.notify import Notifier, Watchdog

SECOND = 1_000_000_000
ALLOWED = {"WATCHDOG_USEC": "20000000"}


@dataclass
class Line:
    steps: int = 0
    waits: bool = False


class Manager:
    """A service manager's socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        words: list[str] = []
        while True:
            try:
                words.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return words

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    listening = Manager(str(tmp_path / "notify"))
    yield listening
    listening.close()


@pytest.fixture
def notifier(tmp_path: Path) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})


def test_words_arrive_as_one_datagram(manager: Manager, notifier: Notifier) -> None:
    notifier.say("READY=1", "STATUS=two lines")
    notifier.say("STOPPING=1")
    assert manager.heard() == ["READY=1\nSTATUS=two lines", "STOPPING=1"]


def test_a_socket_in_no_folder(tmp_path: Path) -> None:
    name = f"sorter-{tmp_path.name}"
    manager = Manager(f"\0{name}")
    Notifier({"NOTIFY_SOCKET": f"@{name}"}).say("READY=1")
    assert manager.heard() == ["READY=1"]
    manager.close()


def test_no_manager_no_word(manager: Manager) -> None:
    Notifier({}).say("READY=1")
    assert manager.heard() == []


def test_a_manager_that_is_gone_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "nowhere")})
    for _ in range(3):
        notifier.say("WATCHDOG=1")
    assert caplog.text.count("systemd can't be told WATCHDOG=1") == 1
    manager = Manager(str(tmp_path / "nowhere"))
    notifier.say("WATCHDOG=1")
    manager.close()
    (tmp_path / "nowhere").unlink()
    notifier.say("WATCHDOG=1")
    assert caplog.text.count("systemd can't be told WATCHDOG=1") == 2


def test_the_watchdog_is_fed_while_every_line_turns(manager: Manager, notifier: Notifier) -> None:
    lines, watchdog = [Line(), Line()], Watchdog(notifier, ALLOWED)
    assert watchdog.feed(lines, 0)
    for line in lines:
        line.steps += 1
    assert not watchdog.feed(lines, 9 * SECOND)
    assert watchdog.feed(lines, 10 * SECOND)
    lines[0].steps += 1
    assert not watchdog.feed(lines, 20 * SECOND)
    assert not watchdog.feed(lines, 90 * SECOND)
    lines[1].steps += 1
    assert watchdog.feed(lines, 91 * SECOND)
    assert manager.heard() == ["WATCHDOG=1"] * 3


def test_a_line_that_waits_for_its_plc_hangs_not(manager: Manager, notifier: Notifier) -> None:
    lines, watchdog = [Line(waits=True), Line()], Watchdog(notifier, ALLOWED)
    assert watchdog.feed(lines, 0)
    lines[1].steps += 1
    assert watchdog.feed(lines, 10 * SECOND)
    lines[0].waits = False
    lines[1].steps += 1
    assert not watchdog.feed(lines, 20 * SECOND)
    assert manager.heard() == ["WATCHDOG=1"] * 2


def test_no_watchdog_asked_for_none_fed(manager: Manager, notifier: Notifier) -> None:
    assert not Watchdog(notifier, {}).feed([Line(steps=1)], 0)
    assert manager.heard() == []
