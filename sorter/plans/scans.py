"""Recorded pieces as a what-if reads them: what was known of each, and what became of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import orjson

from plc_adapters.contract import CHUTE_NUMBER_MAX, LAPS_MAX, Disposition, Records
from routing_tables.errors import Problems
from routing_tables.files import FILE_BYTES_MAX, ROWS_MAX, read_csv
from routing_tables.schema import Network, code_problem
from sorter.assignment.replay import SCAN
from sorter.errors import ConfigError

SCANS_MAX = 8_388_608
"""Recorded pieces of one what-if: 320 MB of records."""
READ_BEFORE_MAX = 262_144
"""Different rows, but for their instants, that are remembered."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = (
    "scanned_at", "brand", "service_class", "destination", "disposition", "chute", "laps",
)  # fmt: skip

BY_PLAN = (
    Disposition.NONE,
    Disposition.ROUTED,
    Disposition.OVERFLOW,
    Disposition.RECIRCULATED,
    Disposition.UNKNOWN_DESTINATION,
    Disposition.NO_ROUTE,
    Disposition.LAP_LIMIT,
    Disposition.AWAITING_HOST,
    Disposition.HOST_LATE,
    Disposition.DEFAULTED,
)
"""Dispositions of pieces whose waybill is known: decided anew from what it says."""


@dataclass(frozen=True, slots=True)
class Span:
    """Recorded pieces by their first scan: from ``begin_ns`` on, before ``end_ns``."""

    begin_ns: int
    end_ns: int

    @classmethod
    def of(cls, begin: str, end: str) -> "Span":
        """Return the span between two instants in ISO 8601 with their zone.

        Raises:
            ConfigError: they are none, or not in this order.
        """
        try:
            instants = [datetime.fromisoformat(text) for text in (begin, end)]
        except ValueError:
            instants = []
        if not instants or any(instant.tzinfo is None for instant in instants):
            raise ConfigError(
                f"span: {begin!r:.40} to {end!r:.40}; give two instants with their zone such as "
                "2026-11-24T00:00:00+08:00"
            )
        first, last = (_ns(instant) for instant in instants)
        if first >= last:
            raise ConfigError(f"span: {begin} is not before {end}; turn them round")
        return cls(first, last)

    @classmethod
    def of_day(cls, day: str) -> "Span":
        """Return a day of this machine's time zone: YYYY-MM-DD, ``today`` or ``yesterday``.

        Raises:
            ConfigError: it is none of these.
        """
        today = datetime.now().astimezone().date()
        named = {"today": today, "yesterday": today - timedelta(days=1)}
        try:
            date_of = named.get(day) or date.fromisoformat(day)
        except ValueError:
            raise ConfigError(f"day: {day!r:.40}; give YYYY-MM-DD, today or yesterday") from None
        begin = datetime.combine(date_of, time()).astimezone()
        end = datetime.combine(date_of + timedelta(days=1), time()).astimezone()
        return cls(_ns(begin), _ns(end))

    def within(self, scans: Records) -> Records:
        """Return those of SCAN[n] whose instant lies within the span."""
        at = scans["scanned_ns"]
        kept: Records = scans[(at >= self.begin_ns) & (at < self.end_ns)]
        return kept


def _ns(instant: datetime) -> int:
    # Whole numbers all the way: a float of seconds would not keep the microseconds.
    since = instant - EPOCH
    return ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000


def load_scans(path: Path, network: Network) -> Records:
    """Load recorded pieces from a table: CSV, or NDJSON where the file's name ends with .ndjson.

    Columns or keys are COLUMNS. ``scanned_at`` is ISO 8601 with its offset to UTC;
    ``disposition`` as every log names it (``routed``, ``no_read``); all but ``scanned_at`` may be
    empty, or left out in NDJSON.

    Returns:
        SCAN[n], by instant.

    Raises:
        ConfigError: every error in the file.
    """
    problems = Problems()
    rows = (
        _ndjson(path, problems) if path.suffix == ".ndjson" else read_csv(path, COLUMNS, problems)
    )
    reader = _Reader(network, problems)
    name = str(path)
    records = [reader.read(f"{name}:{line}", values) for line, values in rows]
    if not records and not problems.count:
        problems.add(path, "no scans; give at least one")
    if problems.count:
        raise ConfigError(*problems.lines())
    return in_order(np.array(records, SCAN))


