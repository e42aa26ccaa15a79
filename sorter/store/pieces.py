"""The histories of pieces, sensors and lines, for the face and ``sorter trace``."""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum, IntFlag
from typing import Any

import asyncpg

from plc_adapters.contract import (
    UNKNOWN,
    AnswerStatus,
    ChuteState,
    DischargeStatus,
    Disposition,
    EventKind,
    MachineState,
    ScanStatus,
)
from sorter.errors import UnavailableError
from sorter.ports import MissortCause
from sorter.store import address
from sorter.store.columns import text_of
from sorter.store.conversation import conversation, said_of
from sorter.store.plans import read_commands
from sorter.store.sensors import Place, sensor_page

CONNECTIONS_MAX = 4
"""Connections of the face; the rest of what the server has is the recorder's and people's."""
PIECES_MAX = 20
"""Pieces one answer tells of, the newest."""
RECORDS_PER_PIECE_MAX = 500
"""Events, and decisions, of one piece told, the oldest; a piece has some ten."""
FOUND_MAX = 1_000
"""Rows looked through in each table for the newest pieces known by a code."""
CLOSE_S = 2.0
"""Time questions under way have when the face ends."""
PIECE_ID_MAX = 2**32 - 1
NO_SLACK = 2**31 - 1
"""Slack of a piece that was never instructed."""

_STATUS_OF: dict[int, type[IntEnum]] = {
    EventKind.INSTRUCTED: AnswerStatus,
    EventKind.DISCHARGED: DischargeStatus,
    EventKind.CHUTE_STATE: ChuteState,
    EventKind.MACHINE_STATE: MachineState,
}

_KEYS = f"""
WITH found AS (
    (SELECT line, boot_id, piece_id, ended_at AS seen_at FROM piece
     WHERE waybill = ANY($1) ORDER BY ended_at DESC LIMIT {FOUND_MAX})
    UNION ALL
    (SELECT line, boot_id, piece_id, decided_at FROM decision
     WHERE waybill = ANY($1) ORDER BY decided_at DESC LIMIT {FOUND_MAX})
    UNION ALL
    (SELECT line, boot_id, piece_id, received_at FROM event
     WHERE piece_id = $2 AND piece_id <> 0 AND ($3::bigint IS NULL OR (boot_id = $3 AND line = $4))
     ORDER BY received_at DESC LIMIT {FOUND_MAX})
    UNION ALL
    (SELECT line, boot_id, piece_id, ended_at FROM piece
     WHERE piece_id = $2 AND ($3::bigint IS NULL OR (boot_id = $3 AND line = $4))
     ORDER BY ended_at DESC LIMIT {FOUND_MAX})
)
SELECT line, boot_id, piece_id FROM found
GROUP BY line, boot_id, piece_id ORDER BY max(seen_at) DESC, line, boot_id, piece_id
LIMIT {PIECES_MAX}
"""  # noqa: S608 - our own names
# LATERAL with a limit makes one index look-up for each piece, whatever the planner knows of a
# partition it has not analysed yet.
_RECORDS = """
SELECT r.* FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS k (line, boot_id, piece_id)
CROSS JOIN LATERAL (
    SELECT * FROM {table} t
    WHERE t.piece_id = k.piece_id AND t.boot_id = k.boot_id AND t.line = k.line
    {filter} ORDER BY {order} LIMIT {limit}
) AS r
"""


def _query(table: str, order: str, limit: int, condition: str = "") -> str:
    return _RECORDS.format(table=table, order=order, limit=limit, filter=condition)


_ENDED = _query("piece", "t.ended_at DESC", 1)
_EVENTS = _query("event", "t.received_at, t.sequence", RECORDS_PER_PIECE_MAX, "AND t.piece_id <> 0")
_DECISIONS = _query("decision", "t.decided_at, t.revision", RECORDS_PER_PIECE_MAX)

Key = tuple[str, int, int]


