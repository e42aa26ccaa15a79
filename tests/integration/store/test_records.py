"""Records reach the database once, with the position they stand for, whatever breaks."""

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from plc_adapters.contract import EVENT
from sorter.errors import UnavailableError
from sorter.ports import Batch
from sorter.store import records
from sorter.store.embedded import EmbeddedPostgres
from sorter.store.plans import PlanRow
from sorter.store.records import RecordStore
from tests.integration.store.conftest import (
    NOW_NS,
    NS_PER_DAY,
    SetClock,
    ask,
    batch,
    put,
)

LINE = "loop-1"


def store_of(dsn: str, clock: SetClock | None = None) -> RecordStore:
    return RecordStore(dsn, 30, clock or SetClock())


def test_a_replay_writes_nothing_twice(dsn: str) -> None:
    async def run() -> None:
        store = store_of(dsn)
        await store.open()
        assert await store.position(LINE) == (0, 0)
        assert await store.write(LINE, [batch(1), batch(2, 3)], (1, 500)) == 4 * 6
        assert await store.write(LINE, [batch(2, 3), batch(5)], (1, 700)) == 6
        assert await store.write(LINE, [batch(5), batch(5)], (1, 800)) == 0
        assert await store.counts() == {"event": 20, "decision": 5, "piece": 5}
        assert await store.piece_count() == await store.piece_count(7) == 5
        assert await store.piece_count(8) == 0
        assert await store.position(LINE) == (1, 800)
        assert await store.position("loop-2") == (0, 0)
        await store.close()
        await store.close()

    asyncio.run(run())


def test_lines_with_the_same_numbers_are_apart(dsn: str) -> None:
    async def run() -> None:
        store = store_of(dsn)
        assert await store.write("a", [batch(1)], (1, 1)) == 6
        assert await store.write("b", [batch(1)], (2, 2)) == 6
        assert await store.position("a") == (1, 1)
        assert await store.position("b") == (2, 2)
        await store.close()

    asyncio.run(run())


@pytest.mark.parametrize("order", ["the dead one first", "the other first", "both at once"])
def test_what_both_hosts_of_a_line_journaled_is_recorded_once(dsn: str, order: str) -> None:
    # The first host died with pieces 31 to 40 journaled of which the PLC had not heard that they
    # are safe; so the second one was told of them again, at instants of its own.
    died, went_on = batch(1, 40), batch(31, 30, at_ns=NOW_NS + 700_000_000)
    stores = store_of(dsn), store_of(dsn)

    async def run() -> None:
        for seat, store in enumerate(stores):
            await store.write(LINE, [], (1, 1), seat)
        journals = [(died, (1, 9)), (went_on, (5, 9))]

        async def record(seat: int) -> None:
            await stores[seat].write(LINE, [journals[seat][0]], journals[seat][1], seat)

        if order == "both at once":
            await asyncio.gather(record(0), record(1))
        else:
            for seat in (0, 1) if order == "the dead one first" else (1, 0):
                await record(seat)
        assert await stores[1].position(LINE, 0) == (1, 9)
        assert await stores[0].position(LINE, 1) == (5, 9)
        for store in stores:
            await store.close()

    asyncio.run(run())
    once = [("event", "sequence", 240), ("decision", "event_sequence", 60)]
    for table, key, count in [*once, ("piece", "piece_id", 60)]:
        assert ask(dsn, f"SELECT count(*), count(DISTINCT {key}) FROM {table}") == [(count, count)]


def test_no_records_still_move_the_position(dsn: str) -> None:
    async def run() -> None:
        store = store_of(dsn)
        assert await store.write(LINE, [Batch.empty(0)], (3, 9)) == 0
        assert await store.write(LINE, [], (3, 10)) == 0
        assert await store.position(LINE) == (3, 10)
        await store.close()

    asyncio.run(run())


def test_a_large_write_is_one_transaction_of_several_copies(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "ROWS_PER_WRITE_MAX", 7)

    async def run() -> None:
        store = store_of(dsn)
        assert await store.write(LINE, [batch(1, 20)], (1, 1)) == 120
        assert await store.counts() == {"event": 80, "decision": 20, "piece": 20}
        await store.close()

    asyncio.run(run())


