"""What comes down the belts: pieces with what is printed on them, their weight and their size."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from plc_adapters.contract import CODES_MAX
from plc_adapters.emulator.chance import stream
from plc_adapters.emulator.config import EmulatorConfigError

COLUMNS = ("codes", "weight_g", "length_mm", "width_mm", "height_mm")
LABELS_MAX = 2_000_000
"""Most rows of a label file: they are held in memory."""
WEIGHT_MAX_G = 1_000_000
SIZE_MAX_MM = 10_000
PROBLEMS_MAX = 20
"""Wrong rows that are listed one by one; the others are only counted."""


class Print(NamedTuple):
    """A piece before the sorter knows it. ``codes`` are bytes as a reader gives them."""

    codes: tuple[bytes, ...]
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int


def endless(seed: int) -> Iterator[Print]:
    """Yield made-up pieces without end: waybills on Code 128, sizes by chance.

    A waybill is EMU and 13 digits: the seed's last three, so that several sorters carry different
    ones, and a number from 1.
    """
    rng = stream(seed, "labels")
    number = 0
    while True:
        number += 1
        weight = min(30_000, int(rng.lognormvariate(6.7, 1.3)) + 10)
        length, width, height = sorted((rng.randint(60, 450) for _ in range(3)), reverse=True)
        yield Print((b"]C0EMU%03d%010d" % (seed % 1000, number),), weight, length, width, height)


def read_labels(path: Path) -> tuple[Print, ...]:
    """Read a label file.

    Columns ``codes`` (up to 4, separated by ``|``, each with or without its AIM prefix; empty for a
    bare piece), ``weight_g``, ``length_mm``, ``width_mm``, ``height_mm``. UTF-8, BOM or not.

    Raises:
        EmulatorConfigError: the file can't be read, or rows are wrong; each with its line.
    """
    prints: list[Print] = []
    problems: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if tuple(name.strip() for name in header) != COLUMNS:
                raise EmulatorConfigError(
                    f"{path}:1: columns are {','.join(header)!r}; they must be {','.join(COLUMNS)}"
                )
            for row in reader:
                if not any(row):
                    continue
                problem = _add(prints, row)
                if problem:
                    problems.append(f"{path}:{reader.line_num}: {problem}")
    except OSError as error:
        raise EmulatorConfigError(f"{path}: can't be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise EmulatorConfigError(f"{path}: not a UTF-8 CSV file: {error}") from None
    if len(problems) > PROBLEMS_MAX:
        more = len(problems) - PROBLEMS_MAX
        problems[PROBLEMS_MAX:] = [f"{path}: {more} more rows are wrong"]
    if not prints and not problems:
        problems.append(f"{path}: holds no piece; add a row for each")
    if problems:
        raise EmulatorConfigError(*problems)
    return tuple(prints)


def _add(prints: list[Print], row: list[str]) -> str:
    """Add a row's piece; return what is wrong with it instead, or an empty text."""
    if len(prints) >= LABELS_MAX:
        return f"more than {LABELS_MAX:,} pieces; split the file"
    if len(row) != len(COLUMNS):
        return f"has {len(row)} columns, not {len(COLUMNS)}; quote codes that hold a comma"
    codes = tuple(code.encode() for code in row[0].split("|") if code)
    if len(codes) > CODES_MAX:
        return f"codes: {len(codes)} of them; a piece carries at most {CODES_MAX}"
    limits = (WEIGHT_MAX_G, SIZE_MAX_MM, SIZE_MAX_MM, SIZE_MAX_MM)
    numbers: list[int] = []
    for name, text, limit in zip(COLUMNS[1:], map(str.strip, row[1:]), limits, strict=True):
        if not (text.isascii() and text.isdecimal()) or int(text) > limit:
            return f"{name}: {text!r} is not a whole number from 0 to {limit:,}"
        numbers.append(int(text))
    weight, length, width, height = numbers
    prints.append(Print(codes, weight, length, width, height))
    return ""


def listed(prints: tuple[Print, ...], *, repeat: bool) -> Iterator[Print]:
    """Yield the pieces of a label file in order, once or over and over."""
    while True:
        yield from prints
        if not repeat:
            return
