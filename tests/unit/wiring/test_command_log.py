"""What a line was told is kept without gaps, also after a crash; the database gets it once."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import cast

import pytest

from sorter.errors import ConfigError
from sorter.store.plans import CommandRow
from sorter.store.records import RecordStore
from sorter.wiring import command_log, plan_records
from sorter.wiring.command_log import CommandLog, log_files, read_file
from sorter.wiring.paths import StatePaths
from sorter.wiring.plan_records import PlanRecorder

AT = "2026-01-01T00:00:0{}.000+00:00"


def test_a_torn_end_is_cut_and_numbers_go_on(tmp_path: Path) -> None:
    log = CommandLog(tmp_path)
    log.append(AT.format(1), "activate", "ann", "夜班", version=2, previous=1, name="night")
    log.append(AT.format(2), "lock", "bob", "jams", chute=12)
    (path,) = log_files(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"number": 3, "at"')
    again = CommandLog(tmp_path)
    assert again.active == (2, AT.format(1))
    assert again.append(AT.format(3), "unlock", "bob", "mended", chute=12).number == 3
    assert [(c.number, c.action, c.why) for c in read_file(path)] == [
        (1, "activate", "夜班"), (2, "lock", "jams"), (3, "unlock", "mended"),
    ]  # fmt: skip
    assert len(again.newest) == 3
    path.write_bytes(b"{}\n")
    with pytest.raises(ConfigError, match=r"00000001.ndjson: damaged"):
        CommandLog(tmp_path)


class Store:
    """Takes commands; can forget the last ones, as a database restored from a backup has."""

    def __init__(self) -> None:
        self.rows: dict[int, CommandRow] = {}
        self.writes = 0

    async def last_command(self, line: str) -> tuple[int, datetime] | None:
        assert line == "loop"
        last = self.rows[max(self.rows)] if self.rows else None
        return (last.number, last.at) if last else None

    async def write_commands(self, rows: list[CommandRow]) -> None:
        self.writes += 1
        self.rows |= {row.number: row for row in rows}


def test_the_database_gets_each_once_and_old_files_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_log, "COMMANDS_PER_FILE", 4)
    monkeypatch.setattr(plan_records, "FILES_KEPT", 2)
    monkeypatch.setattr(plan_records, "LOOK_S", 0.0)
    state = StatePaths(tmp_path)
    log = CommandLog(state.commands("loop"))
    store = Store()

    def recorder() -> PlanRecorder:
        return PlanRecorder(state, ["loop"], cast("RecordStore", store))

    async def record(each: PlanRecorder) -> int:
        before = store.writes
        await each.record()
        return store.writes - before

    async def work() -> None:
        first = recorder()
        for n in range(1, 11):
            log.append(AT.format(n % 10), "lock", "ann", "x", chute=n)
        assert await record(first) == 3
        assert sorted(store.rows) == list(range(1, 11))
        assert [path.name for path in log_files(state.commands("loop"))] == [
            "00000005.ndjson", "00000009.ndjson",
        ]  # fmt: skip
        log.append(AT.format(9), "lock", "ann", "x", chute=11)
        assert await record(first) == 1
        assert await record(recorder()) == 0, "a new recorder goes on where the database is"
        del store.rows[11]
        assert await record(recorder()) == 1
        assert len(store.rows) == 11

    asyncio.run(work())
