"""The service sorts, answers and records; and loses nothing when its processes are killed."""

import json
import os
import signal
import time

import pytest

from plc_adapters.contract import DischargeStatus
from tests.integration.service.conftest import Centre, until

LOG_LINES_MAX = 50
"""More than a start and an end are worth telling."""


def assert_nothing_is_lost_or_doubled(centre: Centre, *, saw_all: bool = True) -> None:
    """Compare the PLC's books, the line's and the database's.

    ``saw_all`` is whether the host that has the line heard of every piece.
    """
    boot_id, inducted = centre.status["boot_id"], centre.status["inducted"]
    assert inducted == centre.pieces
    assert centre.status["two_instructions"] == 0
    assert centre.status["overflow"] == 0
    pieces = centre.query("SELECT piece_id, outcome FROM piece WHERE boot_id = $1", boot_id)
    assert sorted(row["piece_id"] for row in pieces) == list(range(1, inducted + 1))
    by_outcome = dict.fromkeys(DischargeStatus, 0)
    for row in pieces:
        by_outcome[DischargeStatus(row["outcome"])] += 1
    told = {**centre.status["discharged"]}
    told |= {"removed": centre.status["removed"], "lost": centre.status["lost"]}
    assert {status.name.lower(): count for status, count in by_outcome.items()} == told
    sequences = [r[0] for r in centre.query("SELECT sequence FROM event ORDER BY sequence")]
    assert len(sequences) == len(set(sequences))
    # Of a scan in several slots only the last one's sequence is recorded.
    assert len(sequences) == max(sequences) - min(sequences) + 1
    ledger = centre.wait_empty()
    assert ledger["inducted"] == inducted or not saw_all
    assert ledger["unexplained"] == 0


def assert_late_is_told(centre: Centre) -> None:
    """What came too late for the PLC, the line counts as well; an idle machine has none of it."""
    missed = centre.status["deadline_misses"]

    def counted() -> bool:
        view = centre.board()
        return view is not None and view.lines[0].counters["deadline_misses"] >= missed

    until(counted, f"the line knows of {missed} answers that came too late")


def test_pieces_are_sorted_recorded_and_told(centre: Centre) -> None:
    centre.start_plc()
    centre.start_service()
    centre.wait_ready()
    centre.sort_all()
    centre.wait_recorded()
    assert_nothing_is_lost_or_doubled(centre)
    assert_late_is_told(centre)
    assert centre.status["answers"]["refused_held"] == 0
    waybill = centre.query("SELECT waybill FROM piece WHERE waybill IS NOT NULL LIMIT 1")[0][0]
    status, history = centre.get(f"/pieces/{waybill}")
    assert status == 200
    kinds = [event["kind"] for event in history["pieces"][0]["events"]]
    assert kinds[:3] == ["inducted", "scanned", "instructed"]
    assert kinds[-1] == "discharged"
    assert centre.get("/pieces/NOSUCHPIECE")[0] == 404
    status, lines = centre.get("/lines")
    assert status == 200
    assert lines["lines"][0]["name"] == "loop"
    assert centre.get("/lines/loop/chutes")[0] == 200
    # Every line of the log is one JSON object, and their number has nothing to do with the pieces'.
    log = [json.loads(line) for line in centre.log().splitlines()]
    assert {"service", "line", "recorder", "face"} >= {each["process"] for each in log} >= {"line"}
    assert len(log) < LOG_LINES_MAX < centre.pieces


@pytest.mark.parametrize("part", ["line", "recorder", "face"])
def test_a_killed_process_comes_back_and_nothing_is_lost(centre: Centre, part: str) -> None:
    centre.start_plc()
    centre.start_service()
    centre.wait_ready()
    for inducted in (60, 140, 220):
        centre.plc_until(lambda s, n=inducted: s["inducted"] >= n)  # type: ignore[misc]
        pid = pid_of(centre, part)
        os.kill(pid, signal.SIGKILL)
        if part == "line":
            until_another_lives(centre, pid)
    centre.sort_all()
    centre.wait_recorded()
    centre.wait_ready()
    assert_nothing_is_lost_or_doubled(centre)


def test_everything_killed_at_once_comes_back(centre: Centre) -> None:
    centre.start_plc()
    centre.start_service()
    centre.wait_ready()
    centre.plc_until(lambda s: s["inducted"] >= 100)
    assert centre.service is not None
    pids = [pid_of(centre, part) for part in ("line", "recorder", "face")]
    centre.service.kill()
    centre.service.wait()
    until(lambda: not any(map(is_alive, pids)), "its processes ended with it")
    time.sleep(0.5)
    centre.start_service()
    centre.wait_ready()
    centre.sort_all()
    centre.wait_recorded()
    assert_nothing_is_lost_or_doubled(centre)


def pid_of(centre: Centre, part: str) -> int:
    """Return the process id of a part, found by its command line among the service's children."""
    assert centre.service is not None
    found: list[int] = []

    def look() -> bool:
        assert centre.service is not None
        children = f"/proc/{centre.service.pid}/task/{centre.service.pid}/children"
        with open(children, encoding="utf-8") as file:  # noqa: PTH123
            for child in map(int, file.read().split()):
                try:
                    with open(f"/proc/{child}/cmdline", "rb") as command:  # noqa: PTH123
                        if f"--part\0{part}\0".encode() in command.read():
                            found.append(child)
                except OSError:
                    continue
        return bool(found)

    until(look, f"a process {part}")
    return found[0]


def until_another_lives(centre: Centre, pid: int) -> None:
    def connected() -> bool:
        view = centre.board()
        return bool(view and view.pid != pid and view.ready and view.lines[0].link.connected)

    until(connected, "the line is connected again")


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
