"""The layout of the boards: what line process and recorder keep in shared memory for the face.

A board is one numpy record in a mapped file. Everything in it has a fixed place and a named
maximum; texts are UTF-8, NUL-padded, cut at their maximum. Writer and reader take the layout from
here, and a hash of it stands in every board, so that two versions never misread each other.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plc_adapters.autoid.tie import TieCounts
from plc_adapters.autoid.tied_adapter import ScannerStatus
from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    DISPOSITIONS_MAX,
    SCANNERS_MAX,
    STATION_NUMBER_MAX,
    LinkStatus,
)
from sorter.outlets.pauses import GC_NUMBERS
from sorter.ports import BRANDS_MAX, CHUTE, CLASSES_MAX, HostCount

MAGIC = b"SORTBRD1"
"""First bytes of every board."""
COUNTERS_MAX = 128
"""Counters a line can have."""
OUTCOMES_MAX = 8
"""Size of an array indexed by DischargeStatus."""
LEDGER_TERMS_MAX = 8
PIECES_SHOWN_MAX = 512
"""Pieces in flight of one line that the page can draw; the count in flight is not limited by it."""
NAMES_BYTES = 4096
"""JSON list of counter names, ledger terms, brands or service classes."""
PROBLEM_BYTES = 240
QUEUES = ("commands", "host_answers")
"""What waits at a line for its next turn."""
RATE_WINDOW_S = 60
"""The rate per hour is measured over so many seconds, or since the start if that is shorter."""

LINK_NUMBERS = tuple(field.name for field in fields(LinkStatus) if field.name != "problem")
"""The numbers of a LinkStatus, in its own order."""
TIE_NUMBERS = tuple(field.name for field in fields(TieCounts))
SCANNER_NUMBERS = tuple(
    field.name for field in fields(ScannerStatus) if field.name not in ("problem", "ties")
)
"""The numbers of a ScannerStatus, in its own order."""


class Bounds(NamedTuple):
    """Upper bounds (inclusive) of a histogram's buckets, and what makes them base units."""

    values: tuple[int, ...]
    per_unit: int
    """So many of the values' units are one second."""


HISTOGRAMS = {
    "slack": Bounds(
        (
            *(0, 10, 20, 50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 800, 900, 1_000),
            *(1_250, 1_500, 1_750, 2_000, 2_500, 3_000, 4_000, 5_000, 7_500, 10_000, 15_000),
            *(20_000, 30_000, 45_000, 60_000),
        ),
        1_000,
    ),
    "answer": Bounds(
        (
            *(100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000),
            *(20_000, 30_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000),
        ),
        1_000_000,
    ),
    "write": Bounds(
        (
            *(50, 100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 20_000),
            *(50_000, 100_000, 200_000, 500_000, 1_000_000),
        ),
        1_000_000,
    ),
}
"""What is measured of every answer, each in its own unit.

``slack`` in ms: deadline minus the instant the PLC took the instruction, as the PLC's clock has it;
all below the bound 0 were late. The field's deadlines lie between 0.2 and 2 s, so most bounds do.
``answer`` in us: from the scan's arrival here to the PLC's receipt of the instruction.
``write`` in us: the part of it after the decision began.
"""

HEAD = np.dtype(
    [
        ("magic", "S8"),
        ("layout", "u8"),
        ("pid", "i8"),
        ("ready", "i8"),
        ("started_ns", "i8"),
        ("beat_ns", "i8"),
        ("gc", "i8", (len(GC_NUMBERS),)),
    ]
)
"""Begins every board. ``beat_ns`` is the machine's monotonic clock, so that no step of the wall
clock makes a living process look dead; ``started_ns`` is Unix time; ``ready`` 1 once it works;
``gc`` is what its garbage collector cost."""

SHOWN = np.dtype(
    [
        ("piece_id", "u4"),
        ("cell", "u2"),
        ("lap", "u2"),
        ("disposition", "u2"),
        ("chute", "u2"),
        ("station", "u2"),
        ("brand", "u2"),
        ("inducted_ns", "i8"),
        ("scanned_ns", "i8"),
    ]
)
"""A piece in flight as the page draws it; ``chute`` is the first one named now, 0 none;
``scanned_ns`` its newest scan, 0 before the first."""

SCANNER = np.dtype(
    [
        ("name", "S32"),
        ("numbers", "i8", (len(SCANNER_NUMBERS),)),
        ("ties", "i8", (len(TIE_NUMBERS),)),
        ("problem", f"S{PROBLEM_BYTES}"),
    ]
)
"""A scanner beside a line's PLC."""

