"""The PLC program in virtual time: what it does with a piece, an instruction, a host."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Bench

INDUCTED, SCANNED, INSTRUCTED, DISCHARGED, CHUTE, MACHINE = 1, 2, 3, 4, 5, 6
ACCEPTED, REFUSED_EPOCH, REFUSED_HELD, UNKNOWN_PIECE, TOO_LATE, MALFORMED = 1, 2, 3, 4, 5, 6


def test_header_proves_the_layout(bench: "Bench") -> None:
    rig = bench.rig()
    rig.run(0.01)
    cycles, state = 2, 2
    assert rig.sorter.memory.registers[:12] == [
        0x1234, 0x5678, 0x4142, 0x4344, 1, 32, 0, 77, cycles, state, 0, 10,
    ]  # fmt: skip
    assert rig.events[0].kind == MACHINE
    assert rig.events[0].status == 2


def test_instants_are_those_of_the_metal(bench: "Bench") -> None:
    rig = bench.rig()
    rig.claim(1)
    scan = rig.until(SCANNED, 1)
    (load,) = rig.of(INDUCTED, 1)
    assert scan.time_ms - load.time_ms in (1000, 1001)
    assert (load.station, scan.station, scan.cell) == (1, 11, load.cell)
    assert scan.codes == [b"]C0P001"]
    assert scan.weight == 100
    rig.instruct(1, 4)
    end = rig.until(DISCHARGED, 1)
    assert end.time_ms - scan.time_ms in (2500, 2501)
    assert (end.chute, end.status) == (4, 1)


def test_first_instruction_is_kept_and_a_higher_revision_replaces_it(bench: "Bench") -> None:
    rig = bench.rig()
    rig.claim(1)
    rig.until(SCANNED, 1)
    first = rig.instruct(1, 5)
    rig.instruct(1, 6)
    rig.instruct(1, 7, revision=1)
    rig.step()
    answers = rig.of(INSTRUCTED, 1)
    assert [a.status for a in answers] == [ACCEPTED, REFUSED_HELD, ACCEPTED]
    assert answers[1].raw[18:27] == [0, first + 1, 0, 1, 0, 5, 0, 0, 0]
    assert rig.until(DISCHARGED, 1).chute == 7
    assert rig.sorter.tally.two_instructions == 0
    assert rig.sorter.tally.revised == 1


def test_wrong_instructions_are_refused_each_for_its_reason(bench: "Bench") -> None:
    rig = bench.rig()
    rig.claim(5)
    rig.until(SCANNED, 1)
    rig.instruct(1, 5, spoil=1)
    rig.instruct(1, 99)
    rig.instruct(1, 0, 5)
    rig.instruct(1, 5, epoch=4)
    rig.instruct(1, 5, epoch=6)
    rig.instruct(4000, 5)
    rig.instruct(1, 5, lap=1)
    rig.step()
    statuses = [a.status for a in rig.of(INSTRUCTED)]
    assert statuses == [
        MALFORMED, MALFORMED, MALFORMED, REFUSED_EPOCH, REFUSED_EPOCH, UNKNOWN_PIECE, UNKNOWN_PIECE,
    ]  # fmt: skip
    assert rig.sorter.program.seats.refused_count == 2
    rig.run(1.6)
    rig.instruct(1, 1, 2)
    rig.step()
    assert rig.of(INSTRUCTED)[-1].status == TOO_LATE
    end = rig.until(DISCHARGED, 1)
    assert (end.chute, end.status) == (9, 2)
    assert rig.sorter.tally.deadline_misses == 1


def test_preferred_chute_is_waited_for_and_a_full_one_is_passed_over(bench: "Bench") -> None:
    rig = bench.rig("locks=[{chute=3, after_ms=0, for_ms=60000}]", "emptying.empty_after_ms=60000")
    rig.claim(1)
    for piece in range(1, 6):
        rig.until(SCANNED, piece)
        rig.instruct(piece, 5, 2)
    rig.until(SCANNED, 6)
    rig.instruct(6, 3)
    for piece in (1, 2, 3):
        assert rig.until(DISCHARGED, piece).chute == 5
    ends = {e.piece: e for e in rig.of(DISCHARGED)}
    full = next(e for e in rig.of(CHUTE) if e.status == 2)
    assert full.chute == 5
    assert full.sequence == ends[3].sequence + 1
    again = rig.until(SCANNED, 4)
    assert (again.lap, again.status) == (1, 16)
    rig.until(SCANNED, 5)
    rig.instruct(5, 5, 2, lap=1)
    assert rig.until(DISCHARGED, 5).chute == 2
    assert rig.of(SCANNED, 6)[1].status == 32
    assert not rig.of(DISCHARGED, 6)


def test_empty_instruction_means_stay_on_until_the_lap_limit(bench: "Bench") -> None:
    rig = bench.rig("plc.lap_limit=2", "arrivals.pieces_max=1")
    rig.claim(1)
    for lap in range(3):
        assert rig.until(SCANNED, 1).lap == lap
        rig.instruct(1, lap=lap)
    end = rig.until(DISCHARGED, 1)
    assert (end.status, end.chute, end.lap) == (4, 9, 2)
    assert rig.sorter.tally.recirculated == 2


def test_an_instruction_of_the_lap_before_is_too_late(bench: "Bench") -> None:
    rig = bench.rig("arrivals.pieces_max=1")
    rig.claim(1)
    rig.until(SCANNED, 1)
    rig.instruct(1)
    rig.until(SCANNED, 1)
    rig.instruct(1, 5, lap=0, revision=3)
    rig.step()
    assert rig.of(INSTRUCTED)[-1].status == TOO_LATE


def test_silent_host_sends_pieces_to_the_default_chute(bench: "Bench") -> None:
    rig = bench.rig()
    rig.claim(1)
    rig.run(0.2)
    rig.alive = False
    end = rig.until(DISCHARGED, 1)
    assert (end.status, end.chute) == (3, 9)
    assert rig.host_silent == 1
    assert rig.defaulted == rig.sorter.tally.defaulted_count == 1
    assert rig.sorter.tally.deadline_misses == 0


def test_epochs_are_granted_only_upwards_and_only_from_a_silent_host(bench: "Bench") -> None:
    rig = bench.rig()
    rig.claim(10, seat=0)
    assert rig.granted[0] == 10
    rig.put(624, [1, 0, 11])
    rig.run(2)
    assert rig.granted[0] == 10
    rig.alive = False
    rig.run(0.9)
    assert rig.granted[0] == 10
    rig.run(0.2)
    assert rig.granted == (11, 1)
    rig.put(40, [9, 0, 10])
    rig.run(2)
    assert rig.granted[0] == 11


def test_a_restarted_host_takes_its_own_seat_again(bench: "Bench") -> None:
    rig = bench.rig()
    rig.claim(1)
    rig.run(0.5)
    rig.epoch = 2
    rig.run(0.9)
    assert rig.granted[0] == 1
    rig.run(0.2)
    assert rig.granted[0] == 2
    assert rig.host_silent == 0


def test_a_seat_without_the_grant_is_refused_even_with_the_right_epoch(bench: "Bench") -> None:
    rig = bench.rig()
    rig.claim(3)
    rig.until(SCANNED, 1)
    rig.written = 0
    rig.instruct(1, 5, seat=1)
    rig.step()
    assert rig.of(INSTRUCTED)[-1].status == REFUSED_EPOCH


def test_unacknowledged_ring_stops_induction_and_loses_nothing(bench: "Bench") -> None:
    rig = bench.rig("plc.event_slots=8", "arrivals.queue_max=3", "arrivals.pieces_max=12")
    rig.claim(1)
    rig.acknowledging = False
    rig.run(20)
    assert rig.sorter.tally.inducted < 12
    assert rig.sorter.plant.feed_stopped > 0
    ring = rig.sorter.program.ring
    assert ring.head - ring.acknowledged == 8
    rig.acknowledging = True
    rig.run(30)
    assert len(rig.of(INDUCTED)) == len(rig.of(DISCHARGED)) == 12
    assert rig.sorter.program.ring.overflow_count == 0
    assert rig.head == rig.read


def test_sequence_and_piece_id_and_time_wrap(bench: "Bench") -> None:
    rig = bench.rig(
        "plc.first_sequence=4294967291",
        "plc.first_piece_id=4294967294",
        "plc.first_time_ms=4294966296",
        read=0xFFFFFFFA,
    )
    rig.claim(1)
    rig.run(25)
    pieces = [e.piece for e in rig.of(INDUCTED)]
    assert pieces[:4] == [0xFFFFFFFE, 0xFFFFFFFF, 1, 2]
    assert len(rig.of(DISCHARGED)) > 10
    assert rig.events[-1].sequence < 1000
    assert rig.of(DISCHARGED)[0].time_ms < 20_000


def test_machine_waits_for_a_host_and_stops_on_demand(bench: "Bench") -> None:
    rig = bench.rig("plc.wait_for_host=true")
    rig.run(3)
    assert rig.machine_state == 4
    assert rig.sorter.tally.inducted == 0
    rig.claim(1)
    rig.run(3)
    assert rig.sorter.tally.inducted > 0
    rig.sorter.program.stop_induction()
    rig.run(0.01)
    inducted = rig.sorter.tally.inducted
    rig.run(15)
    assert rig.sorter.tally.inducted == inducted == rig.sorter.tally.ended_count
    assert [e.status for e in rig.of(MACHINE)] == [4, 2, 4]
    assert rig.heartbeat > 0


HELD_WHILE = 'halts=[{after_ms=3000, for_ms=4000, state="held"}]'
SUSPENDED_WHILE = 'halts=[{after_ms=3000, for_ms=4000, state="suspended"}]'


@pytest.mark.parametrize(
    ("settings", "states"),
    [
        ((HELD_WHILE,), [2, 3, 2]),
        ((SUSPENDED_WHILE,), [2, 4, 2]),
        ((HELD_WHILE, "plc.packml=true"), [106, 110, 111, 112, 106]),
        ((SUSPENDED_WHILE, "plc.packml=true"), [106, 113, 105, 114, 106]),
    ],
    ids=str,
)
def test_a_halt_inducts_nothing_and_is_told(
    bench: "Bench", settings: tuple[str, ...], states: list[int]
) -> None:
    rig = bench.rig(*settings)
    rig.claim(1)
    rig.run(5)
    inducted = rig.sorter.tally.inducted
    rig.run(1.5)
    assert rig.sorter.tally.inducted == inducted > 0
    assert rig.machine_state == states[len(states) // 2]
    rig.run(3)
    assert rig.sorter.tally.inducted > inducted
    assert [e.status for e in rig.of(MACHINE)] == states


def test_a_halt_in_another_is_left_by_way_of_execute(bench: "Bench") -> None:
    first = '{after_ms=1000, for_ms=2000, state="held"}'
    second = '{after_ms=2000, for_ms=3000, state="suspended"}'
    rig = bench.rig(f"halts=[{first}, {second}]", "plc.packml=true")
    rig.claim(1)
    rig.run(7)
    assert [e.status for e in rig.of(MACHINE)] == [
        106, 110, 111, 112, 113, 105, 114, 106,
    ]  # fmt: skip


def test_a_plc_that_inducts_always_does_so_while_held(bench: "Bench") -> None:
    rig = bench.rig(HELD_WHILE, "faults.inducts_always=true")
    rig.claim(1)
    rig.run(4)
    inducted = rig.sorter.tally.inducted
    rig.run(2)
    assert rig.machine_state == 3
    assert rig.sorter.tally.inducted > inducted


def test_latency_runs_from_the_photo_eye_to_the_acceptance(bench: "Bench") -> None:
    """The piece passes the eye within a cycle, is seen at its end, answered 100 ms later."""
    rig = bench.rig("loop.speed_mm_s=1999")
    rig.claim(1)
    scan = rig.until(SCANNED, 1)
    rig.run(0.1)
    rig.instruct(1, 5)
    written_us = rig.now_us
    rig.step()
    tally = rig.sorter.tally
    assert tally.latency.count == tally.arrival.count == 1
    assert tally.latency.longest_us == tally.arrival.longest_us + 5000
    eye_us = written_us - tally.arrival.longest_us
    assert eye_us // 1000 == scan.time_ms
    assert 0 < written_us - 100_000 - eye_us < 5000


def test_a_plc_that_repeats_itself_reports_every_event_twice(bench: "Bench") -> None:
    rig = bench.rig("chances.repeated_event=1")
    rig.claim(1)
    rig.until(SCANNED, 1)
    rig.instruct(1, 5)
    rig.until(DISCHARGED, 1)
    for kind in (INDUCTED, SCANNED, INSTRUCTED, DISCHARGED):
        first, second = rig.of(kind, 1)
        assert second.sequence == first.sequence + 1
        assert first.raw[2:38] == second.raw[2:38]
    assert rig.sorter.tally.ended_count == 1


def test_another_layout_version_can_be_shown(bench: "Bench") -> None:
    assert bench.rig("plc.layout_version=2").sorter.memory.registers[4] == 2
