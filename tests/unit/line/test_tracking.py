"""What each kind of event does to a piece, to the chutes and to the counters."""

import numpy as np
import pytest

from plc_adapters.contract import (
    UNKNOWN,
    AnswerStatus,
    ChuteState,
    DischargeStatus,
    Disposition,
    EventKind,
    MachineState,
    Records,
    ScanStatus,
)
from sorter.line.books import Counter
from sorter.line.tracking import COUNTER_NAMES, Tracking
from sorter.ports import BATCH_MAX, DECISION
from tests.unit.line.records import (
    BOOT,
    SECOND,
    START_NS,
    Values,
    chute_state,
    discharged,
    events,
    inducted,
    instructed,
    machine,
    scanned,
)

A = AnswerStatus


@pytest.fixture
def tracking() -> Tracking:
    return Tracking(machine(), rows=8)


def hear(tracking: Tracking, *each: Values, boot: int = BOOT) -> tuple[list[int], Records]:
    rows, ended = tracking.apply(events(*each, first=tracking.resume.sequence + 1, boot=boot))
    return rows.tolist(), ended.copy()


def counted(tracking: Tracking) -> dict[str, int]:
    """The counters that are not 0, but for the one of all events."""
    values = zip(COUNTER_NAMES, tracking.counters.tolist(), strict=True)
    return {name: count for name, count in values if count and name != "events"}


def decide(tracking: Tracking, piece: int, *chutes: int, lap: int = 0, revision: int = 0) -> None:
    """Let the line hold a decision, as if it had just been made."""
    decision = np.zeros(1, DECISION)
    decision["boot_id"], decision["piece_id"] = tracking.resume.boot_id, piece
    decision["lap"], decision["revision"] = lap, revision
    decision["disposition"], decision["group"] = Disposition.ROUTED, 9
    decision["plan_version"] = 12
    decision["chutes"][0, : len(chutes)] = chutes
    decision["waybill_length"] = 4
    decision["waybill"][0, :4] = np.frombuffer(b"A001", np.uint8)
    decision["brand"], decision["service_class"], decision["destination"] = 1, 2, 320706
    tracking.adopt_decisions(decision)


def reserved(tracking: Tracking) -> dict[int, int]:
    column = tracking.chutes["reserved"]
    return {int(number): int(column[number]) for number in np.flatnonzero(column)}


