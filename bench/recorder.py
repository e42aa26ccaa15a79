"""What recording costs, held against asyncpg's COPY alone of the same rows into the same tables.

Both write to one PostgreSQL in turn, a batch of a day's records each: four events, a decision and
a piece for each piece sorted. The reference gets rows that lie ready as Python values, into tables
of its own with the same partitions, keys and indexes, a transaction each batch. The recorder starts
with a journal on disk: it reads, checks and converts the frames, writes each record once, and with
them how far it came.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import asyncpg
import numpy as np

from bench.report import Report, against, figure, hash_of, machine
from plc_adapters.contract import EVENT, DischargeStatus, Disposition, EventKind, Records
from sorter.clock import SystemClock
from sorter.journal.writer import JournalWriter
from sorter.outlets.record import Recording
from sorter.ports import DECISION, PIECE, Batch
from sorter.store.columns import TABLES, Table
from sorter.store.embedded import EmbeddedPostgres
from sorter.store.records import RecordStore

LINE = "line-1"
PIECES_OF_TURN = 8
TURNS, TURNS_SMALL = 6_000, 450
TURNS_OF_ROUND = 150
"""Turns read and written at once: what a second of 1,200 pieces leaves."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEGMENT_BYTES = 1 << 30
KINDS = (EventKind.INDUCTED, EventKind.SCANNED, EventKind.INSTRUCTED, EventKind.DISCHARGED)


def run(*, small: bool) -> Report:
    """Measure; ``small`` for a few rounds."""
    turns = TURNS_SMALL if small else TURNS
    folder = Path(tempfile.mkdtemp(prefix="sorter-bench-"))
    folder.chmod(0o755)
    with EmbeddedPostgres(folder / "server") as server:
        bare_ns, recorder_ns, rows = asyncio.run(_measure(server.dsn, folder, turns))
    bare = figure("bare COPY", "ns", bare_ns)
    recorder = figure("recorder", "ns", recorder_ns)
    share = float(bare_ns.sum() / recorder_ns.sum())
    figures = [bare, against(recorder, bare, share_of_bare_rows_per_second=share, rows=rows)]
    return Report("recorder", figures, hash_of(np.array(rows).tobytes()), machine())


async def _measure(dsn: str, folder: Path, turns: int) -> tuple[Any, Any, int]:
    """Return ns a row of each round: of the reference, of the recorder; and rows written."""
    clock = SystemClock()
    store = RecordStore(dsn, 30, clock)
    await store.open()
    connection = await asyncpg.connect(dsn)
    now_ns = clock.now_ns()
    batches = [_turn(number, now_ns) for number in range(turns)]
    for table in TABLES:
        await _twin(connection, table, batches)
    journal = JournalWriter(
        folder / "journal", [LINE], [0], clock, segment_bytes=SEGMENT_BYTES, queue_max=turns + 1
    )
    recording = Recording(folder / "journal", {LINE: 0}, store)
    await recording.begin()
    bare: list[float] = []
    recorded: list[float] = []
    for first in range(0, turns, TURNS_OF_ROUND):
        some = batches[first : first + TURNS_OF_ROUND]
        rows = sum(len(part) for batch in some for part in batch[1:])
        for batch in some:
            journal.offer(batch)
        journal.commit()
        ready = [(table, _ready(table, some)) for table in TABLES]
        for which in (0, 1) if first // TURNS_OF_ROUND % 2 else (1, 0):
            began = perf_counter_ns()
            if which:
                while await recording.step():
                    pass
                recorded.append((perf_counter_ns() - began) / rows)
            else:
                await _copy(connection, ready)
                bare.append((perf_counter_ns() - began) / rows)
    counts = await store.counts()
    twins = {t.name: await connection.fetchval(f"SELECT count(*) FROM {_name(t)}") for t in TABLES}
    if counts != twins or counts["event"] != turns * PIECES_OF_TURN * len(KINDS):
        raise RuntimeError(f"bench: not all was written: {counts}, {twins}")
    journal.close()
    await connection.close()
    await store.close()
    return np.array(bare[1:]), np.array(recorded[1:]), sum(counts.values())


