"""Loads the waybills that the brands sent ahead of their pieces.

A file is CSV, or NDJSON if its name ends in ``.ndjson``: one object a line, of texts. The same
columns in both, in any order:

    waybill         1 to 40 bytes of printable ASCII, without AIM prefix
    brand           a code of the network, or empty: unknown
    service_class   one of the network, or empty: unknown
    destination     a division code of 2, 4, 6, 9 or 12 digits, or empty: unknown
    holds           may be left out; names of HoldKind separated by ``|``; NDJSON also as a list
    expires         may be left out; YYYY-MM-DD, the last day (UTC) on which the line counts

Good lines load whatever others hold. Of a waybill given twice the last line counts, and that is
reported. If that line is bad, the waybill loads not at all, as far as it can be read: what can't be
read may be a hold, and a piece that is not advised goes to an exception chute.

Plain lines are read a block at a time, all others one by one. Beside the table (120 to 240 bytes a
waybill, 16 to 32 more while it is made; sized by the lines of the file, at most for PRE_ADVICE_MAX)
a load holds one block of the file and its columns, some 100 MB.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import orjson

from routing_tables.errors import Problems
from routing_tables.files import check_header
from routing_tables.schema import Network
from sorter.assignment.arrays import PreAdviceArrays
from sorter.assignment.tables import PRE_ADVICE_MAX, PreAdviceTable
from sorter.errors import ConfigError
from sorter.plans.advice_lines import LINE_BYTES_MAX, read_plain
from sorter.plans.advice_words import (
    ALL_COLUMNS,
    COLUMNS,
    HOLD_SEPARATOR,
    OPTIONAL,
    BadLineError,
    Words,
)

BLOCK_BYTES = 2_097_152
"""Read at a time; a block ends with a whole line."""
BAD_LINES_LISTED_MAX = 20
"""Bad lines told one by one; the rest are counted."""
BAD_LINES_REPORTED_MAX = 1_000_000
"""Bad lines reported one by one as they are found; the rest are counted."""
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Part:
    """A file of pre-advice, loaded."""

    table: PreAdviceArrays
    waybills: int
    """Different waybills in it, those included that a bad line withdraws."""
    lines: int
    """Lines read, a CSV's head and empty ones included."""
    bad: int
    """Lines that can't be used."""
    problems: list[str]
    """The first bad lines, the first ones that a later line replaced, each with its number, and how
    many more there are of both."""


def load_pre_advice(path: Path, network: Network) -> tuple[PreAdviceArrays, list[str]]:
    """Load a file of pre-advised waybills; its table and problems, as :func:`load_part` has them.

    Raises:
        ConfigError: as :func:`load_part`.
    """
    part = load_part(path, network)
    return part.table, part.problems


def load_part(
    path: Path,
    network: Network,
    listed: int = BAD_LINES_LISTED_MAX,
    progress: Callable[[float], None] | None = None,
    report: Callable[[str], None] | None = None,
) -> Part:
    """Load a file of pre-advised waybills, as the head of this module says.

    Args:
        path: The file.
        network: Whose brands and service classes it names.
        listed: Bad lines told one by one.
        progress: Called with the share of the lines read, 0 to 1.
        report: Called with each bad line as it is found, up to BAD_LINES_REPORTED_MAX.

    Raises:
        ConfigError: there is no such file, its first line doesn't name the columns, or it holds
            more waybills than a table can.
    """
    try:
        with path.open("rb") as file:
            count = sum(block.count(b"\n") for block in _blocks(file))
            file.seek(0)
            load = _Load(path, Words.of(network), count, listed, progress, report)
            return load.run(_blocks(file))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}; correct the path") from None


