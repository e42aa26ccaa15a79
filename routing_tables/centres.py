"""Loads the sorting centres of a network."""

from collections.abc import Set as AbstractSet
from pathlib import Path

from routing_tables.errors import Problems
from routing_tables.files import read_csv
from routing_tables.schema import CENTRES_MAX, CODE, Centre

COLUMNS = ("code", "name", "level", "parent", "division", "serves")
SERVED_DIGITS = (6, 9)
"""Digits of what a centre can serve: areas and streets."""


def load_centres(path: Path, codes: AbstractSet[str], problems: Problems) -> tuple[Centre, ...]:
    """Load centres: one at the top, each other one below a hub; no place served twice.

    Args:
        path: centres.csv; ``serves`` holds codes of areas or streets, separated by blanks.
        codes: Every division code of the network.
        problems: Collects what is wrong.
    """
    lines: dict[str, int] = {}
    centres: list[Centre] = []
    for line, (code, name, level, parent, division, serves) in read_csv(path, COLUMNS, problems):
        where = f"{path}:{line}"
        if len(lines) == CENTRES_MAX:
            problems.add(where, f"more than {CENTRES_MAX} centres; split the network")
            break
        if code in lines:
            problems.add(where, f"code: {code} stands in line {lines[code]}; rename one")
            continue
        lines[code] = line
        centre = Centre(code, name, level, parent, division, tuple(serves.split()))
        _check_row(where, centre, codes, problems)
        centres.append(centre)
    if not lines and not problems.count:
        problems.add(path, "no centres; add at least a hub")
    _check_tree(path, centres, lines, problems)
    _check_served_once(path, centres, lines, problems)
    return tuple(centres)


def _check_row(where: str, centre: Centre, codes: AbstractSet[str], problems: Problems) -> None:
    if not CODE.fullmatch(centre.code):
        problems.add(
            where, f"code: {centre.code!r:.40}; use up to 24 capital letters, digits, - and _"
        )
    if not centre.name:
        problems.add(where, f"name: empty; name {centre.code}")
    if centre.level not in ("hub", "node"):
        problems.add(where, f"level: {centre.level!r:.40} is neither hub nor node; correct it")
    if centre.division not in codes:
        problems.add(
            where, f"division: {centre.division!r:.40} is not in divisions.csv; correct it"
        )
    for code in centre.serves:
        if code not in codes or len(code) not in SERVED_DIGITS:
            problems.add(
                where, f"serves: {code!r:.40} is no area or street of divisions.csv; correct it"
            )


def _check_tree(
    path: Path, centres: list[Centre], lines: dict[str, int], problems: Problems
) -> None:
    by_code = {centre.code: centre for centre in centres}
    tops = [centre for centre in centres if not centre.parent]
    for centre in tops[1:]:
        problems.add(
            f"{path}:{lines[centre.code]}",
            f"parent: empty, but {tops[0].code} is at the top already; name the hub above",
        )
    for centre in centres:
        where = f"{path}:{lines[centre.code]}"
        above = by_code.get(centre.parent)
        if centre.parent and above is None:
            problems.add(where, f"parent: no centre {centre.parent!r:.40}; correct it")
        elif above is not None and above.level == "node":
            problems.add(where, f"parent: {above.code} is a node; only a hub has centres below it")
        steps, seen = above, {centre.code}
        while steps is not None and steps.code not in seen:
            seen.add(steps.code)
            steps = by_code.get(steps.parent)
        if steps is not None and steps.code == centre.code:
            circle = ", ".join(sorted(seen))
            problems.add(where, f"parent: {circle} stand above each other; leave one parent empty")


def _check_served_once(
    path: Path, centres: list[Centre], lines: dict[str, int], problems: Problems
) -> None:
    """Two centres below one hub that both serve a street would each get a part of its pieces."""
    server: dict[str, str] = {}
    for centre in centres:
        for code in centre.serves:
            if code in server:
                problems.add(
                    f"{path}:{lines[centre.code]}",
                    f"serves: {code} is served by {server[code]} already; remove one",
                )
            server.setdefault(code, centre.code)
    for code, centre_code in server.items():
        area = code[: SERVED_DIGITS[0]]
        if code != area and area in server:
            problems.add(
                f"{path}:{lines[centre_code]}",
                f"serves: {code} lies in {area}, which {server[area]} serves; "
                "list that area's streets one by one instead",
            )
