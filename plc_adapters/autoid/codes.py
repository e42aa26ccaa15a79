"""What of a scanner's codes counts, and how they stand in an EVENT."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES, CODES_MAX, ScanStatus

AIM_ID = re.compile(rb"\][A-Za-z][0-9A-Za-z]")
"""An AIM symbology identifier (ISO/IEC 15424)."""
TRAILERS = b"\r\n\0"
"""Bytes that scanners are set to send after a code and that are not of it."""


@dataclass(frozen=True, slots=True)
class Read:
    """One code as a scanner told it."""

    data: bytes
    symbology: bytes = b""
    """Its AIM identifier, such as ``]C1``; anything else says nothing."""


@dataclass(frozen=True, slots=True)
class CodeFilter:
    """Which codes of a station count. What is left empty lets all through."""

    no_read: tuple[str, ...] = ()
    """Texts by which the scanner says that it read nothing; upper and lower case are alike."""
    pattern: str = ""
    """Regular expression that a whole code must match, without its AIM prefix."""
    symbologies: tuple[str, ...] = ()
    """AIM identifiers or their beginnings: ``]C1``, ``]Q``. A code of no known one is left out."""
    length_min: int = 1
    length_max: int = 4096


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of one scan as an EVENT carries them."""

    codes: NDArray[np.uint8]
    """uint8[CODES_MAX, CODE_BYTES], each with its AIM prefix where known, NUL-padded."""
    count: int
    status: int
    """Bits of :class:`~plc_adapters.contract.ScanStatus`."""
    left_out: int
    """Codes that the filter did not let through, or that hold a NUL."""


class CodeReader:
    """Turns what a scanner tells into what an EVENT carries."""

    def __init__(self, rules: CodeFilter) -> None:
        self._rules = rules
        self._pattern = re.compile(rules.pattern.encode()) if rules.pattern else None
        self._symbologies = tuple(each.encode() for each in rules.symbologies)
        self._no_read = {text.strip().casefold().encode() for text in rules.no_read}

    def read(self, reads: Iterable[Read]) -> Codes:
        """Return the codes that count, in the scanner's order, each once.

        The same data under two symbologies is one code. A prefix that would push a code's end out
        of its 40 bytes is left out before the code is cut.
        """
        found: dict[bytes, bytes] = {}
        left_out = 0
        for read in reads:
            symbology, data = self._apart(read)
            if not data or self._says_no_read(data):
                continue
            if self._counts(symbology, data):
                found.setdefault(data, symbology)
            else:
                left_out += 1
        return _packed(list(found.items()), left_out)

    def _apart(self, read: Read) -> tuple[bytes, bytes]:
        """Return a code's AIM prefix, if any, and its data."""
        data = read.data.rstrip(TRAILERS)
        if AIM_ID.match(data):
            return data[:3], data[3:]
        symbology = read.symbology if AIM_ID.fullmatch(read.symbology) else b""
        return symbology, data

    def _says_no_read(self, data: bytes) -> bool:
        text = data.decode("utf-8", "replace").strip().casefold().encode()
        return not text or text in self._no_read

    def _counts(self, symbology: bytes, data: bytes) -> bool:
        rules = self._rules
        return (
            rules.length_min <= len(data) <= rules.length_max
            and b"\0" not in data
            and (not self._symbologies or symbology.startswith(self._symbologies))
            and (self._pattern is None or self._pattern.fullmatch(data) is not None)
        )


def _packed(found: Sequence[tuple[bytes, bytes]], left_out: int) -> Codes:
    codes = np.zeros((CODES_MAX, CODE_BYTES), np.uint8)
    status = ScanStatus(0)
    if len(found) > CODES_MAX:
        status |= ScanStatus.MORE_CODES
    for row, (data, symbology) in zip(codes, found, strict=False):
        code = symbology + data if len(symbology) + len(data) <= CODE_BYTES else data
        if len(code) > CODE_BYTES:
            status |= ScanStatus.CODE_CUT
            code = code[:CODE_BYTES]
        row[: len(code)] = np.frombuffer(code, np.uint8)
    return Codes(codes, min(len(found), CODES_MAX), int(status), left_out)
