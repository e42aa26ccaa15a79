"""Plans are swapped while pieces travel: each goes by one version."""

import json
import os
import signal
import threading
import urllib.request
from typing import Any

import pytest

from plc_adapters.contract import DischargeStatus
from sorter.errors import CommandError, Refusal
from sorter.wiring.control_client import LineClient
from sorter.wiring.paths import StatePaths
from tests.integration.service.conftest import Centre, until
from tests.integration.service.test_messages import sorter
from tests.integration.service.test_sorting import (
    assert_late_is_told,
    assert_nothing_is_lost_or_doubled,
    is_alive,
    pid_of,
)

SWAPS = 300
SORTED = int(DischargeStatus.SORTED)
VERSIONS_OF_A_PIECE = """
SELECT p.piece_id, p.plan_version, i.plan_version AS inducted,
       array_agg(DISTINCT d.plan_version) AS decided
FROM piece p
JOIN decision d USING (line, boot_id, piece_id)
JOIN event i ON i.line = p.line AND i.boot_id = p.boot_id AND i.piece_id = p.piece_id AND i.kind = 1
GROUP BY 1, 2, 3
"""
VERSIONS_THE_PLC_HELD = """
SELECT piece_id, array_agg(DISTINCT plan_version) AS held
FROM event WHERE kind = 3 AND status = 1 GROUP BY line, boot_id, piece_id
"""


def client_of(centre: Centre) -> LineClient:
    return LineClient(StatePaths(centre.folder / "state"))


def command(centre: Centre, name: str, **more: Any) -> dict[str, Any]:
    if name != "state":
        more = {"who": "ann", "why": "test", **more}
    return client_of(centre).ask({"command": name, "line": "loop", **more})


def write_other_plan(centre: Centre) -> None:
    """A plan whose groups lie the other way round."""
    plan = (centre.folder / "plan.toml").read_text()
    other = plan.replace('"small"', '"other"').replace("[1, 2, 3, 4, 5, 6, 7]", "[7, 5, 3, 1]")
    assert other.count("other") == 1
    assert "[7, 5, 3, 1]" in other
    (centre.folder / "other.toml").write_text(other)


def start(centre: Centre) -> None:
    """Let a centre run with versions 1, which is active, and 2."""
    write_other_plan(centre)
    centre.start_plc()
    centre.start_service()
    centre.wait_ready()
    result = sorter(
        centre, "plan", "activate", "other.toml", "--why", "try it", "--config", "site.toml"
    )
    assert result.returncode == 0, result.stderr
    assert "plan other version 2 is active" in result.stdout


def storm(centre: Centre, swaps: int) -> None:
    for number in range(swaps):
        answer = command(centre, "activate", version=1 + number % 2)
        assert answer["active"]["version"] == 1 + number % 2


def test_in_a_storm_of_swaps_no_piece_goes_by_two_plans(centre: Centre) -> None:
    start(centre)
    swapping = threading.Thread(target=storm, args=(centre, SWAPS))
    swapping.start()
    centre.sort_all()
    swapping.join()
    centre.wait_recorded()
    assert_nothing_is_lost_or_doubled(centre)
    assert_late_is_told(centre)
    rows = centre.query(VERSIONS_OF_A_PIECE)
    assert len(rows) >= 0.9 * centre.pieces
    assert {row["plan_version"] for row in rows} == {1, 2}
    for row in rows:
        assert row["decided"] == [row["plan_version"]] == [row["inducted"]]
    assert_decided_the_same_again(centre)
    until(lambda: len(command(centre, "state")["held"]) == 1, "unused versions are let go")
    recorded = centre.query("SELECT version, name, why FROM plan_version ORDER BY 1")
    assert [tuple(row) for row in recorded] == [
        (1, "small", "files changed"), (2, "other", "try it"),
    ]  # fmt: skip
    files = centre.query(
        "SELECT content FROM plan_version_file JOIN plan_file USING (sha256) "
        "WHERE path = 'plan.toml' ORDER BY version"
    )
    until(lambda: len(commands_of(centre)) == SWAPS + 2, "every command is recorded")
    told = commands_of(centre)
    assert [row["number"] for row in told] == list(range(1, SWAPS + 3))
    assert [row["action"] for row in told] == ["start"] + ["activate"] * (SWAPS + 1)
    assert {(row["who"], row["why"]) for row in told[2:]} == {("ann", "test")}
    assert all(row["version"] != row["previous"] for row in told[1:])
    names = ("plan.toml", "other.toml")
    assert [row[0] for row in files] == [(centre.folder / name).read_bytes() for name in names]


