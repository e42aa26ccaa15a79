"""Plans: the demo's, broken copies of it, and what a compiled one decides."""

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from plc_adapters.contract import CHUTE_NUMBER_MAX, ChuteState, Disposition, Records
from routing_tables.routes import derive_routes
from routing_tables.schema import NO_ROUTE, Network
from sorter.assignment.arrays import (
    POLICY_BALANCED,
    POLICY_FILLING,
    POLICY_ORDERED,
    SCALAR_HOST_LAPS,
)
from sorter.assignment.kernels import route
from sorter.errors import ConfigError, Exit
from sorter.plans.check import check_plan
from sorter.plans.compile import compile_plan
from sorter.plans.machine import load_chutes
from sorter.plans.plan import load_plan


@pytest.fixture
def plan_file(demo: Path, tmp_path: Path) -> Path:
    """A copy of the demo's plan that a test may break."""
    copy = tmp_path / "plan.toml"
    copy.write_text((demo / "plan.toml").read_text(encoding="utf-8"), "utf-8")
    return copy


Change = Callable[[str, str], None]


@pytest.fixture
def change(plan_file: Path) -> Change:
    """Replace a text in the copy, once."""

    def replace(found: str, put: str) -> None:
        text = plan_file.read_text(encoding="utf-8")
        assert found in text
        plan_file.write_text(text.replace(found, put, 1), "utf-8")

    return replace


@pytest.fixture
def problems_of(plan_file: Path, network: Network, chutes: Records) -> Callable[[], list[str]]:
    """Check the copy, then compile it: both must tell the same; without the file's name."""

    def check() -> list[str]:
        report = check_plan(plan_file, network, chutes, "LYG-HUB")
        with pytest.raises(ConfigError) as caught:
            compile_plan(load_plan(plan_file), network, chutes, 1, "LYG-HUB", 20)
        assert tuple(caught.value.problems) == report.problems
        assert caught.value.exit_code == Exit.CONFIG
        return [problem.removeprefix(f"{plan_file}: ") for problem in report.problems]

    return check


def test_demo_plan_is_whole(demo: Path, network: Network, chutes: Records) -> None:
    report = check_plan(demo / "plan.toml", network, chutes, "LYG-HUB")
    assert (report.problems, report.warnings) == ((), ())
    assert (report.name, report.centre) == ("hub-demo", "LYG-HUB")
    assert (report.places, report.groups, report.chutes) == (1 + 7 + 109 + 1782 + 31, 39, 60)


def test_compiled_plan_says_what_the_network_says(
    demo: Path, network: Network, chutes: Records
) -> None:
    plan = load_plan(demo / "plan.toml")
    arrays, metadata = compile_plan(plan, network, chutes, 7, "LYG-HUB", 20)
    assert arrays.scalars.tolist() == [
        7, plan.laps, 20_000_000, 0, 30_000, 1200, 800, 800, 0, 0, 0, 2,
    ]  # fmt: skip
    assert metadata["groups"] == ["", *plan.groups]
    assert metadata["brands"] == ["", "LANXI", "YUNLU", "QINGFAN"]
    assert metadata["service_classes"] == ["", "same_hour", "same_day", "next_day", "economy"]
    assert (metadata["name"], metadata["version"]) == ("hub-demo", 7)
    routes = {r.prefix: r.group for r in derive_routes(network, "LYG-HUB")}
    codes = [d.code for d in network.divisions] + ["3207", "32", "320100", "310101001001", "99"]
    for code in codes:
        prefix = next((code[:n] for n in (12, 9, 6, 4, 2) if code[:n] in routes), "")
        name = routes.get(prefix, NO_ROUTE)
        for brand in range(len(metadata["brands"])):
            group = route(int(code), brand, brand, arrays)
            assert metadata["groups"][group] == ("" if name == NO_ROUTE else name)