LINE = np.dtype(
    [
        ("generation", "i8"),
        ("published_ns", "i8"),
        ("name", "S32"),
        ("machine", "S16"),
        ("speed_mm_s", "i8"),
        ("plan_name", "S64"),
        ("plan_version", "i8"),
        ("brands", f"S{NAMES_BYTES}"),
        ("classes", f"S{NAMES_BYTES}"),
        ("groups", "S32", (CHUTE_NUMBER_MAX + 1,)),
        ("reported", "i8"),
        ("link", "i8", (len(LINK_NUMBERS),)),
        ("link_problem", f"S{PROBLEM_BYTES}"),
        ("scanner_count", "i8"),
        ("scanners", SCANNER, (SCANNERS_MAX,)),
        ("counters", "i8", (COUNTERS_MAX,)),
        ("dispositions", "i8", (DISPOSITIONS_MAX,)),
        ("stations", "i8", (STATION_NUMBER_MAX + 1,)),
        ("known_stations", "i8", (STATION_NUMBER_MAX + 1,)),
        ("outcomes", "i8", (BRANDS_MAX, OUTCOMES_MAX)),
        ("class_outcomes", "i8", (CLASSES_MAX, OUTCOMES_MAX)),
        ("ended_by", "i8", (DISPOSITIONS_MAX,)),
        ("queues", "i8", (len(QUEUES), 2)),
        ("unread", "i8"),
        ("ledger", "i8", (LEDGER_TERMS_MAX,)),
        ("rate_second", "i8", (RATE_WINDOW_S,)),
        ("rate_inducted", "i8", (RATE_WINDOW_S,)),
        *(
            (name, [("counts", "i8", (len(bounds.values) + 1,)), ("total", "i8")])
            for name, bounds in HISTOGRAMS.items()
        ),
        ("host", "i8", (len(HostCount),)),
        ("chutes", CHUTE, (CHUTE_NUMBER_MAX + 1,)),
        ("quarantined", "i8"),
        ("in_flight", "i8"),
        ("shown", SHOWN, (PIECES_SHOWN_MAX,)),
    ]
)
"""One line. ``generation`` is odd while the line writes; ``published_ns`` is the line's own clock;
``groups`` names the chute group each chute serves; ``reported`` is 1 once the link has told how it
stands; ``known_stations`` is 1 for each that the site file names; ``outcomes`` counts ended pieces
by brand and DischargeStatus, ``class_outcomes`` by service class and it, ``ended_by`` by the
disposition they ended with; ``queues`` is how many wait in each of QUEUES and how many may;
``unread`` the events in the PLC's ring that were not read when its header was; ``host`` is what is
counted of the upstream host; ``rate_second`` and ``rate_inducted`` are the inductions as counted in
each of the last seconds (monotonic)."""


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """How the journal stands, as its writer tells."""

    waiting_batches: int = 0
    """Offered and not durable yet."""
    waiting_batches_max: int = 0
    refused_batches: int = 0
    """Offers that found the queue full; each was made again."""
    lag_ns: int = 0
    """Age of the oldest batch that is not durable yet."""
    commits: int = 0
    commit_ns: int = 0
    """Time all commits took together, write and sync."""
    commit_max_ns: int = 0
    written_bytes: int = 0
    failures: int = 0
    """Writes or syncs that failed; the journal then went on in a new segment."""
    problem: str = ""
    """What is wrong in one line, and what to do; empty while all is well."""


JOURNAL_NUMBERS = tuple(field.name for field in fields(JournalStatus) if field.name != "problem")
"""The numbers of a JournalStatus, in its own order."""

LINE_HEAD = np.dtype(
    [
        ("head", HEAD),
        ("counter_names", f"S{NAMES_BYTES}"),
        ("ledger_terms", f"S{NAMES_BYTES}"),
        ("journal", "i8", (len(JOURNAL_NUMBERS),)),
        ("journal_problem", f"S{PROBLEM_BYTES}"),
    ]
)
"""What a line board holds before its lines."""

RECORDER = np.dtype(
    [
        ("head", HEAD),
        ("rows", "i8"),
        ("batches", "i8"),
        ("lag_seconds", "f8"),
        ("connected", "i8"),
        ("problem", f"S{PROBLEM_BYTES}"),
    ]
)
"""The recorder's board."""


def line_board(lines: int) -> np.dtype[np.void]:
    """Return the layout of a line process's board."""
    return np.dtype([("process", LINE_HEAD), ("lines", LINE, (lines,))])


def layout_hash(*layouts: np.dtype[np.void]) -> int:
    """Return 63 bits that differ wherever a layout or a histogram's bounds differ."""
    text = repr([layout.descr for layout in layouts]) + repr(HISTOGRAMS)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def to_text(text: str, limit: int) -> bytes:
    """Return UTF-8 of at most ``limit`` bytes, cut between two characters."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore").encode()


def from_text(raw: bytes) -> str:
    """Return what :func:`to_text` wrote."""
    return raw.decode("utf-8", "replace")


def quantile(counts: NDArray[np.int64], bounds: Sequence[int], share: float) -> float | None:
    """Return the value below which ``share`` of a histogram lies, in the bounds' unit.

    Interpolated within its bucket; the first and last bound stand for what lies beyond them. None
    while nothing was counted.

    Args:
        counts: int64[len(bounds) + 1], by bucket, not cumulative.
        bounds: Upper bounds of all buckets but the last.
        share: 0 to 1.
    """
    total = int(counts.sum())
    if total == 0:
        return None
    wanted = share * total
    upper = np.cumsum(counts)
    bucket = int(np.searchsorted(upper, wanted, side="left"))
    while bucket < len(counts) - 1 and counts[bucket] == 0:
        bucket += 1
    if bucket == 0:
        return float(bounds[0])
    if bucket == len(bounds):
        return float(bounds[-1])
    below = int(upper[bucket]) - int(counts[bucket])
    within = (wanted - below) / int(counts[bucket])
    return bounds[bucket - 1] + (bounds[bucket] - bounds[bucket - 1]) * min(max(within, 0.0), 1.0)