def test_versions_survive_a_killed_line_in_a_storm(centre: Centre) -> None:
    start(centre)
    for inducted in (80, 160):
        centre.plc_until(lambda s, n=inducted: s["inducted"] >= n)  # type: ignore[misc]
        storm(centre, 21)
        kill_line(centre)
        assert command(centre, "state")["active"]["version"] == 1
    centre.sort_all()
    centre.wait_recorded()
    assert_nothing_is_lost_or_doubled(centre)
    held = {row["piece_id"]: row["held"] for row in centre.query(VERSIONS_THE_PLC_HELD)}
    pieces = {row["piece_id"]: row for row in centre.query("SELECT * FROM piece")}
    # How many got no instruction while the line was away is the machine's speed; none of the others
    # may have two versions, and none is sorted without one.
    sorted_ones = {piece for piece, row in pieces.items() if row["outcome"] == SORTED}
    assert sorted_ones
    assert sorted_ones <= held.keys()
    for piece, versions in held.items():
        assert versions == [pieces[piece]["plan_version"]]
    assert "can't be used" not in centre.log()
    assert_decided_the_same_again(centre)


def assert_decided_the_same_again(centre: Centre) -> None:
    """Every decision that the database has is in the journal, and the same when made once more."""
    result = sorter(centre, "replay", "--config", "site.toml", "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(result.stdout)
    assert (found["differ"], found["not_judged"], found["reasons"]) == (0, 0, {})
    recorded = centre.query("SELECT (SELECT count(*) FROM decision), (SELECT count(*) FROM piece)")
    assert [found["decisions"], found["pieces"]] == list(recorded[0])


def commands_of(centre: Centre) -> list[Any]:
    return centre.query("SELECT * FROM line_command ORDER BY number")


def kill_line(centre: Centre) -> None:
    """Kill the line process and wait until its successor takes commands."""

    def answers() -> bool:
        try:
            return bool(command(centre, "state"))
        except CommandError:
            return False

    killed = pid_of(centre, "line")
    os.kill(killed, signal.SIGKILL)
    until(lambda: not is_alive(killed), "the line process is gone")
    until(answers, "another one takes commands")


def refused(centre: Centre, name: str, **more: Any) -> tuple[Refusal, str]:
    with pytest.raises(CommandError) as caught:
        command(centre, name, **more)
    return caught.value.refusal, str(caught.value)


def test_activation_waits_and_rolls_back_and_refuses(centre: Centre) -> None:
    start(centre)
    assert refused(centre, "activate", version=1, expect=1)[0] == Refusal.REFUSED
    assert "2 is active since" in refused(centre, "rollback", expect=1)[1]
    assert refused(centre, "activate", version=9)[0] == Refusal.UNKNOWN
    assert refused(centre, "lock", chute=99)[0] == Refusal.UNKNOWN
    assert refused(centre, "activate", version=1, when="soon")[0] == Refusal.WRONG
    assert refused(centre, "activate", version=1, when="2020-01-01T00:00:00Z")[0] == Refusal.WRONG
    assert refused(centre, "activate", version="1")[0] == Refusal.WRONG
    far = "2999-01-01T00:00:00+08:00"
    assert command(centre, "activate", version=1, when=far)["pending"]["when"] == far
    text = refused(centre, "activate", version=1)[1]
    assert f"version 1 waits for '{far}', by ann: test; give --replace" in text
    kill_line(centre)
    assert command(centre, "state")["pending"]["when"] == far
    command(centre, "activate", version=1, when="empty", replace=True)
    centre.sort_all()
    until(lambda: command(centre, "state")["active"]["version"] == 1, "activated once empty")
    state = command(centre, "state")
    assert (state["pending"], state["active"]["previous"]) == (None, 2)
    for expected in (2, 1):
        result = sorter(
            centre, "plan", "rollback", "--why", "again", "--config", "site.toml", "--json"
        )
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["active"]["version"] == expected
    result = sorter(centre, "plan", "activate", "2", "--why", "late", "--expect", "2",
                    "--config", "site.toml")  # fmt: skip
    assert result.returncode == 1
    assert "version 2 was expected, but 1 is active" in result.stderr
    listed = sorter(centre, "plan", "list", "--config", "site.toml").stdout
    assert "*    1  small" in listed
    assert "     2  other" in listed


def test_a_locked_chute_takes_no_further_piece_also_after_a_kill(centre: Centre) -> None:
    centre.start_plc()
    centre.start_service()
    centre.wait_ready()
    for chute in (1, 3):
        command(centre, "lock", chute=chute, why="bag torn")
    lock = urllib.request.Request(
        f"http://127.0.0.1:{centre.http_port}/lines/loop/chutes/2/lock",
        json.dumps({"who": "bob", "why": "bag torn"}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(lock, timeout=30) as answer:
        assert json.load(answer)["locked"]["2"]["who"] == "bob"
    kill_line(centre)
    locked = command(centre, "unlock", chute=3)["locked"]
    assert {number: lock["why"] for number, lock in locked.items()} == {
        "1": "bag torn", "2": "bag torn",
    }  # fmt: skip
    first = centre.query("SELECT coalesce(max(event_sequence), 0) FROM decision")[0][0]
    centre.sort_all()
    centre.wait_recorded()
    rows = centre.query("SELECT chutes FROM decision WHERE event_sequence > $1", first + 100)
    named = {chute for row in rows for chute in row["chutes"] or []}
    assert 3 in named
    assert not named & {1, 2}
    assert_decided_the_same_again(centre)
    assert command(centre, "reload_pre_advice")["pre_advice"] == "pre_advice.csv"
    until(lambda: len(commands_of(centre)) == 6, "every command is recorded")
    assert [(row["action"], row["chute"], row["who"]) for row in commands_of(centre)][1:] == [
        ("lock", 1, "ann"), ("lock", 3, "ann"), ("lock", 2, "bob"), ("unlock", 3, "ann"),
        ("pre_advice", 0, "ann"),
    ]  # fmt: skip


def test_a_candidate_decides_beside_the_active_plan(centre: Centre) -> None:
    start(centre)
    for version in ("1", "9"):
        told = sorter(centre, "plan", "shadow", version, "--why", "try", "--config", "site.toml")
        assert told.returncode == (0 if version == "1" else 2), told.stderr
    centre.sort_all()
    centre.wait_recorded()

    def found() -> dict[str, Any]:
        status, answer = centre.get("/lines/loop/plans/shadow")
        return answer if status == 200 else {}

    until(lambda: found().get("decisions", 0) > 100, "decisions are made once more")
    shadow = found()
    assert (shadow["version"], shadow["problem"]) == (1, "")
    assert 0 < shadow["chute_differs"] <= shadow["differ"] < shadow["decisions"]
    assert sum(each["pieces"] for each in shadow["differences"]) == shadow["differ"]
    assert all(each["chute"] in (0, 1, 3, 5, 7, 8, 9) for each in shadow["differences"])
    assert {each["candidate_chute"] for each in shadow["differences"]} & {2, 4, 6}
    assert_late_is_told(centre)
    assert_nothing_is_lost_or_doubled(centre)
    shown = sorter(centre, "plan", "shadow", "--config", "site.toml")
    assert "decisions," in shown.stdout, shown.stderr
    address = f"http://127.0.0.1:{centre.http_port}/metrics"
    with urllib.request.urlopen(address, timeout=30) as answer:
        text = answer.read().decode()
    assert 'sorter_shadow_decisions_total{line="loop",site="test",version="1"}' in text
    stopped = sorter(centre, "plan", "shadow", "--stop", "--why", "seen", "--config", "site.toml")
    assert stopped.returncode == 0
    until(lambda: found() == {}, "the shadow ends")


def test_without_a_line_the_commands_say_so(centre: Centre) -> None:
    result = sorter(centre, "plan", "rollback", "--why", "x", "--config", "site.toml")
    assert result.returncode == 4
    assert "line.sock: the line process does not answer" in result.stderr
    assert "start it with 'sorter run'" in result.stderr
