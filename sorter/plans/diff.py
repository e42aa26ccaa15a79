"""What changes from one plan to another: where pieces go, by prefix, and the plan's own parts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Disposition, Records
from routing_tables.schema import NO_ROUTE, PARENT_DIGITS, Network
from sorter.errors import ConfigError
from sorter.plans.crosscheck import DECIDED_BY_ROUTE, crosscheck
from sorter.plans.plan import Group, Plan
from sorter.plans.rules import Rules, destinations_of, rules_of

TARGETS_MAX = 65_536
"""Different pairs of groups and chutes in one comparison."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where pieces go: a group and its chutes; group ``none`` has no chutes."""

    group: str
    chutes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """What changes for some brands and classes; an empty tuple means all, ``?`` an unknown one."""

    brands: tuple[str, ...]
    service_classes: tuple[str, ...]
    before: Target
    after: Target


@dataclass(frozen=True, slots=True)
class Change:
    """The same moves for all of some prefixes."""

    prefixes: tuple[str, ...]
    """Longest shared prefixes. One that ends with ``=`` is meant alone, without what lies below."""
    places: int
    """Destinations they stand for."""
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs. Every text names a part of the plan and what it was and is."""

    before: str
    after: str
    changes: tuple[Change, ...]
    parts: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the plans do the same."""
        return not self.changes and not self.parts


def diff(a: Plan, b: Plan, network: Network, chutes: Records) -> Difference:
    """Compare two plans of one centre on one machine.

    A place changes if its pieces go to another group or to another set of chutes. The order of a
    group's chutes, its policy and its overflow are told among the parts.

    Args:
        a: The plan before.
        b: The plan after.
        network: The network of both.
        chutes: CHUTE by number, the machine of both.

    Raises:
        ConfigError: one of the plans is wrong; every error in it.
        TableError: routes make more zones than a plan can hold.
    """
    before, after = _rules(a, network, chutes), _rules(b, network, chutes)
    destinations = destinations_of(network, before, after)
    targets: dict[Target, int] = {}
    cells = [
        _targets(plan, rules, targets)[rules.holding(destinations)].astype(np.uint32)
        for plan, rules in ((a, before), (b, after))
    ]
    pairs = cells[0] * TARGETS_MAX + cells[1]
    pairs[cells[0] == cells[1]] = 0
    rows, of = np.unique(pairs.reshape(len(destinations), -1), axis=0, return_inverse=True)
    signature = of.reshape(-1)
    names = tuple(targets)
    brands = ("?", *(brand.code for brand in network.brands))
    classes = ("?", *network.service_classes)
    changes = []
    for number, row in enumerate(rows):
        if row.any():
            changes.append(
                Change(
                    prefixes=roll_up(destinations, signature, number),
                    places=int(np.count_nonzero(signature == number)),
                    moves=_moves(row.reshape(pairs.shape[1:]), names, brands, classes),
                )
            )
    changes.sort(key=lambda change: (-change.places, change.prefixes))
    return Difference(a.name, b.name, tuple(changes), tuple(_parts(a, b)))


def roll_up(
    destinations: NDArray[np.int64], signature: NDArray[np.intp], wanted: int
) -> tuple[str, ...]:
    """Return the shortest prefixes under which every destination has the wanted signature.

    A destination that has it while one below it has not is named alone: with ``=`` at its end.
    """
    has = dict(zip(map(str, destinations.tolist()), (signature == wanted).tolist(), strict=True))
    whole = dict(has)
    above = {}
    for code in sorted(has, key=len, reverse=True):
        around = code[: PARENT_DIGITS[len(code)]]
        while around and around not in has:
            around = around[: PARENT_DIGITS[len(around)]]
        above[code] = around
        if around and not whole[code]:
            whole[around] = False
    told = []
    for code in sorted(has):
        if whole[code] and not whole.get(above[code], False):
            told.append(code)
        elif has[code] and not whole[code]:
            told.append(f"{code}=")
    return tuple(told)


def _rules(plan: Plan, network: Network, chutes: Records) -> Rules:
    findings = crosscheck(plan, network, chutes, plan.centre)
    if findings.problems.count:
        raise ConfigError(*findings.problems.lines())
    return rules_of(network, findings.routes)


