"""What an AutoID device could put into a message, right and wrong, drawn from a fuzzer's bytes."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_to_binary, variant_from_binary, variant_to_binary

from plc_adapters.autoid.structures import (
    BY_ENCODING,
    OpticalScanResult,
    ScanDataEpc,
    ScanDataUnion,
    ScanResult,
)

AUTOID = 4
DEPTH_MAX = 3
"""Of values within values."""
ITEMS_MAX = 4
LONG = 70_000
"""Characters of an oversized text."""
TEXTS = (
    "JD0001", "", "noread", "]C1JD0002\r\n", "运单0007", "连云港" * 9, "9" * 40, "9" * LONG,
    "港" * LONG, "A\0B", "\udcff\udcfe", "\ud800", "٣", "99999999999", "7", " 7 ", "]Q3",
)  # fmt: skip
NUMBERS = (0, 1, -1, 7, 2**31, 2**32 - 1, 2**32, 2**64, True)
INSTANTS = (
    datetime.min, datetime.max, datetime(1601, 1, 1), datetime(1970, 1, 1),
    datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC),
)  # fmt: skip
WIRED = (
    "80ffffff0f", "81ffffff7f", "8cffffff7ffcffffff", "8cffffff7fffffffff", "0cfbffffff",
    "98010000009801000000980100000018181818", "c70100000001000000ffffff7fffffff7f",
    "16010404f42001ffffffff", "5604000000", "0d0000000000000080", "3f", "",
)  # fmt: skip
"""Variants as bytes, which the library has to refuse or to read."""


class Draw:
    """A fuzzer's bytes, taken as choices; zeros behind their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._data)

    def number(self, below: int) -> int:
        """Return a number from 0, and less than ``below``, at most 256."""
        self._at += 1
        return self._data[self._at - 1] % below if self._at <= len(self._data) else 0

    def one(self, choices: tuple[Any, ...]) -> Any:
        return choices[self.number(len(choices))]

    def raw(self) -> bytes:
        count = self.number(64)
        self._at += count
        return self._data[self._at - count : self._at]


def instant(draw: Draw, now_ns: int) -> Any:
    """Return an instant near now, one far off, or none at all."""
    match draw.number(4):
        case 0:
            return None
        case 1:
            return draw.one(INSTANTS)
        case 2:
            return draw.one((float("nan"), float("inf"), "now", 0, b"\xff"))
    near = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now_ns // 1000)
    return near + timedelta(milliseconds=draw.number(256) - 128)


def node(identifier: Any, index: int) -> ua.NodeId:
    """Return the id of a node."""
    return ua.NodeId(ua.Int32(identifier), ua.Int16(index))


def value(draw: Draw, now_ns: int, depth: int = 0) -> Any:
    """Return what a variant, or an arm of a union, holds."""
    if depth < DEPTH_MAX and draw.number(2):
        return compound(draw, now_ns, depth + 1)
    match draw.number(6):
        case 0:
            return draw.one(TEXTS)
        case 1:
            return draw.raw()
        case 2:
            return draw.one(NUMBERS)
        case 3:
            return instant(draw, now_ns)
        case 4:
            return draw.one((None, float("nan"), node(1004, AUTOID), object(), {}))
    return ua.ExtensionObject()


def compound(draw: Draw, now_ns: int, depth: int) -> Any:
    """Return a value that holds others."""
    match draw.number(7):
        case 0:
            return [value(draw, now_ns, depth) for _ in range(draw.number(ITEMS_MAX))]
        case 1:
            return ScanDataUnion(
                Encoding=draw.one((0, 1, 2, 3, 4, 5, "2", None)), Value=value(draw, now_ns, depth)
            )
        case 2:
            with suppress(Exception):  # The library looks at what a variant is made of.
                return ua.Variant(value(draw, now_ns, depth))
            return None
        case 3:
            data, words = value(draw, now_ns, depth), draw.one((0, 7, None))
            return ScanDataEpc(PC=words, UId=data, XPC_W1=words, XPC_W2=words)
        case 4:
            return encoded(draw, value(draw, now_ns, depth))
        case 5:
            type_id = node(draw.one(tuple(BY_ENCODING)), draw.one((AUTOID, 0, 9)))
            return ua.ExtensionObject(type_id, draw.one((None, draw.raw())))
    return result(draw, now_ns, depth)


def result(draw: Draw, now_ns: int, depth: int = 0) -> Any:
    """Return a scan result, mostly one as it should be."""
    data: Any = value(draw, now_ns, depth)
    if draw.number(3):
        arm = draw.number(2)
        data = ScanDataUnion(
            Encoding=ua.UInt32(1 + arm), Value=draw.raw() if arm == 0 else draw.one(TEXTS)
        )
    told: dict[str, Any] = {
        "CodeType": draw.one(TEXTS), "ScanData": data, "Timestamp": instant(draw, now_ns),
    }  # fmt: skip
    if draw.number(2):
        return ScanResult(**told)
    return OpticalScanResult(**told, Symbology=draw.one((None, *TEXTS, 7)))


def encoded(draw: Draw, what: Any) -> Any:
    """Return a structure as the bytes it has on the wire, some of them changed."""
    body = bytearray(draw.raw())
    with suppress(Exception):  # What can't be written at all comes as noise.
        body = bytearray(struct_to_binary(what))
    for _ in range(draw.number(3)):
        if body:
            body[(draw.number(256) << 8 | draw.number(256)) % len(body)] = draw.number(256)
    kind: Any = {OpticalScanResult: 5040, ScanResult: 5002, ScanDataUnion: 5030}
    number: Any = kind.get(type(what)) or draw.one(tuple(BY_ENCODING))
    return ua.ExtensionObject(node(number, AUTOID), ua.ByteString(bytes(body)))


def variant(draw: Draw, what: Any) -> Any:
    """Return a variant of that; some as the library reads it from the wire again, changed or not.

    What it refuses is none: its client drops the connection then.
    """
    if draw.number(8) == 7:
        with suppress(Exception):
            return variant_from_binary(Buffer(bytes.fromhex(draw.one(WIRED))))
        return ua.Variant(None)
    try:
        made = ua.Variant(what)
    except Exception:  # noqa: BLE001 - as above: the library looks at what it is made of
        return Loose(what)
    if draw.number(2):
        return made
    with suppress(Exception):
        body = bytearray(variant_to_binary(made))
        if draw.number(2):
            body[(draw.number(256) << 8 | draw.number(256)) % len(body)] = draw.number(256)
        return variant_from_binary(Buffer(bytes(body)))
    return made


class Loose:
    """A variant that holds what no variant should."""

    def __init__(self, what: Any) -> None:
        self.Value = what
