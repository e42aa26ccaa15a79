"""Routes of a centre: derived, loaded, compiled; the last against a naive reading of the rules."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing_tables.compile import compile_places
from routing_tables.errors import TableError
from routing_tables.routes import Route, derive_routes, load_routes
from routing_tables.schema import ANY, NO_ROUTE, Brand, Centre, Division, Network

HEADER = "brand,service_class,prefix,group\n"


def group_of(routes: tuple[Route, ...], code: str) -> str:
    """The naive rule: the longest prefix."""
    fitting = [route for route in routes if code.startswith(route.prefix)]
    return max(fitting, key=lambda route: len(route.prefix)).group if fitting else "?"


def test_hub(network: Network) -> None:
    routes = derive_routes(network, "LYG-HUB")
    assert group_of(routes, "320722100001") == "NODE-320722"
    assert group_of(routes, "320722") == "NODE-320722"
    assert group_of(routes, "320706010001") == "STREET-320706010"
    assert group_of(routes, "320706") == NO_ROUTE, "a district alone names no street"
    assert group_of(routes, "3207") == NO_ROUTE, "a piece for the city never leaves it"
    assert group_of(routes, "320100") == "OUT-JIANGSU"
    assert group_of(routes, "310115") == "OUT-DELTA"
    assert group_of(routes, "440100") == "OUT-NATION"
    assert group_of(routes, "99") == "?"
    assert all(group_of(routes, d.code) not in ("?", NO_ROUTE) for d in network.divisions
               if d.level != "area")  # fmt: skip
    assert len({route.group for route in routes} - {NO_ROUTE}) == 6 + 25 + 3


def test_node(network: Network) -> None:
    routes = derive_routes(network, "LYG-320722")
    assert group_of(routes, "320722101001") == "STREET-320722101"
    assert group_of(routes, "320722") == NO_ROUTE, "the hub would only send it back"
    for elsewhere in ("320706010001", "3207", "320100", "44"):
        assert group_of(routes, elsewhere) == "UP-LYG-HUB"


def test_node_under_the_hubs_roof(network: Network) -> None:
    routes = derive_routes(network, "LYG-320706")
    assert group_of(routes, "320706010001") == "STREET-320706010"
    assert group_of(routes, "320722101001") == "UP-LYG-HUB"


def test_hub_below_a_hub_and_single_streets() -> None:
    streets = [Division("street", f"1101010{n:02d}", "x", "110101") for n in range(1, 4)]
    network = Network(
        name="n", title="n", service_classes=("a",), brands=(),
        divisions=(Division("area", "110101", "x", "1101"), *streets),
        roots=("1101",),
        centres=(
            Centre("TOP", "t", "hub", "", "1101", ()),
            Centre("EAST", "e", "hub", "TOP", "110101001", ("110101001",)),
            Centre("FAR", "f", "node", "EAST", "110101002", ("110101002",)),
        ),
        directions=(),
    )  # fmt: skip
    top, east = derive_routes(network, "TOP"), derive_routes(network, "EAST")
    assert [group_of(top, s.code) for s in streets] == ["HUB-110101001"] * 2 + [NO_ROUTE]
    assert [group_of(east, s.code) for s in streets] == [
        "STREET-110101001", "NODE-110101002", "UP-TOP",
    ]  # fmt: skip


def test_unknown_centre(network: Network) -> None:
    with pytest.raises(TableError, match="no centre 'NOWHERE'; name one of LYG-HUB"):
        derive_routes(network, "NOWHERE")


def test_table_of_routes(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "routes.csv"
    path.write_text(HEADER + "*,*,32,OUT\nLANXI,same_hour,320722,FAST\n*,*,3207,none\n")
    assert load_routes(path, network) == (
        Route(ANY, ANY, "32", "OUT"),
        Route("LANXI", "same_hour", "320722", "FAST"),
        Route(ANY, ANY, "3207", NO_ROUTE),
    )


def test_every_error_of_a_table_of_routes(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "routes.csv"
    rows = ["*,*,32,OUT", "NOBODY,*,33,OUT", "*,someday,34,OUT", "*,*,123,OUT", "*,*,32,ELSE",
            "*,*,320799,OUT", "*,*,35,out"]  # fmt: skip
    path.write_text(HEADER + "\n".join(rows))
    with pytest.raises(TableError) as caught:
        load_routes(path, network)
    starts = ("3: brand: no brand 'NOBODY'", "4: service_class: no class 'someday'",
              "5: prefix: '123'", "6: prefix: 32 for brand *, class * stands in line 2",
              "7: prefix: 320799 is no division", "8: group: 'out'")  # fmt: skip
    assert len(caught.value.problems) == len(starts)
    for problem, start in zip(caught.value.problems, starts, strict=True):
        assert problem.startswith(f"{path}:{start}")


PREFIXES = ("11", "1101", "110101", "110101001", "110101001001", "1102", "12")
CODES = ("110101", "110101001", "110101001001", "110101002", "110101002001", "110102")
SMALL = Network(
    name="s", title="s", service_classes=("fast", "slow"), brands=(), centres=(), directions=(),
    divisions=tuple(Division("?", code, "x", "") for code in CODES), roots=("1101",),
)  # fmt: skip


def naive(routes: list[Route], code: str, brand: str, service_class: str) -> int:
    """The rules as they are told: longest prefix, then the brand's own, then the class's own."""
    fitting = [
        route for route in routes
        if code.startswith(route.prefix)
        and route.brand in (ANY, brand) and route.service_class in (ANY, service_class)
    ]  # fmt: skip
    if not fitting:
        return 0
    best = max(fitting, key=lambda r: (len(r.prefix), r.brand != ANY, r.service_class != ANY))
    return 0 if best.group == NO_ROUTE else int(best.group)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(
    st.tuples(st.sampled_from((ANY, "A", "B")), st.sampled_from((ANY, "fast", "slow")),
              st.sampled_from(PREFIXES)),
    st.sampled_from((NO_ROUTE, "1", "2", "3")),
))  # fmt: skip
def test_zones_hold_what_the_rules_say(
    rules: dict[tuple[str, str, str], str],
) -> None:
    brands = tuple(Brand(code, code, "", synthetic=True, waybills=()) for code in "AB")
    network = replace(SMALL, brands=brands)
    routes = [Route(*key, group) for key, group in rules.items()]
    places = compile_places(network, routes, {"1": 1, "2": 2, "3": 3})
    assert len(set(places.codes.tolist())) == len(places.codes)
    assert {int(c) for c in (*CODES, "1101", *(r.prefix for r in routes))} == set(
        places.codes.tolist()
    )
    for code, zone in zip(places.codes.tolist(), places.zones.tolist(), strict=True):
        for b, brand in enumerate(("", "A", "B")):
            for c, service_class in enumerate(("", "fast", "slow")):
                expected = naive(routes, str(code), brand, service_class)
                assert places.zone_group[zone, b, c] == expected
    flat = places.zone_group.reshape(len(places.zone_group), -1)
    assert len(np.unique(flat, axis=0)) == len(flat), "places with the same groups share a zone"


def test_zones_are_limited(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routing_tables.compile.ZONES_MAX", 10)
    routes = derive_routes(network, "LYG-HUB")
    groups = {name: n for n, name in enumerate(sorted({r.group for r in routes} - {NO_ROUTE}), 1)}
    with pytest.raises(TableError, match="more than 10 different combinations"):
        compile_places(network, routes, groups)
