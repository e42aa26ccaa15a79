"""Versions of sort plans and commands of lines in PostgreSQL: each written once, and read back."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple


class CommandRow(NamedTuple):
    """One command that a line carried out."""

    line: str
    number: int
    at: datetime
    action: str
    version: int
    previous: int
    chute: int
    name: str
    who: str
    why: str


class PlanRow(NamedTuple):
    """One version of a line's plan."""

    line: str
    version: int
    digest: str
    """16 hexadecimal digits of its image's hash."""
    name: str
    plan: str
    """The planner's file."""
    inputs: str
    """SHA-256 over all it was made of."""
    who: str
    why: str
    made_at: datetime


async def write_plan(connection: Any, row: PlanRow, files: dict[str, bytes]) -> bool:
    """Write a version and its files: all of it or nothing.

    Args:
        connection: asyncpg connection with no transaction open.
        row: The version.
        files: Contents of what it was made of, by the path that each is known by.

    Returns:
        Whether it was not there before.
    """
    async with connection.transaction():
        done: str = await connection.execute(
            "INSERT INTO plan_version "
            "(line, version, digest, name, plan, inputs, who, why, made_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            *row,
        )
        if done.endswith(" 0"):
            return False
        for path, content in files.items():
            digest = hashlib.sha256(content).hexdigest()
            await connection.execute(
                "INSERT INTO plan_file (sha256, content) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                digest,
                content,
            )
            await connection.execute(
                "INSERT INTO plan_version_file (line, version, digest, path, sha256) "
                "VALUES ($1, $2, $3, $4, $5)",
                *row[:3],
                path,
                digest,
            )
    return True


async def last_command(connection: Any, line: str) -> tuple[int, datetime] | None:
    """Return number and instant of the newest command of a line that is there, None for none."""
    row = await connection.fetchrow(
        "SELECT number, at FROM line_command WHERE line = $1 ORDER BY at DESC, number DESC LIMIT 1",
        line,
    )
    return (row["number"], row["at"]) if row else None


async def write_commands(connection: Any, rows: list[CommandRow]) -> None:
    """Write commands: all of them or none; those that are there already stay as they are."""
    async with connection.transaction():
        await connection.executemany(
            "INSERT INTO line_command "
            "(line, number, at, action, version, previous, chute, name, who, why) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
            rows,
        )


# An index of the primary key is walked from its place on, so a page costs the same wherever it is.
_COMMANDS = """
SELECT number, at, action, version, previous, chute, name, who, why FROM line_command
WHERE line = $1 AND (at, number) < ($2, $3) AND (cardinality($4::text[]) = 0 OR action = ANY($4))
ORDER BY at DESC, number DESC LIMIT $5
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = (datetime(9999, 1, 1, tzinfo=UTC), 0)
_MICROSECOND = timedelta(microseconds=1)


async def read_commands(
    connection: Any, line: str, actions: list[str], before: str, limit: int
) -> dict[str, Any]:
    """Return a page of what a line was told, the newest first.

    Args:
        connection: asyncpg connection.
        line: Its name.
        actions: Of these kinds; all if empty.
        before: ``next_before`` of the page before (microseconds since 1970, a number); empty for
            the newest.
        limit: At most so many.

    Returns:
        ``{"commands": [...], "next_before": "..."}``; the latter None on the last page. A number
        that is about nothing is None.
    """
    microseconds, _, number = before.partition("-")
    place = (_EPOCH + int(microseconds) * _MICROSECOND, int(number)) if before else _END
    rows = await connection.fetch(_COMMANDS, line, *place, actions, limit + 1)
    page = rows[:limit]
    last = page[-1] if len(rows) > limit else None
    return {
        "commands": [
            {
                **row,
                "at": row["at"].isoformat(timespec="milliseconds"),
                **{name: row[name] or None for name in ("version", "previous", "chute")},
            }
            for row in page
        ],
        "next_before": f"{(last['at'] - _EPOCH) // _MICROSECOND}-{last['number']}"
        if last
        else None,
    }