def merge(base: PreAdviceArrays, part: PreAdviceArrays, today: int) -> tuple[PreAdviceArrays, int]:
    """Return a table of the rows of both, those of ``part`` in the place of older ones.

    Rows of ``base`` that count no more are left out; those that ``part`` withdraws stay withdrawn.

    Args:
        base: What was loaded before.
        part: What is newer.
        today: Days since 1970 (UTC).

    Returns:
        The table, and how many rows of ``base`` were replaced.

    Raises:
        ConfigError: more waybills than a table can hold.
    """
    alive = (base.length != 0) & ((base.expires_day == 0) | (base.expires_day >= today))
    parts = [
        PreAdviceArrays(*(column[used] for column in table))
        for table, used in ((base, alive), (part, part.length != 0))
    ]
    count = sum(len(rows.length) for rows in parts)
    table = PreAdviceTable(count, PRE_ADVICE_MAX)
    for rows in parts:
        if table.add(rows, np.zeros(len(rows.length), np.int64)) < len(rows.length):
            raise ConfigError(
                f"pre-advice: more than {PRE_ADVICE_MAX} waybills with those loaded before; "
                "replace them, or give lines a day on which they expire"
            )
    return table.arrays(), table.replaced_count


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield whole lines, a block at a time; of a line that is too long perhaps its beginning."""
    rest = b""
    is_first = True
    while block := file.read(BLOCK_BYTES):
        if is_first:
            block = block.removeprefix(BOM)
            is_first = False
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end]
        rest = block[end:] if end else rest + block
        rest = rest[: LINE_BYTES_MAX + 2]  # What is longer is told as that, carriage return or not.
    if rest:
        yield rest + b"\n"


class _Format(Protocol):
    order: list[int]
    """Where each of ALL_COLUMNS stands in a line of ``plain``, −1 for one that it has not."""

    def plain(self, content: bytes) -> bytes:
        """Return the lines as comma-separated values, as far as they are good and plain."""

    def values(self, line: bytes) -> list[str]:
        """Return a line's values in the order of ALL_COLUMNS; none for an empty line.

        Raises:
            BadLineError: the line can't be taken apart.
        """


class _Csv:
    def __init__(self, path: Path, first_line: bytes) -> None:
        problems = Problems()
        header: list[str] = []
        try:
            header = _split(first_line)
        except BadLineError as problem:
            problems.add(f"{path}:1", str(problem))
        if problems.count or not check_header(path, header, COLUMNS, problems, OPTIONAL):
            raise ConfigError(*problems.lines())
        self.order = [header.index(name) if name in header else -1 for name in ALL_COLUMNS]
        self._width = len(header)

    def plain(self, content: bytes) -> bytes:
        return content

    def values(self, line: bytes) -> list[str]:
        values = _split(line)
        if not any(values):
            return []
        if len(values) != self._width:
            raise BadLineError(f"{len(values)} values, must be {self._width}; mend the line")
        return [values[place] if place >= 0 else "" for place in self.order]


class _Ndjson:
    def __init__(self) -> None:
        self.order = list(range(len(ALL_COLUMNS)))

    def plain(self, content: bytes) -> bytes:
        return "".join(map(self._plain_line, content.split(b"\n")[:-1])).encode()

    def _plain_line(self, line: bytes) -> str:
        try:
            text = ",".join(self.values(line))
        except BadLineError:
            return "\n"
        # One with a line feed in it would be two; the reader of plain lines passes over others.
        return text + "\n" if text.isascii() and "\n" not in text else "\n"

    def values(self, line: bytes) -> list[str]:
        if len(line) > LINE_BYTES_MAX:
            raise BadLineError(f"longer than {LINE_BYTES_MAX} bytes; mend the line")
        if not line.strip():
            return []
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadLineError(f"no JSON: {error}") from None
        if not isinstance(found, dict):
            raise BadLineError(f"{found!r:.40} is no object; give one on each line")
        for name in found.keys() - ALL_COLUMNS:
            known = ",".join(ALL_COLUMNS)
            raise BadLineError(f"unknown key {name!r:.40}; the keys are {known}")
        return [_text(name, found.get(name)) for name in ALL_COLUMNS]


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if name == "holds" and isinstance(value, list):
        return HOLD_SEPARATOR.join(_text("one of holds", each) for each in value)
    raise BadLineError(f"{name}: {value!r:.40} is no text; put it in quotes")


def _split(line: bytes) -> list[str]:
    if len(line.removesuffix(b"\r")) > LINE_BYTES_MAX:
        raise BadLineError(f"longer than {LINE_BYTES_MAX} bytes; mend the line")
    # What is no UTF-8 becomes characters that no check lets through: only its line is lost.
    text = line.decode("utf-8", "surrogateescape")
    try:
        # Most lines have no quotes, and need not pay for a parser.
        values = next(csv.reader([text], strict=True)) if '"' in text else text.split(",")
    except csv.Error as error:
        raise BadLineError(
            f"broken CSV: {error}; look for an unclosed or misplaced quote"
        ) from None
    return [value.strip() for value in values]


class _Load:
    """One load: the table in the making, and what is wrong with the lines so far."""

    def __init__(
        self, path: Path, words: Words, count: int, listed: int,
        progress: Callable[[float], None] | None, report: Callable[[str], None] | None,
    ) -> None:  # fmt: skip
        self._path = path
        self._words = words
        self._count = count
        self._listed = listed
        self._progress = progress
        self._report = report
        self._table = PreAdviceTable(count, PRE_ADVICE_MAX)
        self._bad: list[str] = []
        self._bad_count = 0

    def run(self, blocks: Iterator[bytes]) -> Part:
        """Load all blocks, the first line of a CSV included."""
        form: _Format = _Ndjson()
        line = 1
        if self._path.suffix != ".ndjson":
            head, _, rest = next(blocks, b"").partition(b"\n")
            form = _Csv(self._path, head)
            line += 1
            self._enter(rest, line, form)
            line += rest.count(b"\n")
        for content in blocks:
            self._enter(content, line, form)
            line += content.count(b"\n")
            if self._progress:
                self._progress(min(1.0, line / (self._count + 1)))
        table = self._table.arrays()
        return Part(table, self._table.waybills, line - 1, self._bad_count, self._problems())

    def _enter(self, content: bytes, line: int, form: _Format) -> None:
        """Enter the lines of a block, the first of which has the number ``line``."""
        rows, filled = read_plain(form.plain(content), form.order, self._words)
        odd = np.flatnonzero(~filled).tolist()
        texts = content.split(b"\n") if odd else []
        for k in odd:
            try:
                values = form.values(texts[k])
                if values:
                    self._words.enter(values, rows, k)
            except BadLineError as problem:
                self._tell_bad(f"{self._path}:{line + k}: {problem}")
        gone = self._table.add(rows, np.arange(line, line + len(filled)))
        if gone < len(filled):
            is_full = self._table.waybills >= PRE_ADVICE_MAX
            raise ConfigError(
                f"{self._path}:{line + gone}: more than {PRE_ADVICE_MAX} waybills; "
                "leave out those delivered already"
                if is_full
                else f"{self._path}: grew while it was read; load it once it is whole"
            )

    def _tell_bad(self, told: str) -> None:
        self._bad_count += 1
        if len(self._bad) < self._listed:
            self._bad.append(told)
        if self._report and self._bad_count <= BAD_LINES_REPORTED_MAX:
            self._report(told)

    def _problems(self) -> list[str]:
        problems = list(self._bad)
        if self._bad_count > len(self._bad):
            problems.append(f"{self._path}: {self._bad_count - len(self._bad)} more bad lines")
        replaced = self._table.replaced()
        problems += [
            f"{self._path}:{before}: waybill: {waybill.decode()} is in line {after} too, "
            "which counts"
            for before, after, waybill in replaced
        ]
        if self._table.replaced_count > len(replaced):
            more = self._table.replaced_count - len(replaced)
            problems.append(f"{self._path}: {more} more lines are replaced by later ones")
        return problems
