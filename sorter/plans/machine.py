"""Loads the chutes of one sorter: what exists, where, and how much it takes."""

from pathlib import Path

import numpy as np

from plc_adapters.contract import CHUTE_NUMBER_MAX, ChuteState, Records
from routing_tables.errors import Problems
from routing_tables.files import read_csv
from sorter.errors import ConfigError
from sorter.ports import CHUTE

COLUMNS = ("chute", "position_mm", "capacity_pieces")
RATE_COLUMN = "pieces_per_minute"
RATE_MAX = 6_000
"""Pieces a minute of one chute; no sorter feeds one faster."""
POSITION_MAX_MM = 2_000_000
"""Farthest chute; the longest loops surveyed have some 600 chutes on well under a kilometre."""
CAPACITY_MAX = 100_000
"""Pieces one chute can take, for a chute onto a conveyor that never fills."""


def load_chutes(path: Path, speed_mm_s: int) -> Records:
    """Load a machine's chutes, in the order in which a piece passes them.

    Args:
        path: CSV: chute,position_mm,capacity_pieces and, if wanted, pieces_per_minute. Positions
            are measured from the scanner's photo-eye downstream and rise from row to row. A chute
            takes at most so many pieces in a minute; empty is no limit.
        speed_mm_s: Speed of the sorter.

    Returns:
        CHUTE[CHUTE_NUMBER_MAX + 1], all open and empty; ``exists`` is 0 where there is none.

    Raises:
        ConfigError: every error in the table.
    """
    problems = Problems()
    chutes = np.zeros(CHUTE_NUMBER_MAX + 1, CHUTE)
    lines: dict[int, int] = {}
    passed_mm = 0
    for line, (*row, rate) in read_csv(path, COLUMNS, problems, (RATE_COLUMN,)):
        where = f"{path}:{line}"
        limits = (CHUTE_NUMBER_MAX, POSITION_MAX_MM, CAPACITY_MAX)
        number, position_mm, capacity = (
            _number(where, name, text, most, problems)
            for name, text, most in zip(COLUMNS, row, limits, strict=True)
        )
        if number in lines:
            problems.add(where, f"chute: {number} stands in line {lines[number]}; renumber one")
        elif number:
            lines[number] = line
        if position_mm:
            if position_mm <= passed_mm:
                problems.add(
                    where,
                    f"position_mm: {position_mm} is not beyond the chute before it "
                    f"({passed_mm}); list chutes downstream from the scanner",
                )
            passed_mm = position_mm
        travel_ns = position_mm * 1_000_000_000 // speed_mm_s
        per_minute = _number(where, RATE_COLUMN, rate, RATE_MAX, problems) if rate else 0
        chutes[number] = (1, ChuteState.OPEN, 0, capacity, 0, 0, per_minute, 0, travel_ns, 0)
    chutes[0]["travel_ns"] = chutes["travel_ns"].max()
    if not lines and not problems.count:
        problems.add(path, "no chutes; add a row for each")
    if problems.count:
        raise ConfigError(*problems.lines())
    return chutes


def check_laps(source: Path, laps: int, kind: str) -> None:
    """Check that a plan lets nothing go round where nothing does.

    Args:
        source: The plan's file.
        laps: Laps it lets a piece stay on.
        kind: "loop" or "diverter", the sorter's.

    Raises:
        ConfigError: they contradict each other.
    """
    if kind == "diverter" and laps:
        raise ConfigError(
            f"{source}: laps: it is {laps}, but the sorter is a diverter line, on which nothing "
            "comes round again; make it 0"
        )


def _number(where: str, name: str, text: str, most: int, problems: Problems) -> int:
    """Return a number from 1 to ``most``, or 0 and a problem."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else 0
    if 1 <= number <= most:
        return number
    problems.add(where, f"{name}: {text!r:.40}; give a whole number from 1 to {most}")
    return 0
