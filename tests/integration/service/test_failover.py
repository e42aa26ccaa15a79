"""Two services of one line: one answers, the other follows and takes over; nothing is lost.

Nothing here asserts how long anything took: that is the bench's.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plc_adapters.contract import AnswerStatus, EventKind
from sorter.errors import UnavailableError
from sorter.outlets.reading import BoardReader, LineView
from tests.conformance.cable import Cable
from tests.integration.service.conftest import Centre, free_port, until
from tests.integration.service.test_sorting import assert_nothing_is_lost_or_doubled

TAKEN_OVER_AT = (60, 140, 220)
"""Pieces inducted by then."""


class Host:
    """One of the two services, in a seat and a folder of its own."""

    def __init__(self, centre: Centre, seat: int) -> None:
        self.seat = seat
        self._centre = centre
        self._state = centre.folder / f"state-{seat}"
        self._file = centre.folder / f"site-{seat}.toml"
        self.cable = Cable(centre.plc_port)
        self._process: subprocess.Popen[bytes] | None = None
        site = (centre.folder / "site.toml").read_text(encoding="utf-8")
        site = site.replace('name = "test"', f'name = "test"\nstate_dir = "{self._state.name}"')
        site = site.replace(f"port = {centre.http_port}", f"port = {free_port()}")
        link = f"port = {self.cable.port}, seat = {seat}, timeout_ms = 200"
        self._file.write_text(site.replace(f"port = {centre.plc_port}", link), encoding="utf-8")

    def start(self) -> None:
        environment = {**os.environ, "SORTER_DATABASE_DSN": self._centre.dsn}
        with (self._centre.folder / f"host-{self.seat}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sorter", "run", "--standby", "--config", str(self._file)],
                env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sorter", *arguments, "--config", str(self._file)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    @property
    def line(self) -> LineView | None:
        """The line as this host's board shows it; None while no line process tells."""
        try:
            view = BoardReader(self._state / "run" / "line.board").read()
        except UnavailableError:
            return None
        told = view.lines[0]
        return told if view.ready and not view.problem and told.reported else None

    @property
    def has_line(self) -> bool:
        line = self.line
        return line is not None and not line.link.standby and line.link.epoch > 0

    @property
    def follows(self) -> bool:
        line = self.line
        return line is not None and line.link.standby and line.link.connected

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the line process; its supervisor lives on."""
        pid = int((self._state / "run" / "line.lock").read_text(encoding="utf-8"))
        os.kill(pid, number)

    def log(self) -> str:
        return (self._centre.folder / f"host-{self.seat}.log").read_text(encoding="utf-8")

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.cable.end()


@pytest.fixture
def pair(centre: Centre) -> Iterator[tuple[Host, Host]]:
    centre.start_plc()
    hosts = (Host(centre, 0), Host(centre, 1))
    try:
        hosts[0].start()
        hosts[1].start()
        wait(centre, lambda: any(h.has_line for h in hosts))
        wait(centre, lambda: any(h.follows for h in hosts))
        yield hosts
    finally:
        for host in hosts:
            host.stop()


def wait(centre: Centre, condition: Callable[[], bool]) -> None:
    """Wait, and read meanwhile what the PLC tells: it stands still once nobody listens."""
    centre.plc_until(lambda _: condition())


def change_over(centre: Centre, hosts: tuple[Host, Host], lose: Callable[[Host], None]) -> None:
    """Let the host that has the line lose it, several times; each time the other one gets it."""
    for inducted in TAKEN_OVER_AT:
        centre.plc_until(lambda s, n=inducted: s["inducted"] >= n)  # type: ignore[misc]
        wait(centre, lambda: any(h.has_line for h in hosts) and any(h.follows for h in hosts))
        had, other = hosts if hosts[0].has_line else hosts[::-1]
        lose(had)
        wait(centre, lambda o=other: o.has_line)  # type: ignore[misc]
    centre.sort_all()
    centre.wait_recorded()


def assert_right(centre: Centre, hosts: tuple[Host, Host]) -> None:
    """No piece is lost or doubled, in the books of the PLC, the line's host and the database."""
    wait(centre, lambda: any(h.has_line for h in hosts))
    state = next(host for host in hosts if host.has_line)
    link = centre.folder / "state"
    link.symlink_to(Path(f"state-{state.seat}"))
    until(
        lambda: (
            centre.query("SELECT max(sequence) FROM event")[0][0]
            == centre.read_plc()["head_sequence"]
        ),
        "the newest event is recorded",
    )
    # A host that was slow to come back found events gone from the ring that the other one had
    # acknowledged, and counts from what it learnt anew.
    assert_nothing_is_lost_or_doubled(centre, saw_all=False)
    accepted = centre.query(
        "SELECT epoch FROM event WHERE kind = $1 AND status = $2 ORDER BY sequence",
        int(EventKind.INSTRUCTED), int(AnswerStatus.ACCEPTED),
    )  # fmt: skip
    epochs = [row["epoch"] for row in accepted]
    # Nothing of a host was taken once another one had been granted the line.
    assert epochs == sorted(epochs)
    assert len(set(epochs)) > len(TAKEN_OVER_AT) / 2


def test_a_killed_host_is_followed_by_the_other(centre: Centre, pair: tuple[Host, Host]) -> None:
    change_over(centre, pair, lambda host: host.signal(signal.SIGKILL))
    assert_right(centre, pair)


def test_a_host_that_stood_still_finds_the_line_gone(
    centre: Centre, pair: tuple[Host, Host]
) -> None:
    def stop(had: Host) -> None:
        other = pair[1 - had.seat]
        had.signal(signal.SIGSTOP)
        try:
            wait(centre, lambda: other.has_line)
        finally:
            had.signal(signal.SIGCONT)
        wait(centre, lambda: had.follows)

    change_over(centre, pair, stop)
    assert_right(centre, pair)
    assert "stands by" in pair[0].log()


def test_a_host_whose_cable_is_pulled_is_replaced(centre: Centre, pair: tuple[Host, Host]) -> None:
    def pull(had: Host) -> None:
        other = pair[1 - had.seat]
        had.cable.cut()
        wait(centre, lambda: other.has_line)
        had.cable.mend()
        wait(centre, lambda: had.follows)

    change_over(centre, pair, pull)
    assert_right(centre, pair)


def test_a_line_is_switched_over_by_command(centre: Centre, pair: tuple[Host, Host]) -> None:
    def switch(had: Host) -> None:
        wait(centre, lambda: had.line is not None and had.line.link.peer_seen_ns > 0)
        told = had.run("line", "switch", "--why", "update")
        assert told.returncode == 0, told.stdout + told.stderr
        wait(centre, lambda: had.follows)
        again = had.run("line", "switch", "--why", "update")
        assert again.returncode == 1
        assert "another host has it" in again.stdout + again.stderr

    change_over(centre, pair, switch)
    assert_right(centre, pair)
    kept = centre.query("SELECT action FROM line_command WHERE action = 'switch'")
    assert len(kept) == len(TAKEN_OVER_AT)
