"""Which route of a plan holds for each place, brand and service class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing_tables.compile import compile_places
from routing_tables.routes import Route
from routing_tables.schema import ANY, NO_ROUTE, Network
from sorter.assignment.tables import build_places, find_place
from sorter.errors import ConfigError

RULES_MAX = 65_535
"""Routes of one plan that can be told apart; a hub's plan has some dozens."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The routes of a plan, numbered from 1, and where each of them holds."""

    routes: tuple[Route, ...]
    places: NDArray[np.int64]
    """Division codes of the network, the codes above them and every prefix of a route."""
    _keys: NDArray[np.int64]
    _zones: NDArray[np.int32]
    _holds: NDArray[np.uint16]

    def holding(self, destinations: NDArray[np.int64]) -> NDArray[np.uint16]:
        """Return the route that holds: uint16[n, brands + 1, classes + 1], 0 where there is none.

        Brand and class 0 are unknown ones. A route to group ``none`` holds like any other.
        """
        zones = np.array(
            [find_place(int(code), self._keys, self._zones) for code in destinations], np.int64
        )
        holding = self._holds[zones]
        holding[zones < 0] = 0
        return holding

    def groups(self, numbers: dict[str, int]) -> NDArray[np.uint16]:
        """Return the group of each route by its number: uint16[routes + 1], 0 for none."""
        known = {**numbers, NO_ROUTE: 0}
        return np.array([0, *(known[route.group] for route in self.routes)], np.uint16)

    def told(self, number: int) -> str:
        """Return a route in words."""
        if number == 0:
            return "no route"
        route = self.routes[number - 1]
        who = "any brand" if route.brand == ANY else route.brand
        what = "any class" if route.service_class == ANY else route.service_class
        return f"route {route.prefix} ({who}, {what}) to {route.group}"


def rules_of(network: Network, routes: Sequence[Route]) -> Rules:
    """Find where each route holds, as the plan's compiler sees it.

    Raises:
        ConfigError: more than RULES_MAX routes.
        TableError: the routes make more zones than a plan can hold.
    """
    if len(routes) > RULES_MAX:
        raise ConfigError(
            f"{len(routes)} routes, at most {RULES_MAX} can be proved; use shorter prefixes"
        )
    # The compiler itself says which route is the longest: each is given a group of its own.
    named = [route._replace(group=f"R{number}") for number, route in enumerate(routes, 1)]
    places = compile_places(network, named, {r.group: n for n, r in enumerate(named, 1)})
    keys, zones = build_places(places.codes, places.zones)
    return Rules(tuple(routes), places.codes, keys, zones, places.zone_group)


def destinations_of(network: Network, *rules: Rules) -> NDArray[np.int64]:
    """Return every destination worth asking for, each once, rising.

    Those are all places of the rules and the directions out of the network.
    """
    directions = np.array([int(d.prefix) for d in network.directions], np.int64)
    everything: NDArray[Any] = np.concatenate([directions, *(each.places for each in rules)])
    return np.unique(everything).astype(np.int64)