def test_a_piece_from_induction_to_its_end(tracking: Tracking) -> None:
    rows, _ = hear(
        tracking, inducted(5, weight_g=1200, cell=44, station=3), scanned(5, code=b"A001")
    )
    assert rows == [0, 0]
    decide(tracking, 5, 2, 3)
    assert reserved(tracking) == {2: 1}
    hear(tracking, instructed(5, A.ACCEPTED, (2, 3), slack_ms=1500, plan_version=12))
    rows, ended = hear(
        tracking, discharged(5, DischargeStatus.SORTED, 3, weight_g=0, length_mm=310)
    )
    assert rows == [-1]
    (piece,) = ended
    assert (piece["boot_id"], piece["piece_id"], piece["station"], piece["cell"]) == (
        BOOT,
        5,
        3,
        44,
    )
    assert (piece["outcome"], piece["chute"], piece["first_chute"]) == (1, 3, 2)
    assert (piece["weight_g"], piece["length_mm"], piece["width_mm"]) == (1200, 310, UNKNOWN)
    assert (piece["slack_ms"], piece["answer"], piece["scans"]) == (1500, A.ACCEPTED, 1)
    assert (piece["brand"], piece["destination"], piece["group"]) == (1, 320706, 9)
    assert piece["waybill"][: piece["waybill_length"]].tobytes() == b"A001"
    instants = (piece["inducted_ns"], piece["scanned_ns"], piece["ended_ns"])
    assert instants == (START_NS + SECOND, START_NS + 2 * SECOND, START_NS + 4 * SECOND)
    assert reserved(tracking) == {}
    assert tracking.chutes[3]["fill"] == tracking.chutes[3]["discharged"] == 1
    assert tracking.stations[3] == 1
    assert tracking.dispositions[Disposition.ROUTED] == 1
    assert counted(tracking) == {
        "inducted": 1, "scans": 1, "scans_read": 1, "answers_accepted": 1, "discharged": 1,
        "sorted": 1, "confirmed": 1, "missorts_mechanical": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ([inducted(1), inducted(1)], {"inducted": 1, "duplicate_inductions": 1}),
        ([scanned(1)], {"adopted": 1, "scans": 1, "scans_unread": 1}),
        (
            [scanned(1, 2), scanned(1, 1, code=b"A"), scanned(1, 4)],
            {"adopted": 1, "scans": 3, "scans_read": 1, "scans_unread": 2, "scans_stale": 1,
             "recirculated": 2},
        ),
        (
            [scanned(1, status=ScanStatus.ABORTED_FULL | ScanStatus.ABORTED_MECHANICAL),
             scanned(1, status=ScanStatus.ABORTED_CLOSED)],
            {"adopted": 1, "scans": 2, "scans_unread": 2, "aborted_full": 1, "aborted_closed": 1,
             "aborted_mechanical": 1},
        ),
        (
            [inducted(1), discharged(1, DischargeStatus.DEFAULT_NO_INSTRUCTION, 4)],
            {"inducted": 1, "discharged": 1, "defaulted_no_instruction": 1, "deadline_misses": 1,
             "missorts_timing": 1},
        ),
        (
            [inducted(1), discharged(1, DischargeStatus.DEFAULT_HOST_SILENT, 4)],
            {"inducted": 1, "discharged": 1, "defaulted_host_silent": 1, "missorts_timing": 1},
        ),
        (
            [inducted(1), discharged(1, DischargeStatus.DEFAULT_LAP_LIMIT, 4)],
            {"inducted": 1, "discharged": 1, "defaulted_lap_limit": 1},
        ),
        ([inducted(1), discharged(1, DischargeStatus.REMOVED)], {"inducted": 1, "removed": 1}),
        ([inducted(1), discharged(1, DischargeStatus.LOST)], {"inducted": 1, "lost": 1}),
        (
            [inducted(1), discharged(1, DischargeStatus.MISSED, 4)],
            {"inducted": 1, "discharged": 1, "missed": 1},
        ),
        (
            [discharged(1, DischargeStatus.SORTED, 4)],
            {"adopted": 1, "adopted_at_end": 1, "discharged": 1, "sorted": 1},
        ),
        (
            [discharged(1, DischargeStatus.SORTED, 5)],
            {"adopted": 1, "adopted_at_end": 1, "discharged": 1, "sorted": 1, "malformed": 1},
        ),
        ([instructed(1, A.ACCEPTED, (1,))], {"answers_accepted": 1, "strays": 1}),
        ([instructed(1, A.REFUSED_EPOCH)], {"answers_refused_epoch": 1, "strays": 1}),
        ([instructed(1, A.REFUSED_HELD)], {"answers_refused_held": 1, "strays": 1}),
        ([instructed(1, A.UNKNOWN_PIECE)], {"answers_unknown_piece": 1, "strays": 1}),
        (
            [instructed(1, A.TOO_LATE)],
            {"answers_too_late": 1, "strays": 1, "deadline_misses": 1},
        ),
        ([instructed(1, A.MALFORMED)], {"answers_malformed": 1, "strays": 1}),
        (
            [instructed(1, A.ACCEPTED, (1,), slack_ms=-1)],
            {"answers_accepted": 1, "strays": 1, "deadline_misses": 1},
        ),
        ([{"kind": 0}, {"kind": 8}, inducted(0)], {"malformed": 3}),
        ([inducted(1, boot_id=0)], {"malformed": 1}),
        ([instructed(1, A(1), disposition=32)], {"malformed": 1}),
        ([{"kind": EventKind.INSTRUCTED, "piece_id": 1, "status": 7}], {"malformed": 1}),
        ([{"kind": EventKind.DISCHARGED, "piece_id": 1, "status": 8}], {"malformed": 1}),
        (
            [chute_state(0, ChuteState.OPEN), chute_state(5, ChuteState.OPEN),
             {"kind": EventKind.CHUTE_STATE, "chute": 1, "status": 6}],
            {"malformed": 3},
        ),
        ([{"kind": EventKind.SENSOR, "status": 9}], {}),
    ],
)  # fmt: skip
def test_counters(tracking: Tracking, heard: list[Values], expected: dict[str, int]) -> None:
    hear(tracking, *heard)
    assert counted(tracking) == expected


