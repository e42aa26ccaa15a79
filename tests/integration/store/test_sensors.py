"""A sensor's history in a real database: pages that neither repeat nor leave out."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import numpy as np

from plc_adapters.contract import EVENT, EventKind, Quantity, SensorStatus
from sorter.config_sensors import SENSOR_STREAM
from sorter.ports import Batch
from sorter.store.pieces import PieceHistories
from sorter.store.records import RecordStore
from tests.integration.store.conftest import NOW_NS, NS_PER_DAY, SetClock, ask, put


def readings(name: bytes, first: int, count: int, at_ns: int, boot_id: int = 1) -> Batch:
    """Return ``count`` events of a sensor, all of one instant."""
    events = np.zeros(count, EVENT)
    events["kind"] = EventKind.SENSOR
    events["status"] = SensorStatus.WITHIN
    events["quantity"] = Quantity.TEMPERATURE
    events["boot_id"] = boot_id
    events["sequence"] = np.arange(first, first + count)
    events["reading_milli"] = events["sequence"] * 100
    events["host_receive_ns"] = events["event_ns"] = at_ns
    events["code_count"] = 1
    for event in events:
        put(event["codes"][0], name)
    empty = Batch.empty(0)
    return Batch(0, events, empty.decisions, empty.pieces)


async def pages(dsn: str, name: str, limit: int) -> list[list[dict[str, Any]]]:
    histories = PieceHistories(dsn)
    await histories.open()
    try:
        found = [await histories.sensor_history(name, limit, None)]
        while len(found[-1]) == limit:
            found.append(await histories.sensor_history(name, limit, found[-1][-1]["place"]))
        return found
    finally:
        await histories.close()


def test_pages_over_days_boots_and_equal_instants(dsn: str) -> None:
    batches = [
        readings(b"cold-room", 1, 3, NOW_NS - NS_PER_DAY),
        readings(b"dock", 4, 2, NOW_NS),
        readings(b"cold-room", 6, 3, NOW_NS),
        readings(b"cold-room", 1, 2, NOW_NS, boot_id=2),
    ]
    silent = readings(b"cold-room", 3, 1, NOW_NS + 1_000, boot_id=2)
    silent.events["status"] = SensorStatus.SILENT

    async def record() -> int:
        store = RecordStore(dsn, 30, SetClock())
        await store.open()
        try:
            first = await store.write(SENSOR_STREAM, [*batches, silent], (1, 2))
            return first + await store.write(SENSOR_STREAM, batches, (1, 3))
        finally:
            await store.close()

    assert asyncio.run(record()) == 11
    found = asyncio.run(pages(dsn, "cold-room", 4))
    assert [len(page) for page in found] == [4, 4, 1]
    told = [event for page in found for event in page]
    assert [(event["boot_id"], event["sequence"]) for event in told] == [
        *((2, 3), (2, 2), (2, 1), (1, 8), (1, 7), (1, 6)),
        *((1, 3), (1, 2), (1, 1)),
    ]
    assert (told[0]["status"], told[0]["reading"]) == ("silent", None)
    assert (told[1]["status"], told[1]["reading"]) == ("within", 0.2)
    at = datetime.fromisoformat(told[3]["at"])
    assert abs((at - datetime.fromtimestamp(NOW_NS / 1e9, UTC)).total_seconds()) < 0.002
    assert asyncio.run(pages(dsn, "dock", 4))[0][0]["sequence"] == 5
    assert asyncio.run(pages(dsn, "nothing", 4)) == [[]]


def test_a_page_is_read_from_the_index(dsn: str) -> None:
    async def open_store() -> None:
        store = RecordStore(dsn, 30, SetClock())
        await store.open()
        await store.close()

    asyncio.run(open_store())
    rows = ask(
        f"{dsn}&enable_seqscan=off",
        "EXPLAIN SELECT received_at FROM event WHERE kind = 7 AND codes[1] = 'x' AND line = 'y' "
        "ORDER BY received_at DESC, boot_id DESC, sequence DESC LIMIT 5",
    )
    plan = "\n".join(row[0] for row in rows)
    assert "Sort" not in plan
    assert "Index Scan Backward" in plan
