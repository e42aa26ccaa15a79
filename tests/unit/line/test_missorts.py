"""A piece that went elsewhere than first assigned has one cause, as its own story tells it."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plc_adapters.contract import AnswerStatus, DischargeStatus, Disposition, ScanStatus
from sorter.line.books import Counter
from sorter.line.tracking import Tracking
from sorter.ports import DECISION, MissortCause
from tests.unit.line.records import (
    BOOT,
    CHUTES,
    NAMED,
    TURNS,
    Values,
    discharged,
    events,
    inducted,
    instructed,
    machine,
    numbered,
    scanned,
)

A, D, C = AnswerStatus, DischargeStatus, MissortCause
ABORTED = ScanStatus.ABORTED_FULL
DEFAULTED = (D.DEFAULT_NO_INSTRUCTION, D.DEFAULT_HOST_SILENT)
PIECE = 1


class Step(NamedTuple):
    """Where a piece was bound for from here on, 0 nowhere, and what it would be a cause of."""

    chute: int
    why: MissortCause


@dataclass(slots=True)
class Story:
    """One piece, told twice: to the line as events and decisions, and here as plain steps."""

    tracking: Tracking = field(default_factory=lambda: Tracking(machine(), rows=4))
    steps: list[Step] = field(default_factory=list)
    waybill: bytes = b""
    lap: int = 0
    revision: int = -1
    decided: tuple[int, ...] = ()
    held: tuple[tuple[int, ...], int] | None = None
    """What the PLC holds, and its revision."""
    is_answered: bool = False

    def hear(self, *each: Values) -> np.ndarray:
        _, ended = self.tracking.apply(events(*each, first=self.tracking.resume.sequence + 1))
        return ended.copy()

    def decide(
        self, chutes: tuple[int, ...], waybill: bytes = b"", *, conflict: bool = False
    ) -> None:
        self.revision += 1
        decision = np.zeros(1, DECISION)
        decision["boot_id"], decision["piece_id"], decision["lap"] = BOOT, PIECE, self.lap
        decision["revision"] = self.revision
        decision["disposition"] = Disposition.CONFLICT if conflict else Disposition.ROUTED
        decision["chutes"][0, : len(chutes)] = chutes
        if not conflict:
            decision["waybill_length"] = len(waybill)
            decision["waybill"][0, : len(waybill)] = np.frombuffer(waybill, np.uint8)
        self.tracking.adopt_decisions(decision)
        is_other = conflict or (waybill != b"" and waybill != self.waybill)
        self.waybill = waybill if waybill and not conflict else self.waybill
        self.decided, self.is_answered = chutes, False
        self.steps.append(Step(chutes[0] if chutes else 0, C.READ if is_other else C.DECISION))

    def accept(self) -> None:
        if self.revision >= 0:
            self.held, self.is_answered = (self.decided, self.revision), True
            self._echo(A.ACCEPTED)

    def come_late(self) -> None:
        """The newest answer came too late; the PLC keeps to the one before, if it has one."""
        if self.revision >= 0 and not self.is_answered:
            self._echo(A.TOO_LATE)
            if self.held:
                self.decided, self.revision = self.held
                self.steps.append(Step(self.decided[0] if self.decided else 0, C.DECISION))

    def _echo(self, status: AnswerStatus) -> None:
        chutes, revision = self.held or ((), 0)
        held = int(Disposition.ROUTED if self.held else Disposition.NONE)
        self.hear(
            instructed(PIECE, status, chutes, self.lap, revision=revision, disposition=held)
        )  # fmt: skip

    def come_round(self, status: int = 0) -> None:
        why = C.MECHANICAL if status or self.is_answered else C.TIMING
        self.lap += 1
        self.steps.append(Step(0, why))
        self.revision, self.decided, self.held, self.is_answered = -1, (), None, False
        self.hear(scanned(PIECE, self.lap, status=status))

    def leave(self, status: DischargeStatus, chute: int) -> tuple[MissortCause, MissortCause]:
        """Return the cause that the line found, and the one that the steps tell."""
        expected = self._expected(status, chute)
        (piece,) = self.hear(discharged(PIECE, status, chute))
        counted = self.tracking.counters[Counter.MISSORTS_READ : Counter.MISSORTS_MANUAL + 1]
        assert counted.tolist() == [int(piece["cause"] == each) for each in list(C)[1:]]
        return C(int(piece["cause"])), expected

    def _expected(self, status: DischargeStatus, chute: int) -> MissortCause:
        first = next((step.chute for step in self.steps if step.chute), 0)
        if first and chute == first:
            return C.NONE
        if first and status == D.REMOVED:
            return C.MANUAL
        if status in DEFAULTED:
            return C.TIMING
        if not first:
            return C.NONE
        if status in (D.LOST, D.MISSED):
            return C.MECHANICAL
        if status == D.SORTED and self.is_answered and chute not in self.decided:
            return C.MECHANICAL
        on_its_way = max(number for number, step in enumerate(self.steps) if step.chute == first)
        after = self.steps[on_its_way + 1 :]
        return after[0].why if after else C.MECHANICAL


def begun() -> Story:
    story = Story()
    story.hear(inducted(PIECE), scanned(PIECE))
    return story


WAYBILLS = st.sampled_from([b"", b"A001", b"A001", b"A002"])
ACTIONS = st.one_of(
    st.tuples(st.just("decide"), NAMED, WAYBILLS, st.booleans()),
    st.tuples(st.just("decide"), NAMED, WAYBILLS, st.just(False)),
    st.tuples(st.just("accept")),
    st.tuples(st.just("accept")),
    st.tuples(st.just("come_late")),
    st.tuples(st.just("come_round"), st.sampled_from([0, ABORTED, ScanStatus.ABORTED_CLOSED])),
)


@given(
    st.lists(ACTIONS, max_size=8),
    st.sampled_from(DischargeStatus),
    st.sampled_from(CHUTES),
)
@settings(max_examples=600, deadline=None)
def test_the_line_finds_the_cause_that_the_story_tells(
    actions: list[tuple[object, ...]], status: DischargeStatus, chute: int
) -> None:
    story = begun()
    for name, *values in actions:
        if name == "decide":
            chutes, waybill, conflict = values
            story.decide(chutes, waybill, conflict=bool(conflict))  # type: ignore[arg-type]
        else:
            getattr(story, str(name))(*values)
    no_chute = status in (D.REMOVED, D.LOST)
    found, expected = story.leave(status, 0 if no_chute else chute)
    assert found == expected


@given(TURNS)
@settings(max_examples=200, deadline=None)
def test_whatever_a_line_hears_each_piece_elsewhere_has_one_cause(
    turns: list[list[Values]],
) -> None:
    tracking = Tracking(machine(), rows=4)
    causes = [0] * len(C)
    for heard in numbered(turns):
        _, ended = tracking.apply(heard)
        for piece in ended:
            first, chute, outcome = (int(piece[n]) for n in ("first_chute", "chute", "outcome"))
            is_elsewhere = chute != first if first else outcome in DEFAULTED
            assert (int(piece["cause"]) != 0) == is_elsewhere
            causes[int(piece["cause"])] += 1
    counted = tracking.counters[Counter.MISSORTS_READ : Counter.MISSORTS_MANUAL + 1]
    assert counted.tolist() == causes[1:]


def test_read_another_waybill_found_on_a_later_lap() -> None:
    story = begun()
    story.decide((1,), b"A001")
    story.accept()
    story.decide((2,), conflict=True)
    story.accept()
    assert story.leave(D.SORTED, 2)[0] == C.READ


def test_read_is_also_the_first_waybill_after_none() -> None:
    story = begun()
    story.decide((4,))
    story.decide((1,), b"A001")
    story.accept()
    assert story.leave(D.SORTED, 1)[0] == C.READ


def test_decision_revised_with_the_same_waybill() -> None:
    story = begun()
    story.decide((1,), b"A001")
    story.accept()
    story.decide((3,), b"A001")
    story.accept()
    assert story.leave(D.SORTED, 3)[0] == C.DECISION


@pytest.mark.parametrize("status", DEFAULTED)
def test_timing_whether_or_not_the_answer_was_made(status: DischargeStatus) -> None:
    story = begun()
    assert story.leave(status, 4)[0] == C.TIMING
    story = begun()
    story.decide((1,), b"A001")
    story.come_late()
    assert story.leave(status, 4)[0] == C.TIMING


def test_timing_a_lap_for_an_answer_that_came_late() -> None:
    story = begun()
    story.decide((1, 2), b"A001")
    story.come_late()
    story.come_round()
    story.decide((2,), b"A001")
    story.accept()
    assert story.leave(D.SORTED, 2)[0] == C.TIMING


def test_mechanical_full_on_the_first_lap_and_elsewhere_on_the_next() -> None:
    story = begun()
    story.decide((1,), b"A001")
    story.accept()
    story.come_round(ABORTED)
    story.decide((2,), b"A001")
    story.accept()
    assert story.leave(D.SORTED, 2)[0] == C.MECHANICAL


def test_back_at_the_first_chute_nothing_counts_that_was_before() -> None:
    story = begun()
    story.decide((1,), b"A001")
    story.accept()
    story.come_round(ABORTED)
    story.decide((2, 1), b"A001")
    story.accept()
    assert story.leave(D.SORTED, 1)[0] == C.NONE


def test_mechanical_is_another_chute_of_the_same_answer() -> None:
    story = begun()
    story.decide((1, 2), b"A001")
    story.accept()
    assert story.leave(D.SORTED, 2)[0] == C.MECHANICAL


def test_manual_only_of_what_was_assigned() -> None:
    assert begun().leave(D.REMOVED, 0)[0] == C.NONE
    story = begun()
    story.decide((1,), b"A001")
    assert story.leave(D.REMOVED, 0)[0] == C.MANUAL


def test_lost_as_the_plc_started_anew_is_mechanical() -> None:
    story = begun()
    story.decide((1,), b"A001")
    heard = events(inducted(PIECE), first=1, boot=BOOT + 1)
    _, (piece,) = story.tracking.apply(heard)
    assert (piece["outcome"], piece["cause"]) == (D.LOST, C.MECHANICAL)
    assert story.tracking.counters[Counter.MISSORTS_MECHANICAL] == 1


def test_a_recovered_line_knows_what_took_the_piece_away() -> None:
    story = begun()
    story.decide((1,), b"A001")
    story.accept()
    story.come_round(ABORTED)
    other = Tracking(machine(), rows=4)
    other.restore(story.tracking.snapshot())
    story.tracking = other
    story.decide((2,), b"A001")
    story.accept()
    assert story.leave(D.SORTED, 2)[0] == C.MECHANICAL
