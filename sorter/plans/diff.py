"""What changes from one plan to another: where pieces go, by prefix, and the plan's own parts.

Two plans that name every village of the country (620,573 routes) take some 14 s of a core and
640 MB (measured on CPython 3.11).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Disposition, Records
from routing_tables.compile import digits_of, places_around
from routing_tables.schema import NO_ROUTE, PARENT_DIGITS, Network
from sorter.errors import ConfigError
from sorter.plans.crosscheck import DECIDED_BY_ROUTE, crosscheck
from sorter.plans.plan import Group, Plan
from sorter.plans.rules import Rules, destinations_of, in_parts, rules_of

READ = 0.4
"""Share of a comparison that reading one plan's routes takes, where there are many."""
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


def diff(
    a: Plan,
    b: Plan,
    network: Network,
    chutes: Records,
    progress: Callable[[float], None] | None = None,
) -> Difference:
    """Compare two plans of one centre on one machine.

    A place changes if its pieces go to another group or to another set of chutes. The order of a
    group's chutes, its policy and its overflow are told among the parts.

    Args:
        a: The plan before.
        b: The plan after.
        network: The network of both.
        chutes: CHUTE by number, the machine of both.
        progress: Called with the share done, 0 to 1; reading a plan's routes counts :data:`READ`.

    Raises:
        ConfigError: one of the plans is wrong, every error in it; or it has too many routes.
    """
    tell = progress or (lambda _share: None)
    before = _rules(a, network, chutes)
    tell(READ)
    after = _rules(b, network, chutes)
    tell(2 * READ)
    destinations = destinations_of(network, before, after)
    targets: dict[Target, int] = {}
    sides = [(rules, _targets(plan, rules, targets)) for plan, rules in ((a, before), (b, after))]
    rows: list[NDArray[np.uint32]] = []
    known: dict[bytes, int] = {}
    parts: list[NDArray[np.int64]] = []
    for some in in_parts(destinations):
        cells = [numbers[rules.holding(some)].astype(np.uint32) for rules, numbers in sides]
        pairs = cells[0] * TARGETS_MAX + cells[1]
        pairs[cells[0] == cells[1]] = 0
        parts.append(_signatures(pairs, known, rows))
        tell(2 * READ + (1 - 2 * READ) * sum(map(len, parts)) / len(destinations))
    signature = np.concatenate(parts)
    places = np.bincount(signature, minlength=len(rows) + 1)
    prefixes = roll_up(destinations, signature)
    names = tuple(targets)
    brands = ("?", *(brand.code for brand in network.brands))
    classes = ("?", *network.service_classes)
    changes = [
        Change(
            prefixes=tuple(prefixes[number]),
            places=int(places[number]),
            moves=_moves(row, names, brands, classes),
        )
        for number, row in enumerate(rows, 1)
    ]
    changes.sort(key=lambda change: (-change.places, change.prefixes))
    return Difference(a.name, b.name, tuple(changes), tuple(_parts(a, b)))


def _signatures(
    pairs: NDArray[np.uint32], known: dict[bytes, int], rows: list[NDArray[np.uint32]]
) -> NDArray[np.int64]:
    """Return the number of each place's row among ``rows``, from 1, 0 where nothing changes.

    Rows that are new are added to ``rows`` and ``known``.
    """
    signature = np.zeros(len(pairs), np.int64)
    for place in np.flatnonzero(pairs.any(axis=(1, 2))).tolist():
        row = pairs[place]
        signature[place] = known.setdefault(row.tobytes(), len(known) + 1)
        if len(known) > len(rows):
            rows.append(row.copy())
    return signature


def roll_up(destinations: NDArray[np.int64], signature: NDArray[np.int64]) -> dict[int, list[str]]:
    """Return, by signature but 0, the shortest prefixes under which every destination has it.

    A destination that has it while one below it has not is named alone: with ``=`` at its end.

    Args:
        destinations: Codes, rising.
        signature: int64 beside them.
    """
    around = places_around(destinations)
    inside = around >= 0
    whole = np.ones(len(destinations), bool)
    digits = digits_of(destinations)
    # From below: a place is whole if all right below it are, and have its signature.
    for length in sorted(PARENT_DIGITS, reverse=True):
        here = np.flatnonzero((digits == length) & inside)
        differs = ~whole[here] | (signature[here] != signature[around[here]])
        whole[around[here[differs]]] = False
    told = (signature != 0) & ~(whole & inside & whole[around])
    found: dict[int, list[str]] = {}
    numbers, codes = signature[told].tolist(), map(str, destinations[told].tolist())
    for code, number, alone in sorted(zip(codes, numbers, (~whole[told]).tolist(), strict=True)):
        found.setdefault(number, []).append(f"{code}=" if alone else code)
    return found


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
