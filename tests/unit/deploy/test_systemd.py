"""systemd takes the unit, and finds it hardened."""

import subprocess
from pathlib import Path

import pytest

import sorter

UNIT = Path(sorter.__file__).parent.parent / "deploy" / "systemd" / "sorter.service"
EXPOSURE_MAX = 20
"""Tenths of systemd's own measure of 0 to 10: 1.9 was reached."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, its program replaced by one that every machine has."""
    copy = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    copy.write_text(text.replace("/opt/sorter/.venv/bin/sorter", "/bin/true"), encoding="utf-8")
    return copy


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze (package systemd); where it is missing, the test fails."""
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, check=False
    )  # fmt: skip


def test_systemd_takes_the_unit(unit: Path) -> None:
    done = analyze("verify", "--man=no", "--recursive-errors=no", str(unit))
    told = [line for line in done.stderr.splitlines() if unit.name in line]
    assert done.returncode == 0, done.stderr
    assert not told


def test_the_unit_is_hardened(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(unit))
    assert done.returncode == 0, done.stdout


def test_the_watchdog_is_fed_by_more_than_the_main_process() -> None:
    text = UNIT.read_text(encoding="utf-8")
    for setting in ("Type=notify", "NotifyAccess=all", "WatchdogSec=30"):
        assert f"\n{setting}\n" in text
