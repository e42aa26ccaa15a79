"""Compiles routes into arrays: a zone for each place, a group for each zone, brand and class."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routing_tables.errors import TableError
from routing_tables.routes import Route
from routing_tables.schema import ANY, NO_ROUTE, PARENT_DIGITS, Network

ZONES_MAX = 65_536
"""Different rows of groups; a centre has as many as it has groups, and a few."""


class PlaceArrays(NamedTuple):
    """Where pieces for each place go.

    ``codes``: int64[places], division codes as numbers, each once: every division, the codes above
    them, every prefix of a route. ``zones``: int32[places], the zone of each. ``zone_group``:
    uint16[zones, brands + 1, classes + 1], the group of a zone's pieces, 0 where there is none;
    brand and class 0 stand for unknown ones, which only routes for any brand or class serve.

    A place's zone holds what the longest prefix of its code gives for every brand and class, so
    that a lookup ends at the first code it finds.
    """

    codes: NDArray[np.int64]
    zones: NDArray[np.int32]
    zone_group: NDArray[np.uint16]


class _Zones:
    """Gives places with the same groups the same zone; zone 0 has no route at all."""

    def __init__(self, network: Network, groups: Mapping[str, int]) -> None:
        self._brands: dict[str, slice | int] = {ANY: slice(None), **network.brand_numbers()}
        self._classes: dict[str, slice | int] = {ANY: slice(None), **network.class_numbers()}
        self._groups = {NO_ROUTE: 0, **groups}
        nowhere = np.zeros((len(network.brands) + 1, len(network.service_classes) + 1), np.uint16)
        self.rows = [nowhere]
        self._known = {nowhere.tobytes(): 0}

    def below(self, zone: int, routes: Iterable[Route]) -> int:
        """Return the zone of a place with routes of its own, inside a place of another zone."""
        row = self.rows[zone].copy()
        # Rising specificity: what is written last holds.
        for route in sorted(routes, key=lambda r: (r.brand != ANY, r.service_class != ANY)):
            row[self._brands[route.brand], self._classes[route.service_class]] = self._groups[
                route.group
            ]
        number = self._known.setdefault(row.tobytes(), len(self.rows))
        if number == len(self.rows):
            if number == ZONES_MAX:
                raise TableError(
                    f"routes: more than {ZONES_MAX} different combinations of groups; "
                    "use routes for any brand and class where they don't differ"
                )
            self.rows.append(row)
        return number


def compile_places(
    network: Network, routes: Iterable[Route], groups: Mapping[str, int]
) -> PlaceArrays:
    """Compile a centre's routes.

    Args:
        network: The network; its divisions are the places.
        routes: The centre's routes; groups, brands and classes are known.
        groups: The number of each group, from 1.

    Raises:
        TableError: the routes make more than ZONES_MAX zones.
    """
    by_prefix: dict[str, list[Route]] = {}
    for route in routes:
        by_prefix.setdefault(route.prefix, []).append(route)
    places = {division.code for division in network.divisions}
    places.update(network.roots, by_prefix)
    zones = _Zones(network, groups)
    zone_of: dict[str, int] = {"": 0}
    # Shorter codes come first, so that the place around is known already.
    for code in sorted(sorted(places), key=len):
        around = code[: PARENT_DIGITS[len(code)]]
        while around not in zone_of:
            around = around[: PARENT_DIGITS[len(around)]]
        zone = zone_of[around]
        zone_of[code] = zones.below(zone, by_prefix[code]) if code in by_prefix else zone
    del zone_of[""]
    return PlaceArrays(
        codes=np.fromiter(map(int, zone_of), np.int64, len(zone_of)),
        zones=np.fromiter(zone_of.values(), np.int32, len(zone_of)),
        zone_group=np.stack(zones.rows),
    )
