"""The boards: what is written is read, whoever dies."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plc_adapters.contract import DischargeStatus, EventKind
from sorter.clock import SystemClock
from sorter.errors import UnavailableError
from sorter.outlets.board import BoardWriter, RecorderBoardWriter, chutes_of_groups
from sorter.outlets.layout import (
    COUNTERS_MAX,
    HISTOGRAMS,
    NAMES_BYTES,
    PIECES_SHOWN_MAX,
    RATE_WINDOW_S,
    JournalStatus,
    quantile,
    to_text,
)
from sorter.outlets.mapped import BEAT_STALE_S
from sorter.outlets.reading import BoardReader, LineView, RecorderBoardReader
from sorter.outlets.turn_counts import HELD_MAX
from sorter.ports import BATCH_MAX, DECISION, PIECE, Batch

Lab = Any
SECOND_NS = 1_000_000_000


def first_line(path: Path) -> LineView:
    return BoardReader(path).read().lines[0]


def test_what_a_line_did_is_read_back(lab: Lab) -> None:
    lab.run_pieces([1, 2, 3])
    lab.turn(lab.events(EventKind.INDUCTED, [4], station=9))
    lab.publish()
    view = BoardReader(lab.path).read()
    assert [line.name for line in view.lines] == ["loop-1", "loop-2"]
    assert view.pid == os.getpid()
    assert view.problem == ""
    line = view.line("loop-1")
    assert line is not None
    assert line.ledger == {
        "inducted": 4,
        "discharged": 3,
        "on_sorter": 1,
        "removed": 0,
        "lost": 0,
        "unexplained": 0,
    }
    assert line.counters["scans_read"] == 3
    assert (line.plan_name, line.plan_version, line.brands) == ("hub", 4, ["", "HX", "QY"])
    assert (line.group(1), line.group(3)) == ("north", "")
    assert line.stations[[1, 9]].tolist() == [3, 1]
    assert line.outcomes[0, DischargeStatus.SORTED] == 3
    assert line.chutes["fill"][2] == 3
    assert line.link == lab.link
    assert line.in_flight == 1
    assert line.shown["piece_id"].tolist() == [4]
    assert line.read_rate == 1.0
    assert line.recirculation == 0.0
    assert view.line("loop-2") is not None
    assert view.line("loop-9") is None
    assert not view.lines[1].reported


def test_histograms_hold_every_answer_in_its_bucket(lab: Lab) -> None:
    lab.run_pieces(list(range(1, 11)), slack_ms=1_500)
    lab.run_pieces([11], slack_ms=0)
    lab.publish()
    line = first_line(lab.path)
    counts, total = line.histogram("slack")
    bounds = HISTOGRAMS["slack"].values
    assert counts[bounds.index(1_500)] == 10
    assert counts[bounds.index(0)] == 1
    assert (counts.sum(), total) == (11, 15_000)
    counts, total = line.histogram("answer")
    assert counts[HISTOGRAMS["answer"].values.index(2_000)] == 11
    assert total == 11 * 2_000
    counts, total = line.histogram("write")
    assert counts[HISTOGRAMS["write"].values.index(1_500)] == 11
    assert total == 11 * 1_500
    half, nearly_all = line.slack_ms(0.5), line.slack_ms(0.99)
    assert half is not None
    assert 1_250 < half <= 1_500
    assert nearly_all is not None
    assert nearly_all < half


def test_nothing_is_lost_when_more_comes_than_can_be_held_back(lab: Lab) -> None:
    turns = HELD_MAX // BATCH_MAX + 2
    for turn in range(turns):
        lab.run_pieces(list(range(turn * 500 + 1, turn * 500 + 501)))
    lab.publish()
    line = first_line(lab.path)
    for name in HISTOGRAMS:
        assert line.histogram(name)[0].sum() == turns * 500, name


def test_a_turn_publishes_only_when_it_is_time(lab: Lab) -> None:
    lab.publish()
    lab.turn(lab.events(EventKind.INDUCTED, [1]))
    assert first_line(lab.path).counters["inducted"] == 0
    lab.clock.ns += SECOND_NS
    lab.turn(lab.events(EventKind.INDUCTED, []))
    assert first_line(lab.path).counters["inducted"] == 1


def test_rate_counts_the_last_minute_only(lab: Lab) -> None:
    piece = 0
    for second in range(2 * RATE_WINDOW_S):
        for _ in range(1 if second < RATE_WINDOW_S else 3):
            piece += 1
            lab.turn(lab.events(EventKind.INDUCTED, [piece]))
        lab.clock.ns += SECOND_NS
        lab.publish()
    assert first_line(lab.path).pieces_per_hour == pytest.approx(3 * 3600)


def test_rates_are_unknown_before_the_first_piece(lab: Lab) -> None:
    lab.publish()
    line = first_line(lab.path)
    assert line.pieces_per_hour == 0.0
    assert line.read_rate is None
    assert line.recirculation is None
    assert line.slack_ms(0.5) is None
    assert line.answer_ms(0.5) is None


def test_more_pieces_than_can_be_shown_are_still_counted(lab: Lab) -> None:
    lab.turn(lab.events(EventKind.INDUCTED, list(range(1, BATCH_MAX + 1))))
    lab.turn(lab.events(EventKind.INDUCTED, list(range(1_001, 1_101))))
    lab.publish()
    line = first_line(lab.path)
    assert line.in_flight == BATCH_MAX + 100
    assert len(line.shown) == PIECES_SHOWN_MAX


def test_a_missing_board_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "line.board"
    with pytest.raises(UnavailableError, match=r"line process is not running: no board at .*start"):
        BoardReader(path).read()


def test_rubbish_and_other_versions_are_refused(lab: Lab) -> None:
    reader = BoardReader(lab.path)
    reader.read()
    raw = bytearray(lab.path.read_bytes())
    raw[8] ^= 1
    lab.path.unlink()
    lab.path.write_bytes(raw)
    with pytest.raises(UnavailableError, match="another version"):
        reader.read()
    for rubbish in (b"", b"\0", b"no board at all" * 100):
        lab.path.unlink()
        lab.path.write_bytes(rubbish)
        with pytest.raises(UnavailableError, match="can't be watched"):
            reader.read()


def test_a_silent_writer_is_told_from_a_living_one(lab: Lab) -> None:
    now_ns = time.monotonic_ns()
    later = BoardReader(lab.path, lambda: now_ns + int((BEAT_STALE_S + 1) * SECOND_NS)).read()
    assert "has not beaten since" in later.problem
    rebooted = BoardReader(lab.path, lambda: 1).read()
    assert "since the machine started" in rebooted.problem


def test_a_reader_finds_the_board_of_a_new_process(
    lab: Lab, new_lab: Callable[[Path], Lab]
) -> None:
    reader = BoardReader(lab.path)
    lab.run_pieces([1])
    lab.publish()
    assert reader.read().lines[0].counters["inducted"] == 1
    again = new_lab(lab.path)
    assert reader.read().lines[0].counters["inducted"] == 0
    again.run_pieces([1, 2])
    again.publish()
    assert reader.read().lines[0].counters["inducted"] == 2


def test_a_writer_killed_while_it_copied_is_still_shown(lab: Lab) -> None:
    lab.run_pieces([1])
    lab.publish()
    lab.line._row["generation"] += 1
    assert first_line(lab.path).counters["inducted"] == 1


WRITER = """
import sys, time
from pathlib import Path
from sorter.clock import SystemClock
from sorter.outlets.board import BoardWriter
board = BoardWriter(Path(sys.argv[1]), ["a"], ["inducted"], ["inducted"], SystemClock())
board.set_ready()
print("up", flush=True)
while True:
    board.beat()
    time.sleep(0.01)
