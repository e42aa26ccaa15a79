"""The audit log: what is kept, that nothing can be changed unseen, what a kill leaves."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from sorter.cli.audit import app
from sorter.errors import CommandError, Refusal, UnavailableError
from sorter.wiring import audit
from sorter.wiring.audit import AuditLog, Change, Who
from sorter.wiring.audit_chain import (
    LINE_BYTES_MAX,
    Head,
    entries,
    prove,
    segments,
    torn_ends,
)

ANN = Who("ann", "http", 1000, "key:ann", "operator")
LOCK = Change("lock", ANN, "chute 12 jams", "loop-1", {"locked": []}, {"chute": 12})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def make(folder: Path, changes: int = 1) -> AuditLog:
    log = AuditLog(folder)
    for _ in range(changes):
        with log.of(LOCK) as after:
            after["locked"] = [12]
    return log


def test_a_change_is_kept_before_and_after_it_is_made(folder: Path) -> None:
    log = AuditLog(folder)
    with log.of(LOCK) as after:
        (intent,) = [entry for entry, _ in entries(folder)]
        after["locked"] = [12]
    assert (intent.phase, intent.line, intent.action, intent.why) == (
        "intent", "loop-1", "lock", "chute 12 jams",
    )  # fmt: skip
    assert intent.before == {"locked": []}
    assert intent.after == {"chute": 12}
    assert intent.who["caller"] == "key:ann"
    assert intent.who["role"] == "operator"
    (_, outcome) = [entry for entry, _ in entries(folder)]
    assert (outcome.phase, outcome.of, outcome.outcome) == ("outcome", 1, "done")
    assert outcome.after == {"locked": [12]}
    assert prove(folder).open == {}


def test_a_change_that_was_refused_or_failed_says_why(folder: Path) -> None:
    log = AuditLog(folder)
    for error in (CommandError(Refusal.UNKNOWN, "no chute 12"), RuntimeError("a fault")):
        with pytest.raises(type(error)), log.of(LOCK):
            raise error
    outcomes = [entry for entry, _ in entries(folder) if entry.phase == "outcome"]
    assert [(each.outcome, each.problem) for each in outcomes] == [
        ("refused", "no chute 12"), ("failed", "a fault"),
    ]  # fmt: skip


def test_any_byte_that_is_changed_is_found_at_its_line(folder: Path) -> None:
    make(folder, 2)
    (path,) = segments(folder)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        line = whole.count(b"\n", 0, at) + 1
        assert prove(folder).problem.startswith(f"{path}:{line}: "), f"byte {at}"
    path.write_bytes(whole)
    assert prove(folder).holds


@pytest.mark.parametrize("order", [[0, 2, 3], [1, 0, 2, 3], [0, 0, 1, 2, 3], [1, 2, 3]])
def test_a_line_taken_out_put_in_or_moved_is_found(folder: Path, order: list[int]) -> None:
    make(folder, 2)
    (path,) = segments(folder)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[number] for number in order))
    assert not prove(folder).holds


def test_a_whole_line_cut_off_the_end_shows_against_a_head_noted_elsewhere(folder: Path) -> None:
    make(folder)
    early = prove(folder).head
    make(folder)
    noted = prove(folder).head
    assert prove(folder, expect=str(early)).holds
    assert prove(folder, expect=noted.hash).holds
    (path,) = segments(folder)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert prove(folder).holds
    assert str(noted) in prove(folder, expect=str(noted)).problem
    assert prove(folder, expect=str(early)).holds


@pytest.mark.parametrize("kept_bytes", [1, 40, -1])
def test_a_torn_end_is_kept_aside_and_the_chain_goes_on(folder: Path, kept_bytes: int) -> None:
    log = make(folder)
    (path,) = segments(folder)
    torn = path.read_bytes().splitlines(keepends=True)[-1][:kept_bytes]
    with path.open("ab") as file:
        file.write(torn)
    assert prove(folder).problem.startswith(f"{path}:3: ends within a line")
    log.mend()
    (aside,) = torn_ends(folder)
    assert aside.read_bytes() == torn
    assert prove(folder).holds
    *_, (told, _) = entries(folder)
    assert (told.action, told.after["file"], told.after["bytes"]) == (
        "torn_end", aside.name, len(torn),
    )  # fmt: skip
    make(folder)
    assert prove(folder).holds
    assert prove(folder).head.number == 5


def test_a_first_line_that_was_torn_leaves_a_chain_that_begins_anew(folder: Path) -> None:
    folder.mkdir()
    (folder / "00000001.ndjson").write_bytes(b'{"number":1,')
    make(folder)
    assert prove(folder).holds
    assert prove(folder).head.number == 3


def test_files_are_rolled_over_and_the_chain_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "SEGMENT_BYTES_MAX", 4000)
    make(folder, 20)
    files = segments(folder)
    assert len(files) > 3
    assert all(path.stat().st_size <= 4000 for path in files)
    assert prove(folder).head.number == 40
    heads = [Head(entry.number, digest) for entry, digest in entries(folder)]
    gone = int(files[1].stem) - 1
    files[0].unlink()
    assert not prove(folder).holds
    assert prove(folder, after=heads[gone - 1]).head == heads[-1]
    files[2].unlink()
    assert prove(folder, after=heads[gone - 1]).problem.startswith(f"{files[3]}:1: ")


def test_an_entry_is_bounded_whatever_it_is_given(folder: Path) -> None:
    odd = "\x01\udc80" * 5000
    many = {"locked": list(range(10_000))}
    with (
        pytest.raises(UnavailableError),
        AuditLog(folder).of(Change("lock", Who(odd, "shell", 7), odd, odd, many, many)),
    ):
        raise UnavailableError(odd)
    (path,) = segments(folder)
    assert max(map(len, path.read_bytes().splitlines())) < LINE_BYTES_MAX
    (intent, _), _ = entries(folder)
    assert intent.before["bytes"] == len(orjson.dumps(many))


APPENDS = """
import sys
from pathlib import Path
from tests.unit.wiring.test_audit import make
make(Path(sys.argv[1]), 30)
"""


def test_processes_and_threads_append_to_one_chain(folder: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", APPENDS, folder]) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: make(folder, 30), range(2)))
    assert [writer.wait() for writer in writers] == [0, 0]
    proof = prove(folder)
    assert (proof.problem, proof.head.number, proof.open) == ("", 240, {})


def fill(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Let writes end as on a disk that has so many bytes of room."""
    write = os.write
    left = [room]

    def short(file: int, content: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = write(file, content[: left[0]])
        left[0] -= done
        return done

    monkeypatch.setattr("sorter.wiring.audit.os.write", short)


@pytest.mark.parametrize("room", [0, 100])
@pytest.mark.parametrize("changes", [0, 1])
def test_on_a_full_disk_the_change_is_not_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch, room: int, changes: int
) -> None:
    log = make(folder, changes)
    made = []
    with monkeypatch.context() as full:
        fill(full, room)
        with (
            pytest.raises(UnavailableError, match=r"No space left.*nothing was changed; make room"),
            log.of(LOCK),
        ):
            made.append(1)
    assert not made
    assert prove(folder).head.number == 2 * changes
    make(folder)
    assert prove(folder).head.number == 2 * changes + 2
    assert not torn_ends(folder)


