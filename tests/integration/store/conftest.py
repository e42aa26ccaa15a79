"""A real server for all tests, a database of its own for each."""

import asyncio
import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest

from plc_adapters.contract import EVENT, DischargeStatus, Disposition, EventKind
from sorter.ports import DECISION, PIECE, Batch
from sorter.store.embedded import EmbeddedPostgres

DEADLINE_S = 300.0
_numbers = itertools.count(1)
NS_PER_DAY = 86_400 * 10**9
NOW_NS = time.time_ns()


@dataclass
class SetClock:
    """A clock that stands where the test sets it."""

    ns: int = field(default_factory=time.time_ns)

    def now_ns(self) -> int:
        return self.ns


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that another user may enter, as pytest's own are not, and of a short path."""
    folder = Path(tempfile.mkdtemp(prefix="store-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def server(open_folder: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(open_folder / "server") as running:
        # Many small databases would take long to be written at the end; no test of this server
        # is about a power cut.
        ask(running.dsn, "ALTER SYSTEM SET fsync = off")
        ask(running.dsn, "SELECT pg_reload_conf()")
        yield running


@pytest.fixture
def folder(open_folder: Path) -> Path:
    """A new folder for a server of the test's own."""
    return open_folder / f"own{next(_numbers)}"


@pytest.fixture
def dsn(server: EmbeddedPostgres) -> str:
    """An empty database."""
    name = f"test_{next(_numbers)}"
    ask(server.dsn, f"CREATE DATABASE {name}")
    return server.dsn.replace("/postgres?", f"/{name}?")


def ask(dsn: str, sql: str, *arguments: Any) -> list[Any]:
    """Run one statement and return its rows as tuples."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(dsn)
        try:
            return [tuple(row) for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()

    return asyncio.run(run())


def until(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds; fail where it never does."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


def put(target: Any, text: bytes) -> None:
    """Write a code into a NUL-padded field."""
    target[...] = 0
    target[: len(text)] = list(text)


def batch(
    first: int, pieces: int = 1, waybill: bytes = b"QH1234567890", at_ns: int = NOW_NS
) -> Batch:
    """Return pieces that were inducted, scanned, answered and discharged, from piece ``first`` on.

    Each has four events with sequences of its own, one decision, one end.
    """
    ids = np.arange(first, first + pieces)
    events = np.zeros(4 * pieces, EVENT)
    events["kind"] = np.tile(
        [EventKind.INDUCTED, EventKind.SCANNED, EventKind.INSTRUCTED, EventKind.DISCHARGED], pieces
    )
    events["status"] = np.tile([0, 0, 1, DischargeStatus.SORTED], pieces)
    events["boot_id"] = 7
    events["piece_id"] = np.repeat(ids, 4)
    events["sequence"] = np.arange(4 * first, 4 * (first + pieces))
    events["event_ns"] = at_ns + events["sequence"].astype(np.int64) * 1_000_000
    events["host_receive_ns"] = events["event_ns"] + 2_000_000
    scanned = events["kind"] == EventKind.SCANNED
    events["code_count"][scanned] = 1
    events["codes"][scanned, 0, : len(waybill)] = list(waybill)
    events["weight_g"] = -1
    events["chutes"][events["kind"] == EventKind.INSTRUCTED, 0] = 12
    decisions = np.zeros(pieces, DECISION)
    decisions["boot_id"] = 7
    decisions["piece_id"] = ids
    decisions["event_sequence"] = events["sequence"][scanned]
    decisions["disposition"] = Disposition.ROUTED
    decisions["chutes"][:, 0] = 12
    decisions["decided_ns"] = events["host_receive_ns"][scanned]
    ended = np.zeros(pieces, PIECE)
    ended["boot_id"] = 7
    ended["piece_id"] = ids
    ended["outcome"] = DischargeStatus.SORTED
    ended["disposition"] = Disposition.ROUTED
    ended["chute"] = 12
    ended["inducted_ns"] = events["event_ns"][events["kind"] == EventKind.INDUCTED]
    ended["ended_ns"] = events["event_ns"][events["kind"] == EventKind.DISCHARGED]
    for records in (decisions, ended):
        records["waybill_length"] = len(waybill)
        records["waybill"][:, : len(waybill)] = list(waybill)
    return Batch(0, events, decisions, ended)
