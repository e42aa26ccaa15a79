"""A line whose codes come from a scanner of its own: no piece ever goes by another's code."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plc_adapters.contract import EventKind, ScanStatus
from plc_adapters.emulator.autoid_front import DEVICE, OWN, TRIGGER_FIELD
from tests.integration.opcua.conftest import TIMEOUT_MS, Pki, pki
from tests.integration.service.conftest import WAYBILLS, Centre, free_port, until
from tests.integration.service.test_sorting import (
    assert_nothing_is_lost_or_doubled,
    pid_of,
    until_another_lives,
)

__all__ = ["pki"]
"""The certificates of the OPC UA adapter's own tests, used here as well."""

PIECES = 120
SCANNER = """
[[lines.scanners]]
name = "tunnel"
station = 255
device = "s={device}"
device_namespace = "{own}"

[lines.scanners.link]
url = "opc.tcp://127.0.0.1:{port}"
certificate = "{certificate}"
key = "{key}"
trusted = "{trusted}"
timeout_ms = {timeout}

[lines.scanners.tie]
window_ms = 100
delivery_ms = 200
"""
BY_TRIGGER = f"""by = "trigger_id"
trigger_field = "{TRIGGER_FIELD}"
trigger_namespace = "{OWN}"
"""
BY_PHOTO_EYE = """by = "photo_eye"
offset_ms = -50
"""
"""Pieces come every 200 ms, so the windows do not touch."""

StartLine = Callable[[str], Centre]


@pytest.fixture
def start_line(tmp_path: Path, database: str, pki: Pki) -> Iterator[StartLine]:
    """Start a line with a scanner of its own, whose results are tied in this way."""
    centre = Centre(tmp_path, database, PIECES)

    def start(tie: str) -> Centre:
        port = free_port()
        site = tmp_path / "site.toml"
        scanner = SCANNER.format(
            device=DEVICE,
            own=OWN,
            port=port,
            certificate=pki.host.certificate,
            key=pki.host.key,
            trusted=pki.plc.folder,
            timeout=TIMEOUT_MS,
        )
        site.write_text(site.read_text(encoding="utf-8") + scanner + tie, encoding="utf-8")
        centre.start_plc(
            f"scanner.port={port}",
            f"scanner.opcua.certificate={pki.plc.certificate}",
            f"scanner.opcua.key={pki.plc.key}",
            f"scanner.opcua.trusted={pki.host.folder}",
            "scanner.untold=0.1",
            "arrivals.pieces_per_hour=18000",
        )
        centre.start_service()
        centre.wait_ready()
        return centre

    try:
        yield start
    finally:
        centre.stop()


def assert_no_code_is_anothers(centre: Centre) -> None:
    """Pieces are inducted in the order of their labels, so each one's own waybill is known."""
    pieces = centre.query("SELECT piece_id, waybill FROM piece")
    told = {row["piece_id"]: row["waybill"] for row in pieces if row["waybill"]}
    assert told, "no piece was tied"
    assert told == {piece: WAYBILLS[piece - 1] for piece in told}
    scans = [
        ScanStatus(row["status"])
        for row in centre.query("SELECT status FROM event WHERE kind = $1", EventKind.SCANNED)
    ]
    # What the scanner never told, or told too late, is on record as such.
    assert any(ScanStatus.CODES_ELSEWHERE in status for status in scans)


@pytest.mark.parametrize("tie", [BY_TRIGGER, BY_PHOTO_EYE], ids=["trigger", "photo_eye"])
def test_pieces_are_sorted_by_what_their_scanner_reads(start_line: StartLine, tie: str) -> None:
    centre = start_line(tie)
    centre.sort_all()
    centre.wait_recorded()
    assert_nothing_is_lost_or_doubled(centre)
    assert_no_code_is_anothers(centre)
    view = centre.board()
    assert view is not None
    status = view.lines[0].scanners["tunnel"]
    assert status.connected
    ties = status.ties
    assert ties.tied + ties.ambiguous + ties.unanswered == centre.status["scanned"]


def test_a_killed_line_takes_pieces_for_unread_and_none_for_another(start_line: StartLine) -> None:
    centre = start_line(BY_TRIGGER)
    for inducted in (30, 80):
        centre.plc_until(lambda s, n=inducted: s["inducted"] >= n)  # type: ignore[misc]
        pid = pid_of(centre, "line")
        os.kill(pid, signal.SIGKILL)
        until_another_lives(centre, pid)
        until(lambda: scanner_is_heard(centre), "the scanner is listened to again")
    centre.sort_all()
    centre.wait_recorded()
    assert_nothing_is_lost_or_doubled(centre)
    assert_no_code_is_anothers(centre)


def scanner_is_heard(centre: Centre) -> bool:
    view = centre.board()
    return view is not None and view.lines[0].scanners["tunnel"].connected