def test_compiled_groups(demo: Path, network: Network, chutes: Records) -> None:
    plan = load_plan(demo / "plan.toml")
    arrays, metadata = compile_plan(plan, network, chutes, 1, "LYG-HUB", 20)
    policies = {
        "ordered": POLICY_ORDERED, "balanced": POLICY_BALANCED, "filling": POLICY_FILLING,
    }  # fmt: skip
    for number, (name, group) in enumerate(plan.groups.items(), 1):
        first, end = arrays.group_first[number : number + 2]
        assert arrays.group_chutes[first:end].tolist() == group.chutes
        assert arrays.group_policy[number] == policies[group.policy]
        assert metadata["groups"][arrays.group_overflow[number]] == (group.overflow or "")
        assert metadata["groups"][number] == name
    assert arrays.group_first[:2].tolist() == [0, 0], "group 0 has no chute"
    assert len(arrays.group_first) == len(plan.groups) + 2
    assert arrays.group_overflow[0] == arrays.group_policy[0] == 0
    where = {d: metadata["groups"][arrays.disposition_group[d]] for d in Disposition}
    assert {d.name for d, name in where.items() if not name} == {
        "NONE", "ROUTED", "OVERFLOW", "RECIRCULATED", "AWAITING_HOST", "DEFAULTED",
    }  # fmt: skip
    assert where[Disposition.NO_READ] == "NO-READ"
    assert where[Disposition.CONFLICT] == where[Disposition.NOT_A_WAYBILL] == "CONFLICT"
    assert where[Disposition.NO_ROUTE] == "UNKNOWN"
    assert where[Disposition.INTERCEPTED] == "UNKNOWN"
    assert where[Disposition.DAMAGED] == "REJECT"
    assert where[Disposition.HOST_LATE] == where[Disposition.UNKNOWN_DESTINATION]


def test_a_plan_says_how_long_the_upstream_host_is_waited_for(
    plan_file: Path, network: Network, chutes: Records, change: Change
) -> None:
    def asked() -> tuple[int, str]:
        arrays, metadata = compile_plan(load_plan(plan_file), network, chutes, 1, "LYG-HUB", 20)
        late = metadata["groups"][arrays.disposition_group[Disposition.HOST_LATE]]
        return int(arrays.scalars[SCALAR_HOST_LAPS]), late

    assert asked() == (2, "UNKNOWN")
    change("waiting_laps = 1", "waiting_laps = 3")
    change('host_late = "UNKNOWN"', 'host_late = "NO-READ"')
    assert asked() == (4, "NO-READ")
    change("waiting_laps = 3", "")
    assert asked() == (2, "NO-READ")
    change("[upstream]", "")
    change('host_late = "NO-READ"', "")
    assert asked() == (0, "UNKNOWN")


def test_unclear_codes_go_where_the_plan_says(
    plan_file: Path, network: Network, chutes: Records, change: Change
) -> None:
    """An older plan that does not name them keeps them with codes that are no waybills."""

    def groups() -> list[str]:
        arrays, metadata = compile_plan(load_plan(plan_file), network, chutes, 1, "LYG-HUB", 20)
        unclear = (Disposition.AMBIGUOUS, Disposition.BAG)
        return [metadata["groups"][arrays.disposition_group[each]] for each in unclear]

    assert groups() == ["CONFLICT", "CONFLICT"]
    change('default = "REJECT"', 'default = "REJECT"\nambiguous = "UNKNOWN"')
    assert groups() == ["UNKNOWN", "CONFLICT"]
    change('default = "REJECT"', 'default = "REJECT"\nbag = "NO-READ"')
    assert groups() == ["UNKNOWN", "NO-READ"]


def test_scans_not_tied_go_with_conflicts_unless_the_plan_says(
    plan_file: Path, network: Network, chutes: Records, change: Change
) -> None:
    def group() -> str:
        arrays, metadata = compile_plan(load_plan(plan_file), network, chutes, 1, "LYG-HUB", 20)
        return str(metadata["groups"][arrays.disposition_group[Disposition.SCAN_NOT_TIED]])

    assert group() == "CONFLICT"
    change('default = "REJECT"', 'default = "REJECT"\nscan_not_tied = "NO-READ"')
    assert group() == "NO-READ"