def test_too_late_counts_one_miss_not_two(tracking: Tracking) -> None:
    hear(tracking, scanned(1))
    decide(tracking, 1, 2)
    hear(tracking, instructed(1, A.TOO_LATE))
    assert reserved(tracking) == {}
    hear(tracking, discharged(1, DischargeStatus.DEFAULT_NO_INSTRUCTION, 4))
    assert tracking.counters[Counter.DEADLINE_MISSES] == 1


def test_chutes_follow_the_plc(tracking: Tracking) -> None:
    hear(tracking, *(discharged(n, DischargeStatus.SORTED, 1) for n in range(1, 4)))
    assert tracking.chutes[1]["fill"] == 3
    assert tracking.counters[Counter.INTO_FULL] == 1
    hear(tracking, chute_state(1, ChuteState.FULL), discharged(4, DischargeStatus.SORTED, 1))
    assert tracking.counters[Counter.INTO_CLOSED] == 1
    hear(tracking, chute_state(1, ChuteState.EMPTIED), discharged(5, DischargeStatus.SORTED, 1))
    assert (tracking.chutes[1]["fill"], tracking.chutes[1]["discharged"]) == (1, 5)
    assert tracking.chutes[1]["state"] == ChuteState.EMPTIED
    assert tracking.counters[Counter.INTO_CLOSED] == 1


def test_into_a_chute_that_no_decision_named(tracking: Tracking) -> None:
    hear(tracking, scanned(1), scanned(2))
    decide(tracking, 1, 2, 3)
    decide(tracking, 2, 2, 3)
    hear(tracking, instructed(1, A.ACCEPTED, (2, 3)), instructed(2, A.ACCEPTED, (2, 3)))
    hear(tracking, discharged(1, DischargeStatus.SORTED, 4))
    assert tracking.counters[Counter.SORTED_ELSEWHERE] == 1
    hear(tracking, discharged(2, DischargeStatus.SORTED, 3))
    assert tracking.counters[Counter.SORTED_ELSEWHERE] == 1


def test_a_new_lap_forgets_the_decision_and_frees_the_room(tracking: Tracking) -> None:
    hear(tracking, scanned(1))
    decide(tracking, 1, 2, 3)
    rows, _ = hear(tracking, scanned(1, lap=1))
    piece = tracking.pieces[rows[0]]
    assert reserved(tracking) == {}
    assert not piece["chutes"].any()
    assert (piece["disposition"], piece["revision"], piece["answer"]) == (0, 0, 0)
    assert (piece["first_chute"], piece["waybill_length"], piece["lap"]) == (2, 4, 1)
    # The echo of the lap before says nothing about this one.
    hear(tracking, instructed(1, A.ACCEPTED, (2, 3), lap=0))
    assert reserved(tracking) == {}
    assert piece["answer"] == 0


def test_a_refusal_adopts_what_the_plc_holds(tracking: Tracking) -> None:
    """After a crash this host decides again; the PLC holds the first answer and says so."""
    rows, _ = hear(tracking, scanned(1))
    decide(tracking, 1, 2, 3)
    hear(tracking, instructed(1, A.REFUSED_HELD, (4, 1), plan_version=11, epoch=6))
    piece = tracking.pieces[rows[0]]
    assert piece["chutes"].tolist() == [4, 1, 0, 0]
    assert (piece["first_chute"], piece["plan_version"], piece["answer"]) == (4, 11, A.REFUSED_HELD)
    assert reserved(tracking) == {4: 1}
    assert tracking.resume.epoch == 6
    hear(tracking, discharged(1, DischargeStatus.SORTED, 4))
    assert tracking.counters[Counter.SORTED_ELSEWHERE] == 0
    assert reserved(tracking) == {}