def test_an_outcome_that_cannot_be_kept_leaves_its_intent_open(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog(folder)
    with log.of(LOCK):
        fill(monkeypatch, 50)
    assert "lacks the outcome (done) of entry 1, lock" in caplog.text
    assert prove(folder).open == {1: "lock loop-1"}


def test_a_damaged_end_refuses_changes_until_somebody_looks(folder: Path) -> None:
    log = make(folder)
    (path,) = segments(folder)
    path.write_bytes(path.read_bytes().replace(b"jams", b"JAMS"))
    with pytest.raises(UnavailableError, match=r"last line is damaged.*sorter audit verify"):
        log.begin(LOCK)


def told(folder: Path, *arguments: str) -> tuple[int, Any]:
    result = CliRunner().invoke(app, [arguments[0], "--folder", str(folder), *arguments[1:]])
    return result.exit_code, result.output


def test_the_commands_say_what_holds_and_end_with_1_where_it_does_not(folder: Path) -> None:
    log = make(folder)
    log.begin(LOCK)
    head = prove(folder).head
    code, text = told(folder, "verify", "--json", "--expect", str(head))
    assert code == 0
    assert orjson.loads(text) == {
        "holds": True, "entries": 3, "head": head.hash, "files": 1, "torn_ends": 0,
        "open": [{"number": 3, "what": "lock loop-1"}], "problem": None,
    }  # fmt: skip
    code, text = told(folder, "list", "--json")
    changes = orjson.loads(text)
    assert code == 0
    assert [(each["number"], each["outcome"]) for each in changes] == [(1, "done"), (3, "open")]
    assert changes[0]["after"] == {"locked": [12]}
    assert "key:ann" in told(folder, "list", "--limit", "1")[1]
    assert told(folder, "list", "--line", "loop-2") == (0, "")
    (path,) = segments(folder)
    path.write_bytes(path.read_bytes().replace(b"loop-1", b"loop-2", 1))
    for command in ("verify", "list"):
        code, text = told(folder, command)
        assert code == 1
        assert f"{path}:1: its hash is not that of what it says" in text
    assert told(folder, "verify", "--after", "1")[0] == 2
