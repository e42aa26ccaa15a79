"""A plan proved: the demo's holds, and each kind of planted fault is named with a barcode."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plc_adapters.contract import CODE_BYTES, Records
from routing_tables.codes import compile_codes
from routing_tables.routes import derive_routes
from routing_tables.schema import Network
from sorter.assignment.arrays import PlanArrays
from sorter.errors import ConfigError
from sorter.plans import proof_bench, rules
from sorter.plans.barcodes import waybills_of
from sorter.plans.compile import compile_plan
from sorter.plans.machine import load_chutes
from sorter.plans.plan import load_plan
from sorter.plans.proof_report import FINDINGS_MAX, Finding, Proof, Verdicts
from sorter.plans.prove import prove

CENTRE = "LYG-HUB"
Rows = Sequence[tuple[str, str, str, str]]
Prove = Callable[..., Proof]


@pytest.fixture
def proved(demo: Path, tmp_path: Path, network: Network, chutes: Records) -> Prove:
    """Prove a copy of the demo's plan with texts replaced, and with routes of its own if given.

    The network is without route labels unless another is given: they would tell each fault again.
    """
    bare = replace(network, labels=())

    def run(
        *changes: tuple[str, str],
        routes: Rows | None = None,
        reaction_ms: int = 20,
        network: Network = bare,
    ) -> Proof:
        text = (demo / "plan.toml").read_text(encoding="utf-8")
        if routes is not None:
            rows = ["brand,service_class,prefix,group", *(",".join(row) for row in routes)]
            (tmp_path / "routes.csv").write_text("\n".join(rows), "utf-8")
            text = text.replace('routes = "network"', 'routes = "routes.csv"')
        for found, put in changes:
            assert found in text
            text = text.replace(found, put, 1)
        path = tmp_path / "plan.toml"
        path.write_text(text, "utf-8")
        return prove(load_plan(path), network, chutes, CENTRE, reaction_ms)

    return run


@pytest.fixture
def routes(network: Network) -> Rows:
    """The demo's routes as a table's rows."""
    return list(derive_routes(network, CENTRE))


def only(proof: Proof, kind: str) -> Finding:
    """The one failure of a kind; nothing of another kind failed."""
    assert [finding.kind for finding in proof.failures] == [kind]
    return proof.failures[0]


def is_waybill(barcode: str, network: Network, brand: str) -> bool:
    patterns = next(b.waybills for b in network.brands if b.code == brand)
    return any(re.fullmatch(pattern, barcode) for pattern in patterns)


def test_demo_plan_holds(demo: Path, network: Network, chutes: Records) -> None:
    shares: list[float] = []
    plan = load_plan(demo / "plan.toml")
    proof = prove(plan, network, chutes, CENTRE, progress=shares.append)
    assert proof.holds, proof.failures
    assert proof.destinations == len(network.divisions) + 1 + len(network.directions)
    assert proof.cases == proof.destinations * 4 * 5
    assert proof.decisions > proof.cases
    # The city itself and Haizhou as a whole: someone has to look.
    assert proof.deliberate == 2 * 4 * 5
    assert shares[-1] == 1
    assert {finding.kind for finding in proof.warnings} <= {"exception-chute-out"}
    assert proof.labels == len(network.labels)


def test_rates_of_chutes_refute_no_plan(demo: Path, network: Network, chutes: Records) -> None:
    chutes["per_minute"][1:61] = 1
    before = chutes.copy()
    proof = prove(load_plan(demo / "plan.toml"), network, chutes, CENTRE)
    assert proof.holds, proof.failures
    assert (chutes == before).all()


def test_a_label_that_leads_nowhere_is_named_with_its_line(
    proved: Prove, routes: Rows, network: Network
) -> None:
    proof = proved(routes=[row for row in routes if row[2] != "31"], network=network)
    rows = [row for row in network.labels if row.destination == "31"]
    assert {finding.kind for finding in proof.failures} == {"no-route", "label-no-route"}
    told = [finding for finding in proof.failures if finding.kind == "label-no-route"]
    assert [finding.text.split(": ")[0] for finding in told] == [row.where for row in rows]
    assert all(f"no route for {row.brand}" in f.text for f, row in zip(told, rows, strict=True))
    example = told[0].example
    assert example is not None
    waybill, label = example.barcode.split(" ", 1)
    assert is_waybill(waybill, network, rows[0].brand)
    assert label == rows[0].segments
    assert example.pre_advice == f"{waybill},{rows[0].brand},,"


def test_a_label_that_looks_like_a_waybill_is_named(proved: Prove, network: Network) -> None:
    certain = [
        replace(brand, waybills=(*brand.waybills, "9[0-9][A-Z]{2}-[0-9]{3}A1"))
        if brand.code == "LANXI" else brand
        for brand in network.brands
    ]  # fmt: skip
    proof = proved(network=replace(network, brands=tuple(certain), labels=network.labels))
    faults = [f for f in proof.failures if f.kind == "label"]
    assert faults
    assert all("is not taken for one of YUNLU, but as conflict" in f.text for f in faults)


def test_a_label_whose_chute_may_be_out(proved: Prove, network: Network) -> None:
    proof = proved(network=network)
    assert proof.holds
    row = network.labels[0]
    nowhere = replace(network, labels=(row._replace(destination="3207"),))
    warned = [f for f in proved(network=nowhere).warnings if f.kind == "label-no-route"]
    assert len(warned) == 1
    assert warned[0].text.startswith(f"{row.where}: destination: 3207 has no route for LANXI")


STRAIGHT = (("\nlaps = 3", "\nlaps = 0"), ("waiting_laps = 1", "waiting_laps = 0"))


def test_a_plan_without_further_laps_is_proved_like_any(proved: Prove) -> None:
    assert proved(*STRAIGHT).holds
    proof = proved(*STRAIGHT, ('overflow = "OVERFLOW"\n\n# 东海县', "\n# 东海县"))
    assert proof.holds
    proof = proved(
        *STRAIGHT,
        ('chutes = [1, 2, 3, 4, 5, 6]\noverflow = "OVERFLOW"', "chutes = [1]"),
        ('name = "hub-demo"', 'name = "hub-demo"\nspare = [2, 3, 4, 5, 6]'),
    )
    finding = only(proof, "chute-out")
    assert "groups.NODE-320707: with chute 1 out" in finding.text
    assert finding.example is not None
    assert "disposition lap_limit" in finding.example.path


def test_a_place_without_a_route_is_named(proved: Prove, routes: Rows, network: Network) -> None:
    proof = proved(routes=[row for row in routes if row[2] != "31"])
    finding = only(proof, "no-route")
    assert "31: places without a route" in finding.text
    assert finding.cases == 3 * 4
    example = finding.example
    assert example is not None
    waybill, brand, service_class, destination = example.pre_advice.split(",")
    assert waybill == example.barcode
    assert (brand, service_class, destination) == ("LANXI", "same_hour", "31")
    assert is_waybill(example.barcode, network, brand)
    assert example.path[0] == "destination 31"
    assert "group UNKNOWN" in example.path
    assert "disposition no_route" in example.path


def test_routes_for_some_brands_leave_unknown_ones_as_a_warning(
    proved: Prove, routes: Rows
) -> None:
    rest = [row for row in routes if row[2] != "31"]
    own: Rows = [(b, "*", "31", "OUT-DELTA") for b in ("LANXI", "YUNLU", "QINGFAN")]
    proof = proved(routes=[*rest, *own])
    assert proof.holds
    finding = next(f for f in proof.warnings if f.kind == "no-route")
    assert finding.cases == 5
    assert finding.example is not None
    assert finding.example.barcode.startswith("UNBRANDED-")


def test_a_group_of_one_chute_without_overflow(proved: Prove, network: Network) -> None:
    proof = proved(('chutes = [22]\noverflow = "OVERFLOW"', "chutes = [22]"))
    finding = only(proof, "chute-out")
    assert "groups.NODE-320771: with chute 22 out" in finding.text
    example = finding.example
    assert example is not None
    assert example.closed_chute == 22
    assert "disposition recirculated" in example.path
    assert is_waybill(example.barcode, network, "LANXI") or "UNBRANDED" in example.barcode


def test_a_chute_the_plc_can_no_longer_switch_for(proved: Prove) -> None:
    # Chute 23 is passed 17.2 s after the scan, all of the groups behind it later.
    proof = proved(('chutes = [23]\noverflow = "OVERFLOW"', "chutes = [23]"), reaction_ms=17_300)
    names = {re.search(r"groups\.([A-Z0-9-]+)", f.text)[1] for f in proof.failures}  # type: ignore[index]
    assert "STREET-320706001" in names
    assert "no-open-chute" in {finding.kind for finding in proof.failures}
    assert all(finding.example for finding in proof.failures)


def test_alternates_listed_upstream(proved: Prove) -> None:
    finding = only(
        proved(
            ("chutes = [50, 51, 52, 53]", "chutes = [53, 51, 52, 50]"),
            ('policy = "filling"', 'policy = "ordered"'),
        ),
        "alternates",
    )
    assert "groups.OUT-NATION.chutes: 53, 51, 52, 50" in finding.text
    assert finding.example is not None
    assert "chutes 53, 51, 52, 50" in finding.example.path


def test_unused_chutes_are_a_fault_unless_listed_as_spare(proved: Prove) -> None:
    change = ("chutes = [1, 2, 3, 4, 5, 6]", "chutes = [1, 2, 3, 4, 5]")
    finding = only(proved(change), "unused-chute")
    assert "chute 6: no group uses it" in finding.text
    proof = proved(change, ("laps = 3", "laps = 3\nspare = [6]"))
    assert proof.holds
    assert proof.spare == (6,)


@pytest.mark.parametrize(
    ("spare", "why"), [("[5]", "chute 5 is in NODE-320707"), ("[99]", "not on the machine")]
)
def test_spare_chutes_are_checked(proved: Prove, spare: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        proved(("laps = 3", f"laps = 3\nspare = {spare}"))


def test_a_shadowed_route(proved: Prove, routes: Rows) -> None:
    own: Rows = [(b, "*", "31", "OUT-DELTA") for b in ("LANXI", "YUNLU", "QINGFAN")]
    rest = [row for row in routes if row[2] != "31"]
    proof = proved(routes=[*rest, *own, ("*", "*", "31", "OUT-NATION")])
    finding = only(proof, "shadowed")
    assert "route 31 (any brand, any class) to OUT-NATION never holds" in finding.text
    assert finding.example is not None
    assert finding.example.pre_advice.endswith(",31")


def test_contradicting_routes(proved: Prove, routes: Rows, network: Network) -> None:
    both: Rows = [("LANXI", "*", "31", "OUT-NATION"), ("*", "economy", "31", "OUT-JIANGSU")]
    finding = only(proved(routes=[*routes, *both]), "contradiction")
    assert "contradict each other for LANXI, economy" in finding.text
    example = finding.example
    assert example is not None
    assert is_waybill(example.barcode, network, "LANXI")
    assert example.pre_advice == f"{example.barcode},LANXI,economy,31"
    settled: Rows = [*both, ("LANXI", "economy", "31", "OUT-NATION")]
    assert proved(routes=[*routes, *settled]).holds


def test_exceptions_without_a_chute_in_reach(proved: Prove) -> None:
    # Chute 60 is passed 39.4 s after the scan.
    proof = proved(reaction_ms=39_500)
    lost = [finding for finding in proof.failures if finding.kind == "exception"]
    told = " ".join(finding.text for finding in lost)
    for name in ("no_read", "conflict", "not_a_waybill", "unknown_destination", "lap_limit"):
        assert f"{name} pieces go to" in told
    conflict = next(f.example for f in lost if "conflict pieces" in f.text)
    assert conflict is not None
    assert len(set(conflict.barcode.split(" "))) == 2


def test_a_compiled_plan_that_contradicts_its_routes(
    demo: Path, network: Network, chutes: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_wrongly(*arguments: Any) -> tuple[PlanArrays, dict[str, Any]]:
        arrays, names = compile_plan(*arguments)
        swapped = arrays.zone_group.copy()
        first, second = (names["groups"].index(name) for name in ("OUT-DELTA", "OUT-JIANGSU"))
        swapped[arrays.zone_group == first] = second
        return arrays._replace(zone_group=swapped), names

    monkeypatch.setattr(proof_bench, "compile_plan", compile_wrongly)
    proof = prove(load_plan(demo / "plan.toml"), network, chutes, CENTRE)
    assert {finding.kind for finding in proof.failures} == {"wrong-group"}
    example = proof.failures[0].example
    assert example is not None
    assert example.path[1:3] == (
        "route 31 (any brand, any class) to OUT-DELTA", "group OUT-JIANGSU",
    )  # fmt: skip


def test_a_brand_with_few_waybills_is_asked_bit_by_bit(
    demo: Path, network: Network, chutes: Records
) -> None:
    few = replace(network.brands[0], waybills=("Z[0-9]{3}",))
    small = replace(network, brands=(few,), labels=())
    proof = prove(load_plan(demo / "plan.toml"), small, chutes, CENTRE)
    assert proof.holds
    assert proof.cases == proof.destinations * 2 * 5


def test_another_centre_is_refused(demo: Path, network: Network, chutes: Records) -> None:
    with pytest.raises(ConfigError, match="centre: made for LYG-HUB"):
        prove(load_plan(demo / "plan.toml"), network, chutes, "LYG-320703")


@pytest.mark.parametrize("count", [1, 7, 5000])
def test_waybills_are_different_and_of_their_brand(network: Network, count: int) -> None:
    codes = compile_codes(network.brands)
    for number, brand in enumerate(network.brands, 1):
        texts = waybills_of(codes, number, count)
        assert texts.shape == (count, CODE_BYTES)
        known = {text.tobytes().rstrip(b"\0").decode() for text in texts}
        assert len(known) == count
        assert all(is_waybill(text, network, brand.code) for text in known)


def test_all_waybills_of_a_small_pattern(network: Network) -> None:
    brand = replace(network.brands[0], waybills=("A[0-9]", "B", "C[XY][0-9]"))
    texts = waybills_of(compile_codes((brand,)), 1, 1000)
    expected = ["B", *(f"A{n}" for n in range(10))]
    expected += [f"C{letter}{n}" for letter in "XY" for n in range(10)]
    assert [text.tobytes().rstrip(b"\0").decode() for text in texts] == expected
    assert np.array_equal(texts, waybills_of(compile_codes((brand,)), 1, 1000))


def test_more_routes_than_can_be_proved_are_told(
    proved: Prove, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "RULES_MAX", 3)
    with pytest.raises(ConfigError, match=r"\d+ routes, at most 3 can be proved; use shorter"):
        proved()


def test_findings_have_a_limit() -> None:
    verdicts = Verdicts()
    for number in range(FINDINGS_MAX + 3):
        verdicts.fail("kind", number, str(number))
        verdicts.fail("kind", number, "again")
    found = verdicts.failures()
    assert len(found) == FINDINGS_MAX + 1
    assert [found[0].text, found[0].cases] == ["0", 2]
    assert found[-1].text.startswith("3 more findings")


def test_the_demos_other_plan_holds(demo: Path, network: Network) -> None:
    folder = demo / "diverter"
    plan = load_plan(folder / "plan.toml")
    assert plan.laps == 0
    proof = prove(plan, network, load_chutes(folder / "chutes.csv", 1500), CENTRE, 430)
    assert proof.holds, proof.failures
