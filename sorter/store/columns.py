"""The journal's records as rows of the database: which field becomes which column.

Python converts whole columns, never a row: instants stay microseconds, which :func:`know_instants`
teaches a connection to take.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES, EVENT, EventKind, Records, SensorStatus
from sorter.ports import DECISION, PIECE

NS_PER_US = 1_000
US_PER_DAY = 86_400_000_000
UNREAD = (SensorStatus.INVALID, SensorStatus.SILENT)
"""A sensor that stands so has no reading."""

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
POSTGRES_EPOCH_US = 946_684_800_000_000
"""Of PostgreSQL's own count of instants, in microseconds since 1970."""
MICROSECOND = timedelta(microseconds=1)
_TEXT = f"S{CODE_BYTES}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column, the field or fields that it is made of, and how."""

    name: str
    field: str
    values: Callable[[Records], list[Any]]


class Table:
    """A table of records and the columns that its record's fields become.

    Args:
        name: Table.
        record: Its records' dtype.
        key: Instant the table is partitioned by, as field and column.
        identity: Columns by which two records of a line are of the same, whenever heard of.
        instants: Further instants, field to column; 0 becomes NULL.
        renamed: Fields whose column has another name.
    """

    def __init__(
        self,
        name: str,
        record: np.dtype[np.void],
        key: tuple[str, str],
        identity: tuple[str, ...],
        instants: dict[str, str],
        renamed: dict[str, str],
    ) -> None:
        self.name = name
        self.identity = identity
        self.staging = f"staged_{name}"
        self.key_field, self.key_column = key
        self.columns = list(_columns(record, key, instants, renamed))
        self.names = ["line", *(column.name for column in self.columns)]

    @property
    def create_staging(self) -> str:
        """SQL that makes a temporary table for rows that may be there already."""
        return f"CREATE TEMP TABLE {self.staging} (LIKE {self.name}) ON COMMIT DELETE ROWS"

    @property
    def insert(self) -> str:
        """SQL that takes over those staged rows that are not there yet."""
        names = ", ".join(self.names)
        return (
            f"INSERT INTO {self.name} ({names}) SELECT {names} FROM {self.staging} "  # noqa: S608
            "ON CONFLICT DO NOTHING"
        )

    @property
    def insert_unless_known(self) -> str:
        """SQL that takes over those staged rows of which the line has no record yet.

        Another host may have heard of the same at another instant: then :attr:`insert` would make
        a second row of it. $1 is the line's name; $2 and $3 bound the instants to look at.
        """
        same = " AND ".join(f"known.{name} = {self.staging}.{name}" for name in self.identity)
        return (
            self.insert.removesuffix("ON CONFLICT DO NOTHING")
            + f"WHERE NOT EXISTS (SELECT FROM {self.name} known WHERE known.line = $1 AND {same} "
            f"AND known.{self.key_column} BETWEEN $2 AND $3) ON CONFLICT DO NOTHING"
        )

    def rows(self, line: str, records: Records) -> Iterable[tuple[Any, ...]]:
        """Return a line's records as rows with :attr:`names`, instants in microseconds."""
        columns = (column.values(records) for column in self.columns)
        return zip([line] * len(records), *columns, strict=True)

    def near(self, records: Records) -> tuple[int, int]:
        """Return between which instants another host can have heard of these, in microseconds."""
        micros = _micros(records[self.key_field])
        return int(micros.min()) - US_PER_DAY, int(micros.max()) + US_PER_DAY

    def days(self, records: Records) -> set[int]:
        """Return the UTC days since 1970 that these records belong to."""
        return set(np.unique(_micros(records[self.key_field]) // US_PER_DAY).tolist())


def text_of(code: bytes) -> str:
    r"""Return a code as text that any database takes and that its bytes can be told from.

    What is no UTF-8 or can't be printed is escaped (``\xff``), and so is the backslash itself.
    """
    try:
        text = code.decode()
    except UnicodeDecodeError:
        return _decoded(code)
    return text if text.isprintable() and "\\" not in text else _decoded(code)


def _decoded(code: bytes) -> str:
    """Decode piece by piece, so that an escaped byte differs from an escape that was read."""
    parts: list[str] = []
    while code:
        try:
            parts.extend(_escaped(character) for character in code.decode())
            break
        except UnicodeDecodeError as error:
            parts.extend(_escaped(character) for character in code[: error.start].decode())
            parts.extend(f"\\x{byte:02x}" for byte in code[error.start : error.end])
            code = code[error.end :]
    return "".join(parts)


def _escaped(character: str) -> str:
    if character.isprintable() and character != "\\":
        return character
    number = ord(character)
    if number < 0x80:
        return f"\\x{number:02x}"  # a byte above stands for itself, being no UTF-8
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _columns(
    record: np.dtype[np.void],
    key: tuple[str, str],
    instants: dict[str, str],
    renamed: dict[str, str],
) -> Iterable[Column]:
    for field in record.names or ():
        name = renamed.get(field, field)
        if field in ("line", "waybill_length"):
            continue
        if field == "waybill":
            yield Column(name, field, _waybills)
        elif field == "codes":
            yield Column(name, field, _codes)
        elif field == "chutes":
            yield Column(name, field, _chutes)
        elif field in ("quantity", "reading_milli"):
            yield Column(name, field, _of_sensors(field))
        elif field == key[0]:
            yield Column(key[1], field, _instants_of(field))
        elif field in instants:
            yield Column(instants[field], field, _known_instants_of(field))
        else:
            yield Column(name, field, _integers_of(field))


async def know_instants(connection: Any) -> None:
    """Have a connection take instants as microseconds since 1970 too, and return datetimes.

    A datetime made of each instant, and taken apart again, costs as much as the rest of its row.
    """
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", format="tuple", encoder=_told_instant,
        decoder=lambda told: POSTGRES_EPOCH + timedelta(microseconds=told[0]),
    )  # fmt: skip


def _told_instant(instant: int | datetime) -> tuple[int]:
    if isinstance(instant, datetime):
        return ((instant - POSTGRES_EPOCH) // MICROSECOND,)
    return (instant - POSTGRES_EPOCH_US,)


def _micros(nanos: NDArray[np.int64]) -> NDArray[np.int64]:
    return nanos // NS_PER_US


def _instants_of(field: str) -> Callable[[Records], list[Any]]:
    return lambda records: list(_micros(records[field]).tolist())


def _known_instants_of(field: str) -> Callable[[Records], list[Any]]:
    """NULL where it is 0."""
    return lambda records: [micros or None for micros in _micros(records[field]).tolist()]


def _integers_of(field: str) -> Callable[[Records], list[Any]]:
    return lambda records: list(records[field].tolist())


def _of_sensors(field: str) -> Callable[[Records], list[Any]]:
    """NULL wherever there is none, so that the rows of pieces take no room for it."""

    def values(records: Records) -> list[Any]:
        found: list[Any] = [None] * len(records)
        has = (records["kind"] == EventKind.SENSOR) & (records["quantity"] != 0)
        if field == "reading_milli":
            has &= ~np.isin(records["status"], UNREAD)
        for row in np.flatnonzero(has).tolist():
            found[row] = int(records[field][row])
        return found

    return values


def _waybills(records: Records) -> list[Any]:
    raw = np.ascontiguousarray(records["waybill"]).view(_TEXT)[:, 0].tolist()
    lengths = records["waybill_length"].tolist()
    return [
        text_of(code[:length]) if length else None
        for code, length in zip(raw, lengths, strict=True)
    ]


def _codes(records: Records) -> list[Any]:
    values: list[Any] = [None] * len(records)
    with_codes = np.flatnonzero(records["code_count"])
    if len(with_codes):
        counts = records["code_count"][with_codes].tolist()
        raw = np.ascontiguousarray(records["codes"][with_codes]).view(_TEXT)[..., 0].tolist()
        for row, count, codes in zip(with_codes.tolist(), counts, raw, strict=True):
            values[row] = [text_of(code) for code in codes[:count]]
    return values


def _chutes(records: Records) -> list[Any]:
    values: list[Any] = [None] * len(records)
    with_chutes = np.flatnonzero(records["chutes"].any(axis=1))
    chosen = records["chutes"][with_chutes].tolist()
    for row, chutes in zip(with_chutes.tolist(), chosen, strict=True):
        values[row] = [chute for chute in chutes if chute]
    return values


EVENTS = Table(
    "event",
    EVENT,
    ("host_receive_ns", "received_at"),
    ("boot_id", "sequence"),
    {"event_ns": "event_at"},
    renamed={},
)
DECISIONS = Table(
    "decision",
    DECISION,
    ("decided_ns", "decided_at"),
    ("boot_id", "event_sequence", "revision"),
    {"deadline_ns": "deadline_at"},
    renamed={"group": "chute_group"},
)
PIECES = Table(
    "piece",
    PIECE,
    ("ended_ns", "ended_at"),
    ("boot_id", "piece_id"),
    {"inducted_ns": "inducted_at", "scanned_ns": "scanned_at"},
    renamed={"group": "chute_group", "cause": "missort_cause"},
)
TABLES = (EVENTS, DECISIONS, PIECES)