def test_a_refusal_that_holds_a_conflict_makes_the_piece_one(tracking: Tracking) -> None:
    rows, _ = hear(tracking, scanned(1))
    decide(tracking, 1, 2)
    hear(tracking, instructed(1, A.REFUSED_HELD, (3,), disposition=Disposition.CONFLICT))
    assert tracking.pieces[rows[0]]["conflict"] == 1


def test_the_answer_to_a_lower_revision_changes_nothing(tracking: Tracking) -> None:
    rows, _ = hear(tracking, scanned(1))
    decide(tracking, 1, 2)
    decide(tracking, 1, 3, revision=1)
    hear(tracking, instructed(1, A.ACCEPTED, (2,), revision=0))
    piece = tracking.pieces[rows[0]]
    assert (piece["chutes"][0], piece["revision"]) == (3, 1)
    assert reserved(tracking) == {3: 1}
    hear(tracking, instructed(1, A.ACCEPTED, (3,), revision=1))
    assert tracking.counters[Counter.ANSWERS_CONTRADICTED] == 0
    # The first chute assigned stays what a mis-sort is measured against.
    assert piece["first_chute"] == 2


def test_two_instructions_of_one_revision_are_a_contradiction(tracking: Tracking) -> None:
    hear(tracking, scanned(1))
    decide(tracking, 1, 2)
    hear(tracking, instructed(1, A.ACCEPTED, (2,)), instructed(1, A.ACCEPTED, (2,)))
    assert tracking.counters[Counter.ANSWERS_CONTRADICTED] == 0
    hear(tracking, instructed(1, A.ACCEPTED, (3,)))
    assert tracking.counters[Counter.ANSWERS_CONTRADICTED] == 1
    assert reserved(tracking) == {3: 1}


@pytest.mark.parametrize("status", [A.REFUSED_EPOCH, A.UNKNOWN_PIECE, A.TOO_LATE, A.MALFORMED])
def test_a_refusal_leaves_what_the_plc_holds(tracking: Tracking, status: AnswerStatus) -> None:
    hear(tracking, scanned(1), scanned(2))
    decide(tracking, 1, 2)
    decide(tracking, 2, 2)
    hear(tracking, instructed(1, status), instructed(2, status, (4,)))
    assert reserved(tracking) == {4: 1}


def test_a_new_boot_settles_what_was_in_flight(tracking: Tracking) -> None:
    hear(tracking, inducted(1), scanned(2))
    decide(tracking, 2, 3)
    rows, ended = hear(tracking, inducted(1), boot=BOOT + 1)
    assert rows == [0]
    assert ended["piece_id"].tolist() == [1, 2]
    assert set(ended["outcome"].tolist()) == {DischargeStatus.LOST}
    assert reserved(tracking) == {}
    assert (tracking.counters[Counter.LOST], tracking.counters[Counter.SETTLED]) == (2, 2)
    assert tracking.in_flight()["boot_id"].tolist() == [BOOT + 1]


def test_a_piece_that_ends_in_its_batch_has_no_row(tracking: Tracking) -> None:
    """Its row may be another piece's already."""
    rows, ended = hear(
        tracking, scanned(1), scanned(2), discharged(1, DischargeStatus.REMOVED), scanned(3)
    )
    assert rows == [-1, 1, -1, 0]
    assert ended["piece_id"].tolist() == [1]


def test_a_scan_of_the_boot_before_is_not_of_the_piece_with_its_id(tracking: Tracking) -> None:
    """Ids begin anew with a boot, and one turn can hear of both."""
    rows, ended = hear(tracking, scanned(1), scanned(1, boot_id=BOOT + 1))
    assert rows == [-1, 0]
    assert ended["boot_id"].tolist() == [BOOT]


def test_an_event_that_means_nothing_still_counts_as_read(tracking: Tracking) -> None:
    hear(tracking, inducted(1), {"kind": 99})
    assert (tracking.resume.boot_id, tracking.resume.sequence) == (BOOT, 2)


def machine_is(status: int) -> Values:
    return {"kind": EventKind.MACHINE_STATE, "status": status}


def test_machine_state(tracking: Tracking) -> None:
    assert tracking.machine_state == 0
    hear(tracking, {"kind": EventKind.MACHINE_STATE, "status": 3})
    assert tracking.machine_state == 3


