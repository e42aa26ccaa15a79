"""Compiles a plan, its network and its machine into the arrays a decision reads."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import DISPOSITIONS_MAX, Disposition, Records
from routing_tables.codes import compile_codes
from routing_tables.compile import PlaceArrays, compile_places
from routing_tables.errors import TableError
from routing_tables.labels import key_arrays, label_keys
from routing_tables.schema import Network
from sorter.assignment.arrays import (
    POLICY_BALANCED,
    POLICY_FILLING,
    POLICY_ORDERED,
    SCALAR_HEIGHT_MM,
    SCALAR_HOST_LAPS,
    SCALAR_LAP_LIMIT,
    SCALAR_LENGTH_MM,
    SCALAR_MARGIN_NS,
    SCALAR_UNKNOWN_IS_HELD,
    SCALAR_VERSION,
    SCALAR_WEIGHT_G,
    SCALAR_WIDTH_MM,
    SCALARS,
    PlanArrays,
)
from sorter.assignment.labels import build_labels
from sorter.assignment.tables import PLACES_MAX, build_places
from sorter.errors import ConfigError
from sorter.plans.crosscheck import DECIDED_BY_ROUTE, Findings, crosscheck
from sorter.plans.plan import Plan

POLICIES = {
    "ordered": POLICY_ORDERED,
    "balanced": POLICY_BALANCED,
    "filling": POLICY_FILLING,
}


def compile_plan(
    plan: Plan,
    network: Network,
    chutes: Records,
    version: int,
    centre: str,
    reaction_ms: int,
    findings: Findings | None = None,
) -> tuple[PlanArrays, dict[str, Any]]:
    """Compile a plan.

    Args:
        plan: The plan.
        network: The network it is for.
        chutes: CHUTE by number, the machine it is for.
        version: Number of this version, from 1; each piece carries it.
        centre: The centre it is to run in.
        reaction_ms: What the PLC needs between holding an instruction and acting on it.
        findings: What :func:`crosscheck` found of the four, where it was asked already.

    Returns:
        The arrays, and the names behind their numbers: name, version, centre, groups, brands,
        service_classes (index 0 of each is none or unknown).

    Raises:
        ConfigError: every problem that :func:`crosscheck` finds.
        TableError: the routes make more zones, or name more places, than a plan can hold.
    """
    findings = findings or crosscheck(plan, network, chutes, centre)
    if findings.problems.count:
        raise ConfigError(*findings.problems.lines())
    places = places_of(plan, network, findings)
    keys, zones = build_places(places.codes, places.zones)
    numbers = group_numbers(plan)
    groups = list(plan.groups.values())
    dfa_next, dfa_accept, accept_sets = compile_codes(network.brands, codes=network.codes)
    keys_of_labels = key_arrays(label_keys(network))
    label_length, label_brand, label_text, label_place = build_labels(*keys_of_labels)
    sizes = [0, *(len(group.chutes) for group in groups)]
    dispositions = np.zeros(DISPOSITIONS_MAX, np.uint16)
    for disposition in Disposition:
        if disposition not in DECIDED_BY_ROUTE:
            dispositions[disposition] = numbers[plan.exceptions.of(disposition)]
    arrays = PlanArrays(
        scalars=_scalars(plan, version, reaction_ms),
        dfa_next=dfa_next,
        dfa_accept=dfa_accept,
        accept_sets=accept_sets,
        place_keys=keys,
        place_zone=zones,
        zone_group=places.zone_group,
        label_length=label_length,
        label_brand=label_brand,
        label_text=label_text,
        label_place=label_place,
        group_first=np.cumsum([0, *sizes], dtype=np.int32),
        group_chutes=np.array([chute for group in groups for chute in group.chutes], np.uint16),
        group_policy=np.array([0, *(POLICIES[group.policy] for group in groups)], np.uint16),
        group_overflow=np.array(
            [0, *(numbers[group.overflow] if group.overflow else 0 for group in groups)],
            np.uint16,
        ),
        class_keep=_class_keep(plan, network),
        disposition_group=dispositions,
    )
    metadata = {
        "name": plan.name,
        "version": version,
        "centre": centre,
        "groups": ["", *plan.groups],
        "brands": ["", *(brand.code for brand in network.brands)],
        "service_classes": ["", *network.service_classes],
    }
    return arrays, metadata


def _class_keep(plan: Plan, network: Network) -> NDArray[np.uint16]:
    shares = plan.kept_free(network.service_classes)
    return np.array([shares[-1], *shares], np.uint16)


def _scalars(plan: Plan, version: int, reaction_ms: int) -> NDArray[np.int64]:
    scalars = np.zeros(SCALARS, np.int64)
    scalars[SCALAR_VERSION] = version
    scalars[SCALAR_LAP_LIMIT] = plan.laps
    scalars[SCALAR_MARGIN_NS] = reaction_ms * 1_000_000
    scalars[SCALAR_WEIGHT_G] = plan.limits.weight_g
    scalars[SCALAR_LENGTH_MM] = plan.limits.length_mm
    scalars[SCALAR_WIDTH_MM] = plan.limits.width_mm
    scalars[SCALAR_HEIGHT_MM] = plan.limits.height_mm
    scalars[SCALAR_UNKNOWN_IS_HELD] = plan.limits.unknown_is_held
    scalars[SCALAR_HOST_LAPS] = 0 if plan.host_laps is None else plan.host_laps + 1
    return scalars


def group_numbers(plan: Plan) -> dict[str, int]:
    """Return the number of each group of a plan, from 1, in the order of its file."""
    return {name: number for number, name in enumerate(plan.groups, 1)}


def places_of(plan: Plan, network: Network, findings: Findings) -> PlaceArrays:
    """Compile the routes of a plan without problems.

    Raises:
        TableError: they make more zones, or name more places, than a plan can hold.
    """
    places = compile_places(network, findings.routes, group_numbers(plan))
    if len(places.codes) > PLACES_MAX:
        raise TableError(
            f"{plan.routes or plan.source}: {len(places.codes)} places with those of the network, "
            f"at most {PLACES_MAX} in one plan; use shorter prefixes"
        )
    return places
