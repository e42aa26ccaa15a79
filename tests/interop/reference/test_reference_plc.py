"""The printed Structured Text as a PLC on Modbus TCP: what the PLC in C can do, it can."""

import json
from pathlib import Path

from typer.testing import CliRunner

from sorter.cli.main import app
from tests.interop.libmodbus.conftest import CHUTES, NewHost, StartPlc
from tests.interop.libmodbus.test_plc_alone import (
    sort_twenty_pieces,
    test_a_full_chute_is_told_and_passed_by,
    test_a_piece_told_to_stay_on_ends_at_the_lap_limit,
    test_a_silent_host_sends_pieces_to_the_default_chute_until_another_takes_over,
    test_an_answer_behind_the_chute_is_too_late,
    test_each_answer_of_the_rules,
    test_induction_holds_until_the_host_acknowledges,
    test_nothing_is_inducted_before_a_host_was_granted,
    test_only_the_seats_can_be_written,
)
from tests.interop.libmodbus.test_service import RunAgainst, run_against, sort_a_thousand

__all__ = [
    "run_against",
    "test_a_full_chute_is_told_and_passed_by",
    "test_a_piece_told_to_stay_on_ends_at_the_lap_limit",
    "test_a_silent_host_sends_pieces_to_the_default_chute_until_another_takes_over",
    "test_an_answer_behind_the_chute_is_too_late",
    "test_each_answer_of_the_rules",
    "test_induction_holds_until_the_host_acknowledges",
    "test_nothing_is_inducted_before_a_host_was_granted",
    "test_only_the_seats_can_be_written",
]
"""The scenarios of the PLC in C, run here with this folder's ``start_plc``."""


def test_twenty_pieces_go_where_they_were_sent(start_plc: StartPlc, new_host: NewHost) -> None:
    sort_twenty_pieces(start_plc, new_host, low_first=False)


def test_the_service_sorts_a_thousand_pieces(run_against: RunAgainst) -> None:
    sort_a_thousand(run_against, "big", 2**32 - 2000)


SITE = """
[site]
name = "hall"
[network]
centre = "LYG-HUB"
[[lines]]
name = "loop-1"
plan = "plan.toml"
machine = {{ chutes = "chutes.csv", speed_mm_s = 2000, reaction_ms = 0 }}
link = {{ port = {port}, timeout_ms = 5000, poll_period_ms = 2 }}
"""


def test_the_check_before_go_live_finds_nothing_wrong(start_plc: StartPlc, tmp_path: Path) -> None:
    plc = start_plc(
        [f"]C0LXE{n:010d}" for n in range(10_000)], "-r", "5", "-w", "3000", "-q", str(2**32 - 60)
    )
    (tmp_path / "site.toml").write_text(SITE.format(port=plc.port))
    (tmp_path / "chutes.csv").write_text(CHUTES)
    options = ["--yes", "--json", "--load-seconds", "2", "--piece-seconds", "60"]
    done = CliRunner().invoke(app, ["plc", "check", str(tmp_path / "site.toml"), *options])
    assert done.exit_code == 0, done.output
    findings = json.loads(done.stdout)["findings"]
    left = {f["mark"]: f["seen"] for f in findings if f["verdict"] != "ok"}
    assert not left
