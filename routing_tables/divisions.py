"""Loads the places of a network, and the directions to all other places."""

from operator import itemgetter
from pathlib import Path

from routing_tables.errors import Problems
from routing_tables.files import read_csv
from routing_tables.schema import (
    CODE,
    DIVISIONS_MAX,
    LEVELS,
    PARENT_DIGITS,
    Direction,
    Division,
    code_problem,
)


def load_divisions(path: Path, problems: Problems) -> tuple[tuple[Division, ...], tuple[str, ...]]:
    """Load divisions, in any order; of the highest level listed the parents need no row.

    Returns:
        The divisions by rising number of digits, then code; and the codes above the highest of
        them (none where the highest are provinces).
    """
    lines: dict[str, int] = {}
    divisions: list[Division] = []
    for line, (level, code, name, parent) in read_csv(
        path, ("level", "code", "name", "parent"), problems
    ):
        if len(divisions) == DIVISIONS_MAX:
            problems.add(
                f"{path}:{line}", f"more than {DIVISIONS_MAX} divisions; split the network"
            )
            break
        if code in lines:
            problems.add(f"{path}:{line}", f"code: {code} stands in line {lines[code]}; remove one")
            continue
        wrong = _division_problem(level, code, name, parent)
        if wrong:
            problems.add(f"{path}:{line}", wrong)
        # A code that is noted in spite of a problem spares its children an error of their own.
        lines[code] = line
        if not wrong:
            divisions.append(Division(level, code, name, parent))
    if not lines and not problems.count:
        problems.add(path, "no divisions; add a row for each area, street and village")
    highest = min((len(division.code) for division in divisions), default=0)
    for division in divisions:
        if len(division.code) > highest and division.parent not in lines:
            problems.add(
                f"{path}:{lines[division.code]}",
                f"parent: {division.parent} has no row; add it, or correct the code",
            )
    divisions.sort(key=itemgetter(1))
    divisions.sort(key=lambda division: len(division.code))
    roots = {division.parent for division in divisions if len(division.code) == highest}
    return tuple(divisions), tuple(sorted(roots - {""}))


def _division_problem(level: str, code: str, name: str, parent: str) -> str:
    digits = LEVELS.get(level)
    if digits is None:
        return f"level: {level!r:.40} is none of {', '.join(LEVELS)}; correct it"
    problem = code_problem(code)
    if problem:
        return f"code: {problem}"
    if len(code) != digits:
        return f"code: {code} has {len(code)} digits, a {level} has {digits}; correct one of them"
    if parent != code[: PARENT_DIGITS[digits]]:
        return (
            f"parent: {parent!r:.40}, but {code} begins with its parent's code "
            f"{code[: PARENT_DIGITS[digits]]!r}; correct one of them"
        )
    return "" if name else f"name: empty; name {code}"


def load_directions(
    path: Path, roots: tuple[str, ...], problems: Problems
) -> tuple[Direction, ...]:
    """Load where pieces for places outside the network go, by the longest prefix."""
    lines: dict[str, int] = {}
    directions: list[Direction] = []
    for line, (prefix, name, direction) in read_csv(
        path, ("prefix", "name", "direction"), problems
    ):
        where = f"{path}:{line}"
        problem = code_problem(prefix)
        if problem:
            problems.add(where, f"prefix: {problem}")
        elif prefix in lines:
            problems.add(where, f"prefix: {prefix} stands in line {lines[prefix]}; remove one")
        elif prefix.startswith(roots):
            problems.add(where, f"prefix: {prefix} lies inside the network; remove the row")
        elif not CODE.fullmatch(direction):
            problems.add(
                where,
                f"direction: {direction!r:.40}; use up to 24 capital letters, digits, - and _",
            )
        else:
            directions.append(Direction(prefix, name, direction))
        lines.setdefault(prefix, line)
    return tuple(directions)
