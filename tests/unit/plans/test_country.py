"""A plan whose table names each of the country's 620,573 villages, from reading to what-if.

The codes are made up in the shape of the real ones (:func:`bench.villages.made_up`). Every village
has a route of its own, by its area; a piece known no closer than by street is for somebody to see.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.villages import VILLAGES, made_up
from plc_adapters.contract import Disposition, Records
from routing_tables.codes import compile_codes
from routing_tables.schema import NO_ROUTE, Division, Network
from sorter.assignment.replay import SCAN
from sorter.assignment.warmup import mapped
from sorter.plans.barcodes import waybills_of
from sorter.plans.check import check_loaded
from sorter.plans.compile import compile_plan
from sorter.plans.diff import Target, diff
from sorter.plans.plan import Plan, load_plan
from sorter.plans.proof_cases import Cases
from sorter.plans.prove import prove
from sorter.plans.whatif import whatif

ABOVE = (2, 4, 6, 9)
"""Digits of the codes above a village's."""
GROUPS = ("NODE-320707", "NODE-320722", "NODE-320723", "NODE-320724", "OUT-DELTA", "OUT-NATION")
"""Of the demo's plan, whose machine this one has too."""
OTHER = "OUT-JIANGSU"
SCANS = 400
REACTION_MS = 20
BEGIN_NS = 1_800_000_000_000_000_000
PIECE_EVERY_NS = 2_000_000_000

Table = dict[str, str]
"""The group of each prefix, for any brand and class."""
WritePlan = Callable[[str, Table, Iterable[str]], Plan]


@pytest.fixture(scope="module")
def villages() -> list[str]:
    return made_up()


@pytest.fixture(scope="module")
def table(villages: list[str]) -> Table:
    above = {code[:digits] for code in villages for digits in ABOVE}
    return dict.fromkeys(sorted(above), NO_ROUTE) | {
        code: GROUPS[int(code[:6]) % len(GROUPS)] for code in villages
    }


