"""Databases are told by host and name, never by password."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from sorter.clock import SystemClock
from sorter.errors import UnavailableError
from sorter.store import address
from sorter.store.pieces import PieceHistories
from sorter.store.records import RecordStore

AWAY = "postgresql://sorter:geheim@127.0.0.1:9/centre"


@pytest.mark.parametrize(
    ("dsn", "told"),
    [
        ("postgresql://u:geheim@db.example:5433/centre", "'centre' at db.example:5433"),
        ("postgresql://u:ge%40heim@a:1,b:2/centre", "'centre' at a:1,b:2"),
        ("postgresql://u@/centre?host=/run/pg&password=geheim", "'centre' at /run/pg"),
        ("postgresql:///", "'(default)' at local socket"),
        ("postgresql://u:geheim@[bad/centre", "(unreadable address)"),
    ],
)
def test_described(dsn: str, told: str) -> None:
    assert address.described(dsn) == told


@pytest.mark.parametrize(
    "dsn", ["mysql://u:geheim@h/d", "postgresql://u:geheim@h:port/d", "geheim"]
)
def test_a_malformed_address_is_not_repeated(dsn: str) -> None:
    async def look_up() -> None:
        histories = PieceHistories(dsn)
        try:
            await histories.open()
            await histories.ping()
        finally:
            await histories.close()

    for attempt in (RecordStore(dsn, 30, SystemClock()).open(), look_up()):
        with pytest.raises(UnavailableError, match=r"store\.dsn is no address") as raised:
            asyncio.run(attempt)
        assert "geheim" not in str(raised.value)


def test_an_absent_database_is_told() -> None:
    async def look_up() -> None:
        histories = PieceHistories(AWAY)
        await histories.open()
        try:
            await histories.piece_history("QH1")
        finally:
            await histories.close()

    for attempt in (RecordStore(AWAY, 30, SystemClock()).open(), look_up()):
        with pytest.raises(
            UnavailableError, match=r"'centre' at 127\.0\.0\.1:9.*start it"
        ) as raised:
            asyncio.run(attempt)
        assert "geheim" not in str(raised.value)


def test_an_absent_socket_is_told(tmp_path: Path) -> None:
    store = RecordStore(f"postgresql://u@/d?host={tmp_path}", 30, SystemClock())
    with pytest.raises(UnavailableError, match="'d' at /"):
        asyncio.run(store.open())


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (asyncpg.InvalidPasswordError("no"), "user and password"),
        (asyncpg.InvalidCatalogNameError("no"), "create the database"),
        (asyncpg.InsufficientPrivilegeError("no"), "must own its tables"),
        (asyncpg.DiskFullError("no"), "make room"),
        (asyncpg.TooManyConnectionsError("no"), "max_connections"),
        (TimeoutError(), "TimeoutError; see its log"),
        (asyncpg.DivisionByZeroError("no"), "see the database's log"),
    ],
)
def test_each_kind_of_failure_has_its_advice(error: Exception, advice: str) -> None:
    assert advice in str(address.away("postgresql://h/d", error))


def test_histories_must_be_opened() -> None:
    with pytest.raises(UnavailableError, match="open it first"):
        asyncio.run(PieceHistories(AWAY).ping())