def test_unclear_codes_have_groups_of_exceptions(
    change: Change, problems_of: Callable[[], list[str]]
) -> None:
    change('default = "REJECT"', 'default = "REJECT"\nambiguous = "OUT-NATION"\nbag = "BAGS"')
    ambiguous, bag = problems_of()
    assert ambiguous.startswith("exceptions.ambiguous: OUT-NATION takes sorted pieces too")
    assert bag == "exceptions.bag: no group BAGS; name one of this plan"


def test_no_exception_leaves_through_an_outbound_chute(
    demo: Path, network: Network, chutes: Records
) -> None:
    arrays, _ = compile_plan(load_plan(demo / "plan.toml"), network, chutes, 1, "LYG-HUB", 20)
    sorted_groups = set(arrays.zone_group.ravel().tolist()) - {0}
    reached = set(arrays.disposition_group.tolist())
    for _ in range(8):
        reached |= {int(arrays.group_overflow[group]) for group in reached}
    assert not reached & sorted_groups


def test_every_error_is_told(change: Change, problems_of: Callable[[], list[str]]) -> None:
    change("chutes = [1, 2, 3, 4, 5, 6]", "chutes = [1, 2, 2, 61, 1023, 60]")
    change('overflow = "OVERFLOW"', 'overflow = "NOWHERE"')
    change("[groups.OUT-DELTA]", "[groups.OUT-SOUTH]")
    change('no_read = "NO-READ"', 'no_read = "MISSING"')
    change('conflict = "CONFLICT"', 'conflict = "OUT-NATION"')
    change("chutes = [60]", 'chutes = [60]\noverflow = "REJECT"')
    change('intercepted = "UNKNOWN"', "")
    change('chutes = [59]\noverflow = "REJECT"', 'chutes = [59]\noverflow = "OUT-JIANGSU"')
    change("waiting_laps = 1", "waiting_laps = 4")
    told = problems_of()
    expected = [
        "upstream.waiting_laps: 4, but a piece goes round 3 times",
        "groups.NODE-320707.chutes: chute 2 is twice here",
        "groups.NODE-320707.chutes: chute 61 is not on the machine",
        "groups.NODE-320707.chutes: chute 1023 is not on the machine",
        "groups.NODE-320707.overflow: no group NOWHERE",
        "groups.OUT-DELTA: missing, but the routes send prefix 31, 33, 34 there",
        "exceptions.no_read: no group MISSING",
        "exceptions.conflict: OUT-NATION takes sorted pieces too (prefix 11)",
        "exceptions.unknown_destination: UNKNOWN overflows to OUT-JIANGSU, which takes sorted",
        "exceptions.no_route: UNKNOWN overflows to OUT-JIANGSU, which takes sorted",
        "exceptions.host_late: UNKNOWN overflows to OUT-JIANGSU, which takes sorted",
        "groups.REJECT.chutes: chute 60 is in NODE-320707 already",
        "groups.REJECT.overflow: REJECT -> REJECT is a circle",
    ]
    for start in expected:
        assert any(line.startswith(start) for line in told), (start, told)
    assert len(told) == len(expected)


def test_circle_and_chain_of_overflows(
    plan_file: Path, problems_of: Callable[[], list[str]], change: Change
) -> None:
    change("chutes = [60]", 'chutes = [60]\noverflow = "NO-READ"')
    told = problems_of()
    assert told == [
        "groups.NO-READ.overflow: NO-READ -> REJECT -> NO-READ is a circle; end it",
        "groups.REJECT.overflow: REJECT -> NO-READ -> REJECT is a circle; end it",
    ]
    text = plan_file.read_text(encoding="utf-8").replace('\noverflow = "NO-READ"', "")
    streets = re.findall(r"groups\.(STREET-\d+)", text)
    for here, following in itertools.pairwise(streets[:10]):
        head, tail = text.split(f"[groups.{here}]", 1)
        text = f"{head}[groups.{here}]" + tail.replace('"OVERFLOW"', f'"{following}"', 1)
    plan_file.write_text(text, "utf-8")
    told = problems_of()
    assert [line.partition(":")[0] for line in told] == [
        f"groups.{name}.overflow" for name in streets[:2]
    ]
    assert "10 groups one after the other; at most 8" in told[0]


