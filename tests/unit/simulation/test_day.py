"""A simulated day: its rhythm, its books, and that they would show what is missing."""

import asyncio
import json
from collections.abc import Sequence

import numpy as np
import pytest
from typer.testing import CliRunner

from plc_adapters.contract import EVENT
from sorter.cli.main import app
from sorter.ports import PIECE, Batch
from sorter.simulation import day
from sorter.simulation.day import DayStore, arrivals, shares, simulate_day
from sorter.simulation.plant import LINE
from sorter.simulation.settings import DAY_S, Rhythm
from sorter.simulation.trace import Violation

HOUR_NS = 3_600_000_000_000
PIECES = 1_500


@pytest.mark.parametrize("rhythm", list(Rhythm))
def test_pieces_come_in_the_rhythm_of_the_day(rhythm: Rhythm) -> None:
    expected = shares(rhythm)
    assert len(expected) == 24
    assert sum(expected) == pytest.approx(1.0)
    instants = arrivals(rhythm, 1_000_000, seed=1)
    assert (np.diff(instants) >= 0).all()
    assert 0 <= instants[0] < instants[-1] < DAY_S * 10**9
    found = np.bincount(instants // HOUR_NS, minlength=24) / 1_000_000
    assert found == pytest.approx(expected, abs=0.002)


def test_the_night_before_and_six_in_the_morning() -> None:
    """The maintenance window of regular days vanishes on 11 November."""
    regular, double = (shares(rhythm) for rhythm in Rhythm)
    assert regular[6] == min(regular) < 0.005 < 0.02 < double[6] == min(double)


def test_a_day_is_decided_in_time_and_recorded_once() -> None:
    result = CliRunner().invoke(app, ["sim", "--day", "regular", "--pieces", str(PIECES), "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["problems"] == []
    assert (told["outcomes"], told["late"]) == ({"sorted": PIECES}, 0)
    assert told["decisions"] == PIECES + told["further_laps"]
    assert told["events"] >= 2 * PIECES + 2 * told["decisions"]


def test_a_day_whose_records_are_lost_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    write = DayStore.write

    async def loses(
        store: DayStore, line: str, batches: Sequence[Batch], position: tuple[int, int], seat: int
    ) -> int:
        return await write(store, line, batches[1:], position, seat)

    monkeypatch.setattr(day.DayStore, "write", loses)
    (problem,) = simulate_day(Rhythm.REGULAR, 100).problems
    assert problem.startswith("promise 2: after event 0 came [")


@pytest.mark.parametrize(
    ("events", "pieces"), [([1, 3], []), ([2], []), ([1, 1], []), ([1, 2], [4, 4])]
)
def test_the_store_takes_no_record_twice_and_misses_none(
    events: list[int], pieces: list[int]
) -> None:
    batch = Batch.empty(0)._replace(
        events=np.zeros(len(events), EVENT), pieces=np.zeros(len(pieces), PIECE)
    )
    batch.events["sequence"], batch.pieces["piece_id"] = events, pieces
    with pytest.raises(Violation, match="promise 2"):
        asyncio.run(DayStore(9).write(LINE, [batch], (1, 1), 0))
