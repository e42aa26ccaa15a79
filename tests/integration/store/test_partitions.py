"""Days come and go as partitions; openers change tables one after the other."""

import asyncio
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from sorter.errors import UnavailableError
from sorter.store import partitions, records
from sorter.store.columns import TABLES
from sorter.store.migrate import LOCK_KEY, load_migrations
from sorter.store.records import RecordStore
from tests.integration.store.conftest import NOW_NS, NS_PER_DAY, SetClock, ask, batch

LINE = "loop-1"
TODAY = NOW_NS // NS_PER_DAY
PARTITIONS = (
    "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid "
    "WHERE inhparent = $1::text::regclass ORDER BY 1"
)


def names(dsn: str, table: str) -> list[str]:
    """Return a table's partitions."""
    return [name for (name,) in ask(dsn, PARTITIONS, table)]


def days(table: str, *offsets: int) -> list[str]:
    return [partitions.partition_name(table, TODAY + offset) for offset in offsets]


def noon(offset: int) -> int:
    return (TODAY + offset) * NS_PER_DAY + NS_PER_DAY // 2


def do(store: RecordStore, *steps: Any) -> list[Any]:
    """Do things one after the other on a store, then close it."""

    async def run() -> list[Any]:
        try:
            return [await step() for step in steps]
        finally:
            await store.close()

    return asyncio.run(run())


def today_store(dsn: str, retention_days: int = 30) -> RecordStore:
    return RecordStore(dsn, retention_days, SetClock(noon(0)))


def test_days_are_ready_ahead(dsn: str) -> None:
    do(store := today_store(dsn), store.open)
    for table in TABLES:
        assert names(dsn, table.name) == days(table.name, 0, 1, 2, 3)
    later = RecordStore(dsn, 30, SetClock(noon(1)))
    do(later, later.maintain)
    assert names(dsn, "event") == days("event", 0, 1, 2, 3, 4)


def test_names_are_dates() -> None:
    assert partitions.partition_name("event", 0) == "event_19700101"
    assert partitions.partition_name("piece", 20_000) == "piece_20241004"


def test_events_of_an_outage_find_their_day(dsn: str) -> None:
    store = today_store(dsn)
    do(store, store.open, lambda: store.write(LINE, [batch(1, at_ns=noon(-9))], (1, 1)))
    assert names(dsn, "event")[0] == days("event", -9)[0]
    assert ask(dsn, "SELECT count(*) FROM piece") == [(1,)]


def test_what_is_too_old_is_dropped_and_the_rest_kept(dsn: str) -> None:
    store = today_store(dsn, retention_days=5)
    old = [batch(1, at_ns=noon(-6)), batch(2, at_ns=noon(-5)), batch(3, at_ns=noon(0))]
    do(store, lambda: store.write(LINE, old, (1, 1)), store.maintain)
    for table in TABLES:
        assert names(dsn, table.name) == days(table.name, -5, 0, 1, 2, 3)
    assert ask(dsn, "SELECT array_agg(piece_id ORDER BY 1) FROM piece") == [([2, 3],)]


def test_a_wrong_clock_drops_nothing(dsn: str) -> None:
    store = today_store(dsn)
    do(store, lambda: store.write(LINE, [batch(1, at_ns=noon(0))], (1, 1)))
    astray = RecordStore(dsn, 30, SetClock(noon(20_000)))
    do(astray, astray.maintain)
    assert ask(dsn, "SELECT count(*) FROM piece") == [(1,)]


def test_a_partition_dropped_by_another_is_made_again(dsn: str) -> None:
    store = today_store(dsn)

    async def drop() -> None:
        other = await asyncpg.connect(dsn)
        await other.execute(f"DROP TABLE {days('event', 0)[0]}")
        await other.close()

    wrote = do(
        store,
        lambda: store.write(LINE, [batch(1, at_ns=noon(0))], (1, 1)),
        drop,
        lambda: store.write(LINE, [batch(2, at_ns=noon(0))], (1, 2)),
    )
    assert wrote == [6, None, 6]


@pytest.mark.parametrize("half", ["pending", "detached"])
def test_a_drop_that_was_interrupted_is_ended(dsn: str, half: str) -> None:
    store = today_store(dsn, retention_days=5)
    do(store, lambda: store.write(LINE, [batch(1, at_ns=noon(-9))], (1, 1)))
    (name,) = days("piece", -9)
    if half == "detached":
        ask(dsn, f"ALTER TABLE piece DETACH PARTITION {name}")
    else:
        asyncio.run(_leave_pending(dsn, name))
    do(store, store.maintain)
    assert ask(dsn, "SELECT to_regclass($1)::text", name) == [(None,)]
    assert names(dsn, "piece") == days("piece", 0, 1, 2, 3)


