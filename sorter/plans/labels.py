"""What a plan makes of its network's route labels: which of them lead nowhere."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from routing_tables.routes import Route
from routing_tables.schema import ANY, NO_ROUTE, PARENT_DIGITS, LabelRow, Network


class Unrouted(NamedTuple):
    """A row of a label table that leads nowhere in a plan."""

    row: LabelRow
    deliberate: bool
    """Its destination's route is to group ``none``."""

    def told(self) -> str:
        """Return what is wrong and what to do, without file and line."""
        return (
            f"destination: {self.row.destination} has no route for {self.row.brand}, so this label "
            f"leads nowhere; add a route, to group {NO_ROUTE!r} if that is meant, or name a closer "
            "place"
        )


def unrouted_labels(network: Network, routes: Sequence[Route]) -> Iterable[Unrouted]:
    """Yield the rows of a network's label tables whose destination has no route for their brand.

    A route for some service class is enough: pre-advice may tell the class of a labelled piece.
    """
    by_prefix: dict[str, list[Route]] = {
        row.destination[:digits]: []
        for row in network.labels
        for digits in PARENT_DIGITS
        if digits <= len(row.destination)
    }
    for route in routes:
        if route.prefix in by_prefix:
            by_prefix[route.prefix].append(route)
    for row in network.labels:
        groups = _groups_for(row, by_prefix)
        if not groups or groups == {NO_ROUTE}:
            yield Unrouted(row, deliberate=bool(groups))


def _groups_for(row: LabelRow, by_prefix: dict[str, list[Route]]) -> set[str]:
    """Return the groups at the longest prefix that has a route for a label's brand."""
    prefix = row.destination
    while prefix:
        found = {r.group for r in by_prefix.get(prefix, ()) if r.brand in (row.brand, ANY)}
        if found:
            return found
        prefix = prefix[: PARENT_DIGITS[len(prefix)]]
    return set()
