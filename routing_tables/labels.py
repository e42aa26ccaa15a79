"""Route labels (three-segment codes): which places they stand for, in which bytes they are read.

A row of a table gives a brand's leading segments, or all of an opaque label, and a destination. It
becomes the very bytes with which such a label begins, so that a look-up compares nothing but bytes,
and splits nothing but at the byte that parts the segments in that form.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routing_tables.codes import DEAD, START, CodeArrays, compile_codes
from routing_tables.errors import Problems
from routing_tables.files import read_csv
from routing_tables.schema import (
    LABELS_MAX,
    WAYBILL_BYTES_MAX,
    Brand,
    LabelForm,
    LabelRow,
    Network,
    code_problem,
)

COLUMNS = ("brand", "segments", "destination")
SEGMENTS_MAX = 4
"""Segments of one row; the field uses three, and four on some labels."""
DELIMITERS = {LabelForm.SEGMENTS: ord("-"), LabelForm.KEYED: ord(",")}
"""The byte that parts the segments on a label; an opaque one has no parts."""


class Key(NamedTuple):
    """The bytes with which a brand's label begins, or all of them, and where they lead."""

    brand: int
    text: bytes
    destination: int


class Labels:
    """The label forms of one brand: which bytes a row stands for, and what a whole label is."""

    def __init__(self, brand: Brand) -> None:
        """Compile them.

        Raises:
            TableError: a pattern is wrong.
        """
        self._forms: dict[LabelForm, CodeArrays] = {}
        self._tails: dict[tuple[LabelForm, int], bytes | None] = {}
        for form in sorted({label.form for label in brand.labels}):
            only = tuple(label for label in brand.labels if label.form == form)
            bare = Brand(brand.code, "", "", brand.synthetic, waybills=(), labels=only)
            self._forms[form] = compile_codes((bare,))

    def examples(self, segments: str) -> list[tuple[bytes, bytes]]:
        """Return a row's bytes in every form in which the brand can show them.

        Beside each stands a whole label that begins with it: the shortest one, first in the order
        of its bytes.
        """
        found: dict[bytes, bytes] = {}
        for form, codes in self._forms.items():
            text = _text(form, segments)
            if len(text) > WAYBILL_BYTES_MAX:
                continue
            state = START
            for byte in text:
                state = int(codes.dfa_next[state, byte])
            tail = self._tail(form, state)
            if tail is not None and len(text) + len(tail) <= WAYBILL_BYTES_MAX:
                found.setdefault(text, text + tail)
        return list(found.items())

    def _tail(self, form: LabelForm, state: int) -> bytes | None:
        """Return what must follow a row's bytes to make a label, None where nothing can."""
        key = form, state
        if key not in self._tails:
            self._tails[key] = _shortest(self._forms[form], state, DELIMITERS.get(form))
        return self._tails[key]


def _text(form: LabelForm, segments: str) -> bytes:
    if form != LabelForm.KEYED:
        return segments.encode()
    parts = (f"'k{n}':'{part}'" for n, part in enumerate(segments.split("-"), 1))
    return ("MMM={" + ",".join(parts)).encode()


def _shortest(codes: CodeArrays, state: int, delimiter: int | None) -> bytes | None:
    """Return the shortest text from a state to a label's end, empty at one, else a delimiter first.

    Breadth first, in the order of the bytes: the same patterns always give the same text.
    """
    if codes.dfa_accept[state] != 0:
        return b""
    ahead: dict[int, bytes] = {}
    if delimiter is not None and codes.dfa_next[state, delimiter] != DEAD:
        ahead[int(codes.dfa_next[state, delimiter])] = bytes((delimiter,))
    known = set(ahead)
    while ahead:
        following: dict[int, bytes] = {}
        for here, text in ahead.items():
            if codes.dfa_accept[here] != 0:
                return text
            for byte in np.flatnonzero(codes.dfa_next[here]).tolist():
                further = int(codes.dfa_next[here, byte])
                if further not in known:
                    known.add(further)
                    following[further] = text + bytes((byte,))
        ahead = following
    return None


