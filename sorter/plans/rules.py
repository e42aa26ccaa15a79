"""Which route of a plan holds for each place, brand and service class."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing_tables.compile import HoldingArrays, holding_routes, nearest
from routing_tables.files import ROWS_MAX
from routing_tables.routes import Route
from routing_tables.schema import ANY, NO_ROUTE, Network
from sorter.errors import ConfigError

RULES_MAX = ROWS_MAX
"""Routes of one plan that can be told apart: as many as a table has rows. A hub's plan has some
dozens, one that names every village of the country 620,573."""
DESTINATIONS_AT_ONCE = 65_536
"""Destinations looked up at once: 78 MB where there are most brands and classes."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The routes of a plan, numbered from 1, and where each of them holds."""

    routes: tuple[Route, ...]
    _held: HoldingArrays

    @property
    def places(self) -> NDArray[np.int64]:
        """Division codes of the network, the codes above them and every prefix of a route."""
        return self._held.codes

    def holding(self, destinations: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the route that holds: uint32[n, brands + 1, classes + 1], 0 where there is none.

        Brand and class 0 are unknown ones. A route to group ``none`` holds like any other.
        """
        return self._held.zone_route[self._zones(destinations)]

    def holding_for(
        self,
        destinations: NDArray[np.int64],
        brand: NDArray[np.uint16],
        service_class: NDArray[np.uint16],
    ) -> NDArray[np.uint32]:
        """Return the route that holds for each piece: uint32[n], 0 where there is none.

        A brand or class beyond the network's counts as an unknown one.
        """
        table = self._held.zone_route
        known, which = np.unique(destinations, return_inverse=True)
        zones = self._zones(known)[which.reshape(-1)]
        brand = np.where(brand < table.shape[1], brand, 0)
        service_class = np.where(service_class < table.shape[2], service_class, 0)
        return table[zones, brand, service_class]

    def _zones(self, destinations: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the zone of each destination; zone 0 has no route."""
        at = nearest(self._held.codes, destinations)
        return np.where(at >= 0, self._held.zones[at], np.int32(0))

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

    Takes the memory that :func:`routing_tables.compile.holding_routes` says.

    Raises:
        ConfigError: more than RULES_MAX routes.
    """
    if len(routes) > RULES_MAX:
        raise ConfigError(
            f"{len(routes)} routes, at most {RULES_MAX} can be proved; use shorter prefixes"
        )
    return Rules(tuple(routes), holding_routes(network, routes))


def destinations_of(network: Network, *rules: Rules) -> NDArray[np.int64]:
    """Return every destination worth asking for, each once, rising.

    Those are all places of the rules and the directions out of the network.
    """
    directions = np.array([int(d.prefix) for d in network.directions], np.int64)
    everything: NDArray[Any] = np.concatenate([directions, *(each.places for each in rules)])
    return np.unique(everything).astype(np.int64)


def in_parts(destinations: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield destinations so many at once that what holds for them takes little room."""
    for first in range(0, len(destinations), DESTINATIONS_AT_ONCE):
        yield destinations[first : first + DESTINATIONS_AT_ONCE]
