"""The compiled decision and the plain one on thousands of pieces; the command asks for millions."""

import json
from pathlib import Path

from tests.unit.assignment.agreement import WITH_JIT, Compared, compare_round

WORLDS = 8 if WITH_JIT else 1
RESULTS = Path(__file__).parents[3] / "bench" / "results" / "oracle.json"


def test_thousands_of_pieces() -> None:
    compared = Compared()
    compare_round(20261126, WORLDS, compared)
    assert compared.worlds == WORLDS
    assert compared.pieces > 900 * WORLDS
    assert compared.decisions.total() > compared.pieces


def test_the_long_runs_are_on_record() -> None:
    runs = json.loads(RESULTS.read_text(encoding="utf-8"))["runs"]
    pieces = {with_jit: sum(run["pieces"] for run in runs if run["jit"] is with_jit)
              for with_jit in (True, False)}  # fmt: skip
    assert pieces[True] >= 2_000_000
    assert pieces[False] >= 200_000
    assert all(run["differences"] == 0 and not run["uncommitted_changes"] for run in runs)