def test_plan_of_another_centre(plan_file: Path, network: Network, chutes: Records) -> None:
    report = check_plan(plan_file, network, chutes, "LYG-320722")
    assert report.problems == (
        f"{plan_file}: centre: made for LYG-HUB, but this is LYG-320722; use its own plan",
    )


def test_holds_go_by_no_chute_that_sorted_pieces_overflow_into(
    change: Change, problems_of: Callable[[], list[str]]
) -> None:
    change('intercepted = "UNKNOWN"', 'intercepted = "OVERFLOW"\ndamaged = "OUT-NATION"')
    change('default = "REJECT"', 'default = "CONFLICT"')
    change('chutes = [58]\noverflow = "REJECT"', 'chutes = [58]\noverflow = "OVERFLOW"')
    starts = [
        "exceptions.damaged: OUT-NATION takes sorted pieces too (prefix 11)",
        "exceptions.intercepted: OVERFLOW takes what overflows from",
        "exceptions.default: CONFLICT overflows to OVERFLOW, which takes what overflows from",
    ]
    told = problems_of()
    for start in starts:
        assert sum(line.startswith(start) for line in told) == 1, (start, told)
    assert len(told) == len(starts)


def test_unknown_centre(change: Change, problems_of: Callable[[], list[str]]) -> None:
    change('centre = "LYG-HUB"', 'centre = "NOWHERE"')
    told = problems_of()
    assert "no centre 'NOWHERE'" in told[1]


@pytest.mark.parametrize(("found", "put", "problem"), [
    ("laps = 3", "laps = 3\nlap = 3", "lap: unknown key"),
    ("laps = 3", "laps = -1", "laps: "),
    ("laps = 3", "laps = 256", "laps: "),
    ("laps = 3", 'laps = "3"', "laps: "),
    ("laps = 3", "laps = true", "laps: "),
    ("laps = 3", "", "laps: missing; add it"),
    ('default = "REJECT"', "", "exceptions.default: missing; add it"),
    ("weight_g = 30000", "weight_g = -1", "limits.weight_g: "),
    ("weight_g = 30000", "weight_g = 1.5", "limits.weight_g: "),
    ("length_mm = 1200", "length_mm = 32768", "limits.length_mm: "),
    ("length_mm = 1200", "depth_mm = 1200", "limits.depth_mm: unknown key"),
    ("height_mm = 800", "unknown_is_held = 1", "limits.unknown_is_held: "),
    ("weight_g = 30000\nlength_mm = 1200\nwidth_mm = 800\nheight_mm = 800",
     "unknown_is_held = true", "limits: Value error, unknown_is_held holds nothing"),
    ("waiting_laps = 1", "waiting_laps = -1", "upstream.waiting_laps: "),
    ("waiting_laps = 1", "url = 'x'", "upstream.url: unknown key"),
    ("chutes = [60]", "chutes = []", "groups.REJECT.chutes: "),
    ("chutes = [60]", "chutes = [0]", "groups.REJECT.chutes.0: "),
    ("chutes = [60]", "chutes = [1024]", "groups.REJECT.chutes.0: "),
    ("chutes = [60]", "chutes = [true]", "groups.REJECT.chutes.0: "),
    ('"filling"', '"fullest"', "groups.OUT-NATION.policy: "),
    ("[groups.REJECT]", "[groups.reject]", "groups.reject"),
    ('name = "hub-demo"', 'name = "hub demo"', "name: "),
    ('name = "hub-demo"', 'name = "hub', "not valid TOML: "),
    ('name = "hub-demo"', 'name = "\\u0000"', "name: "),
])  # fmt: skip
def test_wrong_keys(
    plan_file: Path, network: Network, chutes: Records, change: Change,
    found: str, put: str, problem: str,
) -> None:  # fmt: skip
    change(found, put)
    told = check_plan(plan_file, network, chutes).problems
    assert any(line.startswith(f"{plan_file}: {problem}") for line in told), told
    with pytest.raises(ConfigError) as caught:
        load_plan(plan_file)
    assert tuple(caught.value.problems) == told


