"""Checks a plan against its network and its machine, before anything is compiled."""

from dataclasses import dataclass, field

import numpy as np

from plc_adapters.contract import Disposition, Records
from routing_tables.errors import Problems, TableError
from routing_tables.routes import Route, derive_routes, load_routes
from routing_tables.schema import NO_ROUTE, Network
from sorter.assignment.choice import OVERFLOW_HOPS_MAX
from sorter.plans.plan import Plan

DECIDED_BY_ROUTE = (
    Disposition.NONE,
    Disposition.ROUTED,
    Disposition.OVERFLOW,
    Disposition.RECIRCULATED,
    Disposition.AWAITING_HOST,
    Disposition.DEFAULTED,
)
"""Dispositions that are no exception: the plan has no group for them."""
HOLDS = tuple(d for d in Disposition if Disposition.INTERCEPTED <= d <= Disposition.OVERSIZE)
"""Dispositions of pieces that must not leave."""


@dataclass(slots=True)
class Findings:
    """What a plan amounts to; it can be compiled if there are no problems."""

    problems: Problems = field(default_factory=Problems)
    warnings: list[str] = field(default_factory=list)
    routes: tuple[Route, ...] = ()


def crosscheck(plan: Plan, network: Network, chutes: Records, centre: str) -> Findings:
    """Find everything that is wrong with a plan for a centre and its machine.

    Args:
        plan: The plan.
        network: The network it is for.
        chutes: CHUTE by number, the machine.
        centre: The centre it is to run in.
    """
    findings = Findings()
    if plan.centre != centre:
        findings.problems.add(
            plan.source, f"centre: made for {plan.centre}, but this is {centre}; use its own plan"
        )
    if (plan.host_laps or 0) > plan.laps:
        findings.problems.add(
            plan.source,
            f"upstream.waiting_laps: {plan.host_laps}, but a piece goes round {plan.laps} times at "
            "most; lower it, or raise laps",
        )
    try:
        findings.routes = (
            load_routes(plan.routes, network)
            if plan.routes
            else derive_routes(network, plan.centre)
        )
    except TableError as error:
        findings.problems.extend(error.problems)
    _check_chutes(plan, chutes, findings)
    _check_overflows(plan, findings.problems)
    _check_exceptions(plan, findings)
    _check_holds(plan, findings)
    _check_routes(plan, findings)
    _check_classes(plan, network, findings.problems)
    _warn_of_unused(plan, findings)
    return findings


def _check_chutes(plan: Plan, chutes: Records, findings: Findings) -> None:
    owner: dict[int, str] = {}
    for name, group in plan.groups.items():
        where = f"{plan.source}: groups.{name}.chutes"
        for chute in group.chutes:
            if not chutes[chute]["exists"]:
                findings.problems.add(
                    where, f"chute {chute} is not on the machine; correct it or add it there"
                )
            if chute in owner:
                twice = "twice here" if owner[chute] == name else f"in {owner[chute]} already"
                findings.problems.add(
                    where, f"chute {chute} is {twice}; a chute belongs to one group, once"
                )
            owner.setdefault(chute, name)
    for chute in plan.spare:
        if not chutes[chute]["exists"] or chute in owner:
            why = f"in {owner[chute]}" if chute in owner else "not on the machine"
            findings.problems.add(f"{plan.source}: spare", f"chute {chute} is {why}; remove it")
    spare = unused_chutes(plan, chutes)
    if spare:
        findings.warnings.append(f"{plan.source}: no group uses the chutes {_some(spare)}")


def unused_chutes(plan: Plan, chutes: Records) -> list[int]:
    """Return the machine's chutes that are in no group and not listed as spare."""
    known = {*plan.spare, *(chute for group in plan.groups.values() for chute in group.chutes)}
    return [int(number) for number in np.flatnonzero(chutes["exists"]) if number not in known]


def _check_overflows(plan: Plan, problems: Problems) -> None:
    for name, group in plan.groups.items():
        where = f"{plan.source}: groups.{name}.overflow"
        if group.overflow is not None and group.overflow not in plan.groups:
            problems.add(where, f"no group {group.overflow}; name one of this plan")
            continue
        chain = _overflow_chain(plan, name)
        if chain[-1] == name and len(chain) > 1:
            problems.add(where, f"{' -> '.join(chain)} is a circle; end it")
        elif len(chain) - 1 > OVERFLOW_HOPS_MAX:
            problems.add(
                where,
                f"{len(chain) - 1} groups one after the other; "
                f"at most {OVERFLOW_HOPS_MAX} are tried, shorten the chain",
            )


