"""The metal: chutes that fill, pieces that vanish, readers that fail; and the books over all."""

import itertools
import random
from typing import TYPE_CHECKING

import pytest

from plc_adapters.emulator.labels import endless
from plc_adapters.emulator.loop import LoopPlant
from plc_adapters.emulator.tally import Latencies

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Bench, Rig


def answer_all(rig: "Rig", seconds: float, choose: random.Random, answered: float = 0.9) -> None:
    """Answer most scans with random chutes, now and then late, for so long."""
    done = 0
    for _ in range(round(seconds * 200)):
        rig.step()
        for event in rig.events[done:]:
            if event.kind == 2 and choose.random() < answered:
                chutes = choose.sample(range(1, 10), choose.randrange(4))
                rig.instruct(event.piece, *chutes, lap=event.lap)
        done = len(rig.events)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_books_balance_whatever_goes_wrong(bench: "Bench", seed: int) -> None:
    rig = bench.rig(
        f"seed={seed}",
        "repeat_labels=true",
        "arrivals.spacing=exponential",
        "arrivals.pieces_per_hour=12000",
        "chances={no_read=0.1, several_codes=0.3, unknown_weight=0.2, discharge_failure=0.1, "
        "missorted=0.05, jam=0.02, removed=0.05, lost=0.05}",
        "emptying={empty_after_ms=3000, empty_every_ms=20000, clear_jam_ms=2000}",
        "locks=[{chute=4, after_ms=5000, for_ms=20000}]",
    )
    rig.claim(1)
    answer_all(rig, 90, random.Random(seed))
    rig.sorter.program.stop_induction()
    rig.run(0.01)
    tally = rig.sorter.tally
    assert tally.inducted > 150
    assert tally.inducted == tally.ended_count + len(rig.sorter.program.pieces)
    answer_all(rig, 60, random.Random(seed))
    inducted = [e.piece for e in rig.events if e.kind == 1]
    ended = [e.piece for e in rig.events if e.kind == 4]
    assert sorted(inducted) == sorted(ended) == list(range(1, tally.inducted + 1))
    assert isinstance(rig.sorter.plant, LoopPlant)
    assert not any(rig.sorter.plant.cells)
    assert tally.two_instructions == 0
    assert {e.status for e in rig.events if e.kind == 4} >= {1, 2, 5, 6, 7}
    assert {e.status for e in rig.events if e.kind == 5} == {1, 2, 3, 4, 5}
    assert any(e.status & 64 for e in rig.events if e.kind == 2)
    assert rig.sorter.program.ring.overflow_count == 0


def test_discharges_never_exceed_a_chute_between_two_bags(bench: "Bench") -> None:
    rig = bench.rig("repeat_labels=true", "arrivals.pieces_per_hour=14000")
    rig.claim(1)
    answer_all(rig, 60, random.Random(5))
    fill = dict.fromkeys(range(1, 10), 0)
    for event in rig.events:
        if event.kind == 5 and event.status == 5:
            fill[event.chute] = 0
        if event.kind == 4 and event.chute:
            fill[event.chute] += 1
            assert fill[event.chute] <= (3 if event.chute < 9 else 100)


def test_same_seed_same_day(bench: "Bench") -> None:
    settings = ("arrivals.spacing=exponential", "chances.no_read=0.2", "chances.lost=0.1")
    days = []
    for _ in range(2):
        rig = bench.rig(*settings)
        rig.claim(1)
        rig.run(40)
        days.append([e.raw for e in rig.events])
    assert days[0] == days[1]
    assert len(days[0]) > 50


def test_labels_are_taken_in_order_once_or_again_and_again(bench: "Bench") -> None:
    bench.folder.joinpath("labels.csv").write_text(
        "codes,weight_g,length_mm,width_mm,height_mm\n"
        "]C0AB|12|山东|]E06901234567892,0,10,20,0\n,5,0,0,0\n" + "x" * 50 + ",1,1,1,1\n",
        encoding="utf-8-sig",
    )
    rig = bench.rig()
    rig.claim(1)
    rig.run(10)
    scans = rig.of(2)
    assert len(scans) == 3
    assert rig.sorter.plant.exhausted
    assert scans[0].codes == [b"]C0AB", b"12", "山东".encode(), b"]E06901234567892"]
    assert scans[0].weight == -1
    assert scans[1].codes == []
    assert (scans[2].codes, scans[2].status) == ([b"x" * 40], 1)
    again = bench.rig("repeat_labels=true")
    again.claim(1)
    again.run(10)
    assert len(again.of(2)) > 3


