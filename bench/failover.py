"""How long a line is without a host: two services of one PLC over Modbus TCP lose it in each way.

One has the line, the other follows; the first is killed (SIGKILL), stands still (SIGSTOP, and goes
on once the other has the line), has its cable pulled, or hands the line over as planned. Then the
other one loses it the same way, and so on, while pieces travel. *Detection* is from that instant
until the standby has seen that the PLC calls its host silent: the PLC's watchdog (WATCHDOG_MS), up
to the host's heartbeat, and the standby's look. *Takeover* is from there until the standby has the
grant and has answered every piece that had no answer. A takeover that needs longer than LIMIT_MS
counts as over it. Stale instructions are those the PLC accepted of a host after it had granted the
line to the other one, found in both journals by the epochs of what it echoed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.report import Figure, Report, figure, hash_of, machine
from bench.site import SPEED_MM_S, write_chutes, write_site
from plc_adapters.contract import AnswerStatus, EventKind
from sorter.errors import UnavailableError
from sorter.journal.reader import entries
from sorter.outlets.reading import BoardReader, LineView, ProcessView
from sorter.ports import Batch
from sorter.wiring.control_client import LineClient
from sorter.wiring.paths import StatePaths
from tests.conformance.cable import Cable

TIMES, TIMES_SMALL = 100, 2
"""Takeovers each way."""
WATCHDOG_MS = 500
"""Of the PLC: five of the host's heartbeats."""
LIMIT_MS = 250.0
PIECES_PER_HOUR = 32_400
"""Nine a second: a centre of 100,000 a day at its peak."""
PORT = 15_480
WAIT_S = 600.0
"""Longest wait for what must come; a service may have to compile."""
LOOK_S = 0.01
SHOWN_S = 0.3
"""Three of the board's copies: by then it shows a takeover whole."""
LINE = "line-0"

EMULATOR = """
chutes = "chutes.csv"
labels = "labels.csv"
repeat_labels = true
seed = 1
[listen]
port = {port}
[plc]
default_chute = 60
cycle_ms = 10
event_slots = 1024
host_watchdog_ms = {watchdog_ms}
wait_for_host = true
[loop]
length_mm = 120000
speed_mm_s = {speed}
cell_pitch_mm = 200
scanner = 11
[arrivals]
pieces_per_hour = {pieces_per_hour}
[[stations]]
number = 1
position_mm = 102000
"""


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"failover: never came true: {what}")
        time.sleep(LOOK_S)


