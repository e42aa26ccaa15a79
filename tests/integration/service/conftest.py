"""The whole service as its user runs it: its processes, a PLC's process, a real database."""

import asyncio
import itertools
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import asyncpg
import pytest

from sorter.errors import UnavailableError
from sorter.outlets.reading import BoardReader, ProcessView
from sorter.store.embedded import EmbeddedPostgres

WAIT_S = 600.0
"""Longest wait for what must come; a machine under load is slow, not wrong."""

EMULATOR = """
chutes = "chutes.csv"
labels = "labels.csv"
repeat_labels = true

[listen]
port = {port}

[plc]
default_chute = 9
lap_limit = 4
event_slots = 256
wait_for_host = true

[loop]
length_mm = 24000
speed_mm_s = 5000
cell_pitch_mm = 300

[arrivals]
pieces_per_hour = 54000
pieces_max = {pieces}
spacing = "fixed"

[[stations]]
number = 1
position_mm = 20000

[emptying]
empty_after_ms = 1000

[chances]
no_read = 0.02
discharge_failure = 0.01
removed = 0.005
"""
PLAN = """
name = "small"
centre = "LYG-HUB"
routes = "network"
laps = 2

[exceptions]
no_read = "BAD"
conflict = "BAD"
not_a_waybill = "BAD"
unknown_destination = "BAD"
no_route = "BAD"
lap_limit = "BAD"
default = "BAD"

[groups.ALL]
policy = "balanced"
chutes = [1, 2, 3, 4, 5, 6, 7]

[groups.BAD]
policy = "ordered"
chutes = [8, 9]
"""
ROUTES = "prefix,brand,service_class,group\n32,*,*,ALL\n"
CHUTES = "chute,position_mm,capacity_pieces\n" + "".join(
    f"{number},{2000 + 1200 * number},40\n" for number in range(1, 10)
)
SITE = """
[site]
name = "test"

[network]
centre = "LYG-HUB"
pre_advice = "pre_advice.csv"

[http]
port = {http_port}

[[lines]]
name = "loop"
plan = "plan.toml"
machine = {{ chutes = "chutes.csv", speed_mm_s = 5000 }}
link = {{ port = {plc_port} }}
"""
PIECES = 200
WAYBILLS = [f"LXE{number:010d}" for number in range(1, PIECES + 1)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.05)