def _overflow_chain(plan: Plan, name: str) -> list[str]:
    """Return a group and those it overflows to; a circle ends with the first group repeated."""
    chain = [name]
    while True:
        following = plan.groups[chain[-1]].overflow
        if following is None or following not in plan.groups:
            return chain
        repeated = following in chain
        chain.append(following)
        if repeated:
            return chain


def _check_exceptions(plan: Plan, findings: Findings) -> None:
    """Exceptions have groups of their own: a piece held back must not leave with sorted ones."""
    targets: dict[str, str] = {}
    for route in findings.routes:
        if route.group != NO_ROUTE:
            targets.setdefault(route.group, route.prefix)
    for key in type(plan.exceptions).model_fields:
        name = getattr(plan.exceptions, key)
        if name is None:
            continue
        where = f"{plan.source}: exceptions.{key}"
        if name not in plan.groups:
            findings.problems.add(where, f"no group {name}; name one of this plan")
            continue
        for reached in dict.fromkeys(_overflow_chain(plan, name)):
            if reached in targets:
                how = "" if reached == name else f"overflows to {reached}, which "
                findings.problems.add(
                    where,
                    f"{name} {how}takes sorted pieces too (prefix {targets[reached]}); "
                    "give exceptions groups of their own",
                )


def _check_holds(plan: Plan, findings: Findings) -> None:
    """Holds go by no chute that a sorted piece can take, not even by way of an overflow.

    A hold that has no group of its own goes to the default one, which then is checked like it.
    """
    routed = {route.group for route in findings.routes}
    sorted_by: dict[str, str] = {}
    for group in dict.fromkeys(route.group for route in findings.routes):
        if group in plan.groups:
            for reached in _overflow_chain(plan, group)[1:]:
                sorted_by.setdefault(reached, group)
    told: set[str] = set()
    for hold in HOLDS:
        key = hold.name.lower() if getattr(plan.exceptions, hold.name.lower()) else "default"
        name = plan.exceptions.of(hold)
        if key in told or name not in plan.groups:
            continue
        told.add(key)
        for reached in dict.fromkeys(_overflow_chain(plan, name)):
            if reached in routed:
                break  # Told of every exception already.
            if reached in sorted_by:
                how = "" if reached == name else f"overflows to {reached}, which "
                findings.problems.add(
                    f"{plan.source}: exceptions.{key}",
                    f"{name} {how}takes what overflows from {sorted_by[reached]}; a piece that is "
                    "held must not lie among sorted ones, give it a group of its own",
                )


def _check_routes(plan: Plan, findings: Findings) -> None:
    missing: dict[str, list[str]] = {}
    for route in findings.routes:
        if route.group not in plan.groups and route.group != NO_ROUTE:
            missing.setdefault(route.group, []).append(route.prefix)
    for name, prefixes in missing.items():
        findings.problems.add(
            plan.source,
            f"groups.{name}: missing, but the routes send prefix {_some(prefixes)} there; add it",
        )


def _check_classes(plan: Plan, network: Network, problems: Problems) -> None:
    """A class that is less urgent leaves no less room free."""
    classes = network.service_classes
    for name in plan.keep_free:
        if name not in classes:
            problems.add(
                f"{plan.source}: keep_free.{name}",
                f"no service class; name one of {', '.join(classes)}",
            )
    shares = plan.kept_free(classes)
    for k in range(1, len(classes)):
        if shares[k] < shares[k - 1]:
            problems.add(
                f"{plan.source}: keep_free",
                f"{classes[k - 1]} leaves {shares[k - 1]} % free and the less urgent {classes[k]} "
                f"{shares[k]} %; give {classes[k]} at least as much",
            )


def _warn_of_unused(plan: Plan, findings: Findings) -> None:
    used = {route.group for route in findings.routes}
    used.update(plan.exceptions.of(disposition) for disposition in Disposition)
    reached = {end for name in used & plan.groups.keys() for end in _overflow_chain(plan, name)}
    findings.warnings += [
        f"{plan.source}: groups.{name}: no route, exception or overflow leads there"
        for name in plan.groups
        if name not in reached
    ]


def _some(items: list[int] | list[str], shown: int = 5) -> str:
    more = f" and {len(items) - shown} more" if len(items) > shown else ""
    return ", ".join(map(str, items[:shown])) + more
