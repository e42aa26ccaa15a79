"""Compiles routes into arrays: a zone for each place, a group for each zone, brand and class.

All places of one level are laid out at once, in numpy: the whole country (620,573 routes among its
villages) takes a second or two of a core.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routing_tables.errors import TableError
from routing_tables.routes import Route
from routing_tables.schema import ANY, NO_ROUTE, PARENT_DIGITS, Network

ZONES_MAX = 65_536
"""Different rows of groups; a centre has as many as it has groups, and a few."""
PLACES_AT_ONCE = 65_536
"""Places whose rows are laid out at once: 78 MB where there are most brands and classes."""
CODE_DIGITS = max(PARENT_DIGITS)
"""Digits of the longest code."""
_POWERS = 10 ** np.arange(CODE_DIGITS + 1, dtype=np.int64)
"""Numbers from ``_POWERS[n]`` up have more than n digits."""


class PlaceArrays(NamedTuple):
    """Where pieces for each place go.

    ``codes``: int64[places], division codes as numbers, each once, rising: every division, the
    codes above them, every prefix of a route. ``zones``: int32[places], the zone of each.
    ``zone_group``: uint16[zones, brands + 1, classes + 1], the group of a zone's pieces, 0 where
    there is none; brand and class 0 stand for unknown ones, which only routes for any brand or
    class serve.

    A place's zone holds what the longest prefix of its code gives for every brand and class, so
    that a lookup ends at the first code it finds.
    """

    codes: NDArray[np.int64]
    zones: NDArray[np.int32]
    zone_group: NDArray[np.uint16]


class HoldingArrays(NamedTuple):
    """Which route holds for each place: as :class:`PlaceArrays`, a zone for each prefix of a route.

    ``zone_route``: uint32[zones, brands + 1, classes + 1], the route's number from 1, 0 where there
    is none.
    """

    codes: NDArray[np.int64]
    zones: NDArray[np.int32]
    zone_route: NDArray[np.uint32]


class _Laid(NamedTuple):
    """Routes laid out beside the places that they are for.

    ``codes``: int64[places], rising; ``around``: int64[places], the nearest place around each, −1
    for none. The others are one for each route, by rising place: ``place``, ``brand`` and
    ``service_class`` (int64, −1 for any), and ``route``, its place among the routes given.
    """

    codes: NDArray[np.int64]
    around: NDArray[np.int64]
    place: NDArray[np.int64]
    brand: NDArray[np.int64]
    service_class: NDArray[np.int64]
    route: NDArray[np.int64]


def compile_places(
    network: Network, routes: Sequence[Route], groups: Mapping[str, int]
) -> PlaceArrays:
    """Compile a centre's routes.

    Args:
        network: The network; its divisions are the places.
        routes: The centre's routes; groups, brands and classes are known.
        groups: The number of each group, from 1.

    Raises:
        TableError: the routes make more than ZONES_MAX zones.
    """
    numbers = {NO_ROUTE: 0, **groups}
    group = np.fromiter((numbers[r.group] for r in routes), np.uint16, len(routes))
    laid = _lay_out(network, routes)
    table = np.zeros((min(len(laid.codes) + 1, ZONES_MAX), *_row_shape(network)), np.uint16)
    zones = np.zeros(len(laid.codes), np.int32)
    # Places with the same groups share a zone; zone 0 has no route at all.
    known = {table[0].tobytes(): 0}
    for places, rows in _rows(laid, group, zones, table):
        width, raw = rows[0].nbytes, rows.tobytes()
        for k, place in enumerate(places.tolist()):
            zones[place] = known.setdefault(raw[k * width : (k + 1) * width], len(known))
            if len(known) > ZONES_MAX:
                raise TableError(
                    f"routes: more than {ZONES_MAX} different combinations of groups; "
                    "use routes for any brand and class where they don't differ"
                )
        table[zones[places]] = rows
    return PlaceArrays(laid.codes, zones, table[: len(known)].copy())


def holding_routes(network: Network, routes: Sequence[Route]) -> HoldingArrays:
    """Find which of a centre's routes holds where.

    Takes 4 bytes for each prefix, brand and class, unknown ones included: 50 MB for the country's
    villages with 3 brands and 4 classes, 1.2 GB for a table of most rows, brands and classes.

    Args:
        network: The network; its divisions are the places.
        routes: The centre's routes; brands and classes are known.
    """
    laid = _lay_out(network, routes)
    zones = np.zeros(len(laid.codes), np.int32)
    table = np.zeros((len(np.unique(laid.place)) + 1, *_row_shape(network)), np.uint32)
    used = 1
    numbers = np.arange(1, len(routes) + 1, dtype=np.uint32)
    for places, rows in _rows(laid, numbers, zones, table):
        table[used : used + len(places)] = rows
        zones[places] = np.arange(used, used + len(places))
        used += len(places)
    return HoldingArrays(laid.codes, zones, table)


def nearest(codes: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the longest prefix of each wanted code stands among rising codes, −1 for none.

    A code is a prefix of itself; prefixes have 12, 9, 6, 4 or 2 digits. A number of more than 12
    digits is no code and has none.
    """
    found = np.full(len(wanted), -1, np.int64)
    digits = digits_of(wanted)
    if not len(codes):
        return found
    for length in sorted(PARENT_DIGITS, reverse=True):
        missing = np.flatnonzero((found < 0) & (digits >= length) & (digits <= CODE_DIGITS))
        cut = wanted[missing] // _POWERS[digits[missing] - length]
        at = np.minimum(np.searchsorted(codes, cut), len(codes) - 1)
        hit = codes[at] == cut
        found[missing[hit]] = at[hit]
    return found


