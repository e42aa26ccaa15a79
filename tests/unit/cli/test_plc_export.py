"""``sorter plc export``: prints what was asked for, and says in one line what can't be printed."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plc_adapters.mailbox.register_map import as_csv, as_markdown
from plc_adapters.reference.constants import Size
from plc_adapters.reference.node_list import as_node_list
from plc_adapters.reference.render import as_scl, as_st
from plc_adapters.reference.timing import as_svg, as_text
from sorter.cli import main
from sorter.cli.main import app

runner = CliRunner()


def test_prints_what_was_asked_for() -> None:
    result = runner.invoke(
        app, ["plc", "export", "--format", "csv", "--base-address", "5", "--event-slots", "16"]
    )
    assert (result.exit_code, result.stdout) == (0, as_csv(5, 16))
    assert runner.invoke(app, ["plc", "export"]).stdout == as_markdown()


def test_writes_a_file(tmp_path: Path) -> None:
    file = tmp_path / "寄存器.md"
    result = runner.invoke(app, ["plc", "export", "--output", str(file)])
    assert (result.exit_code, result.stdout) == (0, "")
    assert file.read_text(encoding="utf-8") == as_markdown()


def test_a_file_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "missing" / "map.md"
    monkeypatch.setattr(sys, "argv", ["sorter", "plc", "export", "--output", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 4
    assert f"--output {file}: can't be written (No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--event-slots", "100"], "--event-slots: 100 is not a power of two from 8 to 1024"),
        (["--event-slots", "2048"], "--event-slots: 2048 is not a power of two"),
        (["--format", "svg", "--diagram", "x"], "--diagram: there is no 'x'; give one of"),
        (["--format", "st", "--chutes", "0"], "--chutes: 0 is not from 1 to 1023"),
        (["--base-address", "-1"], "--base-address: -1 is not from 0 to 54088"),
        (["--base-address", "54089"], "--base-address: 54089 is not from 0 to 54088"),
        (["--base-address", "x"], "--base-address'"),
        (["--format", "pdf"], "'pdf' is not one of 'md', 'csv'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(arguments: list[str], told: str) -> None:
    result = runner.invoke(app, ["plc", "export", *arguments])
    assert result.exit_code == 2
    assert told in result.stderr


def test_help_has_an_example() -> None:
    result = runner.invoke(app, ["plc", "export", "--help"])
    assert result.exit_code == 0
    assert "Example: sorter plc export" in result.stdout


def test_prints_both_programs() -> None:
    size = Size(base_address=100, event_slots=64, cells=50, chutes=8, backlog_slots=16)
    options = ["--base-address", "100", "--event-slots", "64", "--cells", "50", "--chutes", "8"]
    options += ["--backlog-slots", "16"]
    for form, print_as in (("st", as_st), ("scl", as_scl)):
        result = runner.invoke(app, ["plc", "export", "--format", form, *options])
        assert (result.exit_code, result.stdout) == (0, print_as(size))


def test_prints_nodes_and_diagrams() -> None:
    for options, text in (
        (["--format", "opcua", "--event-slots", "64"], as_node_list(64)),
        (["--format", "timing"], as_text()),
        (["--format", "timing", "--diagram", "takeover"], as_text("takeover")),
        (["--format", "svg", "--diagram", "answer"], as_svg("answer")),
        (["--format", "svg"], as_svg()),
    ):
        result = runner.invoke(app, ["plc", "export", *options])
        assert (result.exit_code, result.stdout) == (0, text)
