"""Each piece is decided under the version it was inducted under, in the order of the scans."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bench import naive
from bench.naive_arrays import chute_records, plan_arrays
from plc_adapters.contract import EVENT, EventKind
from sorter.assignment.arrays import no_pre_advice
from sorter.assignment.decider import PLANS_HELD_MAX, Decider
from sorter.assignment.warmup import empty_plan
from sorter.line.tracking import Tracking
from tests.unit.assignment.cases import World, plans, worlds
from tests.unit.assignment.driver import Compiled
from tests.unit.assignment.test_decision import assert_same_memory


@given(worlds(), st.lists(plans(friendly=True), min_size=1, max_size=3), st.data())
@settings(
    max_examples=80, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
def test_several_versions_decide_as_the_plain_decision_does(
    world: World, others: list[naive.Plan], data: st.DataObject
) -> None:
    versions = [replace(each, version=n) for n, each in enumerate([world.plan, *others], 1)]
    line = naive.Line(versions[0], world.pre_advice, deepcopy(world.chutes))
    compiled = Compiled(versions[0], world.pre_advice, world.chutes)
    for turn in world.turns:
        line.active = data.draw(st.sampled_from(versions))
        compiled.activate(line.active)
        event(f"{len(compiled.held)} held")
        assert compiled.batch(turn.scans, turn.now_ns) == line.batch(turn.scans, turn.now_ns)
        assert_same_memory(line, compiled.tracking)
        for piece in compiled.tracking.in_flight():
            known = line.pieces[int(piece["piece_id"])]
            assert piece["plan_version"] == known.plan.version


def numbered(version: int) -> Decider:
    plan = empty_plan()
    plan.scalars[0] = version
    return Decider(plan, no_pre_advice())


def test_versions_are_held_while_in_use_and_then_let_go() -> None:
    decider = numbered(1)
    for version in range(2, PLANS_HELD_MAX + 1):
        decider.activate(numbered(version).plan)
    assert decider.held == tuple(range(1, PLANS_HELD_MAX + 1))
    assert not decider.has_room(99)
    with pytest.raises(ValueError, match="8 plan versions are in use"):
        decider.activate(numbered(99).plan)
    assert decider.plan_version == PLANS_HELD_MAX
    decider.activate(numbered(3).plan)
    decider.let_go({0: 4, 5: 1, 98: 2})
    assert decider.held == (3, 5)
    assert decider.has_room(99)


def test_a_batch_without_a_scan_decides_nothing_whatever_is_held() -> None:
    decider, tracking = numbered(1), Tracking(chute_records({}), rows=4)
    decider.hold(numbered(2).plan)
    events = np.zeros(2, EVENT)
    events["kind"], events["boot_id"], events["piece_id"] = EventKind.INDUCTED, 7, (1, 2)
    rows, _ = tracking.apply(events)
    assert len(decider.decide(events, rows, tracking, 0)) == 0


def test_a_piece_whose_version_is_gone_goes_by_the_active_one() -> None:
    plan = naive.Plan(7, 2, 0, [], {}, [], 0, {1: naive.Group([1])}, {})
    decider = Decider(plan_arrays(plan), no_pre_advice())
    decider.hold(numbered(6).plan)
    compiled = Compiled(plan, {}, {1: naive.Chute(1, 10**9)})
    compiled._decider = decider
    compiled.batch([naive.Scan(1, 0, 0, [])], 0)
    compiled.tracking.pieces["plan_version"][0] = 5
    compiled.batch([naive.Scan(1, 1, 0, [])], 0)
    assert compiled.tracking.versions_in_flight() == {7: 1}
