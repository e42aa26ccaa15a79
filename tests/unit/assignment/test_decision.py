"""The compiled decision says what the plain one says, whatever plan, codes and chutes."""

from copy import deepcopy

import numpy as np
from hypothesis import HealthCheck, event, given, settings

from bench import naive
from plc_adapters.contract import Disposition
from sorter.line.tracking import Tracking
from tests.unit.assignment.cases import World, worlds
from tests.unit.assignment.driver import Compiled


def assert_same_memory(line: naive.Line, tracking: Tracking) -> None:
    """What both remember of pieces and chutes is the same."""
    reserved = {number: chute.reserved for number, chute in line.chutes.items()}
    assert {number: int(tracking.chutes[number]["reserved"]) for number in reserved} == reserved
    assert int(tracking.chutes["reserved"].sum()) == sum(reserved.values())
    pieces = {int(piece["piece_id"]): piece for piece in tracking.in_flight()}
    assert pieces.keys() == line.pieces.keys()
    for number, known in line.pieces.items():
        piece = pieces[number]
        assert int(piece["lap"]) == known.lap
        assert piece["waybill"][: piece["waybill_length"]].tobytes() == known.waybill
        assert bool(piece["conflict"]) == known.conflict
        assert int(piece["disposition"]) == known.disposition
        assert int(piece["revision"]) == known.revision
        assert int(piece["reserved_chute"]) == known.kept_in
        assert int(piece["first_chute"]) == known.first_chute


@given(worlds())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_compiled_decision_is_the_plain_one(world: World) -> None:
    line = naive.Line(world.plan, world.pre_advice, deepcopy(world.chutes))
    compiled = Compiled(world.plan, world.pre_advice, world.chutes)
    for turn in world.turns:
        for number, (state, locked, fill) in turn.chutes.items():
            chute = line.chutes[number]
            chute.state, chute.locked, chute.fill = state, locked, fill
            compiled.change(number, state, locked=locked, fill=fill)
        line.quarantined = compiled.quarantined = turn.quarantined
        expected = line.batch(turn.scans, turn.now_ns)
        assert compiled.batch(turn.scans, turn.now_ns) == expected
        assert_same_memory(line, compiled.tracking)
        for decision in expected:
            event(decision.disposition.name)
            event(f"{len(decision.chutes)} chutes")


@given(worlds())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_but_the_last_lap_offers_a_chute_without_room(world: World) -> None:
    """The promises of a decision, checked against the chutes and not against the oracle."""
    compiled = Compiled(world.plan, world.pre_advice, world.chutes)
    chutes = compiled.tracking.chutes
    margin_ns = world.plan.margin_ns
    for turn in world.turns:
        for number, (state, locked, fill) in turn.chutes.items():
            compiled.change(number, state, locked=locked, fill=fill)
        for scan in turn.scans:
            before = chutes.copy()
            kept = {int(p["piece_id"]): int(p["reserved_chute"]) for p in
                    compiled.tracking.in_flight()}  # fmt: skip
            for decision in compiled.batch([scan], turn.now_ns):
                own = kept.get(scan.piece_id, 0)
                for number in decision.chutes:
                    chute = before[number]
                    assert chute["exists"]
                    assert not chute["locked"]
                    assert scan.event_ns + chute["travel_ns"] - margin_ns > turn.now_ns
                    load = int(chute["fill"]) + int(chute["reserved"]) - (number == own)
                    if scan.lap < world.plan.lap_limit:
                        assert load < chute["capacity"]
                        assert chute["state"] in (1, 5)
                assert (decision.disposition == Disposition.RECIRCULATED) <= (not decision.chutes)
                assert len(set(decision.chutes)) == len(decision.chutes)
    in_flight = compiled.tracking.in_flight()
    assert int(chutes["reserved"].sum()) == np.count_nonzero(in_flight["reserved_chute"])
