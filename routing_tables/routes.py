"""The routes of one centre: derived from the network, or from a table of its own."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from routing_tables.errors import Problems, TableError
from routing_tables.files import read_csv
from routing_tables.schema import ANY, NAME, NO_ROUTE, Centre, Network, code_problem

COLUMNS = ("brand", "service_class", "prefix", "group")
AREA_DIGITS, STREET_DIGITS = 6, 9


class Route(NamedTuple):
    """Pieces of a brand and service class, bound for places below a prefix, go to a group.

    Brand and service class may be :data:`ANY`, the group :data:`NO_ROUTE`. The longest prefix that
    has a route for a piece decides; at the same prefix a brand's own route comes before one for any
    brand, then a service class's own before one for any class.
    """

    brand: str
    service_class: str
    prefix: str
    group: str


def derive_routes(network: Network, code: str) -> tuple[Route, ...]:
    """Return the routes that a centre has by its place in the network, by prefix.

    - Places of a centre below it: group ``NODE-`` (``HUB-`` for a hub) and that centre's division.
      A node under the hub's own roof gets its pieces sorted by street already, as the next row.
    - Places that the centre serves itself: a group ``STREET-`` and the code for each street; every
      village inherits its street's.
    - All others: ``UP-`` and the centre above; at the top, ``OUT-`` and the direction.
    - A place known no closer than by city or by a served area has no route: someone has to look.

    Raises:
        TableError: there is no such centre.
    """
    centre = _centre(network, code)
    streets: dict[str, list[str]] = {}
    for division in network.divisions:
        if len(division.code) == STREET_DIGITS:
            streets.setdefault(division.parent, []).append(division.code)
    above = f"UP-{centre.parent}" if centre.parent else ""
    groups = {d.prefix: above or f"OUT-{d.direction}" for d in network.directions}
    groups.update(dict.fromkeys(network.roots, above or NO_ROUTE))
    own = list(centre.serves)
    for child in network.centres:
        if child.parent != centre.code:
            continue
        if child.division == centre.division and child.level == "node":
            own += child.serves
            continue
        name = f"{child.level.upper()}-{child.division}"
        groups.update(dict.fromkeys(_served_below(network, child), name))
    for served in own:
        if len(served) == AREA_DIGITS:
            groups[served] = NO_ROUTE
        for street in streets.get(served, ()) if len(served) == AREA_DIGITS else (served,):
            groups[street] = f"STREET-{street}"
    return tuple(Route(ANY, ANY, prefix, group) for prefix, group in sorted(groups.items()))


def _centre(network: Network, code: str) -> Centre:
    for centre in network.centres:
        if centre.code == code:
            return centre
    known = ", ".join(centre.code for centre in network.centres[:20])
    raise TableError(f"network {network.name}: no centre {code!r:.40}; name one of {known}")


def _served_below(network: Network, top: Centre) -> Iterable[str]:
    """Yield what a centre and all centres below it serve; no centre stands above itself."""
    below: dict[str, list[Centre]] = {}
    for centre in network.centres:
        below.setdefault(centre.parent, []).append(centre)
    waiting = [top]
    while waiting:
        centre = waiting.pop()
        waiting += below.get(centre.code, ())
        yield from centre.serves


def load_routes(path: Path, network: Network) -> tuple[Route, ...]:
    """Load the routes of a centre from a table: brand,service_class,prefix,group.

    Raises:
        TableError: every error in it.
    """
    problems = Problems()
    brands = {ANY: ANY, **{code: code for code in network.brand_numbers()}}
    classes = {ANY: ANY, **{name: name for name in network.class_numbers()}}
    places = {division.code for division in network.divisions} | set(network.roots)
    groups = {NO_ROUTE: NO_ROUTE}
    # By brand and class, as a table of a million rows has few of them.
    lines: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    routes: list[Route] = []
    for line, (brand, service_class, prefix, group) in read_csv(path, COLUMNS, problems):
        if group not in groups and NAME.fullmatch(group):
            groups[group] = group
        # A name that comes again is kept once: a table may have a million rows.
        route = Route(
            brands.get(brand, brand), classes.get(service_class, service_class), prefix,
            groups.get(group, group),
        )  # fmt: skip
        if brand not in brands or service_class not in classes or group not in groups:
            _tell_names(f"{path}:{line}", route, brands, classes, groups, problems)
        if prefix not in places:
            _tell_prefix(f"{path}:{line}", prefix, network, problems)
        first = lines[route[:2]].setdefault(prefix, line)
        if first != line:
            problems.add(
                f"{path}:{line}",
                f"prefix: {prefix} for brand {brand}, class {service_class} "
                f"stands in line {first}; remove one",
            )
        routes.append(route)
    problems.raise_any()
    return tuple(routes)


def _tell_names(
    where: str, route: Route, brands: Collection[str], classes: Collection[str],
    groups: Collection[str], problems: Problems,
) -> None:  # fmt: skip
    """Note which of a route's names are not known, or no names."""
    if route.brand not in brands:
        known = ", ".join(sorted(brands))
        problems.add(where, f"brand: no brand {route.brand!r:.40}; name one of {known}")
    if route.service_class not in classes:
        known = ", ".join(sorted(classes))
        problems.add(
            where, f"service_class: no class {route.service_class!r:.40}; name one of {known}"
        )
    if route.group not in groups:
        problems.add(
            where,
            f"group: {route.group!r:.40}; use up to 32 capital letters, digits, - and _, "
            f"or {NO_ROUTE!r}",
        )


def _tell_prefix(where: str, prefix: str, network: Network, problems: Problems) -> None:
    """Note what is wrong with a prefix that is no place of the network, if anything is."""
    problem = code_problem(prefix)
    if problem:
        problems.add(where, f"prefix: {problem}")
    elif prefix.startswith(network.roots):
        problems.add(
            where, f"prefix: {prefix} is no division of network {network.name}; correct it"
        )