class PieceHistories:
    """Looks up pieces in the database; opens connections as they are needed."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: Any = None

    async def open(self) -> None:
        """Begin to use the database, which may be away now.

        Raises:
            UnavailableError: the DSN is none.
        """
        if self._pool is not None:
            return
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=0,
                max_size=CONNECTIONS_MAX,
                **address.settings("sorter face"),
            )
        except (asyncpg.ClientConfigurationError, ValueError):
            raise address.malformed() from None

    async def close(self) -> None:
        """Let all connections go."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), CLOSE_S)
        except address.BROKEN:
            pool.terminate()

    async def ping(self) -> None:
        """Return once the database has answered.

        Raises:
            UnavailableError: it is away.
        """
        await self._ask(lambda connection: connection.fetchval("SELECT 1"))

    async def piece_history(self, code: str) -> dict[str, Any] | None:
        """Return what is recorded of the newest pieces known by a code, None where there is none.

        Args:
            code: A waybill, a piece id, or line/boot/piece.

        Returns:
            ``{"code", "pieces": [...]}``, newest first. A piece that has not ended yet has
            ``in_flight`` true and no outcome. Its events and decisions are in order of time;
            ``upstream`` is what the upstream host was asked and said, None if it was not asked.

        Raises:
            UnavailableError: the database is away, or nothing was ever recorded in it.
        """

        async def look_up(connection: Any) -> list[dict[str, Any]]:
            found = await connection.fetch(_KEYS, *_terms(code))
            if not found:
                return []
            keys: list[Key] = [tuple(row) for row in found]
            columns = [list(column) for column in zip(*keys, strict=True)]
            # One instant for the three, so that a piece is not told ended without its end.
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                ended = _by_key(await connection.fetch(_ENDED, *columns))
                events = _by_key(await connection.fetch(_EVENTS, *columns))
                decisions = _by_key(await connection.fetch(_DECISIONS, *columns))
            return [
                _piece(key, ended.get(key, []), events.get(key, []), decisions.get(key, []))
                for key in keys
            ]

        pieces = await self._ask(look_up)
        return {"code": code, "pieces": pieces} if pieces else None

    async def line_commands(
        self, line: str, actions: list[str], before: str, limit: int
    ) -> dict[str, Any]:
        """Return a page of what a line was told, as :func:`~sorter.store.plans.read_commands` does.

        Raises:
            UnavailableError: the database is away, or nothing was ever recorded in it.
        """
        found: dict[str, Any] = await self._ask(
            lambda connection: read_commands(connection, line, actions, before, limit)
        )
        return found

    async def sensor_history(
        self, name: str, limit: int, before: Place | None
    ) -> list[dict[str, Any]]:
        """Return a page of a sensor's events, newest first; see :func:`sensor_page`.

        Raises:
            UnavailableError: the database is away, or nothing was ever recorded in it.
        """
        events: list[dict[str, Any]] = await self._ask(
            lambda connection: sensor_page(connection, name, limit, before)
        )
        return events

    async def _ask(self, question: Callable[[Any], Any]) -> Any:
        if self._pool is None:
            raise UnavailableError("the database is not in use yet; open it first")
        try:
            connection = await self._pool.acquire(timeout=address.CONNECT_S)
        except address.BROKEN as error:
            raise address.away(self._dsn, error) from None
        except ValueError:
            raise address.malformed() from None
        try:
            return await question(connection)
        except asyncpg.UndefinedTableError:
            raise UnavailableError(
                f"database {address.described(self._dsn)}: has no records yet; start the recorder"
            ) from None
        except address.BROKEN as error:
            raise address.away(self._dsn, error) from None
        finally:
            await self._pool.release(connection)


def _terms(code: str) -> tuple[list[str], int | None, int | None, str | None]:
    """Return waybills, piece id, boot id and line that a code may mean."""
    code = code.encode("utf-8", "replace").decode().replace("\0", "")
    full = re.fullmatch(r"(.+)/([0-9]{1,10})/([0-9]{1,10})", code, re.DOTALL)
    if full and int(full[2]) <= PIECE_ID_MAX and int(full[3]) <= PIECE_ID_MAX:
        return [code], int(full[3]), int(full[2]), full[1]
    piece_id = int(code) if re.fullmatch(r"[0-9]{1,10}", code) else PIECE_ID_MAX + 1
    # As read from a label, and as written here where it holds what can't be printed.
    waybills = [code, text_of(code.encode())]
    return waybills, piece_id if piece_id <= PIECE_ID_MAX else None, None, None


def _by_key(rows: list[Any]) -> dict[Key, list[Any]]:
    grouped: dict[Key, list[Any]] = {}
    for row in rows:
        grouped.setdefault((row["line"], row["boot_id"], row["piece_id"]), []).append(row)
    return grouped


