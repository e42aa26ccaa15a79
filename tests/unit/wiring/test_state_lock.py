"""A state_dir has one service; a second one is told whose it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sorter.errors import UnavailableError
from sorter.wiring.state_lock import held

HOLD = """
import sys
from pathlib import Path
from sorter.wiring.state_lock import held
with held(Path(sys.argv[1]), "service"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_one_is_refused_by_name_until_the_first_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "run" / "service.lock"
    with (
        held(path, "service"),
        pytest.raises(UnavailableError, match=rf"service with process id {os.getpid()} runs on"),
        held(path, "service"),
    ):
        pytest.fail("two held the same lock")
    with held(path, "service"):
        pass


def test_a_killed_one_leaves_nothing_locked(tmp_path: Path) -> None:
    path = tmp_path / "service.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UnavailableError, match=f"process id {other.pid} "), held(path, "x"):
            pytest.fail("two held the same lock")
        other.kill()
        other.wait()
        with held(path, "service"):
            assert path.read_text() == f"{os.getpid()}\n"


def test_a_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("no folder")
    with (
        pytest.raises(UnavailableError, match=r"site\.state_dir"),
        held(tmp_path / "run" / "x.lock", "x"),
    ):
        pytest.fail("there is no such folder")