def test_fields_and_instants_arrive(dsn: str) -> None:
    records_of = batch(1)
    event = records_of.events[1]
    event["station"], event["cell"], event["lap"] = 3, 44, 2
    event["plc_time_ms"] = 2**32 - 1
    event["slack_ms"] = -5
    event["weight_g"], event["length_mm"] = 1200, -1
    event["host_receive_ns"] = 1_790_000_000_123_456_789
    records_of.pieces["destination"] = 2**53

    async def run() -> None:
        store = store_of(dsn)
        await store.write(LINE, [records_of], (1, 1))
        await store.close()

    asyncio.run(run())
    assert ask(
        dsn,
        "SELECT station, cell, lap, plc_time_ms, slack_ms, weight_g, length_mm, codes, chutes, "
        "received_at FROM event WHERE kind = 2",
    ) == [
        (3, 44, 2, 2**32 - 1, -5, 1200, -1, ["QH1234567890"], None,
         datetime(2026, 9, 21, 14, 13, 20, 123456, tzinfo=UTC)),
    ]  # fmt: skip
    assert ask(dsn, "SELECT chutes FROM event WHERE kind = 3") == [([12],)]
    assert ask(dsn, "SELECT scanned_at, destination FROM piece") == [(None, 2**53)]
    assert ask(dsn, "SELECT deadline_at FROM decision") == [(None,)]


def test_codes_of_any_bytes_poison_nothing(dsn: str) -> None:
    odd = batch(1)
    put(odd.events["codes"][1, 0], "连云港".encode())
    put(odd.events["codes"][1, 1], b"\xff\xfe\x00\x1d'\\")
    put(odd.events["codes"][1, 2], b'{"},NULL\t\\N')
    odd.events["code_count"][1] = 3
    put(odd.decisions["waybill"][0], b"\xe4\xba" * 20)
    odd.decisions["waybill_length"] = 40
    put(odd.pieces["waybill"][0], b"\x80\x00")
    odd.pieces["waybill_length"] = 65_535
    wild = np.frombuffer(b"\xff" * EVENT.itemsize, EVENT).copy()
    wild["host_receive_ns"] = wild["event_ns"] = NOW_NS

    async def run() -> None:
        store = store_of(dsn)
        assert await store.write(LINE, [odd, batch(2), odd._replace(events=wild)], (1, 1)) == 13
        await store.close()

    asyncio.run(run())
    codes = ask(dsn, "SELECT codes FROM event WHERE kind = 2 AND piece_id = 1")
    assert codes == [(["连云港", "\\xff\\xfe\\x00\\x1d'\\x5c", '{"},NULL\\x09\\x5cN'],)]
    assert ask(dsn, "SELECT waybill FROM decision WHERE piece_id = 1") == [("\\xe4\\xba" * 20,)]
    assert ask(dsn, "SELECT waybill FROM piece WHERE piece_id = 1") == [("\\x80",)]
    assert ask(dsn, "SELECT count(*) FROM event WHERE piece_id = 2^32 - 1") == [(1,)]


@pytest.mark.parametrize("at_ns", [0, -(2**63), 2**63 - 1])
def test_an_instant_that_can_not_be_poisons_nothing(dsn: str, at_ns: int) -> None:
    odd = batch(1)
    odd.events["host_receive_ns"][0] = at_ns
    odd.events["event_ns"][0] = at_ns

    async def run() -> None:
        store = store_of(dsn)
        assert await store.write(LINE, [odd], (1, 1)) == 6
        assert await store.write(LINE, [odd], (1, 1)) == 0
        await store.maintain()
        await store.close()

    asyncio.run(run())