"""


def test_kill_and_restart_of_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "line.board"
    reader = BoardReader(path)
    seen = []
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            view = reader.read()
            assert view.ready
            assert view.problem == ""
            seen.append(view.pid)
            process.send_signal(signal.SIGKILL)
        after = BoardReader(path, lambda: time.monotonic_ns() + 10 * SECOND_NS).read()
        assert "dead or stuck" in after.problem
    assert len(set(seen)) == 2


def _publish_for_ever(path: Path, ready: Any) -> None:
    clock = SystemClock()
    board = BoardWriter(path, ["a"], [f"c{i}" for i in range(COUNTERS_MAX)], ["inducted"], clock)
    row = board._rows[0]
    ready.set()
    number = 0
    while True:
        number += 1
        row["generation"] += 1
        row["counters"][: COUNTERS_MAX // 2] = number
        time.sleep(0.0003)
        row["counters"][COUNTERS_MAX // 2 :] = number
        row["generation"] += 1
        time.sleep(0.001)


def test_a_reader_never_sees_half_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "line.board"
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_publish_for_ever, args=(path, ready), daemon=True)
    process.start()
    try:
        assert ready.wait(30)
        reader = BoardReader(path)
        for _ in range(300):
            assert len(set(reader.read().lines[0].counters.values())) == 1
    finally:
        process.kill()
        process.join()
        process.close()


def test_a_board_has_its_names_from_the_instant_it_can_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    replace_file = Path.replace

    def replace_and_look(old: Path, new: Path) -> Path:
        found = replace_file(old, new)
        seen.extend(line.name for line in BoardReader(new).read().lines)
        return found

    monkeypatch.setattr(Path, "replace", replace_and_look)
    BoardWriter(tmp_path / "line.board", ["a", "b"], ["events"], ["inducted"], SystemClock())
    assert seen == ["a", "b"]


def test_the_journal_and_readiness_are_told(lab: Lab) -> None:
    status = JournalStatus(waiting_batches=3, commits=9, lag_ns=5, problem="磁盘已满: disk full")
    lab.writer.set_journal(status)
    assert not BoardReader(lab.path).read().ready
    lab.writer.set_ready()
    view = BoardReader(lab.path).read()
    assert view.ready
    assert view.journal == status


def test_long_problems_are_cut_between_characters(lab: Lab) -> None:
    lab.writer.set_journal(replace(JournalStatus(), problem="满" * 500))
    lab.link.problem = "é" * 500
    lab.publish()
    view = BoardReader(lab.path).read()
    assert set(view.journal.problem) == {"满"}
    assert set(view.lines[0].link.problem) == {"é"}
    assert to_text("a满", 3) == b"a"


def test_limits_are_refused_by_name(tmp_path: Path) -> None:
    clock = SystemClock()
    path = tmp_path / "line.board"
    with pytest.raises(ValueError, match="33 lines"):
        BoardWriter(path, ["x"] * 33, [], ["inducted"], clock)
    with pytest.raises(ValueError, match="129 names"):
        BoardWriter(path, ["x"], ["c"] * (COUNTERS_MAX + 1), ["inducted"], clock)
    with pytest.raises(ValueError, match=str(NAMES_BYTES)):
        BoardWriter(path, ["x"], ["c" * NAMES_BYTES], ["inducted"], clock)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(UnavailableError, match=r"line\.board: the board can't be made"):
        BoardWriter(tmp_path / "run" / "line.board", ["x"], [], [], SystemClock())


def test_the_recorder_tells_how_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "recorder.board"
    with pytest.raises(UnavailableError, match="recorder process is not running"):
        RecorderBoardReader(path).read()
    board = RecorderBoardWriter(path, SystemClock())
    board.update(rows=5, batches=2, lag_seconds=0.25, connected=True, problem="")
    view = RecorderBoardReader(path).read()
    assert (view.rows, view.batches, view.lag_seconds) == (5, 2, 0.25)
    assert view.connected
    assert view.alive
    dead = RecorderBoardReader(path, lambda: time.monotonic_ns() + 10 * SECOND_NS).read()
    assert not dead.connected
    assert not dead.alive
    assert "recorder process" in dead.problem


def test_quantiles_lie_within_their_bucket() -> None:
    bounds = (0, 10, 20)
    assert quantile(np.array([0, 0, 0, 0]), bounds, 0.5) is None
    assert quantile(np.array([0, 10, 0, 0]), bounds, 0.5) == 5
    assert quantile(np.array([0, 10, 10, 0]), bounds, 0.75) == 15
    assert quantile(np.array([5, 0, 0, 0]), bounds, 0.5) == 0
    assert quantile(np.array([0, 0, 0, 5]), bounds, 0.5) == 20
    assert quantile(np.array([0, 0, 5, 0]), bounds, 0.0) == 10


def test_groups_are_named_by_the_chutes_they_serve() -> None:
    served = chutes_of_groups(
        ["", "north", "south"],
        np.array([0, 0, 2, 3], np.int32),
        np.array([5, 6, 5], np.uint16),
    )
    assert served == {5: "north", 6: "north"}


def test_a_line_that_writes_a_board_loads_neither_metrics_nor_http() -> None:
    code = (
        "import sys, sorter.outlets.board\n"
        "print({'prometheus_client', 'fastapi', 'numba', 'asyncpg'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert output == b"set()\n"


def test_more_ended_pieces_than_are_held_back_are_counted_too(lab: Lab) -> None:
    """A turn may end every piece of the table: their PLC has started anew."""
    ended = np.zeros(HELD_MAX + 1, PIECE)
    ended["outcome"] = DischargeStatus.LOST
    nothing = lab.events(EventKind.SENSOR, []), np.zeros(0, DECISION)
    for pieces in (ended[:3], ended, ended[:HELD_MAX], ended[:1]):
        lab.line.record(Batch(0, *nothing, pieces), lab.tracking, lab.link, 0)
    lab.publish()
    view = BoardReader(lab.path).read().lines[0]
    told = 3 + HELD_MAX + 1 + HELD_MAX + 1
    assert view.outcomes[0, DischargeStatus.LOST] == told
    assert view.class_outcomes[0, DischargeStatus.LOST] == view.ended_by[0] == told
