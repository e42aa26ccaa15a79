"""The face over a board that the test writes: real tracking fed by hand, no PLC, no database."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    EVENT,
    AnswerStatus,
    ChuteState,
    DischargeStatus,
    EventKind,
    LinkStatus,
    MachineState,
)
from sorter.api.access import Access
from sorter.api.app import Face, create_app
from sorter.api.jobs import BusyError, JobRecord, JobState
from sorter.clock import SystemClock
from sorter.errors import CommandError, UnavailableError
from sorter.line.ledger import ledger_of
from sorter.line.tracking import COUNTER_NAMES, Tracking
from sorter.outlets.board import BoardWriter, RecorderBoardWriter
from sorter.outlets.reading import BoardReader, RecorderBoardReader
from sorter.outlets.sensor_board import SensorBoardReader, SensorBoardWriter
from sorter.outlets.shadows import Shadows
from sorter.ports import CHUTE, DECISION, Batch

LEDGER_TERMS = ("inducted", "discharged", "on_sorter", "removed", "lost", "unexplained")
KNOWN: dict[str, dict[str, Any]] = {
    "QH1234567890": {"pieces": [{"waybill": "QH1234567890"}]},
    "loop-1/7/3": {"pieces": [3]},
}


class KnownPieces:
    """A store that knows two pieces and can go away."""

    def __init__(self) -> None:
        self.away = ""
        self.broken = False
        self.asked: list[str] = []
        self.opened = self.closed = 0

    async def open(self) -> None:
        self.opened += 1
        await self.ping()

    async def close(self) -> None:
        self.closed += 1

    async def ping(self) -> None:
        if self.away:
            raise UnavailableError(self.away)

    async def piece_history(self, code: str) -> dict[str, Any] | None:
        await self.ping()
        if self.broken:
            raise RuntimeError("a fault")
        self.asked.append(code)
        return KNOWN.get(code)

    async def line_commands(
        self, line: str, actions: list[str], before: str, limit: int
    ) -> dict[str, Any]:
        await self.ping()
        self.asked.append(f"{line} {actions} {before!r} {limit}")
        told = {
            "number": 17, "at": "2026-11-25T14:05:00.125+00:00", "action": "activate", "who": "ann",
            "why": "night", "version": 4, "previous": 3, "chute": None, "name": "hub",
        }  # fmt: skip
        return {"commands": [told], "next_before": "1795615500125000-17"}

    async def sensor_history(
        self, name: str, limit: int, before: tuple[int, int, int] | None
    ) -> list[dict[str, Any]]:
        await self.ping()
        places = [(1_000_000 * at, 7, at) for at in range(5, 0, -1)]
        later = [place for place in places if before is None or place < before]
        return [
            {
                "at": f"1970-01-01T00:00:0{place[2]}.000+00:00",
                "status": "within",
                "quantity": "temperature",
                "reading": place[2] / 2,
                "boot_id": place[1],
                "sequence": place[2],
                "place": place,
            }
            for place in later[:limit]
            if name == "cold-room"
        ]


class ToldLine:
    """A line that does what it is told, unless it is to refuse."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.refuses: CommandError | None = None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.refuses:
            raise self.refuses
        self.told.append(request)
        return {"line": request["line"]}