def take_lines(stream: IO[str], lines: "queue.SimpleQueue[str]") -> None:
    """Hand on every line and "" at the end: a PLC whose words nobody takes would stop."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put("")


class Centre:
    """A site's files, its PLC, its service and its database."""

    def __init__(self, folder: Path, dsn: str, pieces: int = 300) -> None:
        self.folder = folder
        self.dsn = dsn
        self.http_port, self.plc_port = free_port(), free_port()
        self.plc: subprocess.Popen[str] | None = None
        self.service: subprocess.Popen[bytes] | None = None
        self.status: dict[str, Any] = {}
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.pieces = pieces
        self._write_files()

    def _write_files(self) -> None:
        labels = ["codes,weight_g,length_mm,width_mm,height_mm"]
        advice = ["waybill,brand,service_class,destination"]
        for number, waybill in enumerate(WAYBILLS):
            labels.append(f"]C0{waybill},{500 + number},300,200,100")
            advice.append(f"{waybill},LANXI,next_day,320707")
        files = {
            "emulator.toml": EMULATOR.format(port=self.plc_port, pieces=self.pieces),
            "plan.toml": PLAN.replace('"network"', '"routes.csv"'),
            "routes.csv": ROUTES,
            "chutes.csv": CHUTES,
            "labels.csv": "\n".join(labels) + "\n",
            "pre_advice.csv": "\n".join(advice) + "\n",
            "site.toml": SITE.format(http_port=self.http_port, plc_port=self.plc_port),
        }
        for name, content in files.items():
            (self.folder / name).write_text(content, encoding="utf-8")

    def start_plc(self, *settings: str) -> None:
        command = [sys.executable, "-m", "plc_adapters.emulator", "--json"]
        command += ["--config", str(self.folder / "emulator.toml")]
        for setting in settings:
            command += ["--set", setting]
        self.plc = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.plc.stdout is not None
        self._told = queue.SimpleQueue()
        threading.Thread(target=take_lines, args=(self.plc.stdout, self._told)).start()
        self.read_plc()

    def read_plc(self) -> dict[str, Any]:
        """The PLC's next status line; it has one every second."""
        line = self._told.get(timeout=WAIT_S)
        assert line, "the emulated sorter ended"
        self.status = json.loads(line)
        return self.status

    def newest(self) -> dict[str, Any]:
        """The newest of the PLC's status lines so far."""
        while not self._told.empty():
            self.read_plc()
        return self.status

    def plc_until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition(self.read_plc()):
            assert time.monotonic() < deadline, f"never came true: {self.status}"

    def sort_all(self) -> None:
        """Wait until every piece was inducted and has left."""
        self.plc_until(lambda s: s["inducted"] >= self.pieces and s["on_sorter"] == 0)

    def start_service(self, *arguments: str) -> None:
        environment = {**os.environ, "SORTER_DATABASE_DSN": self.dsn}
        with (self.folder / "service.log").open("ab") as log:
            self.service = subprocess.Popen(
                [sys.executable, "-m", "sorter", "run", "--config",
                 str(self.folder / "site.toml"), *arguments],
                env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def log(self) -> str:
        return (self.folder / "service.log").read_text(encoding="utf-8")

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of an answer; 0 while nobody answers."""
        url = f"http://127.0.0.1:{self.http_port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except (urllib.error.URLError, OSError):
            return 0, None

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.service is not None
            assert self.service.poll() is None, self.log()
            return self.get("/readyz")[0] == 200

        until(ready, f"ready; {self.get('/readyz?verbose')}")

    def board(self) -> ProcessView | None:
        try:
            return BoardReader(self.folder / "state" / "run" / "line.board").read()
        except UnavailableError:
            return None

    def query(self, sql: str, *arguments: object) -> list[Any]:
        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.dsn)
            try:
                rows: list[Any] = await connection.fetch(sql, *arguments)
                return rows
            finally:
                await connection.close()

        return asyncio.run(ask())

    def wait_recorded(self) -> None:
        """Wait until every piece that ended is in the database."""
        until(
            lambda: self.query("SELECT count(*) FROM piece")[0][0] >= self.pieces,
            f"{self.pieces} pieces recorded",
        )

    def wait_empty(self) -> Mapping[str, int]:
        """Wait until the first line's board shows an empty sorter; return the line's ledger.

        The board is published at a pace of its own: the database may know of the end before it.
        """
        ledger: Mapping[str, int] = {}

        def empty() -> bool:
            nonlocal ledger
            view = self.board()
            ledger = view.lines[0].ledger if view else {}
            return ledger.get("on_sorter") == 0

        until(empty, "the board shows an empty sorter")
        return ledger

    def stop(self) -> None:
        for process in (self.service, self.plc):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@pytest.fixture(scope="package")
def postgres() -> Iterator[EmbeddedPostgres]:
    # Root's server runs as another user, who can't enter pytest's own folders.
    with tempfile.TemporaryDirectory(prefix="sorter-test-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            yield server


_numbers = itertools.count(1)


def make_database(server: EmbeddedPostgres) -> str:
    """Make an empty database on a server; return its address."""
    name = f"t{next(_numbers)}"

    async def create() -> None:
        connection = await asyncpg.connect(server.dsn)
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()

    asyncio.run(create())
    return server.dsn.replace("/postgres?", f"/{name}?")


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> str:
    """The address of an empty database."""
    return make_database(postgres)


@pytest.fixture
def centre(tmp_path: Path, database: str) -> Iterator[Centre]:
    running = Centre(tmp_path, database)
    try:
        yield running
    finally:
        running.stop()
