"""A wheel-diverter line: what the metal does, and what the program makes of its photo-eyes."""

import itertools
import random
from typing import TYPE_CHECKING

import pytest

from plc_adapters.emulator.config import EmulatorConfigError, load_config

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Bench, Rig

INDUCTED, SCANNED, INSTRUCTED, DISCHARGED = 1, 2, 3, 4
ACCEPTED, TOO_LATE = 1, 5
SORTED, NO_INSTRUCTION, SILENT, AT_THE_END, REMOVED, LOST, MISSED = 1, 2, 3, 4, 5, 6, 7
END = 9

LINE = """
chutes = "chutes.csv"
labels = "labels.csv"
repeat_labels = true

[listen]
port = 0

[plc]
default_chute = 9
lap_limit = 0
event_slots = 64

[diverter]
speed_mm_s = 1000
eye_before_mm = 400
switch_ms = 300
min_gap_mm = 400
early_mm = 100
late_mm = 250
scanner = 11

[arrivals]
pieces_per_hour = 2400
spacing = "fixed"

[[stations]]
number = 1
position_mm = 2000
"""
"""Chute n is n + 1 seconds from the scanner, its photo-eye 0.4 s before it."""


@pytest.fixture
def line(bench: "Bench") -> "Bench":
    bench.config.write_text(LINE, encoding="utf-8")
    return bench


def answer(rig: "Rig", seconds: float, chutes: dict[int, tuple[int, ...]]) -> None:
    """Run for so long and answer the scans of these pieces, and of no others."""
    done = 0
    for _ in range(round(seconds * 200)):
        rig.step()
        for event in rig.events[done:]:
            if event.kind == SCANNED and event.piece in chutes:
                rig.instruct(event.piece, *chutes[event.piece])
        done = len(rig.events)


def sort_all(rig: "Rig", seconds: float, choose: random.Random) -> None:
    """Answer every scan with one or two chutes that have a diverter, for so long."""
    done = 0
    for _ in range(round(seconds * 200)):
        rig.step()
        for event in rig.events[done:]:
            if event.kind == SCANNED:
                rig.instruct(event.piece, *choose.sample(range(1, 9), choose.randrange(1, 3)))
        done = len(rig.events)


def ends(rig: "Rig") -> dict[int, tuple[int, int]]:
    """Status and chute of every piece that left."""
    return {event.piece: (event.status, event.chute) for event in rig.of(DISCHARGED)}


def test_a_piece_leaves_at_its_diverter_or_at_the_end(line: "Bench") -> None:
    rig = line.rig("arrivals.pieces_max=3")
    rig.claim(1)
    answer(rig, 30, {1: (4,), 2: ()})
    loads, scans, left = (rig.of(kind) for kind in (INDUCTED, SCANNED, DISCHARGED))
    assert [(e.cell, e.lap) for e in (*loads, *scans)] == [(0, 0)] * 6
    assert ends(rig) == {1: (SORTED, 4), 2: (AT_THE_END, END), 3: (NO_INSTRUCTION, END)}
    for load, scan, end, travel_ms in zip(loads, scans, left, (5000, 10000, 10000), strict=True):
        assert scan.time_ms - load.time_ms in (2000, 2001)
        assert end.time_ms - scan.time_ms in (travel_ms, travel_ms + 1)
    assert rig.sorter.tally.deadline_misses == 1


def test_an_answer_is_too_late_once_the_photo_eye_has_passed(line: "Bench") -> None:
    rig = line.rig()
    rig.claim(1)
    rig.until(SCANNED, 1)
    rig.run(1.7)
    rig.instruct(1, 1)
    rig.instruct(1, 2)
    rig.step()
    assert [e.status for e in rig.of(INSTRUCTED)] == [TOO_LATE, ACCEPTED]
    assert rig.until(DISCHARGED, 1).chute == 2


def test_a_piece_that_does_not_come_passes_its_chute_to_nobody(line: "Bench") -> None:
    """The trap of lines that take the next command at every edge of a photo-eye."""
    rig = line.rig("arrivals.pieces_per_hour=6000", "arrivals.pieces_max=12", "chances.lost=0.4")
    rig.claim(1)
    chute_of = {piece: 1 + piece % 8 for piece in range(1, 13)}
    answer(rig, 40, {piece: (chute,) for piece, chute in chute_of.items()})
    outcome = ends(rig)
    assert len(outcome) == 12
    assert {status for status, _ in outcome.values()} == {SORTED, LOST}
    for piece, (status, chute) in outcome.items():
        assert chute == (chute_of[piece] if status == SORTED else 0)
    assert rig.sorter.tally.astray == 0


def test_a_piece_that_slips_too_far_is_lost_and_goes_to_the_end(line: "Bench") -> None:
    rig = line.rig("arrivals.pieces_max=1", "slips=[{after_ms=3000, for_ms=60000, mm=300}]")
    rig.claim(1)
    rig.until(SCANNED, 1)
    rig.instruct(1, 3)
    assert rig.until(DISCHARGED, 1).status == LOST
    rig.run(20)
    assert rig.sorter.plant.bins[END].count == 1
    assert rig.sorter.tally.unknown_edges > 0
    assert rig.sorter.tally.astray == 0


def test_a_piece_that_slips_a_little_is_still_sorted(line: "Bench") -> None:
    rig = line.rig("arrivals.pieces_max=1", "slips=[{after_ms=0, for_ms=60000, mm=100}]")
    rig.claim(1)
    scan = rig.until(SCANNED, 1)
    rig.instruct(1, 3)
    end = rig.until(DISCHARGED, 1)
    assert (end.status, end.chute) == (SORTED, 3)
    assert end.time_ms - scan.time_ms in (4600, 4601)


