"""A sorter that no longer drops pieces where it is told is noticed, and sorts no more."""

import numpy as np
import pytest

from plc_adapters.contract import AnswerStatus, DischargeStatus, Disposition, Records
from sorter.line.books import Counter
from sorter.line.slip import SlipLimits
from sorter.line.tracking import Tracking
from tests.unit.line.decider import small_decider
from tests.unit.line.records import (
    CHUTES,
    SECOND,
    START_NS,
    Values,
    discharged,
    events,
    inducted,
    instructed,
    machine,
    scanned,
)

SORTED, MISSED = DischargeStatus.SORTED, DischargeStatus.MISSED
EXCEPTIONS = 4
"""The chute of the small plan's exceptions, among them the quarantine."""


class Line:
    """A line and a PLC that accepts every answer at once."""

    def __init__(self, mismatches: int = 3, of: int = 5) -> None:
        chutes = machine()
        chutes["capacity"][list(CHUTES)] = 1000
        self.tracking = Tracking(chutes, rows=32, slip=SlipLimits(mismatches, of))
        self.decider = small_decider()
        self.pieces = 0

    def hear(self, *each: Values) -> Records:
        heard = events(*each, first=self.tracking.resume.sequence + 1)
        heard["event_ns"] = START_NS
        rows, _ = self.tracking.apply(heard)
        decisions = self.decider.decide(heard, rows, self.tracking, START_NS)
        return self.decider.withdraw(self.tracking, START_NS, len(decisions)).copy()

    def answer(self) -> tuple[int, int]:
        """Have a piece scanned and its answer accepted; return it and the first chute named."""
        self.pieces += 1
        (decision,) = self.hear(scanned(self.pieces, code=b"A001"))
        self.accept(decision)
        return self.pieces, int(decision["chutes"][0])

    def accept(self, decision: np.void) -> None:
        self.hear(
            instructed(
                int(decision["piece_id"]),
                AnswerStatus.ACCEPTED,
                tuple(filter(None, decision["chutes"].tolist())),
                revision=int(decision["revision"]),
                disposition=int(decision["disposition"]),
                slack_ms=1,
            )
        )

    def sort(self, *, right: bool) -> Records:
        piece, chute = self.answer()
        return self.hear(discharged(piece, SORTED if right else MISSED, chute if right else 4))

    def count(self, counter: Counter) -> int:
        return int(self.tracking.counters[counter])


def test_mismatches_far_apart_are_mechanical_and_change_nothing() -> None:
    line = Line()
    for _ in range(10):
        for right in (False, True, True, True, False, True):
            line.sort(right=right)
    assert not line.tracking.quarantined
    assert (line.count(Counter.CONFIRMED), line.count(Counter.MISMATCHES)) == (60, 20)


def test_the_third_mismatch_among_five_quarantines_until_released() -> None:
    line = Line()
    for right in (False, True, False, True):
        line.sort(right=right)
    assert not line.tracking.quarantined
    line.sort(right=False)
    assert line.tracking.quarantined
    piece, chute = line.answer()
    assert chute == EXCEPTIONS
    assert line.tracking.dispositions[Disposition.QUARANTINED] == 1
    for _ in range(3):
        line.sort(right=False)
    assert line.count(Counter.QUARANTINES) == 1
    line.tracking.release_quarantine()
    line.hear(discharged(piece, SORTED, EXCEPTIONS))
    assert line.answer()[1] in (1, 2, 3)
    for _ in range(2):
        line.sort(right=False)
    assert not line.tracking.quarantined
    line.sort(right=False)
    assert line.count(Counter.QUARANTINES) == 2