@pytest.mark.parametrize("status", [0, 6, 100, 118, 0xFFFF])
def test_a_machine_state_that_there_is_not_changes_nothing(tracking: Tracking, status: int) -> None:
    hear(tracking, machine_is(MachineState.HELD), machine_is(status))
    assert tracking.machine_state == MachineState.HELD
    assert tracking.counters[Counter.MALFORMED] == 1


@pytest.mark.parametrize("state", MachineState)
def test_inductions_outside_execute_are_counted(tracking: Tracking, state: MachineState) -> None:
    hear(tracking, inducted(1))  # No state was told yet: nothing is wrong.
    hear(tracking, machine_is(state), inducted(2), inducted(2), inducted(3))
    outside = int(tracking.counters[Counter.INDUCTED_OUTSIDE_EXECUTE])
    assert outside == (0 if state.word == "execute" else 2)
    assert tracking.counters[Counter.INDUCTED] == 3, "the pieces are there all the same"


def test_a_new_boot_has_told_no_state_yet(tracking: Tracking) -> None:
    hear(tracking, machine_is(MachineState.HELD))
    hear(tracking, inducted(1, boot_id=BOOT + 1))
    assert tracking.machine_state == 0
    assert tracking.counters[Counter.INDUCTED_OUTSIDE_EXECUTE] == 0


def test_no_event_before_a_new_boot_has_a_row(tracking: Tracking) -> None:
    # Even where the boot before comes back, with a piece of the same id in the same row.
    heard = events(inducted(1), {"kind": 0, "boot_id": 8}, inducted(1))
    rows, _ = tracking.apply(heard)
    assert (rows >= 0).tolist() == [False, False, True]


def test_decisions_of_another_lap_boot_or_piece_are_passed_over(tracking: Tracking) -> None:
    rows, _ = hear(tracking, scanned(1, lap=1))
    decide(tracking, 1, 2, lap=0)
    decide(tracking, 2, 2, lap=0)
    decision = np.zeros(1, DECISION)
    decision["boot_id"], decision["piece_id"], decision["lap"] = BOOT + 1, 1, 1
    decision["chutes"][0, 0] = 2
    tracking.adopt_decisions(decision)
    assert reserved(tracking) == {}
    assert tracking.pieces[rows[0]]["disposition"] == Disposition.NONE


def test_a_turn_has_a_limit(tracking: Tracking) -> None:
    too_many = events(*([inducted(1)] * (BATCH_MAX + 1)))
    with pytest.raises(ValueError, match=f"at most {BATCH_MAX}"):
        tracking.apply(too_many)
    with pytest.raises(ValueError, match=f"at most {BATCH_MAX}"):
        tracking.adopt_decisions(np.zeros(BATCH_MAX + 1, DECISION))
    assert tracking.counters[Counter.EVENTS] == 0


def test_a_piece_keeps_the_version_of_its_induction_on_every_lap(tracking: Tracking) -> None:
    hear(tracking, inducted(1, plan_version=12), inducted(2, plan_version=13), scanned(3))
    hear(tracking, inducted(1, plan_version=14))
    assert tracking.versions_in_flight() == {0: 1, 12: 1, 13: 1}
    decide(tracking, 1, 2)
    hear(tracking, instructed(1, A.ACCEPTED, (2,), plan_version=12), scanned(1, 1), scanned(2, 3))
    assert tracking.versions_in_flight() == {0: 1, 12: 1, 13: 1}
    # A PLC that does not tell the version of what it holds changes nothing.
    hear(tracking, instructed(1, A.REFUSED_HELD, (3,), lap=1))
    assert tracking.pieces["plan_version"][0] == 12


def test_a_line_is_empty_once_its_last_piece_has_left(tracking: Tracking) -> None:
    assert tracking.is_empty()
    hear(tracking, inducted(1), inducted(2))
    hear(tracking, discharged(1, DischargeStatus.REMOVED))
    assert not tracking.is_empty()
    hear(tracking, discharged(2, DischargeStatus.REMOVED))
    assert tracking.is_empty()
