"""Loads the waybills that the brands sent ahead of their pieces."""

import csv
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from plc_adapters.contract import CODE_BYTES
from routing_tables.errors import Problems
from routing_tables.files import check_header
from routing_tables.schema import Network, code_problem
from sorter.assignment.arrays import PreAdviceArrays
from sorter.assignment.tables import PRE_ADVICE_MAX, build_pre_advice
from sorter.errors import ConfigError

COLUMNS = ("waybill", "brand", "service_class", "destination")
LINE_CHARACTERS_MAX = 1000
"""Characters of one line; a longer one is bad, and never held in memory whole."""


class _Advice(NamedTuple):
    waybill: bytes
    brand: int
    service_class: int
    destination: int


@dataclass(slots=True)
class _Table:
    """The waybills so far, by column; a row for each, in the order of their first line."""

    rows: dict[bytes, int] = field(default_factory=dict)
    lines: "array[int]" = field(default_factory=lambda: array("L"))
    brand: "array[int]" = field(default_factory=lambda: array("H"))
    service_class: "array[int]" = field(default_factory=lambda: array("H"))
    destination: "array[int]" = field(default_factory=lambda: array("q"))

    def put(self, line: int, advice: _Advice) -> int:
        """Enter a waybill; returns the line it stood in before, 0 if it is new."""
        row = self.rows.setdefault(advice.waybill, len(self.rows))
        if row == len(self.lines):
            self.lines.append(line)
            self.brand.append(advice.brand)
            self.service_class.append(advice.service_class)
            self.destination.append(advice.destination)
            return 0
        earlier = self.lines[row]
        self.lines[row] = line
        self.brand[row] = advice.brand
        self.service_class[row] = advice.service_class
        self.destination[row] = advice.destination
        return earlier

    def arrays(self) -> PreAdviceArrays:
        """Return the table as a decision probes it."""
        texts = np.array(list(self.rows), dtype=f"S{CODE_BYTES}")
        waybills = texts.view(np.uint8).reshape(len(texts), CODE_BYTES)
        return build_pre_advice(
            waybills,
            np.count_nonzero(waybills, axis=1).astype(np.uint16),
            np.array(self.brand, np.uint16),
            np.array(self.service_class, np.uint16),
            np.array(self.destination, np.int64),
        )


class _BadLineError(ValueError):
    """What is wrong with one line, and what to do."""


def load_pre_advice(path: Path, network: Network) -> tuple[PreAdviceArrays, list[str]]:
    """Load a CSV: waybill,brand,service_class,destination; good lines load whatever others hold.

    Each record is one line. Brand, service class and destination may be empty: unknown. Of a
    waybill given twice the last line counts.

    Returns:
        The table, and a line of text for each line that is bad or that a later one replaced.

    Raises:
        ConfigError: there is no such file, its first line doesn't name the columns, or it holds
            more waybills than a table can.
    """
    brands = {"": 0, **network.brand_numbers()}
    classes = {"": 0, **network.class_numbers()}
    table = _Table()
    problems: list[str] = []
    try:
        # What is no UTF-8 becomes characters that no check lets through: only its line is lost.
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            lines = _lines(file)
            order = _order(path, lines)
            for line, text in lines:
                try:
                    advice = _read_line(text, order, brands, classes)
                except _BadLineError as problem:
                    problems.append(f"{path}:{line}: {problem}")
                    continue
                earlier = table.put(line, advice) if advice else 0
                if advice and earlier:
                    replaced = f"{advice.waybill.decode()} is in line {line} too, which counts"
                    problems.append(f"{path}:{earlier}: waybill: {replaced}")
                if len(table.rows) > PRE_ADVICE_MAX:
                    raise ConfigError(
                        f"{path}:{line}: more than {PRE_ADVICE_MAX} waybills; "
                        "leave out those delivered already"
                    )
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}; correct the path") from None
    return table.arrays(), problems


def _order(path: Path, lines: Iterator[tuple[int, str]]) -> list[int]:
    """Return where each of COLUMNS stands in a line, by the first line."""
    problems = Problems()
    header: list[str] = []
    try:
        header = _split(next(lines, (1, ""))[1])
    except _BadLineError as problem:
        problems.add(f"{path}:1", str(problem))
    if problems.count or not check_header(path, header, COLUMNS, problems):
        raise ConfigError(*problems.lines())
    return [header.index(name) for name in COLUMNS]


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line; of a line that is too long its beginning."""
    number = 0
    while text := file.readline(LINE_CHARACTERS_MAX):
        number += 1
        yield number, text
        while len(text) == LINE_CHARACTERS_MAX and not text.endswith("\n"):
            text = file.readline(LINE_CHARACTERS_MAX)


def _split(text: str) -> list[str]:
    if len(text) == LINE_CHARACTERS_MAX:
        raise _BadLineError(f"longer than {LINE_CHARACTERS_MAX - 1} characters; mend the line")
    try:
        # Most lines have no quotes, and need not pay for a parser.
        values = next(csv.reader([text], strict=True)) if '"' in text else text.split(",")
    except csv.Error as error:
        raise _BadLineError(
            f"broken CSV: {error}; look for an unclosed or misplaced quote"
        ) from None
    return [value.strip() for value in values]


def _read_line(
    text: str, order: list[int], brands: dict[str, int], classes: dict[str, int]
) -> _Advice | None:
    """Return what a line says; None for an empty one.

    Raises:
        _BadLineError: the line can't be used.
    """
    values = _split(text)
    if not any(values):
        return None
    if len(values) != len(order):
        raise _BadLineError(f"{len(values)} values, must be {len(order)}; mend the line")
    waybill, brand, service_class, destination = (values[k] for k in order)
    problem = _waybill_problem(waybill)
    if problem:
        raise _BadLineError(f"waybill: {problem}")
    if brand not in brands:
        raise _BadLineError(f"brand: no brand {brand!r:.40}; correct it or add it to the network")
    if service_class not in classes:
        raise _BadLineError(f"service_class: no class {service_class!r:.40}; correct it")
    problem = code_problem(destination) if destination else ""
    if problem:
        raise _BadLineError(f"destination: {problem}")
    number = int(destination) if destination else 0
    return _Advice(waybill.encode(), brands[brand], classes[service_class], number)


def _waybill_problem(waybill: str) -> str:
    if not waybill:
        return "empty; give it or remove the line"
    if len(waybill) > CODE_BYTES:
        return f"{waybill!r:.40}... is longer than {CODE_BYTES} bytes; no scan carries it"
    if not waybill.isascii() or not waybill.isprintable() or " " in waybill:
        return f"{waybill!a:.60} holds more than printable ASCII without blanks; correct it"
    if waybill[0] == "]" and waybill[1:3].isalnum() and len(waybill) > 2:
        return f"{waybill!r} begins with an AIM prefix; remove the first three characters"
    return ""
