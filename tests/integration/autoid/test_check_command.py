"""``sorter plc check`` of a line with a scanner beside its PLC: one report of both."""

import json
from pathlib import Path

import pytest

from plc_adapters.emulator.autoid_front import DEVICE, OWN, TRIGGER_FIELD
from tests.integration.modbus.test_check import QUICK, check, serving, site
from tests.integration.opcua.conftest import TIMEOUT_MS, Pki
from tests.integration.service.conftest import free_port

SCANNER = """
[[lines.scanners]]
name = "tunnel"
station = 255
device = "s={device}"
device_namespace = "{own}"
link = {{ url = "opc.tcp://127.0.0.1:{port}", certificate = "{pki.host.certificate}", \
key = "{pki.host.key}", trusted = "{pki.plc.folder}", timeout_ms = {timeout} }}
[lines.scanners.tie]
by = "trigger_id"
delivery_ms = 10000
trigger_field = "{field}"
trigger_namespace = "{own}"
"""


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def settings(pki: Pki, port: int) -> list[str]:
    return [
        f"scanner.port={port}",
        f"scanner.opcua.certificate={pki.plc.certificate}",
        f"scanner.opcua.key={pki.plc.key}",
        f"scanner.opcua.trusted={pki.host.folder}",
    ]


def with_scanner(folder: Path, plc_port: int, port: int, pki: Pki) -> Path:
    path = site(folder, plc_port)
    told = SCANNER.format(
        device=DEVICE, own=OWN, port=port, pki=pki, timeout=TIMEOUT_MS, field=TRIGGER_FIELD
    )
    path.write_text(path.read_text(encoding="utf-8") + told, encoding="utf-8")
    return path


def test_plc_and_scanner_are_checked_together(
    tmp_path: Path, pki: Pki, port: int, settings: list[str]
) -> None:
    report = tmp_path / "report.html"
    with serving(tmp_path, *settings, "scanner.faults.says_no_read=NoRead", NO_READS) as plc:
        path = with_scanner(tmp_path, plc.port, port, pki)
        done = check(path, "--yes", "--json", "--report", str(report), *QUICK)
    found = json.loads(done.stdout)
    assert done.exit_code == 1, done.stdout
    assert not [f for f in found["findings"] if f["verdict"] == "fail"]
    (scanner,) = found["scanners"]
    verdicts = {f["mark"]: f["verdict"] for f in scanner["findings"]}
    assert [mark for mark, verdict in verdicts.items() if verdict == "fail"] == ["scanner-no-read"]
    assert verdicts["scanner-tie"] == "ok"
    assert (found["passed"], scanner["passed"]) == (False, False)
    assert found["measured"]["at_scanners"] > 0
    text = report.read_text(encoding="utf-8")
    assert "Scanner tunnel at station 255" in text
    assert "tunnel: Its words for a no-read are known" in text


def test_scanners_alone_are_checked_without_asking(
    tmp_path: Path, pki: Pki, port: int, settings: list[str]
) -> None:
    with serving(tmp_path, *settings) as plc:
        path = with_scanner(tmp_path, plc.port, port, pki)
        done = check(path, "--scanners-only", "--piece-seconds", "1")
        assert done.exit_code == 0, done.stdout
        assert "scanner tunnel at opc.tcp://127.0.0.1" in done.stdout
        # No host is there, so no piece is inducted: what needs one is said to be unchecked.
        assert "Scans come: no scan came" in done.stdout
        assert plc.sorter.program.seats.granted_epoch == 0
    done = check(site(tmp_path, 1), "--scanners-only")
    assert done.exit_code == 2
    assert "has no [[lines.scanners]]" in done.output


NO_READS = "chances.no_read=0.3"