def in_order(scans: Records) -> Records:
    """Return SCANs by instant; those of the same instant as they came.

    Raises:
        ConfigError: more than SCANS_MAX.
    """
    if len(scans) > SCANS_MAX:
        raise ConfigError(
            f"{len(scans)} recorded pieces, at most {SCANS_MAX} can be replayed; take fewer days"
        )
    rising = np.diff(scans["scanned_ns"]) >= 0
    if rising.all():
        return scans
    ordered: Records = scans[np.argsort(scans["scanned_ns"], kind="stable")]
    return ordered


class _Reader:
    """Reads the values of one row."""

    def __init__(self, network: Network, problems: Problems) -> None:
        self._problems = problems
        self._brands = {"": 0, **network.brand_numbers()}
        self._classes = {"": 0, **network.class_numbers()}
        self._dispositions = {"": int(Disposition.NONE)}
        self._dispositions |= {d.name.lower(): int(d) for d in Disposition}
        self._read_before: dict[tuple[str, ...], tuple[int, ...]] = {}
        self._by_plan = {int(disposition) for disposition in BY_PLAN}

    def read(self, where: str, values: list[str]) -> tuple[int, ...]:
        """Return a SCAN's fields in order; what is wrong becomes a problem."""
        rest = tuple(values[1:])
        # Rows differ by their instants; the rest of most has been read before.
        fields = self._read_before.get(rest)
        if fields is None:
            before = self._problems.count
            fields = self._read_rest(where, *rest)
            if self._problems.count == before and len(self._read_before) < READ_BEFORE_MAX:
                self._read_before[rest] = fields
        return (self._instant(where, values[0]), *fields)

    def _read_rest(
        self, where: str, brand: str, service_class: str, destination: str, disposition: str,
        chute: str, laps: str,
    ) -> tuple[int, ...]:  # fmt: skip
        number = self._known(where, "disposition", disposition, self._dispositions)
        problem = code_problem(destination) if destination else ""
        if problem:
            self._problems.add(where, f"destination: {problem}")
        return (
            int(destination) if destination and not problem else 0,
            self._known(where, "brand", brand, self._brands),
            self._known(where, "service_class", service_class, self._classes),
            int(Disposition.ROUTED) if number in self._by_plan else number,
            number,
            self._number(where, "chute", chute, CHUTE_NUMBER_MAX),
            self._number(where, "laps", laps, LAPS_MAX),
        )

    def _instant(self, where: str, text: str) -> int:
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            self._problems.add(
                where, f"scanned_at: {text!r:.40}; give ISO 8601 with its offset, such as "
                "2026-01-31T20:15:00.250+08:00",
            )  # fmt: skip
            return 0
        return _ns(instant)

    def _known(self, where: str, field: str, text: str, names: dict[str, int]) -> int:
        if text not in names:
            self._problems.add(where, f"{field}: {text!r:.40} is not known; correct it")
        return names.get(text, 0)

    def _number(self, where: str, field: str, text: str, most: int) -> int:
        if not text:
            return 0
        if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and int(text) <= most:
            return int(text)
        self._problems.add(where, f"{field}: {text!r:.40}; give a whole number from 0 to {most}")
        return 0


def _ndjson(path: Path, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and values of each object, in the order of COLUMNS."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            problems.add(path, f"larger than {FILE_BYTES_MAX} bytes; split the file")
            return
        content = path.read_bytes()
    except OSError as error:
        problems.add(path, f"can't be read: {error.strerror}; correct the path or its rights")
        return
    for line, text in enumerate(content.splitlines(), 1):
        if not text.strip():
            continue
        if line > ROWS_MAX:
            problems.add(f"{path}:{line}", f"more than {ROWS_MAX} lines; split the file")
            return
        try:
            row = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            problems.add(f"{path}:{line}", f"not valid JSON: {error}; mend the line")
            continue
        unknown = sorted(row.keys() - set(COLUMNS)) if isinstance(row, dict) else None
        if unknown is None or unknown:
            what = f"unknown key {unknown[0]!r:.40}" if unknown else "no JSON object"
            problems.add(f"{path}:{line}", f"{what}; the keys are {','.join(COLUMNS)}")
            continue
        yield line, ["" if row.get(name) is None else str(row[name]) for name in COLUMNS]
