"""``sorter plc check`` over real Modbus: the command, its files, its exit codes."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from plc_adapters.mailbox.table import HEADER, SEAT_SIZE, SEATS
from sorter.cli.main import app
from sorter.errors import SorterError
from tests.certificates import Authority
from tests.integration.modbus.conftest import CHUTES, WAIT_S, Host, Plc, adapter_of

SITE = """
[site]
name = "hall"
[network]
centre = "LYG-HUB"
[[lines]]
name = "loop-1"
plan = "plan.toml"
machine = {{ chutes = "chutes.csv", speed_mm_s = 500, reaction_ms = 0 }}
link = {{ port = {port}, timeout_ms = 5000, poll_period_ms = 2 {more} }}
"""
"""Told slower than it is, so that a busy machine's requests are in time for the first chute."""
SETTINGS = ("plc.host_watchdog_ms=3000", "loop.speed_mm_s=5000", "arrivals.pieces_per_hour=18000")
"""A watchdog that a busy machine does not wake; a lap takes 4 s."""
QUICK = ["--load-seconds", "1", "--piece-seconds", "20"]


@contextmanager
def serving(folder: Path, *settings: str, host: bool = False) -> Iterator[Plc]:
    """An emulated PLC in a thread of its own, with a living host if asked for."""
    plc = Plc(folder, *SETTINGS, *settings)
    ready, end = threading.Event(), threading.Event()

    async def whole() -> None:
        await plc.start()
        living = Host(adapter_of(plc.link(seat=1, timeout_ms=5000))) if host else None
        if living:
            await living.open()
        ready.set()
        while not end.is_set():
            await (living.turn() if living else asyncio.sleep(0.01))
        if living:
            await living.adapter.close()
        await plc.stop()

    thread = threading.Thread(target=lambda: asyncio.run(whole()))
    thread.start()
    assert ready.wait(WAIT_S)
    try:
        yield plc
    finally:
        end.set()
        thread.join()


def site(folder: Path, port: int, more: str = "") -> Path:
    path = folder / "site.toml"
    path.write_text(SITE.format(port=port, more=more), encoding="utf-8")
    (folder / "chutes.csv").write_text(CHUTES, encoding="utf-8")
    return path


def check(path: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["plc", "check", str(path), *options])


def test_a_good_plc_passes_and_its_report_is_written(tmp_path: Path) -> None:
    report = tmp_path / "报告.html"
    with serving(tmp_path) as plc:
        done = check(site(tmp_path, plc.port), "--yes", "--report", str(report), *QUICK)
        assert done.exit_code == 0, done.output
        assert " ok, 0 failed, " in done.stdout
        assert "the host falls silent: pieces go to the default chute" in done.stderr
        seats = plc.sorter.memory.registers[HEADER.size : HEADER.size + SEATS * SEAT_SIZE]
        assert not any(seats)
    text = report.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "<svg" in text


def test_a_fault_ends_with_1_and_is_told_in_json(tmp_path: Path) -> None:
    with serving(tmp_path, "faults.check_not_verified=true") as plc:
        done = check(site(tmp_path, plc.port), "--yes", "--json", *QUICK)
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    failed = [f["mark"] for f in found["findings"] if f["verdict"] == "fail"]
    assert failed == ["check-sum"]
    assert not found["passed"]
    assert found["measured"]["request_us"]["count"] > 100


def test_slow_answers_over_the_network_are_named(tmp_path: Path) -> None:
    with serving(tmp_path, "faults.answer_ms=200") as plc:
        done = check(site(tmp_path, plc.port), "--yes", "--json", *QUICK)
    found = json.loads(done.stdout)
    assert [f["mark"] for f in found["findings"] if f["verdict"] == "fail"] == ["request-time"]


def test_a_living_host_is_not_disturbed(tmp_path: Path) -> None:
    with serving(tmp_path, host=True) as plc:
        path = site(tmp_path, plc.port)
        done = check(path, "--yes", *QUICK)
        assert isinstance(done.exception, SorterError)
        assert done.exception.exit_code == 5
        assert "host in seat 1 is alive" in str(done.exception)
        looked = check(path, "--read-only")
        assert looked.exit_code == 0, looked.output
        assert "? not checked" in looked.stdout
        assert plc.sorter.program.seats.granted_epoch == 1


def test_a_plc_that_is_not_there_ends_with_4(tmp_path: Path) -> None:
    with serving(tmp_path) as plc:
        port = plc.port
    done = check(site(tmp_path, port), "--yes")
    assert isinstance(done.exception, SorterError)
    assert done.exception.exit_code == 4
    assert "can't connect" in str(done.exception)


def test_a_script_must_agree(tmp_path: Path) -> None:
    done = check(site(tmp_path, 1))
    assert done.exit_code == 2
    assert "--yes" in done.output
    assert "default chute" in done.output


def test_a_report_that_cannot_be_written_is_told_before_anything_else(tmp_path: Path) -> None:
    done = check(site(tmp_path, 1), "--yes", "--report", str(tmp_path / "none" / "r.html"))
    assert isinstance(done.exception, SorterError)
    assert "r.html: can't be written (No such file" in str(done.exception)


def test_an_unknown_line_is_told_with_those_there_are(tmp_path: Path) -> None:
    done = check(site(tmp_path, 1), "--yes", "--line", "loop-9")
    assert done.exit_code == 2
    assert "loop-1" in done.output


@pytest.mark.parametrize("mutual", [True, False])
def test_a_secure_plc_is_checked_as_well(tmp_path: Path, mutual: bool) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    pair = authority.sign("plc", "127.0.0.1")
    (authority if mutual else other).sign("host")
    listen = (
        f"listen.tls.ca={authority.pair.certificate}",
        f"listen.tls.certificate={pair.certificate}",
        f"listen.tls.key={pair.key}",
    )
    tls = ', tls = { ca = "authority.pem", certificate = "host.pem", key = "host.key.pem" }'
    with serving(tmp_path, *listen) as plc:
        done = check(site(tmp_path, plc.port, tls), "--read-only")
    if mutual:
        assert done.exit_code == 0, done.output
    else:
        assert isinstance(done.exception, SorterError)
        assert "does not take this host's certificate" in str(done.exception)
