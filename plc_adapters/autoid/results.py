"""What an AutoID device tells of a scan, taken from whatever form the OPC UA library leaves it in.

A structure whose type the library knows, as some client of the process has loaded the server's,
comes as an object with its fields; any other one as the bytes it was.
"""

import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from plc_adapters.autoid.codes import Read
from plc_adapters.autoid.structures import BY_ENCODING

BYTE_STRING, STRING, EPC, CUSTOM = 1, 2, 3, 4
"""Kinds of a scan's data, as its union numbers them."""
EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
"""OPC UA's null instant."""
PIECE_ID_MAX = 0xFFFF_FFFF


class ResultError(Exception):
    """A result is none that AutoID describes; says what it is instead."""


class PieceIdError(ResultError):
    """A result bears no piece id where it should."""


@dataclass(frozen=True, slots=True)
class Told:
    """One code, and when it was read by the scanner's clock, ns; 0 where it does not tell."""

    read: Read
    read_ns: int
    kind: int = 0
    """Of its data, as the union numbers it; 0 for a bare value."""


def instant_ns(instant: object) -> int:
    """Return an OPC UA instant in ns since the Unix epoch; 0 for none."""
    if not isinstance(instant, datetime):
        return 0
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    if aware <= EPOCH:
        return 0
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def results_of(value: Any, autoid: int) -> Iterable[Any]:
    """Return what an event's ScanResult, or LastScanData, holds; nothing for a no-read.

    Args:
        value: of the variant.
        autoid: index of AutoID's namespace in this session.

    Raises:
        ResultError: it holds a structure that AutoID does not describe.
    """
    if value is None:
        return ()
    return [_opened(one, autoid) for one in (value if isinstance(value, list) else [value])]


def told(result: Any) -> Told:
    """Return the code of a result, of a bare ScanData, or of a bare value.

    Raises:
        ResultError: its data is of no kind that AutoID knows.
    """
    data = getattr(result, "ScanData", result)
    symbology = getattr(result, "Symbology", None)
    return Told(
        Read(_bytes_of(data), symbology.encode() if isinstance(symbology, str) else b""),
        instant_ns(getattr(result, "Timestamp", None)),
        _kind_of(data),
    )


def piece_id(value: Any) -> int:
    """Return the piece id that a result bears: a whole number, or its digits.

    Raises:
        PieceIdError: it is none from 1 to 4,294,967,295.
    """
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal():
        value = int(value) if len(value) <= len(str(PIECE_ID_MAX)) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= PIECE_ID_MAX:
        raise PieceIdError(f"bears the piece id {_shown(value)}, which is none")
    return value


def _shown(value: object) -> str:
    """Return a value as a message shows it: no longer than a line, however long it came."""
    return reprlib.repr(value)


def _opened(value: Any, autoid: int) -> Any:
    """Return a value, decoded if it is a structure that came as bytes."""
    if not isinstance(value, ua.ExtensionObject):
        return value
    type_id = value.TypeId
    cls = BY_ENCODING.get(type_id.Identifier) if type_id.NamespaceIndex == autoid else None
    if cls is None or value.Body is None:
        raise ResultError(
            f"is a structure that AutoID does not describe ({_shown(type_id.to_string())})"
        )
    return struct_from_binary(cls, Buffer(value.Body))


def _kind_of(data: Any) -> int:
    """Return the kind of a scan's data, as its union numbers it; 0 for a bare value."""
    kind = getattr(data, "Encoding", None)
    if kind is None or not hasattr(data, "Value"):
        return 0
    if kind not in (BYTE_STRING, STRING, EPC, CUSTOM):
        raise ResultError(f"holds data of kind {kind}, which AutoID does not know")
    return int(kind)


def _bytes_of(data: Any) -> bytes:
    """Return what was read as bytes; an RFID tag's as upper-case hexadecimal digits."""
    if _kind_of(data):
        data = data.Value
    if isinstance(data, ua.Variant):
        data = data.Value
    if hasattr(data, "UId"):
        return (data.UId or b"").hex().upper().encode()
    if data is None:
        return b""
    if isinstance(data, str):
        # Bytes that were no UTF-8 came as the library keeps them; a code is what was read.
        return data.encode(errors="surrogateescape")
    if isinstance(data, bytes):
        return data
    raise ResultError(f"holds data of type {type(data).__name__}; a code is text or bytes")