@pytest.fixture(scope="module")
def country(network: Network, table: Table) -> Network:
    """The whole country with one brand and one class; nothing lies outside of it."""
    levels = {2: "province", 4: "city", 6: "area", 9: "street", 12: "village"}
    divisions = [Division(levels[len(code)], code, code, "") for code in table]
    return replace(
        network, brands=network.brands[:1], service_classes=network.service_classes[:1],
        divisions=tuple(divisions), roots=(), directions=(), centres=(), labels=(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def write_plan(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> WritePlan:
    """Write the demo's plan with a table of routes of its own, and further rows behind it."""
    folder = tmp_path_factory.mktemp("country")
    text = (demo / "plan.toml").read_text(encoding="utf-8")

    def write(name: str, table: Table, more: Iterable[str] = ()) -> Plan:
        rows = [f"*,*,{prefix},{group}" for prefix, group in table.items()]
        content = "\n".join(["brand,service_class,prefix,group", *rows, *more])
        (folder / f"{name}.csv").write_text(content, "utf-8")
        path = folder / f"{name}.toml"
        path.write_text(text.replace('routes = "network"', f'routes = "{name}.csv"'), "utf-8")
        return load_plan(path)

    return write


@pytest.fixture(scope="module")
def plan(write_plan: WritePlan, table: Table) -> Plan:
    return write_plan("villages", table, ())


def held_by(table: Table, code: str) -> str:
    """The group of the longest prefix that the table has, as a person looks it up."""
    prefixes = (code[:digits] for digits in range(len(code), 0, -1))
    return next((table[prefix] for prefix in prefixes if prefix in table), NO_ROUTE)


def test_scans_go_where_the_table_says(
    plan: Plan, table: Table, country: Network, chutes: Records, villages: list[str]
) -> None:
    arrays, names = compile_plan(plan, country, chutes, 1, plan.centre, REACTION_MS)
    some = villages[:: len(villages) // SCANS]
    # Streets, areas, and villages that nobody listed, below a known street.
    asked = [*some, *(code[:9] for code in some[:20]), *(code[:6] for code in some[20:40]),
             *(f"{code[:9]}999" for code in some[40:60])]  # fmt: skip
    count = len(asked)
    cases = Cases.of(
        np.array([int(code) for code in asked]), np.ones(count, np.uint16),
        np.ones(count, np.uint16), waybills_of(compile_codes(country.brands), 1, count),
    )  # fmt: skip
    decided = cases.ask(np.arange(count), chutes, mapped(arrays), 0)
    assert len(set(some)) >= SCANS
    for code, decision in zip(asked, decided, strict=True):
        group = held_by(table, code)
        if group == NO_ROUTE:
            assert decision["disposition"] == Disposition.NO_ROUTE, code
        else:
            assert decision["disposition"] == Disposition.ROUTED, code
            assert names["groups"][decision["group"]] == group, code
            assert decision["chutes"][0] in plan.groups[group].chutes, code


def test_the_whole_table_is_checked_and_proved(
    plan: Plan, table: Table, country: Network, chutes: Records, villages: list[str]
) -> None:
    report = check_loaded(plan, country, chutes)
    assert report.problems == ()
    assert report.places == len(table)
    shares: list[float] = []
    proof = prove(plan, country, chutes, plan.centre, progress=shares.append)
    assert proof.holds, proof.failures
    assert len(villages) == VILLAGES
    assert proof.destinations == len(table) > VILLAGES
    assert proof.cases == len(table) * 2 * 2
    assert proof.deliberate == (len(table) - VILLAGES) * 2 * 2
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_planted_gap_and_a_hidden_route_are_found_and_nothing_else_differs(
    plan: Plan, table: Table, country: Network, chutes: Records, villages: list[str],
    write_plan: WritePlan,
) -> None:  # fmt: skip
    forgotten, hidden, moved, own = (villages[n] for n in (123_457, 300_001, 450_007, 600_011))
    branch = [forgotten, *(forgotten[:digits] for digits in ABOVE)]
    brand, service_class = country.brands[0].code, country.service_classes[0]
    changed = {code: group for code, group in table.items() if code not in branch} | {moved: OTHER}
    faulty = write_plan("faulty", changed, (
        f"{brand},*,{hidden},{table[hidden]}", f"{brand},{service_class},{own},{OTHER}",
    ))  # fmt: skip

    proof = prove(faulty, country, chutes, plan.centre)
    assert [finding.kind for finding in proof.failures] == ["no-route"] * 3 + ["shadowed"] * 2
    cases = [finding.cases for finding in proof.failures]
    assert cases == [1, 1, 3, 1, 1], "province; city; area, street and village; each route"
    gap, shadowed, other = proof.failures[2:]
    assert f"{forgotten[:6]}: places without a route" in gap.text
    assert f"route {hidden} (any brand, any class) to {table[hidden]} never holds" in shadowed.text
    assert f"route {own} (any brand, any class) to {table[own]} never holds" in other.text
    for finding, code in ((gap, forgotten[:6]), (shadowed, hidden), (other, own)):
        assert finding.example is not None
        waybill, *advised = finding.example.pre_advice.split(",")
        assert waybill == finding.example.barcode != ""
        assert (advised[0], advised[2]) == (brand, code)
        assert finding.example.path[0] == f"destination {code}"

    found = diff(plan, faulty, country, chutes)
    told = {change.prefixes: change.moves for change in found.changes}
    assert found.parts == ()
    assert set(told) == {(forgotten,), (moved,), (own,)}
    assert [move.after for move in told[forgotten,]] == [Target(NO_ROUTE, ())]
    assert [move.after.group for move in told[moved,]] == [OTHER]
    (move,) = told[own,]
    assert (move.brands, move.service_classes) == ((brand,), (service_class,))
    assert move.before.group == table[own]


def test_pieces_of_everywhere_are_tried_against_what_was_recorded(
    plan: Plan, table: Table, country: Network, chutes: Records, villages: list[str]
) -> None:
    some = villages[:: len(villages) // SCANS]
    scans = np.zeros(len(some), SCAN)
    scans["scanned_ns"] = BEGIN_NS + np.arange(len(some)) * PIECE_EVERY_NS
    scans["destination"] = [int(code) for code in some]
    scans["brand"] = scans["service_class"] = 1
    scans["finding"] = scans["disposition"] = Disposition.ROUTED
    expected = dict(Counter(table[code] for code in some))

    found = whatif(plan, country, chutes, scans)
    assert found.after.pieces == len(some) >= SCANS
    assert found.after.overflow_share == found.after.exception_share == 0
    group_of = {c: name for name, group in plan.groups.items() for c in group.chutes}
    after: Counter[str] = Counter()
    for load in found.chutes:
        after[group_of[load.chute]] += load.after
    assert {name: count for name, count in after.items() if count} == expected