async def _leave_pending(dsn: str, name: str) -> None:
    """Interrupt a concurrent detach while it waits for a reader of the table."""
    reader, dropper, watcher = [await asyncpg.connect(dsn) for _ in range(3)]
    reading = reader.transaction()
    await reading.start()
    await reader.fetch("SELECT 1 FROM piece LIMIT 1")
    drop = asyncio.create_task(
        dropper.execute(f"ALTER TABLE piece DETACH PARTITION {name} CONCURRENTLY")
    )
    query = "SELECT bool_or(inhdetachpending) FROM pg_inherits WHERE inhparent = 'piece'::regclass"
    deadline = time.monotonic() + 60
    while not await watcher.fetchval(query):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    await watcher.execute("SELECT pg_cancel_backend($1)", dropper.get_server_pid())
    with pytest.raises(asyncpg.QueryCanceledError):
        await drop
    await reading.rollback()
    for connection in (reader, dropper, watcher):
        await connection.close()


def test_a_detached_day_that_is_needed_again_is_made_anew(dsn: str) -> None:
    store = today_store(dsn)
    do(store, lambda: store.write(LINE, [batch(1, at_ns=noon(-9))], (1, 1)))
    (name,) = days("piece", -9)
    ask(dsn, f"ALTER TABLE piece DETACH PARTITION {name}")
    do(store, lambda: store.write(LINE, [batch(2, at_ns=noon(-9))], (1, 2)))
    assert ask(dsn, "SELECT array_agg(piece_id) FROM piece") == [([2],)]


def test_openers_at_once_migrate_once(dsn: str) -> None:
    async def run() -> None:
        stores = [today_store(dsn) for _ in range(4)]
        await asyncio.gather(*(store.open() for store in stores))
        await asyncio.gather(*(store.close() for store in stores))

    asyncio.run(run())
    applied = ask(dsn, "SELECT version, name, checksum FROM schema_migration ORDER BY 1")
    assert applied == [(m.version, m.name, m.checksum) for m in load_migrations()]


def test_an_opener_waits_for_the_one_before(dsn: str) -> None:
    async def run() -> None:
        holder = await asyncpg.connect(dsn)
        await holder.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        store = today_store(dsn)
        opening = asyncio.create_task(store.open())
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        deadline = time.monotonic() + 60
        while not await holder.fetchval(waits):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert not opening.done()
        await holder.close()
        await opening
        await store.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("INSERT INTO schema_migration VALUES (9999, 'later', 'x')", "newer version.*9999.*later"),
        ("UPDATE schema_migration SET checksum = 'x'", r"0001 \(records\) was applied with anoth"),
        ("UPDATE schema_migration SET version = version + 100", "another text"),
    ],
)
def test_a_database_of_another_version_is_refused(dsn: str, change: str, message: str) -> None:
    store = today_store(dsn)
    do(store, store.open)
    ask(dsn, change)
    with pytest.raises(UnavailableError, match=message) as raised:
        do(store, store.open)
    assert "store.dsn" in str(raised.value)


def test_a_failed_migration_leaves_nothing(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = load_migrations()
    bad = type(ours[0])(len(ours) + 1, "bad", "CREATE TABLE half (); SELECT 1/0")
    monkeypatch.setattr(records, "load_migrations", lambda: [*ours, bad])
    store = today_store(dsn)
    with pytest.raises(UnavailableError, match="division by zero"):
        do(store, store.open)
    assert ask(dsn, "SELECT max(version) FROM schema_migration") == [(len(ours),)]
    assert ask(dsn, "SELECT to_regclass('half')::text") == [(None,)]
    monkeypatch.undo()
    do(store, store.open)


def test_partitions_begin_at_midnight_utc_whatever_the_server_thinks(dsn: str) -> None:
    (name,) = ask(dsn, "SELECT current_database()")[0]
    ask(dsn, f"ALTER DATABASE {name} SET timezone = 'Asia/Shanghai'")
    do(store := today_store(dsn), store.open)
    begin = datetime.combine(date(1970, 1, 1) + timedelta(days=TODAY), datetime.min.time(), UTC)
    inside = int(begin.timestamp()) * 10**9
    do(store, lambda: store.write(LINE, [batch(1, at_ns=inside)], (1, 1)))
    (first,) = days("event", 0)
    assert ask(dsn, f"SELECT count(*) FROM {first}") == [(4,)]