def _turn(number: int, now_ns: int) -> Batch:
    """Return what a turn of the line leaves that saw some pieces from induction to chute."""
    count = PIECES_OF_TURN
    ids = np.arange(number * count + 1, (number + 1) * count + 1, dtype=np.uint32)
    waybills = np.array([b"LXE%010d" % each for each in ids.tolist()])
    code = waybills.view(np.uint8).reshape(count, -1)
    instants = now_ns + ids.astype(np.int64) * 1_000_000
    events = np.zeros(count * len(KINDS), EVENT)
    events["boot_id"] = 7
    events["sequence"] = np.arange(len(events)) + number * len(events) + 1
    events["kind"] = np.repeat(KINDS, count)
    for name in ("weight_g", "length_mm", "width_mm", "height_mm"):
        events[name] = 300
    events["piece_id"] = np.tile(ids, len(KINDS))
    events["event_ns"] = events["host_receive_ns"] = np.tile(instants, len(KINDS))
    scanned, told = events[count : 2 * count], events[2 * count : 3 * count]
    scanned["code_count"] = 1
    scanned["codes"][:, 0, : code.shape[1]] = code
    told["chutes"][:, :2] = (3, 5)
    told["disposition"] = Disposition.ROUTED
    decisions = np.zeros(count, DECISION)
    pieces = np.zeros(count, PIECE)
    for records in (decisions, pieces):
        records["boot_id"], records["piece_id"], records["plan_version"] = 7, ids, 1
        records["waybill_length"] = code.shape[1]
        records["waybill"][:, : code.shape[1]] = code
        records["chutes"][:, :2] = (3, 5)
        records["disposition"], records["destination"] = Disposition.ROUTED, 320707
    decisions["event_sequence"] = scanned["sequence"]
    decisions["decided_ns"], decisions["deadline_ns"] = instants, instants + 10**9
    for name in ("inducted_ns", "scanned_ns", "ended_ns"):
        pieces[name] = instants
    pieces["outcome"], pieces["chute"], pieces["first_chute"] = DischargeStatus.SORTED, 3, 3
    return Batch(0, events, decisions, pieces)


def _name(table: Table) -> str:
    return f"bare_{table.name}"


async def _twin(connection: Any, table: Table, batches: Sequence[Batch]) -> None:
    """Make a table for the reference: as the recorder's, with a partition for the same days."""
    name = _name(table)
    await connection.execute(
        f"CREATE TABLE {name} (LIKE {table.name} INCLUDING ALL) "
        f"PARTITION BY RANGE ({table.key_column})"
    )
    days = {day for batch in batches for day in table.days(_part(table, batch))}
    for day in days:
        first = EPOCH + timedelta(days=day)
        await connection.execute(
            f"CREATE TABLE {name}_{day} PARTITION OF {name} "
            f"FOR VALUES FROM ('{first}') TO ('{first + timedelta(days=1)}')"
        )


def _part(table: Table, batch: Batch) -> Records:
    return {"event": batch.events, "decision": batch.decisions, "piece": batch.pieces}[table.name]


def _ready(table: Table, batches: Sequence[Batch]) -> list[tuple[Any, ...]]:
    """Return rows as a program would have them: instants as datetimes, the line's name in each."""
    records = np.concatenate([_part(table, batch) for batch in batches])
    instants = [place for place, name in enumerate(table.names) if name.endswith("_at")]
    rows = []
    for row in table.rows(LINE, records):
        values = list(row)
        for place in instants:
            if values[place] is not None:
                values[place] = EPOCH + timedelta(microseconds=values[place])
        rows.append(tuple(values))
    return rows


async def _copy(connection: Any, ready: list[tuple[Table, list[tuple[Any, ...]]]]) -> None:
    async with connection.transaction():
        for table, rows in ready:
            await connection.copy_records_to_table(_name(table), records=rows, columns=table.names)
