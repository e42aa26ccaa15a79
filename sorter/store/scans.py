"""Reads pieces that ended from PostgreSQL, as a what-if wants them: each at its first scan."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg

from sorter.store import address

ROWS_AT_ONCE = 20_000
"""Rows fetched at once."""
ON_SORTER_S = 86_400
"""Longest time from a piece's first scan to its end that is looked for."""
NS_PER_US = 1_000

# A day has one partition by the instant of ending, so that bounds on it leave the other days alone.
# Only a piece that stayed on has a first scan apart from its last; those are looked up one by one.
_SCANS = """
SELECT (extract(epoch FROM coalesce(f.first_at, p.scanned_at)) * 1000000)::bigint * 1000,
       p.destination, p.brand, p.service_class, p.disposition, p.chute, p.lap,
       p.waybill IS NOT NULL, p.conflict
FROM piece p
LEFT JOIN LATERAL (
    SELECT min(e.event_at) AS first_at FROM event e
    WHERE p.lap > 0 AND e.piece_id = p.piece_id AND e.boot_id = p.boot_id AND e.line = p.line
      AND e.kind = 2
) f ON true
WHERE p.line = $1 AND p.scans > 0 AND p.ended_at >= $2
  AND p.ended_at < $3::timestamptz + make_interval(secs => $4)
  AND coalesce(f.first_at, p.scanned_at) >= $2 AND coalesce(f.first_at, p.scanned_at) < $3
"""

Row = tuple[int, int, int, int, int, int, int, bool, int]
"""Instant of the first scan (ns), destination, brand, service class, disposition, chute, laps,
whether a waybill is known, conflict."""


async def read_scans(dsn: str, line: str, begin_ns: int, end_ns: int) -> AsyncIterator[list[Row]]:
    """Yield the pieces of a line that were first scanned in a span, some thousands at a time.

    Raises:
        UnavailableError: the database is away.
    """
    connection: Any = await address.connect(dsn, "sorter what-if")
    span = [datetime.fromtimestamp(ns // NS_PER_US / 1e6, UTC) for ns in (begin_ns, end_ns)]
    try:
        async with connection.transaction(readonly=True):
            cursor = await connection.cursor(_SCANS, line, *span, float(ON_SORTER_S))
            while rows := await cursor.fetch(ROWS_AT_ONCE):
                yield [tuple(row) for row in rows]
    except asyncpg.UndefinedTableError:
        return  # nothing was ever recorded there
    except address.BROKEN as error:
        raise address.away(dsn, error) from None
    finally:
        await connection.close(timeout=address.CONNECT_S)