class Broken:
    """A connection the server ends while a write is under way."""

    def __init__(self, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        whole = asyncpg.Connection.copy_records_to_table

        async def half(connection: asyncpg.Connection, table: str, **kwargs: object) -> str:
            done: str = await whole(connection, table, **kwargs)
            if table == "piece" and not self.times:
                self.times += 1
                other = await asyncpg.connect(dsn)
                await other.execute(
                    "SELECT pg_terminate_backend($1, 10000)", connection.get_server_pid()
                )
                await other.close()
            return done

        monkeypatch.setattr(asyncpg.Connection, "copy_records_to_table", half)


def test_a_write_killed_midway_leaves_nothing_and_can_be_repeated(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Broken(dsn, monkeypatch)

    async def run() -> None:
        store = store_of(dsn)
        await store.write(LINE, [], (1, 1))
        with pytest.raises(UnavailableError, match="database 'test_"):
            await store.write(LINE, [batch(1, 5)], (1, 500))
        assert broken.times == 1
        assert await store.position(LINE) == (1, 1)
        assert await store.counts() == {"event": 0, "decision": 0, "piece": 0}
        assert await store.write(LINE, [batch(1, 5)], (1, 500)) == 30
        assert await store.position(LINE) == (1, 500)
        await store.close()

    asyncio.run(run())


def test_a_cancelled_write_is_there_whole_or_not_at_all(dsn: str) -> None:
    async def run() -> None:
        store = store_of(dsn)
        await store.open()
        before = 0
        for turns in (0, 1, 3, 10, 30, 100, 1000):
            line = f"line-{turns}"
            task = asyncio.create_task(store.write(line, [batch(1, 200)], (1, 500)))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            written = {(0, 0): 0, (1, 500): 200}[await store.position(line)]
            assert await store.piece_count() == before + written
            await store.write(line, [batch(1, 200)], (1, 500))
            before += 200
            assert await store.piece_count() == before
        await store.close()

    asyncio.run(run())


def test_a_server_that_restarts_between_writes(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()

    async def run() -> None:
        store = store_of(server.dsn)
        await store.write(LINE, [batch(1)], (1, 1))
        await asyncio.to_thread(server.stop)
        with pytest.raises(UnavailableError, match="start it"):
            await store.write(LINE, [batch(2)], (1, 2))
        await asyncio.to_thread(server.start)
        assert await store.write(LINE, [batch(2)], (1, 2)) == 6
        assert (await store.counts())["piece"] == 2
        await store.close()

    try:
        asyncio.run(run())
    finally:
        server.stop()


def test_calls_at_once_take_turns(dsn: str) -> None:
    async def run() -> None:
        store = store_of(dsn)
        wrote = await asyncio.gather(
            *(store.write(LINE, [batch(n)], (1, n)) for n in range(1, 9)), store.maintain()
        )
        assert wrote == [6] * 8 + [None]
        await store.close()

    asyncio.run(run())


def test_a_day_that_changes_within_a_batch(dsn: str) -> None:
    midnight = (NOW_NS // NS_PER_DAY + 1) * NS_PER_DAY
    first = midnight - 9_000_000  # of the pieces' eight events some are before, some after

    async def run() -> None:
        store = store_of(dsn)
        assert await store.write(LINE, [batch(1, 2, at_ns=first)], (1, 1)) == 12
        await store.close()

    asyncio.run(run())
    days = ask(dsn, "SELECT received_at::date, count(*) FROM event GROUP BY 1 ORDER BY 1")
    assert len(days) == 2
    assert sum(count for _, count in days) == 8


def test_a_plan_version_is_written_once_and_a_file_kept_once(dsn: str) -> None:
    row = PlanRow(LINE, 1, "0" * 16, "hub", "plan.toml", "x", "ann", "new", datetime.now(UTC))

    async def run() -> None:
        store = store_of(dsn)
        files = {"network/divisions.csv": b"32", "plan.toml": b"laps = 2"}
        assert await store.write_plan(row, files)
        assert not await store.write_plan(row, files)
        assert await store.write_plan(row._replace(version=2), {"network/divisions.csv": b"32"})
        # Begun anew on another machine.
        assert await store.write_plan(row._replace(digest="1" * 16), {})
        await store.close()

    asyncio.run(run())
    versions = ask(dsn, "SELECT version, digest, why FROM plan_version ORDER BY 1, 2")
    assert versions == [(1, "0" * 16, "new"), (1, "1" * 16, "new"), (2, "0" * 16, "new")]
    contents = [row[0] for row in ask(dsn, "SELECT content FROM plan_file ORDER BY 1")]
    assert contents == [b"32", b"laps = 2"]
    assert ask(dsn, "SELECT count(*) FROM plan_version_file") == [(3,)]