def test_missing_plan(tmp_path: Path, network: Network, chutes: Records) -> None:
    report = check_plan(tmp_path / "no.toml", network, chutes)
    assert report.problems == (f"{tmp_path}/no.toml: no such file; create it or correct the path",)


def test_deeply_nested_file(plan_file: Path, network: Network, chutes: Records) -> None:
    plan_file.write_text("x = " + "[" * 100_000)
    assert len(check_plan(plan_file, network, chutes).problems) == 1


def test_warnings(plan_file: Path, network: Network, chutes: Records, change: Change) -> None:
    change("chutes = [1, 2, 3, 4, 5, 6]", "chutes = [1]")
    change("[groups.REJECT]", "[groups.SPARE]\nchutes = [2]\n\n[groups.REJECT]")
    assert check_plan(plan_file, network, chutes).warnings == (
        f"{plan_file}: no group uses the chutes 3, 4, 5, 6",
        f"{plan_file}: groups.SPARE: no route, exception or overflow leads there",
    )


def test_own_table_of_routes(
    plan_file: Path, network: Network, chutes: Records, change: Change
) -> None:
    routes = plan_file.parent / "routes.csv"
    routes.write_text(
        "brand,service_class,prefix,group\n*,*,3207,OUT-JIANGSU\nLANXI,*,320706,none\n"
        "*,same_hour,320706,OUT-DELTA\n*,*,32,OUT-NATION\n"
    )
    change('routes = "network"', 'routes = "routes.csv"')
    report = check_plan(plan_file, replace(network, labels=()), chutes)
    assert report.problems == ()
    assert any("groups.NODE-320722: no route" in warning for warning in report.warnings)
    assert any("276 streets and villages have no route" in warning for warning in report.warnings)
    arrays, metadata = compile_plan(load_plan(plan_file), network, chutes, 1, "LYG-HUB", 0)
    names = metadata["groups"]
    assert names[route(320706010001, 1, 1, arrays)] == "", "a brand's own route comes first"
    assert names[route(320706010001, 2, 1, arrays)] == "OUT-DELTA"
    assert names[route(320706010001, 0, 0, arrays)] == "OUT-JIANGSU"
    assert names[route(320100, 9, 9, arrays)] == "OUT-NATION"
    routes.write_text("brand,service_class,prefix,group\n*,*,32,A\n*,*,32,B\n")
    told = check_plan(plan_file, network, chutes).problems
    assert any(f"{routes}:3: prefix: 32 for brand *" in line for line in told)


def test_labels_that_lead_nowhere(
    plan_file: Path, network: Network, chutes: Records, change: Change
) -> None:
    routes = plan_file.parent / "routes.csv"
    rows = [",".join(row) for row in derive_routes(network, "LYG-HUB") if row.prefix != "31"]
    rows += ["LANXI,same_day,31,OUT-DELTA", "YUNLU,*,31,none"]
    routes.write_text("\n".join(["brand,service_class,prefix,group", *rows]))
    change('routes = "network"', 'routes = "routes.csv"')
    report = check_plan(plan_file, network, chutes)
    where = {row.brand: row.where for row in network.labels if row.destination == "31"}
    assert report.problems == ()
    told = [line for line in report.warnings if "labels-synthetic.csv" in line]
    assert len(told) == 2
    assert told[0].startswith(f"{where['QINGFAN']}: destination: 31 has no route for QINGFAN")
    assert told[0].endswith("(1 labels lead nowhere; this is the first)")
    assert told[1].startswith(f"{where['YUNLU']}: destination: 31 has no route for YUNLU")
    assert told[1].endswith("(1 labels lead nowhere on purpose; this is the first)")