def _piece(key: Key, ended: list[Any], events: list[Any], decisions: list[Any]) -> dict[str, Any]:
    line, boot_id, piece_id = key
    waybills = [row["waybill"] for row in decisions if row["waybill"] is not None]
    piece: dict[str, Any] = {
        "line": line,
        "boot_id": boot_id,
        "piece_id": piece_id,
        "in_flight": not ended,
        "waybill": waybills[-1] if waybills else None,
    }
    if ended:
        piece |= _end(ended[0])
    piece["upstream"] = conversation(decisions)
    piece["events"] = [_event(row) for row in events]
    piece["decisions"] = [_decision(row) for row in decisions]
    return piece


def _end(row: Any) -> dict[str, Any]:
    return {
        "waybill": row["waybill"],
        "outcome": _name(DischargeStatus, row["outcome"]),
        "chute": _some(row["chute"]),
        "disposition": _name(Disposition, row["disposition"]),
        "inducted_at": _time(row["inducted_at"]),
        "scanned_at": _time(row["scanned_at"]),
        "ended_at": _time(row["ended_at"]),
        "station": _some(row["station"]),
        "cell": row["cell"],
        "lap": row["lap"],
        "scans": row["scans"],
        "conflict": bool(row["conflict"]),
        "answer": _name(AnswerStatus, row["answer"]) if row["answer"] else None,
        "revision": row["revision"],
        "first_chute": _some(row["first_chute"]),
        "missort_cause": _cause(row["missort_cause"]),
        "reserved_chute": _some(row["reserved_chute"]),
        "chutes": row["chutes"] or [],
        "slack_ms": None if row["slack_ms"] == NO_SLACK else row["slack_ms"],
        **_routed(row),
        **_measured(row),
    }


def _event(row: Any) -> dict[str, Any]:
    kind = row["kind"]
    event: dict[str, Any] = {
        "kind": _name(EventKind, kind),
        "event_at": _time(row["event_at"]),
        "received_at": _time(row["received_at"]),
        "sequence": row["sequence"],
        "plc_time_ms": row["plc_time_ms"],
        "station": _some(row["station"]),
        "chute": _some(row["chute"]),
        "cell": row["cell"],
        "lap": row["lap"],
    }
    if kind in _STATUS_OF:
        event["status"] = _name(_STATUS_OF[kind], row["status"])
    elif kind == EventKind.SCANNED:
        event["flags"] = _flags(row["status"])
        event["codes"] = row["codes"] or []
    else:
        event["status"] = row["status"]
    if kind == EventKind.INSTRUCTED:
        event |= {
            "disposition": _name(Disposition, row["disposition"]),
            "chutes": row["chutes"] or [],
            "revision": row["revision"],
            "instruction_sequence": row["instruction_sequence"],
            "epoch": row["epoch"],
            "plan_version": row["plan_version"],
            "slack_ms": row["slack_ms"],
        }
    elif kind in (EventKind.INDUCTED, EventKind.SCANNED):
        event |= _measured(row)
    return event


def _decision(row: Any) -> dict[str, Any]:
    return {
        "decided_at": _time(row["decided_at"]),
        "deadline_at": _time(row["deadline_at"]),
        "disposition": _name(Disposition, row["disposition"]),
        "waybill": row["waybill"],
        "chutes": row["chutes"] or [],
        "lap": row["lap"],
        "revision": row["revision"],
        "event_sequence": row["event_sequence"],
        "host": said_of(row) if row["host_answer"] else None,
        **_routed(row),
    }


def _routed(row: Any) -> dict[str, Any]:
    return {
        "destination": _some(max(row["destination"], 0)),
        "group": _some(row["chute_group"]),
        "brand": _some(row["brand"]),
        "service_class": _some(row["service_class"]),
        "plan_version": _some(row["plan_version"]),
    }


def _measured(row: Any) -> dict[str, Any]:
    names = ("weight_g", "length_mm", "width_mm", "height_mm")
    return {name: None if row[name] == UNKNOWN else row[name] for name in names}


def _some(number: int) -> int | None:
    """Return a number of which 0 means none."""
    return number or None


def _time(instant: datetime | None) -> str | None:
    return instant.isoformat(timespec="milliseconds") if instant else None


def _name(names: type[IntEnum], number: int) -> str:
    """Return a code's name in lower case; its number where it has none."""
    try:
        return names(number).name.lower()
    except ValueError:
        return str(number)


def _cause(number: int) -> str | None:
    return _name(MissortCause, number) if number else None


def _flags(bits: int) -> list[str]:
    known: list[IntFlag] = [flag for flag in ScanStatus if bits & flag]
    names = [str(flag.name).lower() for flag in known]
    rest = bits & ~sum(known)
    return [*names, str(rest)] if rest else names