def load_labels(
    folder: Path,
    brands: Sequence[Brand],
    codes: AbstractSet[str],
    roots: tuple[str, ...],
    problems: Problems,
) -> tuple[LabelRow, ...]:
    """Load all label tables of a network, in the order of their names.

    Args:
        folder: The network's folder; each of its files ``labels*.csv`` has the columns brand,
            segments, destination.
        brands: The brands of the network; their patterns are right.
        codes: Every division code of the network.
        roots: Codes above the highest divisions.
        problems: Collects what is wrong.
    """
    labels = {brand.code: Labels(brand) for brand in brands}
    rows: list[LabelRow] = []
    first: dict[tuple[str, bytes], str] = {}
    for path in sorted(folder.glob("labels*.csv")):
        for line, (brand, segments, destination) in read_csv(path, COLUMNS, problems):
            row = LabelRow(f"{path}:{line}", brand, segments, destination)
            if len(rows) == LABELS_MAX:
                problems.add(row.where, f"more than {LABELS_MAX} labels; use shorter prefixes")
                return tuple(rows)
            rows.append(row)
            _check_destination(row, codes, roots, problems)
            if brand not in labels:
                problems.add(
                    row.where,
                    f"brand: no brand {brand!r:.40}; name one of {', '.join(sorted(labels))}",
                )
            else:
                _check_segments(row, labels[brand], first, problems)
    return tuple(rows)


def _check_destination(
    row: LabelRow, codes: AbstractSet[str], roots: tuple[str, ...], problems: Problems
) -> None:
    problem = code_problem(row.destination)
    if problem:
        problems.add(row.where, f"destination: {problem}")
    elif row.destination.startswith(roots) and row.destination not in codes:
        problems.add(
            row.where, f"destination: {row.destination} is not in divisions.csv; correct it"
        )


def _check_segments(
    row: LabelRow, labels: Labels, first: dict[tuple[str, bytes], str], problems: Problems
) -> None:
    if not (row.segments.isascii() and row.segments.isprintable() and row.segments):
        problems.add(
            row.where, f"segments: {row.segments!r:.40}; give printable ASCII, as on the label"
        )
        return
    shown = labels.examples(row.segments)
    if not shown or row.segments.count("-") >= SEGMENTS_MAX:
        problems.add(
            row.where,
            f"segments: {row.segments!r:.40} begins no label of {row.brand}: give up to "
            f"{SEGMENTS_MAX} whole segments, or all of an opaque label, as its label patterns in "
            "network.toml say",
        )
    for text, _ in shown:
        line = first.setdefault((row.brand, text), row.where)
        if line != row.where:
            problems.add(row.where, f"segments: {row.segments!r:.40} stands in {line}; remove one")
            return


def label_keys(network: Network) -> list[Key]:
    """Return the keys of all label tables of a network."""
    labels = {brand.code: Labels(brand) for brand in network.brands if brand.labels}
    numbers = network.brand_numbers()
    return [
        Key(numbers[row.brand], text, int(row.destination))
        for row in network.labels
        for text, _ in labels[row.brand].examples(row.segments)
    ]


class KeyArrays(NamedTuple):
    """Label keys as columns: uint16[n] brand, uint16[n] length, uint8[n, 40] text, int64[n]."""

    brand: NDArray[np.uint16]
    length: NDArray[np.uint16]
    text: NDArray[np.uint8]
    destination: NDArray[np.int64]


def key_arrays(keys: Iterable[Key]) -> KeyArrays:
    """Return keys as columns; texts are NUL-padded."""
    listed = list(keys)
    text = np.zeros((len(listed), WAYBILL_BYTES_MAX), np.uint8)
    for row, key in enumerate(listed):
        text[row, : len(key.text)] = np.frombuffer(key.text, np.uint8)
    return KeyArrays(
        np.array([key.brand for key in listed], np.uint16),
        np.array([len(key.text) for key in listed], np.uint16),
        text,
        np.array([key.destination for key in listed], np.int64),
    )