def test_demo_machine(demo: Path) -> None:
    chutes = load_chutes(demo / "chutes.csv", 2000)
    assert len(chutes) == CHUTE_NUMBER_MAX + 1
    assert np.flatnonzero(chutes["exists"]).tolist() == list(range(1, 61))
    assert chutes["travel_ns"][1] == 4_000_000_000
    assert set(chutes["state"][1:61].tolist()) == {int(ChuteState.OPEN)}
    assert (np.diff(chutes["travel_ns"][1:61]) > 0).all()
    for name in ("fill", "reserved", "locked", "discharged"):
        assert not chutes[name].any()
    assert not chutes[61:]["exists"].any()


def test_every_error_of_a_machine(tmp_path: Path) -> None:
    path = tmp_path / "chutes.csv"
    path.write_text(
        "chute,position_mm,capacity_pieces\n1,1000,10\n1,2000,10\n0,3000,10\n1024,4000,10\n"
        "5,3500,10\n6,3500,10\n7,9000,0\n8,x,-1\n9,9500\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_chutes(path, 1000)
    starts = [
        "3: chute: 1 stands in line 2", "4: chute: '0'", "5: chute: '1024'",
        "6: position_mm: 3500 is not beyond the chute before it (4000)",
        "7: position_mm: 3500 is not beyond the chute before it (3500)",
        "8: capacity_pieces: '0'", "9: position_mm: 'x'", "9: capacity_pieces: '-1'",
        "10: 2 values, must be 3",
    ]  # fmt: skip
    assert len(caught.value.problems) == len(starts)
    for problem, start in zip(caught.value.problems, starts, strict=True):
        assert problem.startswith(f"{path}:{start}")


def test_rates_of_a_machine(tmp_path: Path) -> None:
    path = tmp_path / "chutes.csv"
    path.write_text(
        "chute,position_mm,capacity_pieces,pieces_per_minute\n1,1000,10,30\n2,2000,10,\n3,3000,9,6000\n"
    )
    chutes = load_chutes(path, 1000)
    assert chutes["per_minute"][1:5].tolist() == [30, 0, 6000, 0]
    assert not chutes["rate_due_ns"].any()
    path.write_text(
        "pieces_per_minute,chute,position_mm,capacity_pieces\n0,1,1000,10\n6001,2,2000,10\nx,3,3000,9\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_chutes(path, 1000)
    assert caught.value.problems == tuple(
        f"{path}:{line}: pieces_per_minute: {text!r}; give a whole number from 1 to 6000"
        for line, text in ((2, "0"), (3, "6001"), (4, "x"))
    )


def test_room_kept_free_for_more_urgent_classes(
    plan_file: Path, network: Network, chutes: Records, change: Change
) -> None:
    def kept() -> list[int]:
        arrays, _ = compile_plan(load_plan(plan_file), network, chutes, 1, "LYG-HUB", 0)
        return [int(share) for share in arrays.class_keep]

    assert network.service_classes == ("same_hour", "same_day", "next_day", "economy")
    assert kept() == [15, 0, 5, 10, 15]
    change("[limits]", "[keep_free]\neconomy = 40\nsame_day = 0\n\n[limits]")
    assert kept() == [40, 0, 0, 10, 40]
    change("economy = 40", "economy = 9\nexpress = 5")
    assert check_plan(plan_file, network, chutes).problems == (
        f"{plan_file}: keep_free.express: no service class; name one of same_hour, same_day, "
        "next_day, economy",
        f"{plan_file}: keep_free: next_day leaves 10 % free and the less urgent economy 9 %; give "
        "economy at least as much",
    )
    change("economy = 9", "economy = 91")
    (problem,) = check_plan(plan_file, network, chutes).problems
    assert problem.startswith(f"{plan_file}: keep_free.economy: Input should be less than or equal")


def test_machine_without_chutes(tmp_path: Path) -> None:
    path = tmp_path / "chutes.csv"
    path.write_text("chute,position_mm,capacity_pieces\n")
    with pytest.raises(ConfigError, match="no chutes"):
        load_chutes(path, 1000)