def places_around(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the nearest place around each of these rising codes stands among them, or −1."""
    above = np.zeros(CODE_DIGITS + 1, np.int64)
    for length, parent in PARENT_DIGITS.items():
        above[length] = _POWERS[length - parent]
    return nearest(codes, codes // above[digits_of(codes)])


def digits_of(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many decimal digits each number has, 0 for 0, at most one more than a code."""
    return np.searchsorted(_POWERS, codes, side="right")


def _row_shape(network: Network) -> tuple[int, int]:
    """Return brands + 1 and classes + 1."""
    return len(network.brands) + 1, len(network.service_classes) + 1


def _lay_out(network: Network, routes: Sequence[Route]) -> _Laid:
    brands = {ANY: -1, **network.brand_numbers()}
    classes = {ANY: -1, **network.class_numbers()}
    count = len(routes)
    prefix = np.fromiter((int(r.prefix) for r in routes), np.int64, count)
    brand = np.fromiter((brands[r.brand] for r in routes), np.int64, count)
    service_class = np.fromiter((classes[r.service_class] for r in routes), np.int64, count)
    divisions = np.fromiter((int(d.code) for d in network.divisions), np.int64)
    roots = np.array([int(code) for code in network.roots], np.int64)
    codes = np.unique(np.concatenate([divisions, roots, prefix]))
    place = np.searchsorted(codes, prefix)
    order = np.argsort(place, kind="stable")
    return _Laid(
        codes, places_around(codes), place[order], brand[order], service_class[order], order
    )


def _rows(
    laid: _Laid, number: NDArray[np.generic], zones: NDArray[np.int32], table: NDArray[np.generic]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.generic]]]:
    """Yield the places that have routes, and the row of each: its routes over those around it.

    Args:
        laid: The routes and places.
        number: What each route given writes into a row.
        zones: int32[places]; gets the zone around for a place without routes. Whoever takes rows
            writes their zones, and the rows into the table, before the next are made.
        table: The row of each zone given so far.
    """
    own = np.zeros(len(laid.codes), bool)
    own[laid.place] = True
    levels = np.searchsorted(laid.codes, _POWERS[np.array(sorted(PARENT_DIGITS)) - 1])
    # Shorter codes come first, so that the place around is known already.
    for begin, end in zip(levels, (*levels[1:], len(laid.codes)), strict=True):
        for first in range(int(begin), int(end), PLACES_AT_ONCE):
            here = np.arange(first, min(first + PLACES_AT_ONCE, int(end)))
            around = laid.around[here]
            zones[here] = np.where(around >= 0, zones[around], 0)
            places = here[own[here]]
            if len(places):
                rows = table[zones[places]]
                of = slice(*np.searchsorted(laid.place, (first, here[-1] + 1)))
                _lay_over(rows, np.searchsorted(places, laid.place[of]), laid, of, number)
                yield places, rows


def _lay_over(
    rows: NDArray[np.generic], at: NDArray[np.intp], laid: _Laid, of: slice,
    number: NDArray[np.generic],
) -> None:  # fmt: skip
    """Write routes over the rows of their places, in rising specificity: what is last holds."""
    brand, service_class, number = laid.brand[of], laid.service_class[of], number[laid.route[of]]
    every = (brand < 0) & (service_class < 0)
    rows[at[every]] = number[every][:, None, None]
    every = (brand < 0) & (service_class >= 0)
    rows[at[every], :, service_class[every]] = number[every][:, None]
    every = (brand >= 0) & (service_class < 0)
    rows[at[every], brand[every]] = number[every][:, None]
    every = (brand >= 0) & (service_class >= 0)
    rows[at[every], brand[every], service_class[every]] = number[every]
