"""Writes versions of sort plans and commands of lines into PostgreSQL, each once."""

import hashlib
from datetime import datetime
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
