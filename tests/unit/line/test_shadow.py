"""A candidate decides beside the line: nothing differs from itself, all that differs is counted."""

import numpy as np
import pytest

from plc_adapters.contract import Disposition, Records
from sorter.assignment.arrays import SCALAR_LAP_LIMIT, PlanArrays
from sorter.line import shadow
from sorter.line.shadow import Difference, Shadow
from sorter.line.tracking import Tracking
from sorter.ports import HOST_ANSWER, Batch, HostAnswer
from tests.unit.line.decider import small_decider
from tests.unit.line.records import BOOT, CHUTES, START_NS, events, inducted, machine, scanned

DUE = 3207
ASKED_FOR = b"A003"
"""A waybill that only the upstream host knows."""
NOW_NS = START_NS + 1_000_000


def turn(tracking: Tracking, first: int, codes: list[bytes]) -> Batch:
    """One turn of a real line: pieces inducted and scanned, decided by version 3."""
    decider = small_decider()
    pieces = range(first, first + len(codes))
    came: Records = events(
        *(inducted(piece) for piece in pieces),
        *(scanned(piece, code=code) for piece, code in zip(pieces, codes, strict=True)),
    )
    came["sequence"] = np.arange(1, len(came) + 1) + 2 * first
    rows, ended = tracking.apply(came)
    made = decider.decide(came, rows, tracking, NOW_NS).copy()
    return Batch(0, came, made, ended.copy())


def told(piece: int, destination: int = DUE) -> Records:
    answer = np.zeros(1, HOST_ANSWER)
    answer["boot_id"], answer["piece_id"] = BOOT, piece
    answer["answer"], answer["brand"], answer["destination"] = HostAnswer.KNOWN, 1, destination
    return answer


class Line:
    """A real line whose host answers: scan and answer in one turn, or one after the other."""

    def __init__(self) -> None:
        self.tracking = Tracking(machine(), rows=32)
        self.decider = small_decider()

    def turn(self, came: Records, answers: Records) -> Batch:
        rows, ended = self.tracking.apply(came)
        made = self.decider.decide(came, rows, self.tracking, NOW_NS)
        found = self.tracking.rows_of(answers)
        made, _ = self.decider.decide_answers(answers, found, self.tracking, NOW_NS, len(made))
        return Batch(0, came, made.copy(), ended.copy())


def follow_answers(plan: PlanArrays, *, at_once: bool) -> Shadow:
    seen = Shadow(Tracking(machine(), rows=32), plan, small_decider().pre_advice, 0)
    line = Line()
    for piece in (1, 11, 21):
        came = events(inducted(piece), scanned(piece, code=ASKED_FOR), first=2 * piece)
        nobody = np.empty(0, HOST_ANSWER)
        if at_once:
            seen.follow(line.turn(came, told(piece)))
        else:
            seen.follow(line.turn(came, nobody))
            seen.follow(line.turn(events(), told(piece)))
    assert (seen.tracking.pieces == line.tracking.pieces).all()
    assert (seen.tracking.chutes == line.tracking.chutes).all()
    return seen


@pytest.mark.parametrize("at_once", [True, False])
def test_answers_of_the_host_are_compared_too(at_once: bool) -> None:
    seen = follow_answers(small_decider().plan, at_once=at_once).seen
    # A scan that waits for the host, and the answer, of three pieces.
    assert (seen.decisions, seen.differ) == (6, 0)
    seen = follow_answers(with_chutes([3, 3, 3]), at_once=at_once).seen
    assert seen.decisions == 6
    assert 0 < seen.differ == seen.chute_differs
    assert {each.destination for each in seen.differences} == {DUE}
    assert Difference(DUE, 1, 3, "routed", "routed") in seen.differences


def test_an_answer_of_no_use_to_the_candidate_leaves_what_was_decided() -> None:
    plan = small_decider().plan
    scalars = plan.scalars.copy()
    scalars[SCALAR_LAP_LIMIT] = 0
    nowhere = np.full_like(plan.group_chutes, max(CHUTES) + 1)
    shut = plan._replace(group_chutes=nowhere, scalars=scalars)
    seen = follow_answers(shut, at_once=False).seen
    kept = Difference(DUE, 1, 0, "routed", Disposition.AWAITING_HOST.name.lower())
    assert kept in seen.differences


def with_chutes(chutes: list[int]) -> PlanArrays:
    plan = small_decider().plan
    return plan._replace(group_chutes=np.array([*chutes, 4], np.uint16))


def follow(plan: PlanArrays, since_ns: int = 0) -> Shadow:
    seen = Shadow(Tracking(machine(), rows=32), plan, small_decider().pre_advice, since_ns)
    line = Tracking(machine(), rows=32)
    for first in (1, 11, 21):
        seen.follow(turn(line, first, [b"A001", b"A002", b"A001"]))
    assert seen.tracking.chutes["reserved"].tolist() == line.chutes["reserved"].tolist()
    return seen


def test_the_same_plan_decides_the_same() -> None:
    seen = follow(small_decider().plan).seen
    assert (seen.decisions, seen.differ) == (9, 0)


def test_what_differs_is_counted_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = follow(with_chutes([3, 3, 3])).seen
    assert seen.decisions == 9
    assert 0 < seen.differ == seen.chute_differs
    other = [d for d in seen.differences.elements() if d.disposition != d.candidate_disposition]
    assert len(other) == seen.disposition_differs > 0, "one chute for all becomes full"
    assert sum(seen.differences.values()) == seen.differ
    assert Difference(DUE, 1, 3, "routed", "routed") in seen.differences
    monkeypatch.setattr(shadow, "DIFFERENCES_MAX", 1)
    few = follow(with_chutes([3, 3, 3])).seen
    assert len(few.differences) == 1
    assert few.kept_together + sum(few.differences.values()) == few.differ == seen.differ


def test_what_was_before_is_followed_and_not_counted() -> None:
    assert follow(with_chutes([3, 3, 3]), NOW_NS + 1).seen.decisions == 0