class Plc:
    """The emulated sorter; what it tells is read all the time, or it would stand still."""

    def __init__(self, folder: Path) -> None:
        self.status: dict[str, Any] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "plc_adapters.emulator", "--json", "--config",
             str(folder / "emulator.toml")],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        until(lambda: bool(self.status), "the PLC tells how it stands")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.status = json.loads(line)

    @property
    def late(self) -> int:
        """Answers that came too late, and pieces never answered."""
        return int(self.status["deadline_misses"])

    def end(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        self._reading.join()


class Host:
    """The line process of one of the two hosts."""

    def __init__(self, folder: Path, seat: int) -> None:
        folder.mkdir()
        self.cable = Cable(PORT)
        self._folder = folder
        self._file = folder / "site.toml"
        self._seat = seat
        self._process: subprocess.Popen[bytes] | None = None
        write_chutes(folder / "chutes.csv", lambda position_mm: position_mm)
        write_site(folder, [self.cable.port], "chutes.csv")
        text = self._file.read_text(encoding="utf-8")
        link = f"link = {{ port = {self.cable.port}"
        self._file.write_text(text.replace(link, f"{link}, seat = {seat}"), encoding="utf-8")

    def start(self) -> None:
        """Start the line process, and wait until it follows or has the line."""
        command = ["-m", "sorter", "run", "--part", "line", "--standby", "--config"]
        with (self._folder / "host.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command, str(self._file)], stdout=log, stderr=log
            )
        pid = self._process.pid
        until(lambda: self.pid == pid and self.line is not None, f"host {self._seat} is ready")

    @property
    def pid(self) -> int:
        """Of the process that the board is of."""
        try:
            return self._board().pid
        except UnavailableError:
            return 0

    def _board(self) -> ProcessView:
        return BoardReader(StatePaths(self._folder / "state").line_board).read()

    @property
    def line(self) -> LineView | None:
        """The line as the board shows it."""
        try:
            view = self._board()
        except UnavailableError:
            return None
        told: LineView = view.lines[0]
        return told if view.ready and told.reported else None

    @property
    def follows(self) -> bool:
        """Whether it stands by, and sees its PLC."""
        line = self.line
        return line is not None and line.link.standby and line.link.connected

    @property
    def has_line(self) -> bool:
        """Whether it answers."""
        line = self.line
        return line is not None and not line.link.standby and line.link.epoch > 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def reap(self) -> None:
        """Wait until it has ended."""
        assert self._process is not None
        self._process.wait()

    def switch(self) -> None:
        """Have the line handed over."""
        LineClient(StatePaths(self._folder / "state")).ask(
            {"command": "switch", "line": LINE, "who": "bench", "why": "bench"}
        )

    def accepted(self) -> Iterator[tuple[int, int, int]]:
        """Yield boot, sequence and epoch of every instruction that the PLC took."""
        for found in entries(StatePaths(self._folder / "state").journal / LINE, 0):
            if isinstance(found.entry, Batch):
                events = found.entry.events
                taken = (events["kind"] == EventKind.INSTRUCTED) & (
                    events["status"] == AnswerStatus.ACCEPTED
                )
                for event in events[taken]:
                    yield int(event["boot_id"]), int(event["sequence"]), int(event["epoch"])

    def end(self) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait()
        self.cable.end()


@contextmanager
def pair() -> Iterator[tuple[Plc, tuple[Host, Host]]]:
    """Have a PLC and two hosts run, one of which has the line."""
    with tempfile.TemporaryDirectory(prefix="sorter-bench-") as name:
        folder = Path(name)
        hosts = Host(folder / "a", 0), Host(folder / "b", 1)
        for file in ("labels.csv", "chutes.csv"):
            os.link(folder / "a" / file, folder / file)
        text = EMULATOR.format(
            port=PORT, speed=SPEED_MM_S, pieces_per_hour=PIECES_PER_HOUR, watchdog_ms=WATCHDOG_MS
        )
        (folder / "emulator.toml").write_text(text, encoding="utf-8")
        plc = Plc(folder)
        try:
            for host in hosts:
                host.start()
            yield plc, hosts
        finally:
            for host in hosts:
                host.end()
            plc.end()


def kill(host: Host) -> None:
    """Kill it."""
    host.signal(signal.SIGKILL)


def restart(host: Host) -> None:
    """Start it again after that."""
    host.reap()
    host.start()


WAYS: dict[str, tuple[Callable[[Host], None], Callable[[Host], None]]] = {
    "kill -9": (kill, restart),
    "stop, go on": (
        lambda host: host.signal(signal.SIGSTOP), lambda host: host.signal(signal.SIGCONT),
    ),
    "cable pulled": (lambda host: host.cable.cut(), lambda host: host.cable.mend()),
    "planned": (lambda host: host.switch(), lambda _: None),
}  # fmt: skip
"""How a host loses its line, and what puts it right again."""


def change_over(
    hosts: tuple[Host, Host], way: tuple[Callable[[Host], None], Callable[[Host], None]]
) -> tuple[float, float]:
    """Have the line change hosts; return detection and takeover in ms."""
    lose, put_right = way
    until(lambda: any(h.has_line for h in hosts) and any(h.follows for h in hosts), "a pair")
    had, other = hosts if hosts[0].has_line else hosts[::-1]
    # A host is handed the line only once the other one has seen it beat.
    until(lambda: had.line is not None and had.line.link.peer_seen_ns > 0, "the pair sees itself")
    assert other.line is not None
    before = other.line.link.takeovers
    began_ns = time.time_ns()
    lose(had)
    until(lambda: other.line is not None and other.line.link.takeovers > before, "a takeover")
    time.sleep(SHOWN_S)
    assert other.line is not None
    link = other.line.link
    put_right(had)
    return (link.silence_seen_ns - began_ns) / 1e6, link.takeover_ns / 1e6


def stale_accepted(hosts: tuple[Host, Host]) -> tuple[int, int]:
    """Return how many accepted instructions were of a lower epoch than one before, and all."""
    accepted = sorted({each for host in hosts for each in host.accepted()})
    stale, highest = 0, (0, 0)
    for boot, _, epoch in accepted:
        stale += (boot, epoch) < highest
        highest = max(highest, (boot, epoch))
    return stale, len(accepted)


def run(*, small: bool) -> Report:
    """Change over TIMES in each way; ``small`` for twice."""
    figures: list[Figure] = []
    with pair() as (plc, hosts):
        for name, way in WAYS.items():
            late = plc.late
            seen = np.array(
                [change_over(hosts, way) for _ in range(TIMES_SMALL if small else TIMES)]
            )
            detection = figure(f"{name}: detection", "ms", seen[:, 0])
            takeover = figure(f"{name}: takeover", "ms", seen[:, 1])
            over = float((seen[:, 1] > LIMIT_MS).sum())
            notes = {"over_limit": over, "late_pieces": float(plc.late - late)}
            figures += [detection, replace(takeover, notes=notes)]
        until(lambda: all(h.line is not None for h in hosts), "both hosts tell")
        stale, accepted = stale_accepted(hosts)
    told = {"stale_accepted": float(stale), "accepted": float(accepted)}
    figures[-1] = replace(figures[-1], notes=figures[-1].notes | told)
    if stale:
        raise RuntimeError(f"failover: {stale} instructions of a host without the line were taken")
    ways = ",".join(WAYS)
    return Report("failover", figures, hash_of(f"{ways} {WATCHDOG_MS}".encode()), machine())