class KnownDesk:
    """A desk whose jobs stay as a test leaves them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: list[JobRecord] = []
        self.begun: list[tuple[str, str, dict[str, Any]]] = []
        self.waited: list[float] = []
        self.cancelled_by: list[dict[str, str]] = []
        self.busy = self.closed = False

    def reserve(self, kind: str, line: str) -> JobRecord:
        if self.busy:
            raise BusyError("job 1 (prove) of plans runs since then; wait for it")
        job = JobRecord(str(len(self.known) + 1), kind, line, "then", self.folder)
        self.known.append(job)
        return job

    def discard(self, job: JobRecord) -> None:
        self.known.remove(job)

    async def begin(self, job: JobRecord, request: dict[str, Any]) -> None:
        self.begun.append((job.kind, job.line, request))

    def jobs(self) -> list[JobRecord]:
        return self.known[::-1]

    def find(self, job_id: str) -> JobRecord | None:
        return next((job for job in self.known if job.id == job_id), None)

    async def wait(self, job: JobRecord, seconds: float) -> None:
        self.waited.append(seconds)

    async def cancel(self, job: JobRecord, by: dict[str, str]) -> None:
        self.cancelled_by.append(by)
        job.state = JobState.CANCELLED

    async def close(self) -> None:
        self.closed = True


class Site:
    """Everything the face looks at, to be changed by a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SystemClock()
        self.store = KnownPieces()
        self.control = ToldLine()
        self.desk = KnownDesk(folder)
        self.link = LinkStatus(connected=True, problem="", machine_state=MachineState.EXECUTE)
        chutes = np.zeros(CHUTE_NUMBER_MAX + 1, CHUTE)
        chutes["exists"][1:5] = 1
        chutes["state"][1:5] = (ChuteState.OPEN, ChuteState.OPEN, ChuteState.FULL, 0)
        chutes["capacity"][1:5] = 10
        chutes["travel_ns"][1:5] = (1_000_000_000, 2_000_000_000, 3_000_000_000, 4_000_000_000)
        self.tracking = Tracking(chutes, rows=64)
        self.writer = BoardWriter(
            folder / "line.board", ["loop-1"], COUNTER_NAMES, LEDGER_TERMS, self.clock
        )
        self.line = self.writer.line(0, lambda: ledger_of(self.tracking).as_dict(), 2_000)
        self.line.set_plan("hub", 4, ["", "HX"], ["", "next_day"], {1: "north"})
        self.recorder = RecorderBoardWriter(folder / "recorder.board", self.clock)
        self.recorder.update(rows=12, batches=3, lag_seconds=0.5, connected=True, problem="")
        self.sensors = SensorBoardWriter(folder / "sensors.board", self.clock)
        self.sensors.update([], "")

    def event(self, kind: EventKind, piece: int, **fields: int) -> None:
        """Let one thing happen to a piece."""
        events = np.zeros(1, EVENT)
        events["kind"] = kind
        events["boot_id"] = 7
        events["piece_id"] = piece
        events["event_ns"] = events["host_receive_ns"] = self.clock.now_ns()
        for field, value in fields.items():
            events[field] = value
        _, ended = self.tracking.apply(events)
        self.line.record(
            Batch(0, events, np.zeros(0, DECISION), ended), self.tracking, self.link, 0
        )

    def work(self) -> None:
        """Sort piece 1, have piece 2 scanned and piece 3 just inducted, and be ready."""
        self.event(EventKind.INDUCTED, 1, station=1, cell=11)
        self.event(EventKind.SCANNED, 1, code_count=1)
        self.event(EventKind.INSTRUCTED, 1, status=AnswerStatus.ACCEPTED, slack_ms=900)
        self.event(EventKind.DISCHARGED, 1, status=DischargeStatus.SORTED, chute=1)
        self.event(EventKind.INDUCTED, 2, station=1, cell=12)
        self.event(EventKind.SCANNED, 2)
        self.event(EventKind.INDUCTED, 3, station=2, cell=13)
        self.publish()
        self.writer.set_ready()

    def publish(self) -> None:
        """Copy the line's state to the board."""
        self.line.publish(self.tracking, self.link)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


class Client:
    """Asks the application without a socket, one question after the other."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def ask(self, method: str, path: str, **headers: str) -> httpx.Response:
        """Return the answer; the application starts and ends around it."""
        return asyncio.run(self._ask(method, path, headers))

    def post(
        self, path: str, content: bytes, headers: dict[str, str], sender: str = "127.0.0.1"
    ) -> httpx.Response:
        """Return the answer to a POST of a client at this address."""
        return asyncio.run(self._ask("POST", path, headers, content, sender))

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Return the answer to a GET."""
        return self.ask("GET", path, **headers)

    async def _ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        content: bytes = b"",
        sender: str = "127.0.0.1",
    ) -> httpx.Response:
        transport = httpx.ASGITransport(
            self._app, raise_app_exceptions=False, client=(sender, 40_000)
        )
        async with (
            self._app.router.lifespan_context(self._app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            return await client.request(method, path, headers=headers, content=content)


@pytest.fixture
def faces(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[Access], Face]:
    """Return what makes a face over the site."""
    # A slow machine makes no board of these tests look dead.
    monkeypatch.setattr("sorter.outlets.mapped.BEAT_STALE_S", 3600.0)

    def made(access: Access) -> Face:
        return Face(
            "lyg",
            BoardReader(site.folder / "line.board"),
            RecorderBoardReader(site.folder / "recorder.board"),
            site.store,
            site.control,
            site.desk,
            Shadows(site.folder / "shadow.json"),
            ["loop-1"],
            sensors=SensorBoardReader(site.folder / "sensors.board"),
            access=access,
        )

    return made


@pytest.fixture
def client(faces: Callable[[Access], Face]) -> Client:
    return Client(create_app(faces(Access())))
