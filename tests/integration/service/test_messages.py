"""What is wrong is told in one line that names the culprit and what to do."""

import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from tests.integration.service.conftest import Centre, free_port, until
from tests.integration.service.test_sorting import assert_late_is_told


def sorter(centre: Centre, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SORTER_DATABASE_DSN": centre.dsn}
    return subprocess.run(
        [sys.executable, "-m", "sorter", *arguments],
        env=environment, cwd=centre.folder, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def told(centre: Centre, check: str) -> str:
    """Return what /readyz says of one check, empty if it is well."""
    _, answer = centre.get("/readyz?verbose")
    reasons: list[str] = [
        c["reason"] for c in (answer or {}).get("checks", []) if check in c["name"]
    ]
    return " ".join(reasons)


def test_an_unreachable_plc_is_named_and_waited_for(centre: Centre) -> None:
    centre.start_service()
    until(lambda: "can't connect" in told(centre, "loop"), "the PLC is missed")
    assert f"127.0.0.1:{centre.plc_port}" in told(centre, "loop")
    centre.start_plc()
    centre.wait_ready()
    assert centre.log().count("can't connect") == 1, "an outage is told once"


def test_a_wrong_layout_version_is_named(centre: Centre) -> None:
    centre.start_plc("plc.layout_version=2")
    centre.start_service()
    until(lambda: "layout version 2" in centre.log(), "the version is told")
    assert "this service speaks version 1; bring the PLC program" in centre.log()
    assert "Traceback" not in centre.log()


def test_a_port_in_use_is_refused(centre: Centre) -> None:
    with socket.create_server(("127.0.0.1", centre.http_port)):
        result = sorter(centre, "run", "--config", "site.toml")
    assert result.returncode == 4
    assert f"can't listen on 127.0.0.1:{centre.http_port}" in result.stderr
    assert "change http.port" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_database_that_refuses_is_named_and_sorting_goes_on(centre: Centre) -> None:
    good, port = centre.dsn, free_port()
    centre.dsn = f"postgresql://someone:secret@127.0.0.1:{port}/records"
    centre.pieces = 60
    centre.start_plc("arrivals.pieces_max=60")
    centre.start_service()
    centre.sort_all()
    assert_late_is_told(centre)
    reason = told(centre, "database") + told(centre, "recorder")
    assert f"127.0.0.1:{port}" in reason
    assert "secret" not in reason + centre.log()
    assert centre.service is not None
    centre.service.terminate()
    centre.service.wait()
    centre.dsn = good
    centre.start_service()
    centre.wait_ready()
    centre.wait_recorded()


@pytest.mark.parametrize(
    ("file", "old", "new", "command", "message"),
    [
        ("site.toml", "[http]", "[http]\nprot = 1", ["config", "check", "site.toml"],
         "site.toml: http.prot: unknown key; remove it or correct its spelling"),
        ("site.toml", "[http]", "[http", ["config", "check", "site.toml"],
         "site.toml: not valid TOML"),
        ("routes.csv", "32,*,*,ALL", "32,*,*,ALL\n32,*,*,BAD", ["config", "check", "site.toml"],
         "routes.csv:3"),
        ("plan.toml", "[1, 2, 3", "[1, 2, 77", ["config", "check", "site.toml"], "77"),
        ("plan.toml", "[1, 2, 3", "[1, 2, 77",
         ["plan", "check", "plan.toml", "--chutes", "chutes.csv"], "77"),
        ("chutes.csv", "1,3200,40", "1,far,40", ["config", "check", "site.toml"],
         "chutes.csv:2: position_mm: 'far'"),
        ("site.toml", 'plan = "plan.toml"', 'plan = "none.toml"',
         ["run", "--config", "site.toml"], "none.toml"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named_with_its_line_or_key(
    centre: Centre, file: str, old: str, new: str, command: list[str], message: str
) -> None:
    path = centre.folder / file
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))
    result = sorter(centre, *command)
    assert result.returncode == 3, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_good_site_and_plan_are_told_as_such(centre: Centre) -> None:
    for command in (
        ["config", "check", "site.toml"],
        ["plan", "check", "plan.toml", "--chutes", "chutes.csv"],
    ):
        result = sorter(centre, *command)
        assert result.returncode == 0, result.stderr
        assert "all right" in result.stdout


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["run"],
        ["demo"],
        ["trace"],
        ["config", "check"],
        ["plan", "check"],
        ["plan", "compile"],
        ["plan", "list"],
        ["plan", "activate"],
        ["plan", "rollback"],
    ],
)
def test_every_command_helps_with_an_example(centre: Centre, command: list[str]) -> None:
    result = sorter(centre, *command, "--help")
    assert result.returncode == 0
    assert "Usage" in result.stdout
    assert not command or "Example: sorter" in result.stdout


def test_trace_tells_a_piece_and_says_when_there_is_none(centre: Centre) -> None:
    centre.pieces = 20
    centre.start_plc("arrivals.pieces_max=20", "chances.no_read=0")
    centre.start_service()
    centre.sort_all()
    centre.wait_recorded()
    rows: list[Any] = centre.query("SELECT waybill FROM piece WHERE waybill IS NOT NULL")
    waybill = rows[0][0]
    result = sorter(centre, "trace", waybill, "--config", "site.toml")
    assert result.returncode == 0, result.stderr
    for word in (waybill, "inducted", "scanned", "decided", "instructed", "discharged"):
        assert word in result.stdout
    result = sorter(centre, "trace", "NOSUCH", "--config", "site.toml")
    assert result.returncode == 1
    assert "no piece known by 'NOSUCH'" in result.stderr
