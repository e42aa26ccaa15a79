"""Checks the routes of a plan against each other: none hidden, none contradicting another."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from routing_tables.routes import Route
from routing_tables.schema import ANY, Network
from sorter.plans.proof_report import Case, Verdicts
from sorter.plans.rules import Rules, in_parts


def check_rules(
    rules: Rules, network: Network, destinations: NDArray[np.int64], verdicts: Verdicts,
    barcodes: Sequence[str], source: object,
) -> None:  # fmt: skip
    """Find routes that hold for nothing, and routes that contradict each other.

    A route is shadowed if it is the longest match for no destination with any known brand and
    class. Two routes contradict each other if one is for a brand with any class and one for a
    class with any brand, at the same prefix, to different groups, and none for both settles it:
    which of them holds is a matter of convention then, not of the table.

    Args:
        rules: The routes.
        network: The network they are for.
        destinations: All destinations there are.
        verdicts: Gets what is found.
        barcodes: A waybill of each brand; number 0 is that of none.
        source: File to name.
    """
    used = np.zeros(len(rules.routes) + 1, bool)
    for some in in_parts(destinations):
        used[rules.holding(some)[:, 1:, 1:]] = True
    brands, classes = network.brand_numbers(), network.class_numbers()

    def shown(route: Route, number: int, brand: str, service_class: str) -> Case:
        barcode = barcodes[brands[brand]]
        return Case(
            barcode=barcode,
            pre_advice=f"{barcode},{brand},{service_class},{route.prefix}",
            closed_chute=0,
            path=(f"destination {route.prefix}", rules.told(number), f"group {route.group}"),
        )

    for number in (np.flatnonzero(~used[1:]) + 1).tolist():
        route = rules.routes[number - 1]
        brand = network.brands[0].code if route.brand == ANY else route.brand
        service_class = (
            network.service_classes[0] if route.service_class == ANY else route.service_class
        )
        place = np.array([int(route.prefix)], np.int64)
        winner = int(rules.holding(place)[0, brands[brand], classes[service_class]])
        verdicts.fail(
            "shadowed", number,
            f"{source}: {rules.told(number)} never holds: {rules.told(winner)} and others always "
            "come first; remove it or the others",
            partial(shown, rules.routes[winner - 1], winner, brand, service_class),
        )  # fmt: skip
    for first, second in contradictions(rules.routes):
        one, other = rules.routes[first - 1], rules.routes[second - 1]
        verdicts.fail(
            "contradiction", (first, second),
            f"{source}: {rules.told(first)} and {rules.told(second)} contradict each other for "
            f"{one.brand}, {other.service_class}; add a route for both",
            partial(shown, one, first, one.brand, other.service_class),
        )  # fmt: skip


def contradictions(routes: Sequence[Route]) -> list[tuple[int, int]]:
    """Return pairs of routes, numbered from 1: the brand's own, and the class's own."""
    # Only what pairs are made of is sorted by prefix: a table may have a million rows for anything.
    by_prefix: dict[str, list[int]] = {
        route.prefix: [] for route in routes if ANY in (route.brand, route.service_class)
        and route.brand != route.service_class
    }  # fmt: skip
    for number, route in enumerate(routes, 1):
        if route.prefix in by_prefix:
            by_prefix[route.prefix].append(number)
    found = []
    for numbers in by_prefix.values():
        here = {(routes[n - 1].brand, routes[n - 1].service_class): n for n in numbers}
        for (brand, of_class), first in here.items():
            for (of_brand, service_class), second in here.items():
                if (
                    of_class == of_brand == ANY
                    and ANY not in (brand, service_class)
                    and (brand, service_class) not in here
                    and routes[first - 1].group != routes[second - 1].group
                ):
                    found.append((first, second))
    return found
