"""Checks a plan as a person asks for it: everything wrong, everything odd, what it amounts to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plc_adapters.contract import Records
from routing_tables.compile import PlaceArrays
from routing_tables.errors import TableError
from routing_tables.routes import Route
from routing_tables.schema import Network
from sorter.errors import ConfigError
from sorter.plans.compile import places_of
from sorter.plans.crosscheck import crosscheck
from sorter.plans.labels import unrouted_labels
from sorter.plans.plan import Plan, load_plan

STREET_FLOOR = 10**8
"""Smallest code of a street: what is shorter may be too vague to have a route."""


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What a plan amounts to. The counts of places and zones are 0 if there are problems."""

    name: str
    centre: str
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    places: int = 0
    zones: int = 0
    groups: int = 0
    chutes: int = 0
    """Chutes that groups use."""


def check_plan(
    plan_path: Path, network: Network, chutes: Records, centre: str | None = None
) -> PlanReport:
    """Check a plan against its network and machine. Raises nothing for what is wrong with it.

    Args:
        plan_path: The plan's file.
        network: The network it is for.
        chutes: CHUTE by number, the machine it is for.
        centre: The centre it is to run in; the one the plan names if None.
    """
    try:
        plan = load_plan(plan_path)
    except ConfigError as error:
        return PlanReport("", "", tuple(error.problems), ())
    return check_loaded(plan, network, chutes, centre)


def check_loaded(
    plan: Plan, network: Network, chutes: Records, centre: str | None = None
) -> PlanReport:
    """Check a plan that was read already, as :func:`check_plan` does."""
    findings = crosscheck(plan, network, chutes, centre or plan.centre)
    problems, warnings = findings.problems, findings.warnings
    if findings.routes:
        warnings += _labels_without_route(network, findings.routes)
    places: PlaceArrays | None = None
    if not problems.count:
        try:
            places = places_of(plan, network, findings)
        except TableError as error:
            problems.extend(error.problems)
    if places is not None:
        warnings += _places_without_route(plan.source, places)
    return PlanReport(
        name=plan.name,
        centre=plan.centre,
        problems=problems.lines(),
        warnings=tuple(warnings),
        places=len(places.codes) if places else 0,
        zones=len(places.zone_group) if places else 0,
        groups=len(plan.groups),
        chutes=len({chute for group in plan.groups.values() for chute in group.chutes}),
    )


def _labels_without_route(network: Network, routes: Sequence[Route]) -> list[str]:
    """Return a warning for the labels that lead nowhere, one for those that are meant to.

    No error, as places without a route are none: a centre's plan may leave out what never comes
    there. The proof is strict.
    """
    unrouted = list(unrouted_labels(network, routes))
    warnings = []
    for deliberate, how in ((False, "lead nowhere"), (True, "lead nowhere on purpose")):
        found = [label for label in unrouted if label.deliberate is deliberate]
        if found:
            first = found[0]
            warnings.append(
                f"{first.row.where}: {first.told()} ({len(found)} labels {how}; this is the first)"
            )
    return warnings


def _places_without_route(path: Path, places: PlaceArrays) -> list[str]:
    """Return a warning if streets or villages have no route for some brand or class."""
    partial = (places.zone_group[:, 1:, 1:] == 0).any(axis=(1, 2))
    missing = places.codes[partial[places.zones] & (places.codes >= STREET_FLOOR)]
    if not len(missing):
        return []
    return [
        f"{path}: {len(missing)} streets and villages have no route for some brand or service "
        f"class, the first of them {np.min(missing)}"
    ]
