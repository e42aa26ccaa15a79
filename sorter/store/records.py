"""Writes the journal's records into PostgreSQL, each once, and with them how far they reach."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

import asyncpg
import numpy as np

from plc_adapters.contract import EVENT, Records
from sorter.clock import Clock
from sorter.ports import DECISION, PIECE, Batch
from sorter.store import address, partitions
from sorter.store.columns import DECISIONS, EVENTS, PIECES, TABLES, Table, know_instants
from sorter.store.migrate import load_migrations, migrate
from sorter.store.plans import CommandRow, PlanRow, last_command, write_commands, write_plan

ROWS_PER_WRITE_MAX = 20_000
"""Rows of a table turned into Python objects at once; more are further copies in the same
transaction."""
DAYS_KNOWN_MAX = 1_000
"""Days remembered as having a partition; past that they are asked for again."""
CLOSE_S = 5.0

_TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('sorter line ' || $1, 0))"
"""The recorders of a line's hosts write one after the other, so that each sees what the other
wrote."""
_HAS_OTHER = "SELECT EXISTS (SELECT FROM journal_position WHERE line = $1 AND seat <> $2)"

T = TypeVar("T")


class RecordStore:
    """The recorder's connection to the database. Calls wait for one another.

    A connection that breaks raises UnavailableError; the next call connects anew.

    Args:
        dsn: ``postgresql://…``
        retention_days: Days kept before today.
        clock: Tells today.
    """

    def __init__(self, dsn: str, retention_days: int, clock: Clock) -> None:
        self._dsn = dsn
        self._retention_days = retention_days
        self._clock = clock
        self._connection: Any = None
        self._days: dict[str, set[int]] = {}
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Connect, bring the tables up to date, make and drop partitions.

        Raises:
            UnavailableError: the database is away, refuses, or is of a newer version; names host
                and database and says what to do.
        """
        await self._with_connection(_nothing)

    async def close(self) -> None:
        """Let the connection go."""
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is None:
                return
            try:
                await connection.close(timeout=CLOSE_S)
            except address.BROKEN:
                connection.terminate()

    async def position(self, line: str, seat: int = 0) -> tuple[int, int]:
        """Return the journal's segment and offset up to which a line's records are written.

        Each host of a line has a journal of its own, told by its seat at the PLC.

        Raises:
            UnavailableError: the database is away.
        """

        async def read(connection: Any) -> tuple[int, int]:
            row = await connection.fetchrow(
                "SELECT segment, offset_bytes FROM journal_position WHERE line = $1 AND seat = $2",
                line,
                seat,
            )
            return (row["segment"], row["offset_bytes"]) if row else (0, 0)

        return await self._with_connection(read)

    async def write(
        self, line: str, batches: Sequence[Batch], position: tuple[int, int], seat: int = 0
    ) -> int:
        """Write batches and the position after them: all of it or nothing.

        Records that are there already are left as they are, so a write may be repeated; so is
        what the line's other host has recorded before.

        Args:
            line: Name of the line all batches are of.
            batches: In the journal's order.
            position: Segment and offset after the last one.
            seat: Whose journal it is.

        Returns:
            Rows that were not there before.

        Raises:
            UnavailableError: the database is away; whether this was written is not known then.
        """
        records = {
            EVENTS: _joined([batch.events for batch in batches], EVENT),
            DECISIONS: _joined([batch.decisions for batch in batches], DECISION),
            PIECES: _joined([batch.pieces for batch in batches], PIECE),
        }
        records = {table: part for table, part in records.items() if len(part)}

        async def write(connection: Any) -> int:
            await self._ensure_days(connection, records)
            try:
                return await _write(connection, (line, seat), records, position)
            except (asyncpg.CheckViolationError, asyncpg.UndefinedTableError):
                # A partition known here was dropped by another who maintains the same database.
                self._days.clear()
                await self._ensure_days(connection, records)
                return await _write(connection, (line, seat), records, position)

        return await self._with_connection(write)

    async def write_plan(self, row: PlanRow, files: dict[str, bytes]) -> bool:
        """Write a version of a plan and its files; return whether it was not there before.

        Raises:
            UnavailableError: the database is away.
        """
        return await self._with_connection(lambda connection: write_plan(connection, row, files))

    async def last_command(self, line: str) -> tuple[int, datetime] | None:
        """Return number and instant of the newest command of a line that is there.

        Raises:
            UnavailableError: the database is away.
        """
        return await self._with_connection(lambda connection: last_command(connection, line))

    async def write_commands(self, rows: list[CommandRow]) -> None:
        """Write what a line was told; what is there already stays as it is.

        Raises:
            UnavailableError: the database is away.
        """
        await self._with_connection(lambda connection: write_commands(connection, rows))

    async def maintain(self) -> None:
        """Make the partitions of the days to come, drop those that are too old.

        Raises:
            UnavailableError: the database is away.
        """
        await self._with_connection(self._maintain)

    async def counts(self) -> dict[str, int]:
        """Return the rows of each table by its name; reads all of them, so for small databases.

        Raises:
            UnavailableError: the database is away.
        """

        async def count(connection: Any) -> dict[str, int]:
            counts = {}
            for table in TABLES:
                query = f"SELECT count(*) FROM {table.name}"  # noqa: S608 - our own names
                counts[table.name] = await connection.fetchval(query)
            return counts

        return await self._with_connection(count)

    async def piece_count(self, boot_id: int | None = None) -> int:
        """Return how many ended pieces the database holds; reads them all, like :meth:`counts`.

        Args:
            boot_id: Only those of this boot of a PLC, of whatever line.

        Raises:
            UnavailableError: the database is away.
        """

        async def count(connection: Any) -> int:
            found: int = await connection.fetchval(
                "SELECT count(*) FROM piece WHERE $1::bigint IS NULL OR boot_id = $1", boot_id
            )
            return found

        return await self._with_connection(count)

    async def _with_connection(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Do work on the connection, made first if there is none; drop it if that fails."""
        async with self._turn:
            try:
                if self._connection is None or self._connection.is_closed():
                    await self._connect()
                return await work(self._connection)
            except address.BROKEN as error:
                self._drop_connection()
                raise address.away(self._dsn, error) from error
            except BaseException:
                # A call cancelled midway may have left a lock with the connection.
                self._drop_connection()
                raise

    async def _connect(self) -> None:
        connection = await address.connect(self._dsn, "sorter recorder")
        self._connection = connection
        await know_instants(connection)
        await migrate(connection, address.described(self._dsn), load_migrations())
        await self._maintain(connection)
        for table in TABLES:
            await connection.execute(table.create_staging)

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _maintain(self, connection: Any) -> None:
        self._days.clear()
        today = self._clock.now_ns() // partitions.NS_PER_DAY
        await partitions.maintain(connection, today, self._retention_days)

    async def _ensure_days(self, connection: Any, records: dict[Table, Records]) -> None:
        for table, part in records.items():
            known = self._days.setdefault(table.name, set())
            missing = table.days(part) - known
            if not missing:
                continue
            await partitions.ensure_days(connection, table, missing)
            if len(known) + len(missing) > DAYS_KNOWN_MAX:
                known.clear()
            known |= missing


async def _write(
    connection: Any,
    journal: tuple[str, int],
    records: dict[Table, Records],
    position: tuple[int, int],
) -> int:
    line, seat = journal
    written = 0
    async with connection.transaction():
        await connection.execute(_TAKE_TURN, line)
        has_other = await connection.fetchval(_HAS_OTHER, line, seat)
        if has_other:
            # Of all ways to look for the same record only the index is never slow.
            await connection.execute("SET LOCAL enable_hashjoin = off")
            await connection.execute("SET LOCAL enable_mergejoin = off")
        for table, part in records.items():
            if has_other:
                written += await _write_unknown(connection, line, table, part)
            else:
                written += await _write_new(connection, line, table, part)
        await connection.execute(
            "INSERT INTO journal_position (line, seat, segment, offset_bytes) "
            "VALUES ($1, $2, $3, $4) ON CONFLICT (line, seat) DO UPDATE "
            "SET segment = excluded.segment, offset_bytes = excluded.offset_bytes",
            line,
            seat,
            *position,
        )
    return written


async def _write_new(connection: Any, line: str, table: Table, part: Records) -> int:
    """Copy records that nobody should have written before; if somebody has, only those he has not.

    Returns:
        Rows that were not there before.
    """
    try:
        async with connection.transaction():
            await _copy(connection, line, table, part, table.name)
    except asyncpg.UniqueViolationError:
        await _copy(connection, line, table, part, table.staging)
        return _count(await connection.execute(table.insert))
    return len(part)


async def _write_unknown(connection: Any, line: str, table: Table, part: Records) -> int:
    """Write the records that the line's other host has not recorded; return how many."""
    await _copy(connection, line, table, part, table.staging)
    return _count(await connection.execute(table.insert_unless_known, line, *table.near(part)))


async def _copy(connection: Any, line: str, table: Table, part: Records, into: str) -> None:
    for chunk in _chunks(part):
        await connection.copy_records_to_table(
            into, records=table.rows(line, chunk), columns=table.names
        )


def _count(done: str) -> int:
    """Return the rows that a command says it has inserted."""
    return int(done.rpartition(" ")[2])


def _chunks(records: Records) -> Iterator[Records]:
    for first in range(0, len(records), ROWS_PER_WRITE_MAX):
        yield records[first : first + ROWS_PER_WRITE_MAX]


def _joined(parts: list[Records], dtype: np.dtype[np.void]) -> Records:
    """Return records as one array; numpy's own joining compares all fields' types each time."""
    return np.frombuffer(b"".join([part.tobytes() for part in parts]), dtype)


async def _nothing(_: Any) -> None:
    return None
