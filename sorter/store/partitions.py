"""Days as partitions: made before they are needed, dropped when they are too old.

Days are UTC, counted from 1970. Everything here is done under the lock of
:func:`sorter.store.migrate.only_opener`, as the recorder may not be the only one to open a
database.
"""

import logging
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sorter.store.columns import TABLES, US_PER_DAY, Table
from sorter.store.migrate import only_opener

DAYS_AHEAD = 3
"""Partitions are ready for today and so many days more."""
NS_PER_DAY = US_PER_DAY * 1_000

_logger = logging.getLogger(__name__)

_CHILDREN = """
SELECT c.relname AS name, i.inhrelid IS NOT NULL AS attached,
       coalesce(i.inhdetachpending, false) AS pending
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = to_regclass($1)
WHERE c.relkind = 'r' AND c.relname LIKE $2
  AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass($1))
"""


def partition_name(table: str, day: int) -> str:
    """Return the name of a table's partition for a day since 1970."""
    return f"{table}_{_date_of(day):%Y%m%d}"


async def ensure_days(connection: Any, table: Table, days: Iterable[int]) -> None:
    """Make a table's missing partitions for these days."""
    days = set(days)
    if not days:
        return
    async with only_opener(connection):
        present = await _partitions(connection, table)
        for day in sorted(days):
            if present.get(day) != "attached":
                await _make(connection, table, day, present.get(day, "missing"))


async def maintain(connection: Any, today: int, retention_days: int) -> None:
    """Make the partitions of today and the days ahead, drop those that are too old.

    Args:
        connection: asyncpg connection with no transaction open.
        today: The day now, since 1970.
        retention_days: Days kept before today. Counted from the database's day where that is
            earlier, so that one wrong clock drops nothing.
    """
    now: datetime = await connection.fetchval("SELECT now()")
    today_there = (now.astimezone(UTC).date() - date(1970, 1, 1)).days
    oldest = min(today, today_there) - retention_days
    async with only_opener(connection):
        for table in TABLES:
            present = await _partitions(connection, table)
            for day in range(today, today + DAYS_AHEAD + 1):
                if present.get(day) != "attached":
                    await _make(connection, table, day, present.get(day, "missing"))
            for day, state in present.items():
                if day < oldest:
                    await _drop(connection, table, day, state)


async def _partitions(connection: Any, table: Table) -> dict[int, str]:
    """Return what stands for each day: attached, pending (half detached) or detached."""
    rows = await connection.fetch(_CHILDREN, table.name, f"{table.name}\\_%")
    found = {}
    for row in rows:
        match = re.fullmatch(rf"{table.name}_(\d{{4}})(\d\d)(\d\d)", row["name"])
        if not match:
            continue
        day = (date(*(int(part) for part in match.groups())) - date(1970, 1, 1)).days
        state = "attached" if row["attached"] else "detached"
        found[day] = "pending" if row["pending"] else state
    return found


async def _make(connection: Any, table: Table, day: int, state: str) -> None:
    """Attach an empty partition: unlike CREATE … PARTITION OF that stops no reader of the table."""
    if state != "missing":
        await _drop(connection, table, day, state)
    name = partition_name(table.name, day)
    async with connection.transaction():
        await connection.execute(f"CREATE TABLE {name} (LIKE {table.name} INCLUDING DEFAULTS)")
        await connection.execute(
            f"ALTER TABLE {table.name} ATTACH PARTITION {name} FOR VALUES "
            f"FROM ('{_date_of(day)} 00:00:00+00') TO ('{_date_of(day + 1)} 00:00:00+00')"
        )


async def _drop(connection: Any, table: Table, day: int, state: str) -> None:
    """Drop a partition, going on where an interrupted drop ended."""
    name = partition_name(table.name, day)
    if state == "attached":
        await connection.execute(f"ALTER TABLE {table.name} DETACH PARTITION {name} CONCURRENTLY")
        _logger.info("dropping %s", name)
    elif state == "pending":
        await connection.execute(f"ALTER TABLE {table.name} DETACH PARTITION {name} FINALIZE")
    await connection.execute(f"DROP TABLE {name}")


def _date_of(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)
