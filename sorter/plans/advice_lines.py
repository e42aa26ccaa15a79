"""Reads the plain lines of a pre-advice file, a block at a time, as columns.

A line is plain if it has no quotes, no blanks, nothing but ASCII, the right number of values, and
every value is one that may stand there. All others are left to the reader that goes line by line,
so that only one place knows what is wrong with a line.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES
from sorter.assignment.arrays import PLACE_LEVELS, PreAdviceArrays, blank_pre_advice
from sorter.plans.advice_words import (
    ALL_COLUMNS,
    HOLD_SEPARATOR,
    BadLineError,
    Words,
    day_number,
    hold_bits,
)
from sorter.ports import HoldKind

LINE_BYTES_MAX = 1000
"""Bytes of one line, its end not counted; a longer one is bad, and never held in memory whole."""
NEWLINE, RETURN, QUOTE, COMMA, BRACKET, DIGIT_0 = b'\n\r",]0'
PRINTABLE_FIRST, PRINTABLE_LAST = b"!~"
HOLDS_BYTES = len(HOLD_SEPARATOR.join(HoldKind.__members__))
"""Bytes of a value that names every hold once."""
DATE_BYTES = len("YYYY-MM-DD")
DESTINATION_BYTES = max(PLACE_LEVELS)

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Block:
    """Whole lines of comma-separated values, and where each value lies."""

    def __init__(self, content: bytes, width: int) -> None:
        """Find the values.

        Args:
            content: The lines, each with a line feed at its end.
            width: Values of a line.
        """
        self._text = np.frombuffer(content, np.uint8)
        feeds = np.flatnonzero(self._text == NEWLINE)
        starts = np.concatenate(([0], feeds[:-1] + 1)) if len(feeds) else feeds
        has_return = (feeds > starts) & (self._text[feeds - 1] == RETURN)
        ends = feeds - has_return
        odd = (self._text < PRINTABLE_FIRST) | (self._text > PRINTABLE_LAST)
        odd |= self._text == QUOTE
        odd[feeds] = False
        odd[ends] = False
        commas = np.flatnonzero(self._text == COMMA)
        first = np.searchsorted(commas, starts)
        plain = np.searchsorted(commas, ends) - first == width - 1
        plain &= ends - starts <= LINE_BYTES_MAX
        plain[np.searchsorted(feeds, np.flatnonzero(odd))] = False
        self.count = len(feeds)
        self.plain = np.flatnonzero(plain)
        """Numbers of the lines that look plain."""
        inner = commas[first[plain][:, None] + np.arange(width - 1)]
        self._left = np.column_stack((starts[plain], inner + 1))
        self._length = np.column_stack((inner, ends[plain])) - self._left

    def values(self, column: int, size: int) -> tuple[Bytes, Numbers]:
        """Return a column of the plain lines: uint8[n, size], NUL-padded or cut, and lengths."""
        left, length = self._left[:, column], self._length[:, column]
        offsets = np.arange(size)
        # What lies beyond a value is blotted out, so it doesn't matter where it is taken from.
        at = np.minimum(left[:, None] + offsets, len(self._text) - 1)
        return np.where(offsets < length[:, None], self._text[at], np.uint8(0)), length


def read_plain(content: bytes, order: list[int], words: Words) -> tuple[PreAdviceArrays, Mask]:
    """Read the plain lines of a block.

    Args:
        content: The lines, each with a line feed at its end.
        order: Where each of ALL_COLUMNS stands in a line, −1 for one that it has not.
        words: What brands and classes are called.

    Returns:
        A row for each line, blank where it is not plain; and which rows are filled.
    """
    block = Block(content, sum(place >= 0 for place in order))
    rows = blank_pre_advice(block.count)
    filled = np.zeros(block.count, np.bool_)
    place = dict(zip(ALL_COLUMNS, order, strict=True))
    waybill, length = block.values(place["waybill"], CODE_BYTES)
    good = (length > 0) & (length <= CODE_BYTES) & (waybill[:, 0] != BRACKET)
    brand = _named(block, place["brand"], words.brands, good)
    service_class = _named(block, place["service_class"], words.classes, good)
    destination = _destinations(block, place["destination"], good)
    holds = _parsed(block, place["holds"], HOLDS_BYTES, hold_bits, good)
    expires = _parsed(block, place["expires"], DATE_BYTES, day_number, good)
    lines = block.plain[good]
    filled[lines] = True
    rows.length[lines] = length[good]
    rows.waybill[lines] = waybill[good]
    rows.brand[lines] = brand[good]
    rows.service_class[lines] = service_class[good]
    rows.destination[lines] = destination[good]
    rows.holds[lines] = holds[good]
    rows.expires_day[lines] = expires[good]
    return rows, filled


def _named(block: Block, column: int, names: dict[str, int], good: Mask) -> Numbers:
    """Return the number of each name; a name that is unknown makes its line not good."""
    size = max(map(len, names)) or 1
    values, length = block.values(column, size)
    texts = values.view(f"S{size}")[:, 0]
    numbers = np.full(len(texts), -1, np.int64)
    for name, number in names.items():
        numbers[texts == name.encode()] = number
    good &= (numbers >= 0) & (length <= size)
    return numbers


def _destinations(block: Block, column: int, good: Mask) -> Numbers:
    values, length = block.values(column, DESTINATION_BYTES)
    digits = values - np.uint8(DIGIT_0)
    numbers = np.zeros(len(length), np.int64)
    for k in range(DESTINATION_BYTES):
        inside = k < length
        good &= ~inside | (digits[:, k] <= 9)
        numbers = np.where(inside, numbers * 10 + digits[:, k], numbers)
    good &= np.isin(length, (0, *PLACE_LEVELS)) & ((length == 0) | (digits[:, 0] != 0))
    return numbers


def _parsed(
    block: Block, column: int, size: int, parse: Callable[[str], int], good: Mask
) -> Numbers:
    """Return what each value stands for, 0 for an empty one; few different ones are parsed."""
    if column < 0:
        return np.zeros(len(good), np.int64)
    values, length = block.values(column, size)
    numbers = np.zeros(len(length), np.int64)
    good &= length <= size
    given = np.flatnonzero((length > 0) & good)
    texts, which = np.unique(values[given].view(f"S{size}")[:, 0], return_inverse=True)
    meant = np.zeros(len(texts), np.int64)
    known = np.ones(len(texts), np.bool_)
    for k, text in enumerate(texts):
        try:
            meant[k] = parse(text.decode("ascii"))
        except BadLineError:
            known[k] = False
    numbers[given] = meant[which]
    good[given] &= known[which]
    return numbers