def test_pieces_on_their_way_are_told_anew() -> None:
    line = Line(mismatches=1, of=1)
    first, _ = line.answer()
    second, before = line.answer()
    third, _ = line.answer()
    line.hear(scanned(9))
    told = line.hear(discharged(first, MISSED, 4))
    assert line.tracking.quarantined
    assert told["piece_id"].tolist() == [second, third]
    assert told["disposition"].tolist() == [Disposition.QUARANTINED] * 2
    assert told["chutes"][:, 0].tolist() == [EXCEPTIONS] * 2
    assert told["revision"].tolist() == [1, 1]
    assert told["waybill"][0, :4].tobytes() == b"A001"
    assert (told["deadline_ns"] > START_NS).all()
    assert line.tracking.chutes["reserved"][[1, 2, 3]].tolist() == [0, 0, 0]
    assert len(line.hear(inducted(20))) == 0
    line.accept(told[1])
    # One was past the last instant to be told: it leaves by what was said before, no fault of ours.
    line.hear(discharged(second, SORTED, before))
    assert line.count(Counter.SORTED_ELSEWHERE) == 0


def test_what_can_not_be_reached_any_more_is_not_named() -> None:
    line = Line(mismatches=1, of=1)
    first, _ = line.answer()
    line.answer()
    heard = events(discharged(first, MISSED, 4), first=line.tracking.resume.sequence + 1)
    line.tracking.apply(heard)
    late_ns = START_NS + 40 * SECOND - SECOND // 4
    (told,) = line.decider.withdraw(line.tracking, late_ns, 0)
    assert not told["chutes"].any()
    assert told["disposition"] == Disposition.QUARANTINED


def test_a_later_scan_that_finds_another_piece_counts_as_it_ends() -> None:
    line = Line(mismatches=2, of=3)
    for _ in range(2):
        piece, _ = line.answer()
        (conflict,) = line.hear(scanned(piece, 1, code=b"A002"))
        assert conflict["disposition"] == Disposition.CONFLICT
        line.hear(
            instructed(piece, AnswerStatus.ACCEPTED, (4,), 1, disposition=int(Disposition.CONFLICT))
        )
        line.hear(discharged(piece, SORTED, 4))
    assert line.tracking.quarantined


def test_two_waybills_on_one_scan_are_no_slip() -> None:
    line = Line(mismatches=1, of=1)
    heard = events(scanned(1, code=b"A001"), first=1)
    heard["code_count"] = 2
    heard["codes"][0, 1, :4] = np.frombuffer(b"A002", np.uint8)
    rows, _ = line.tracking.apply(heard)
    (decision,) = line.decider.decide(heard, rows, line.tracking, START_NS)
    assert decision["disposition"] == Disposition.CONFLICT
    line.accept(decision)
    line.hear(discharged(1, SORTED, 4))
    assert line.count(Counter.CONFIRMED) == 1
    assert not line.tracking.quarantined


@pytest.mark.parametrize("status", [DischargeStatus.LOST, DischargeStatus.DEFAULT_LAP_LIMIT])
def test_what_no_sensor_saw_and_what_went_by_default_confirms_nothing(
    status: DischargeStatus,
) -> None:
    line = Line(mismatches=1, of=1)
    piece, _ = line.answer()
    line.hear(discharged(piece, status, 4 if status != DischargeStatus.LOST else 0))
    assert line.count(Counter.CONFIRMED) == 0


def test_no_detector_no_quarantine() -> None:
    line = Line(mismatches=0, of=1)
    for _ in range(9):
        line.sort(right=False)
    assert line.count(Counter.MISMATCHES) == 9
    assert not line.tracking.quarantined


def test_a_snapshot_keeps_the_quarantine_and_what_led_to_it() -> None:
    line = Line()
    for _ in range(2):
        line.sort(right=False)
    other = Tracking(machine(), rows=32, slip=SlipLimits(3, 5))
    other.restore(line.tracking.snapshot())
    line.tracking = other
    line.sort(right=False)
    assert other.quarantined
    again = Tracking(machine(), rows=32, slip=SlipLimits(3, 5))
    again.restore(other.snapshot())
    assert again.quarantined
