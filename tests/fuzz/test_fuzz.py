"""A short run of every fuzz target, on each change; the long run's results are in bench/results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.bulk import GROUPS, Bulk
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import targets

ROUNDS = 120
"""Rounds in bulk: some 40,000 slots."""
RUNS = 4000
"""Inputs of a guided run."""
DEADLINE_S = 600
BETWEEN = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:], check=False).returncode)"
"""A small process that starts the run: the most memory that a process ever had, by which the run
judges itself, is at its start that of whoever started it (Linux, ``exec``), here all tests before.
"""
RESULTS = Path(__file__).parents[2] / "bench" / "results" / "fuzz.json"


@pytest.mark.parametrize("name", sorted(targets()))
def test_every_seed_is_survived_and_the_next_question_answered(name: str) -> None:
    target = targets()[name]
    asked = [data for data in seeds().values() if len(data) >= 2]
    for data in [*asked, *reversed(asked)]:
        target(data)
    assert target.answered == 2 * len(asked)


def test_slots_in_bulk_leave_every_valid_piece_told() -> None:
    bulk = Bulk(seed=1)
    for _ in range(ROUNDS):
        bulk.round()
    assert bulk.answered == ROUNDS * GROUPS


@pytest.mark.parametrize("name", sorted(targets()))
def test_a_run_guided_by_coverage_finds_nothing(tmp_path: Path, name: str) -> None:
    fuzz = [sys.executable, "-m", "tests.fuzz", name, "--runs", str(RUNS), "--seed", "7"]
    command = [sys.executable, "-c", BETWEEN, *fuzz]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "no interesting inputs" not in done.stderr, "nothing was measured"
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["inputs"] == RUNS
    assert found["answered"] > RUNS // 2


def test_the_long_run_is_on_record() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert sum(run["inputs"] for run in results["runs"]) >= 10_000_000
    assert all(run["crashes"] == 0 for run in results["runs"])