def test_two_pieces_that_stick_together_are_one_with_both_waybills(line: "Bench") -> None:
    rig = line.rig("arrivals.pieces_max=1", "chances.stuck_together=1")
    rig.claim(1)
    scan = rig.until(SCANNED, 1)
    assert scan.codes == [b"]C0P001", b"]C0P002"]
    assert scan.weight == 300
    rig.instruct(1, 6)
    assert rig.until(DISCHARGED, 1).chute == 6
    rig.run(10)
    assert rig.sorter.plant.bins[6].count == 2
    assert rig.sorter.tally.inducted == rig.sorter.tally.ended_count == 1


def test_a_hand_that_says_so_ends_a_piece_at_once(line: "Bench") -> None:
    rig = line.rig("chances.removed=1", "arrivals.pieces_max=5")
    rig.claim(1)
    rig.run(30)
    assert {status for status, _ in ends(rig).values()} == {REMOVED}
    assert rig.sorter.plant.bins[END].count == 0


def test_wheels_that_do_not_grip_let_the_piece_go_on(line: "Bench") -> None:
    rig = line.rig("chances.discharge_failure=1", "arrivals.pieces_max=1")
    rig.claim(1)
    rig.until(SCANNED, 1)
    rig.instruct(1, 2, 5)
    end = rig.until(DISCHARGED, 1)
    assert (end.status, end.chute) == (AT_THE_END, END)


def test_wheels_that_stick_take_the_next_piece_along_and_it_is_told(line: "Bench") -> None:
    rig = line.rig("chances.missorted=1", "arrivals.pieces_per_hour=6000", "arrivals.pieces_max=2")
    rig.claim(1)
    answer(rig, 20, {1: (3,), 2: (7,)})
    assert ends(rig) == {1: (SORTED, 3), 2: (MISSED, 3)}
    assert rig.sorter.tally.astray == 1


def test_a_blocked_chute_is_passed_over(line: "Bench") -> None:
    rig = line.rig("arrivals.pieces_max=1", "jams=[{chute=3, after_ms=0, for_ms=60000}]")
    rig.claim(1)
    rig.until(SCANNED, 1)
    rig.instruct(1, 3, 5)
    assert rig.until(DISCHARGED, 1).chute == 5
    assert [(e.chute, e.status) for e in rig.of(5)] == [(3, 4)]


def test_a_scanner_that_is_blind_for_a_while_reads_nothing(line: "Bench") -> None:
    rig = line.rig("blinds=[{after_ms=5000, for_ms=5000}]")
    rig.claim(1)
    rig.run(20)
    blind = [5000 <= scan.time_ms < 10000 for scan in rig.of(SCANNED)]
    assert [not scan.codes for scan in rig.of(SCANNED)] == blind
    assert any(blind)


@pytest.mark.parametrize("seed", range(6))
def test_books_balance_and_nothing_goes_astray_unseen(line: "Bench", seed: int) -> None:
    """Whatever goes wrong, every piece is accounted for; mis-sorts are those the eyes saw."""
    rig = line.rig(
        f"seed={seed}",
        "arrivals={pieces_per_hour=5000, spacing='exponential'}",
        "chances={no_read=0.1, several_codes=0.2, discharge_failure=0.05, jam=0.02, removed=0.05, "
        "lost=0.05, slipping=0.1, stuck_together=0.05}",
        "emptying={empty_after_ms=3000, clear_jam_ms=2000}",
    )
    rig.claim(1)
    sort_all(rig, 120, random.Random(seed))
    rig.sorter.program.stop_induction()
    sort_all(rig, 25, random.Random(seed))
    tally = rig.sorter.tally
    assert tally.inducted > 100
    inducted = [e.piece for e in rig.of(INDUCTED)]
    assert sorted(inducted) == sorted(ends(rig)) == list(range(1, tally.inducted + 1))
    assert len(rig.of(DISCHARGED)) == tally.inducted
    assert tally.astray == sum(status == MISSED for status, _ in ends(rig).values())
    assert {SORTED, AT_THE_END, REMOVED, LOST} <= {status for status, _ in ends(rig).values()}
    assert not rig.sorter.program.pieces


def test_pieces_keep_their_gap(line: "Bench") -> None:
    rig = line.rig("arrivals.pieces_per_hour=36000", "arrivals.queue_max=5")
    rig.claim(1)
    rig.run(20)
    loads = [e.time_ms for e in rig.of(INDUCTED)]
    assert all(b - a in (700, 701) for a, b in itertools.pairwise(loads))
    assert rig.sorter.plant.feed_stopped > 20


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("loop={length_mm=20000, speed_mm_s=2000, cell_pitch_mm=500}", "a sorter is a [loop] or a"),
        ("diverter.eye_before_mm=200", "eye_before_mm: 300 mm pass in switch_ms"),
        ("diverter.min_gap_mm=310", "min_gap_mm: 300 mm pass in switch_ms at speed_mm_s; leave"),
        ("diverter.late_mm=350", "a window of 450 mm is wider than the gap of 400"),
        ("diverter.eye_before_mm=1000", "chute 2 stands 1000 mm behind what is before it"),
        ("plc.default_chute=3", "make it 9"),
        ("plc.lap_limit=2", "nothing comes round on a diverter line; make it 0"),
        ("locks=[{chute=9, after_ms=0, for_ms=1}]", "locks: chute 9 is the conveyor's end"),
        ("jams=[{chute=77, after_ms=0, for_ms=1}]", "jams: chute 77 is not in"),
        ("stations=[{number=1, position_mm=1}, {number=2, position_mm=9}]", "stations: 2 of them"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_told(line: "Bench", setting: str, words: str) -> None:
    with pytest.raises(EmulatorConfigError) as caught:
        load_config(line.config, (setting,))
    assert words in str(caught.value)