def test_a_fifth_code_is_left_out_and_said(bench: "Bench") -> None:
    bench.folder.joinpath("labels.csv").write_text(
        "codes,weight_g,length_mm,width_mm,height_mm\na|b|c|d,1,1,1,1\n", encoding="utf-8"
    )
    rig = bench.rig("chances.several_codes=1")
    rig.claim(1)
    scan = rig.until(2, 1)
    assert (scan.codes, scan.status) == ([b"a", b"b", b"c", b"d"], 2)


def test_a_late_belt_drops_the_piece_into_the_next_open_chute(bench: "Bench") -> None:
    rig = bench.rig("chances.missorted=1", "locks=[{chute=5, after_ms=0, for_ms=60000}]")
    rig.claim(1)
    for piece, chute in ((1, 3), (2, 4), (3, 9)):
        rig.until(2, piece)
        rig.instruct(piece, chute)
    rig.until(4, 3)
    ends = {e.piece: (e.status, e.chute) for e in rig.of(4)}
    assert (ends[1], ends[2], ends[3]) == ((7, 4), (7, 6), (1, 9))


def test_a_slipped_loop_drops_pieces_past_their_chutes_until_it_is_put_right(
    bench: "Bench",
) -> None:
    rig = bench.rig("slips=[{after_ms=0, for_ms=12000, mm=1000}]", "emptying={empty_after_ms=0}")
    rig.claim(1)
    done = 0
    for _ in range(20 * 200):
        rig.step()
        for event in rig.events[done:]:
            if event.kind == 2:
                rig.instruct(event.piece, 3)
        done = len(rig.events)
    slipped = [(e.status, e.chute) for e in rig.of(4) if e.time_ms < 12000]
    right = [(e.status, e.chute) for e in rig.of(4) if e.time_ms >= 12000]
    assert set(slipped) == {(7, 4)}
    assert set(right) == {(1, 3)}
    assert rig.sorter.tally.astray == len(slipped) > 10


def test_pieces_are_held_back_while_the_host_lags(bench: "Bench") -> None:
    rig = bench.rig("repeat_labels=true", "plc.event_slots=8")
    rig.claim(1)
    rig.run(3)
    assert rig.sorter.tally.held_back == 0
    rig.acknowledging = False
    rig.run(20)
    assert rig.sorter.tally.held_back > 0
    assert rig.sorter.plant.waiting() > 0


def test_several_stations_load_by_their_shares(bench: "Bench") -> None:
    rig = bench.rig(
        "repeat_labels=true",
        "stations=[{number=1, position_mm=18000, share=3}, {number=2, position_mm=16000}]",
    )
    rig.claim(1)
    rig.run(60)
    loads = {number: [e for e in rig.of(1) if e.station == number] for number in (1, 2)}
    assert len(loads[1]) == pytest.approx(3 * len(loads[2]), rel=0.1)
    scans = {e.piece: e.time_ms for e in rig.of(2) if e.lap == 0}
    for number, travel_ms in ((1, 1000), (2, 2000)):
        for load in loads[number]:
            assert scans.get(load.piece, load.time_ms + travel_ms) - load.time_ms in (
                travel_ms,
                travel_ms + 1,
            )


def test_made_up_waybills_differ_by_seed() -> None:
    first, other = (
        [piece.codes[0] for piece, _ in zip(endless(seed), range(3), strict=False)]
        for seed in (1, 12)
    )
    assert first == [b"]C0EMU0010000000001", b"]C0EMU0010000000002", b"]C0EMU0010000000003"]
    assert not set(first) & set(other)


def test_a_busy_belt_holds_pieces_back_at_the_station(bench: "Bench") -> None:
    rig = bench.rig("arrivals.pieces_per_hour=36000", "repeat_labels=true", "arrivals.queue_max=5")
    rig.claim(1)
    rig.run(20)
    plant = rig.sorter.plant
    assert plant.waiting() == 5
    assert plant.feed_stopped > 50
    loads = [e.time_ms for e in rig.of(1)]
    assert min(b - a for a, b in itertools.pairwise(loads)) >= 249
    assert len(loads) >= 70


def test_quantiles_are_within_their_step() -> None:
    latencies = Latencies()
    values = [3_000_000, *range(0, 100_000, 7)]
    for value in values:
        latencies.add(value)
    ordered = sorted(values)
    for share in (0.5, 0.99, 0.999):
        exact = ordered[int(share * len(ordered))]
        assert abs(latencies.quantile(share) - exact) <= exact / 100 + 8
    assert latencies.as_dict()["max"] == ordered[-1]
    assert Latencies().quantile(0.5) == 0