def _targets(plan: Plan, rules: Rules, numbers: dict[Target, int]) -> NDArray[np.uint16]:
    """Return the number of each route's target, adding new ones to ``numbers``; 0 is no route."""
    numbers.setdefault(Target(NO_ROUTE, ()), 0)
    found = [0]
    for route in rules.routes:
        chutes = plan.groups[route.group].chutes if route.group != NO_ROUTE else []
        target = Target(route.group, tuple(sorted(chutes)))
        found.append(numbers.setdefault(target, len(numbers)))
    if len(numbers) > TARGETS_MAX:
        raise ConfigError(f"{plan.source}: more than {TARGETS_MAX} groups in both plans")
    return np.array(found, np.uint16)


def _moves(
    cells: NDArray[np.uint32],
    targets: Sequence[Target],
    brands: Sequence[str],
    classes: Sequence[str],
) -> tuple[Move, ...]:
    """Return the moves of one signature, uint32[brands + 1, classes + 1], brands told together."""
    moves = []
    for pair in np.unique(cells[cells > 0]).tolist():
        here = cells == pair
        shared: dict[tuple[int, ...], list[int]] = {}
        for brand in np.flatnonzero(here.any(axis=1)).tolist():
            of_brand = tuple(np.flatnonzero(here[brand]).tolist())
            shared.setdefault(of_brand, []).append(brand)
        for of_classes, of_brands in shared.items():
            moves.append(
                Move(
                    _told(of_brands, brands),
                    _told(of_classes, classes),
                    targets[pair // TARGETS_MAX],
                    targets[pair % TARGETS_MAX],
                )
            )
    return tuple(moves)


def _told(numbers: Sequence[int], names: Sequence[str]) -> tuple[str, ...]:
    return () if len(numbers) == len(names) else tuple(names[number] for number in numbers)


def _parts(a: Plan, b: Plan) -> list[str]:
    """Return what changes in groups, chutes, exceptions and settings, one line each."""
    lines = [f"group {name} is removed" for name in a.groups if name not in b.groups]
    lines += [f"group {name} is added" for name in b.groups if name not in a.groups]
    for name in a.groups:
        if name in b.groups:
            lines += _group_parts(name, a.groups[name], b.groups[name])
    owner_a, owner_b = _owners(a), _owners(b)
    for chute in sorted(owner_a.keys() | owner_b.keys()):
        was, now = owner_a.get(chute), owner_b.get(chute)
        if was != now:
            lines.append(f"chute {chute}: {was or 'unused'} -> {now or 'unused'}")
    for disposition in Disposition:
        if disposition not in DECIDED_BY_ROUTE:
            before, after = a.exceptions.of(disposition), b.exceptions.of(disposition)
            if before != after:
                lines.append(f"exceptions.{disposition.name.lower()}: {before} -> {after}")
    return lines + _settings(a, b)


def _settings(a: Plan, b: Plan) -> list[str]:
    """Return what changes in a plan's settings, one line each."""
    was: dict[str, object] = {"centre": a.centre, "laps": a.laps, "spare": list(a.spare)}
    now: dict[str, object] = {"centre": b.centre, "laps": b.laps, "spare": list(b.spare)}
    for plan, told in ((a, was), (b, now)):
        told["upstream.waiting_laps"] = "does not ask" if plan.host_laps is None else plan.host_laps
        for name in sorted(a.keep_free.keys() | b.keep_free.keys()):
            told[f"keep_free.{name}"] = plan.keep_free.get(name, "default")
        told |= {f"limits.{name}": value for name, value in plan.limits.model_dump().items()}
    return [f"{name}: {was[name]} -> {now[name]}" for name in was if was[name] != now[name]]


def _group_parts(name: str, a: Group, b: Group) -> list[str]:
    lines = []
    if a.policy != b.policy:
        lines.append(f"group {name}: policy {a.policy} -> {b.policy}")
    if a.overflow != b.overflow:
        lines.append(f"group {name}: overflow {a.overflow or 'none'} -> {b.overflow or 'none'}")
    if a.chutes != b.chutes and sorted(a.chutes) == sorted(b.chutes):
        lines.append(f"group {name}: order of chutes {a.chutes} -> {b.chutes}")
    return lines


def _owners(plan: Plan) -> dict[int, str]:
    return {chute: name for name, group in plan.groups.items() for chute in group.chutes}
