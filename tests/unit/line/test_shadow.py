"""A candidate decides beside the line: nothing differs from itself, all that differs is counted."""

import numpy as np
import pytest

from plc_adapters.contract import Records
from sorter.assignment.arrays import PlanArrays
from sorter.line import shadow
from sorter.line.shadow import Difference, Shadow
from sorter.line.tracking import Tracking
from sorter.ports import Batch
from tests.unit.line.decider import small_decider
from tests.unit.line.records import START_NS, events, inducted, machine, scanned

DUE = 3207
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
