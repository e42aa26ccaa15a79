"""The history of a sensor, a page at a time from its newest event back."""

from datetime import UTC, datetime, timedelta
from typing import Any

from plc_adapters.contract import EventKind, Quantity, SensorStatus
from sorter.config_sensors import SENSOR_STREAM

PAGE_MAX = 1_000
"""Events of one page."""

Place = tuple[int, int, int]
"""An event's place in a history: microseconds since 1970, boot, sequence."""

_PAGE = f"""
SELECT received_at, boot_id, sequence, status, quantity, reading_milli FROM event
WHERE kind = {int(EventKind.SENSOR)} AND codes[1] = $1 AND line = $2 {{before}}
ORDER BY received_at DESC, boot_id DESC, sequence DESC LIMIT $3
"""  # noqa: S608 - our own numbers
_NEWEST = _PAGE.format(before="")
_BEFORE = _PAGE.format(before="AND (received_at, boot_id, sequence) < ($4, $5, $6)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


async def sensor_page(
    connection: Any, name: str, limit: int, before: Place | None
) -> list[dict[str, Any]]:
    """Return events of a sensor, newest first.

    Args:
        connection: asyncpg connection.
        name: Of the sensor.
        limit: 1 to PAGE_MAX.
        before: Only events older than the one at this place.

    Returns:
        For each ``at``, ``status``, ``quantity``, ``reading`` (None while there was none),
        ``boot_id``, ``sequence``, and ``place`` to go on from.
    """
    terms: list[Any] = [name, SENSOR_STREAM, min(limit, PAGE_MAX)]
    if before is None:
        rows = await connection.fetch(_NEWEST, *terms)
    else:
        instant = _EPOCH + before[0] * _MICRO
        rows = await connection.fetch(_BEFORE, *terms, instant, *before[1:])
    return [_event(row) for row in rows]


def _event(row: Any) -> dict[str, Any]:
    reading = row["reading_milli"]
    micros = (row["received_at"] - _EPOCH) // _MICRO
    return {
        "at": row["received_at"].astimezone(UTC).isoformat(timespec="milliseconds"),
        "status": SensorStatus(row["status"]).name.lower(),
        "quantity": Quantity(row["quantity"]).name.lower(),
        "reading": None if reading is None else reading / 1000,
        "boot_id": row["boot_id"],
        "sequence": row["sequence"],
        "place": (micros, row["boot_id"], row["sequence"]),
    }
