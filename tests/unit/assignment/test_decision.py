"""The compiled decision says what the plain one says, whatever the plan, the codes and the chutes."""

from copy import deepcopy

import numpy as np
from hypothesis import HealthCheck, event, given, settings

from bench import naive
from bench.naive_arrays import (
    chute_records,
    decision_of,
    plan_arrays,
    pre_advice_arrays,
    scan_events,
)
from plc_adapters.contract import Disposition
from sorter.assignment.decider import Decider
from sorter.line.tracking import Tracking
from tests.unit.assignment.cases import World, worlds

LINE, BOOT = 3, 7
ROWS = 16


class Compiled:
    """The service's own parts, driven with the oracle's scans."""

    def __init__(self, world: World) -> None:
        self.tracking = Tracking(chute_records(world.chutes), rows=ROWS)
        self._decider = Decider(plan_arrays(world.plan), pre_advice_arrays(world.pre_advice))
        self._sequence = 1

    def batch(self, scans: list[naive.Scan], now_ns: int) -> list[naive.Decision]:
        events = scan_events(scans, LINE, BOOT, self._sequence)
        rows, _ = self.tracking.apply(events)
        decisions = self._decider.decide(events, rows, self.tracking, now_ns)
        answered = {int(sequence) for sequence in decisions["event_sequence"]}
        assert answered <= set(range(self._sequence, self._sequence + len(scans)))
        assert len(answered) == len(decisions)
        self._sequence += len(scans)
        for decision in decisions:
            assert (decision["line"], decision["boot_id"]) == (LINE, BOOT)
            assert decision["decided_ns"] == now_ns
            assert decision["plan_version"] == self._decider.plan_version
        return [decision_of(decision) for decision in decisions]

    def change(self, number: int, state: int, *, locked: bool, fill: int) -> None:
        chute = self.tracking.chutes[number]
        chute["state"], chute["locked"], chute["fill"] = state, locked, fill


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
    compiled = Compiled(world)
    for turn in world.turns:
        for number, (state, locked, fill) in turn.chutes.items():
            chute = line.chutes[number]
            chute.state, chute.locked, chute.fill = state, locked, fill
            compiled.change(number, state, locked=locked, fill=fill)
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
    compiled = Compiled(world)
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
