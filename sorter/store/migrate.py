"""Brings a database to the tables this version works with.

Migrations are ``migrations/NNNN_name.sql``, numbered from 1 without a gap, each applied once, in a
transaction, under a lock that lets one opener at a time do so. One that was applied never changes.
"""

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sorter.errors import UnavailableError

FOLDER = Path(__file__).with_name("migrations")
LOCK_KEY = 7_267_684_000_001
"""Key of the advisory lock for whoever changes tables or partitions."""
MIGRATIONS_MAX = 9999

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of its text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_migrations(folder: Path = FOLDER) -> list[Migration]:
    """Return the migrations of a folder in order.

    Raises:
        ValueError: a file is misnamed, or a number is missing or doubled.
    """
    migrations: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if not match:
            raise ValueError(f"{path}: name it NNNN_name.sql")
        if int(match[1]) != len(migrations) + 1:
            raise ValueError(f"{path}: the next migration is number {len(migrations) + 1:04d}")
        migrations.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    return migrations


@asynccontextmanager
async def only_opener(connection: Any) -> AsyncIterator[None]:
    """Hold the lock for changes of tables and partitions, waiting for it as long as is allowed."""
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)


async def migrate(connection: Any, where: str, migrations: list[Migration]) -> int:
    """Apply what the database lacks; return how many migrations that were.

    Args:
        connection: asyncpg connection with no transaction open.
        where: The database, for errors.
        migrations: All of this version, in order.

    Raises:
        UnavailableError: the database is of a newer version, or an applied migration has changed.
    """
    async with only_opener(connection):
        await connection.execute(_TABLE)
        applied = await connection.fetch(
            "SELECT version, name, checksum FROM schema_migration ORDER BY version"
        )
        _check(applied, where, migrations)
        missing = migrations[len(applied) :]
        for migration in missing:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)",
                    migration.version,
                    migration.name,
                    migration.checksum,
                )
        return len(missing)


def _check(applied: list[Any], where: str, migrations: list[Migration]) -> None:
    if len(applied) > len(migrations):
        newest = applied[-1]
        raise UnavailableError(
            f"database {where}: is of a newer version: it has migration {newest['version']:04d} "
            f"({newest['name']}), this program knows {len(migrations)}; run a newer program, or "
            "name another database in store.dsn"
        )
    for row, migration in zip(applied, migrations, strict=False):
        if (row["version"], row["checksum"]) != (migration.version, migration.checksum):
            raise UnavailableError(
                f"database {where}: migration {row['version']:04d} ({row['name']}) was applied "
                f"with another text than this program's {migration.version:04d} "
                f"({migration.name}); run the program that made the database, or name an empty "
                "one in store.dsn"
            )
