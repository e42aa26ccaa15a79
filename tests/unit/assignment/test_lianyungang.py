"""The plan that ships, compiled, against the oracle on the routes it was compiled from."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sorter.demo
from bench import naive
from plc_adapters.contract import Disposition, Records
from routing_tables.load import load_network
from routing_tables.routes import derive_routes
from routing_tables.schema import NO_ROUTE, lianyungang
from sorter.assignment.arrays import PlanArrays
from sorter.assignment.warmup import mapped
from sorter.plans.compile import compile_plan
from sorter.plans.crosscheck import DECIDED_BY_ROUTE
from sorter.plans.machine import load_chutes
from sorter.plans.plan import load_plan
from tests.unit.assignment.driver import Compiled

DEMO = next(Path(sorter.demo.__file__).parent.rglob("plan.toml")).parent
NOW = 1_800_000_000_000_000_000
REACTION_MS = 200
WAYBILLS = [b"LXE0123456789", b"LXE0123456789-12", b"Y123L123456789", b"QFA12345678B"]


def naive_chutes(machine: Records) -> dict[int, naive.Chute]:
    return {
        int(number): naive.Chute(
            int(machine[number]["capacity"]), int(machine[number]["travel_ns"])
        )
        for number in np.flatnonzero(machine["exists"])
    }


@pytest.fixture(scope="module")
def hub() -> tuple[naive.Plan, PlanArrays, Records]:
    """The hub's plan for the oracle (one place for each route), as compiled, and the machine."""
    plan, network = load_plan(DEMO / "plan.toml"), load_network(lianyungang())
    machine = load_chutes(DEMO / "chutes.csv", 2000)
    arrays, _ = compile_plan(plan, network, machine, 5, plan.centre, REACTION_MS)
    numbers = {name: number for number, name in enumerate(plan.groups, 1)}
    routes = derive_routes(network, plan.centre)
    assert {(route.brand, route.service_class) for route in routes} == {("*", "*")}
    classes = len(network.service_classes)
    keys = [(b, c) for b in range(len(network.brands) + 1) for c in range(classes + 1)]
    oracle = naive.Plan(
        version=5,
        lap_limit=plan.laps,
        margin_ns=REACTION_MS * 1_000_000,
        brands=[list(brand.waybills) for brand in network.brands],
        places={route.prefix: zone for zone, route in enumerate(routes)},
        routes=[
            {} if route.group == NO_ROUTE else dict.fromkeys(keys, numbers[route.group])
            for route in routes
        ],
        classes=classes,
        groups={
            numbers[name]: naive.Group(
                list(group.chutes), group.policy, numbers[group.overflow] if group.overflow else 0
            )
            for name, group in plan.groups.items()
        },
        exceptions={
            each: numbers[plan.exceptions.of(each)]
            for each in Disposition
            if each not in DECIDED_BY_ROUTE
        },
    )
    return oracle, mapped(arrays), machine


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_the_plan_that_ships(
    hub: tuple[naive.Plan, PlanArrays, Records], data: st.DataObject
) -> None:
    plan, arrays, machine = hub
    prefixes = st.sampled_from(sorted(plan.places))
    tails = st.text("0129", max_size=10)
    destinations = st.builds(lambda head, tail: int((head + tail)[:12]), prefixes, tails)
    pre_advice = {
        code: naive.Advice(
            data.draw(st.integers(0, 3)), data.draw(st.integers(0, 4)), data.draw(destinations)
        )
        for code in WAYBILLS
    }
    scans = [
        naive.Scan(piece, 0, NOW, data.draw(st.lists(st.sampled_from(WAYBILLS), max_size=2)))
        for piece in range(1, 31)
    ]
    line = naive.Line(plan, pre_advice, naive_chutes(machine))
    compiled = Compiled(plan, pre_advice, naive_chutes(machine), arrays)
    assert compiled.batch(scans, NOW) == line.batch(scans, NOW)


def test_every_division_goes_where_the_longest_route_says(
    hub: tuple[naive.Plan, PlanArrays, Records],
) -> None:
    """Each of the network's divisions once, on a machine whose chutes never fill."""
    plan, arrays, machine = hub
    roomy = machine.copy()
    roomy["capacity"] = 2**30
    codes = [int(division.code) for division in load_network(lianyungang()).divisions]
    pre_advice = {b"LXE%010d" % n: naive.Advice(1, 1, code) for n, code in enumerate(codes)}
    compiled = Compiled(plan, pre_advice, naive_chutes(roomy), arrays, rows=len(codes))
    line = naive.Line(plan, pre_advice, naive_chutes(roomy))
    scans = [naive.Scan(n, 0, NOW, [code]) for n, code in enumerate(pre_advice, 1)]
    assert len(scans) > 1500
    found: set[Disposition] = set()
    for start in range(0, len(scans), 512):
        decisions = compiled.batch(scans[start : start + 512], NOW)
        assert decisions == line.batch(scans[start : start + 512], NOW)
        found |= {decision.disposition for decision in decisions}
    assert found == {Disposition.ROUTED, Disposition.NO_ROUTE}
