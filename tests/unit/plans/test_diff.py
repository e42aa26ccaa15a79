"""Two plans compared: what moves is told by the shortest prefixes, what changes in their parts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plc_adapters.contract import Records
from routing_tables.routes import derive_routes
from routing_tables.schema import Network
from sorter.errors import ConfigError
from sorter.plans.diff import Difference, Target, diff, roll_up
from sorter.plans.plan import load_plan

Rows = list[tuple[str, str, str, str]]
Compare = Callable[..., Difference]


@pytest.fixture
def compared(demo: Path, tmp_path: Path, network: Network, chutes: Records) -> Compare:
    """Compare the demo's plan with a changed copy."""

    def run(*changes: tuple[str, str], more_routes: Rows | None = None) -> Difference:
        text = (demo / "plan.toml").read_text(encoding="utf-8")
        if more_routes is not None:
            rows = [*derive_routes(network, "LYG-HUB"), *more_routes]
            table = ["brand,service_class,prefix,group", *(",".join(row) for row in rows)]
            (tmp_path / "routes.csv").write_text("\n".join(table), "utf-8")
            text = text.replace('routes = "network"', 'routes = "routes.csv"')
        for found, put in changes:
            assert found in text
            text = text.replace(found, put, 1)
        (tmp_path / "new.toml").write_text(text, "utf-8")
        old, new = load_plan(demo / "plan.toml"), load_plan(tmp_path / "new.toml")
        return diff(old, new, network, chutes)

    return run


def test_a_plan_does_what_it_does(compared: Compare) -> None:
    found = compared(('name = "hub-demo"', 'name = "again"'))
    assert found.same
    assert (found.before, found.after) == ("hub-demo", "again")


def test_settings(compared: Compare) -> None:
    found = compared(
        ("laps = 3", "laps = 2"),
        ("weight_g = 30000", "weight_g = 20000"),
        ("[limits]", "[keep_free]\neconomy = 40\n\n[limits]"),
    )
    assert not found.changes
    assert found.parts == (
        "laps: 3 -> 2", "keep_free.economy: default -> 40", "limits.weight_g: 30000 -> 20000",
    )  # fmt: skip


def test_a_chute_moved_between_groups(compared: Compare, network: Network) -> None:
    found = compared(
        ("chutes = [1, 2, 3, 4, 5, 6]", "chutes = [1, 2, 3, 4, 5]"),
        ("chutes = [7, 8, 9, 10, 11]", "chutes = [6, 7, 8, 9, 10, 11]"),
    )
    assert {change.prefixes for change in found.changes} == {("320707",), ("320722",)}
    for change in found.changes:
        prefix = change.prefixes[0]
        below = [d for d in network.divisions if d.code.startswith(prefix)]
        assert change.places == len(below)
        move = change.moves[0]
        assert (move.brands, move.service_classes, len(change.moves)) == ((), (), 1)
    ganyu = next(c for c in found.changes if c.prefixes == ("320707",)).moves[0]
    assert ganyu.before == Target("NODE-320707", (1, 2, 3, 4, 5, 6))
    assert ganyu.after == Target("NODE-320707", (1, 2, 3, 4, 5))
    assert found.parts == ("chute 6: NODE-320707 -> NODE-320722",)


def test_a_brand_and_class_of_their_own(compared: Compare, network: Network) -> None:
    found = compared(more_routes=[("LANXI", "same_hour", "320722", "OVERFLOW")])
    (change,) = found.changes
    assert change.prefixes == ("320722",)
    (move,) = change.moves
    assert (move.brands, move.service_classes) == (("LANXI",), ("same_hour",))
    assert move.after == Target("OVERFLOW", (54, 55))
    assert found.parts == ()


def test_a_street_without_a_route(compared: Compare, network: Network) -> None:
    street = next(d.code for d in network.divisions if d.parent == "320722")
    found = compared(more_routes=[("*", "*", street, "none")])
    (change,) = found.changes
    assert change.prefixes == (street,)
    assert change.places == sum(d.code.startswith(street) for d in network.divisions)
    assert change.moves[0].after == Target("none", ())


def test_parts(compared: Compare) -> None:
    found = compared(
        ("laps = 3", "laps = 4"),
        ("waiting_laps = 1", "waiting_laps = 2"),
        ('no_read = "NO-READ"', 'no_read = "REJECT"'),
        ("chutes = [54, 55]", "chutes = [55, 54]"),
        ('policy = "filling"', 'policy = "ordered"'),
        ('chutes = [22]\noverflow = "OVERFLOW"', "chutes = [22]"),
    )
    assert found.changes == ()
    assert found.parts == (
        "group NODE-320771: overflow OVERFLOW -> none",
        "group OUT-NATION: policy filling -> ordered",
        "group OVERFLOW: order of chutes [54, 55] -> [55, 54]",
        "exceptions.no_read: NO-READ -> REJECT",
        "laps: 3 -> 4",
        "upstream.waiting_laps: 1 -> 2",
    )


def test_groups_added_and_removed(compared: Compare) -> None:
    found = compared(
        ("[groups.OVERFLOW]", "[groups.SPILL]"),
        *[('overflow = "OVERFLOW"', 'overflow = "SPILL"')] * 34,
    )
    assert "group OVERFLOW is removed" in found.parts
    assert "group SPILL is added" in found.parts
    assert "chute 54: OVERFLOW -> SPILL" in found.parts


def test_roll_up() -> None:
    codes = np.array([32, 3207, 320701, 320702, 320701001, 320701002], np.int64)
    has = {3207, 320701, 320701001, 320702}
    signature = np.array([int(code in has) for code in codes.tolist()])
    assert roll_up(codes, signature) == {1: ["3207=", "320701=", "320701001", "320702"]}
    assert roll_up(codes, signature * 2 + 1) == {
        1: ["32=", "320701002"], 3: ["3207=", "320701=", "320701001", "320702"],
    }  # fmt: skip
    assert roll_up(codes, np.ones(len(codes), np.int64)) == {1: ["32"]}


def test_a_wrong_plan_is_refused(compared: Compare) -> None:
    with pytest.raises(ConfigError, match="chute 99 is not on the machine"):
        compared(("chutes = [54, 55]", "chutes = [54, 99]"))
