"""What the line process and the recorder keep in shared memory, written side.

A turn is only held (:mod:`sorter.outlets.turn_counts`); five times a second what is held is counted
in bulk and everything a reader may want is copied.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plc_adapters.autoid.tied_adapter import ScannerStatus
from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    LINES_MAX,
    SCANNERS_MAX,
    LinkStatus,
    Records,
    Resume,
)
from sorter.clock import Clock
from sorter.outlets.layout import (
    COUNTERS_MAX,
    HISTOGRAMS,
    JOURNAL_NUMBERS,
    LEDGER_TERMS_MAX,
    LINE,
    LINE_HEAD,
    LINK_NUMBERS,
    NAMES_BYTES,
    PIECES_SHOWN_MAX,
    PROBLEM_BYTES,
    QUEUES,
    RATE_WINDOW_S,
    RECORDER,
    SCANNER_NUMBERS,
    TIE_NUMBERS,
    JournalStatus,
    layout_hash,
    line_board,
    to_text,
)
from sorter.outlets.mapped import BoardFile
from sorter.outlets.pauses import GcPauses
from sorter.outlets.turn_counts import TurnCounts
from sorter.ports import BRANDS_MAX, CLASSES_MAX, Batch, HostCount

PUBLISH_EVERY_NS = 200_000_000
"""Pause between two copies of a line's state into the board."""

LINE_BOARD_ID = layout_hash(LINE_HEAD, LINE)
RECORDER_BOARD_ID = layout_hash(RECORDER)


class TrackingView(Protocol):
    """What the board shows of a line's tracking."""

    @property
    def chutes(self) -> Records:
        """CHUTE by number."""

    @property
    def counters(self) -> NDArray[np.int64]:
        """int64, in the order of the names given to the board."""

    @property
    def dispositions(self) -> NDArray[np.int64]:
        """int64[DISPOSITIONS_MAX]."""

    @property
    def stations(self) -> NDArray[np.int64]:
        """int64[STATION_NUMBER_MAX + 1], inductions."""

    @property
    def resume(self) -> Resume:
        """Where the link would go on."""

    @property
    def quarantined(self) -> bool:
        """Whether no piece is sorted by its destination."""

    def in_flight(self) -> Records:
        """PIECEs now on the sorter."""


class LineBoard:
    """One line's place on the board; takes copies of its turns."""

    def __init__(
        self, row: np.void, clock: Clock, ledger: Callable[[], Mapping[str, int]], terms: int
    ) -> None:
        self.host_counts = np.zeros(len(HostCount), np.int64)
        """int64[HostCount], published with the rest; whoever counts puts its own array here."""
        self.queues: Callable[[], Sequence[tuple[int, int]]] = lambda: [(0, 0)] * len(QUEUES)
        """Returns how many wait in each of QUEUES, and how many may; whoever has them sets it."""
        self.scanners: Sequence[tuple[str, ScannerStatus]] = ()
        """Name and status of each scanner beside the PLC; whoever has them sets it."""
        self._row = row
        self._clock = clock
        self._ledger = ledger
        self._terms = terms
        self._counts = TurnCounts()
        self._published_ns = 0

    def set_plan(
        self,
        name: str,
        version: int,
        brands: Sequence[str],
        classes: Sequence[str],
        groups: Mapping[int, str],
    ) -> None:
        """Tell which plan decides now; where its brands or classes are others, they count anew.

        Args:
            name: Of the plan.
            version: Of the plan.
            brands: Brand codes by number; the one at 0 stands for "not known".
            classes: Service classes by number, likewise.
            groups: Name of the chute group that each chute serves, by chute number.
        """
        row = self._row
        row["generation"] += 1
        self._counts.count()
        told = {"brands": _names(brands, BRANDS_MAX), "classes": _names(classes, CLASSES_MAX)}
        counted = {"brands": self._counts.outcomes, "classes": self._counts.class_outcomes}
        for field, counts in counted.items():
            if told[field] != bytes(row[field]):
                counts[:] = 0
            row[field] = told[field]
        row["plan_name"] = to_text(name, 64)
        row["plan_version"] = version
        row["groups"][:] = b""
        for chute, group in groups.items():
            row["groups"][chute] = to_text(group, 32)
        row["generation"] += 1

    def record(
        self, batch: Batch, tracking: TrackingView, link: LinkStatus, answered_ns: int
    ) -> None:
        """Count a turn; ``answered_ns`` is when its instructions were with the PLC, 0 if none."""
        self._counts.hold(batch, answered_ns)
        if self._clock.now_ns() - self._published_ns >= PUBLISH_EVERY_NS:
            self.publish(tracking, link)

    def publish(self, tracking: TrackingView, link: LinkStatus) -> None:
        """Copy the line's state to the board, whether or not it is time.

        To be called now and then while the loop can't turn (its PLC is away), and once at the end.
        """
        self._counts.count()
        now_ns = self._clock.now_ns()
        self._published_ns = now_ns
        row = self._row
        row["generation"] += 1
        row["published_ns"] = now_ns
        row["reported"] = 1
        row["link"][:] = [getattr(link, name) for name in LINK_NUMBERS]
        row["link_problem"] = to_text(link.problem, PROBLEM_BYTES)
        self._show_scanners()
        row["counters"][: len(tracking.counters)] = tracking.counters
        row["dispositions"][:] = tracking.dispositions
        row["stations"][:] = tracking.stations
        row["outcomes"][:] = self._counts.outcomes
        row["class_outcomes"][:] = self._counts.class_outcomes
        row["ended_by"][:] = self._counts.ended_by
        row["host"][:] = self.host_counts
        row["queues"][:] = self.queues()
        row["unread"] = _unread(link, tracking.resume)
        ledger = self._ledger()
        row["ledger"][: self._terms] = list(ledger.values())
        second = now_ns // 1_000_000_000
        row["rate_second"][second % RATE_WINDOW_S] = second
        row["rate_inducted"][second % RATE_WINDOW_S] = ledger["inducted"]
        for name in HISTOGRAMS:
            row[name]["counts"][:] = self._counts.histograms[name]
            row[name]["total"] = self._counts.totals[name]
        row["chutes"][: len(tracking.chutes)] = tracking.chutes
        row["quarantined"] = tracking.quarantined
        self._show(tracking.in_flight())
        row["generation"] += 1

    def _show_scanners(self) -> None:
        scanners = self.scanners[:SCANNERS_MAX]
        self._row["scanner_count"] = len(scanners)
        for row, (name, status) in zip(self._row["scanners"], scanners, strict=False):
            row["name"] = to_text(name, 32)
            row["numbers"][:] = [getattr(status, field) for field in SCANNER_NUMBERS]
            row["ties"][:] = [getattr(status.ties, field) for field in TIE_NUMBERS]
            row["problem"] = to_text(status.problem, PROBLEM_BYTES)

    def _show(self, pieces: Records) -> None:
        self._row["in_flight"] = len(pieces)
        pieces = pieces[:PIECES_SHOWN_MAX]
        shown = self._row["shown"]
        for field in ("piece_id", "cell", "lap", "disposition", "station", "brand"):
            shown[field][: len(pieces)] = pieces[field]
        shown["chute"][: len(pieces)] = pieces["chutes"][:, 0]
        shown["inducted_ns"][: len(pieces)] = pieces["inducted_ns"]
        shown["scanned_ns"][: len(pieces)] = pieces["scanned_ns"]


class BoardWriter:
    """The line process's board: one for all its lines, made anew at every start."""

    def __init__(
        self,
        path: Path,
        lines: Sequence[str],
        counter_names: Sequence[str],
        ledger_terms: Sequence[str],
        clock: Clock,
    ) -> None:
        """Make the board.

        Args:
            path: Its file; one left by an earlier process is replaced.
            lines: Names of the lines, in their order.
            counter_names: Names of the tracking's counters, in their order.
            ledger_terms: Names of the ledger's terms in their order, "inducted" among them.
            clock: The lines' clock.

        Raises:
            UnavailableError: the file can't be made.
            ValueError: more lines, counters or terms than a board holds.
        """
        if not 1 <= len(lines) <= LINES_MAX:
            raise ValueError(f"{len(lines)} lines; a board holds 1 to {LINES_MAX}")
        self._clock = clock
        self._terms = len(ledger_terms)

        def name_all(board: Records) -> None:
            process = board["process"][0]
            process["counter_names"] = _names(counter_names, COUNTERS_MAX)
            process["ledger_terms"] = _names(ledger_terms, LEDGER_TERMS_MAX)
            for number, name in enumerate(lines):
                board["lines"][0][number]["name"] = to_text(name, 32)

        self._file = BoardFile(
            path, line_board(len(lines)), LINE_BOARD_ID, clock.now_ns(), fill=name_all
        )
        self._process = self._file.record["process"][0]
        self._rows = self._file.record["lines"][0]

    def line(
        self,
        number: int,
        ledger: Callable[[], Mapping[str, int]],
        speed_mm_s: int,
        machine: str = "loop",
        stations: Sequence[int] = (),
    ) -> LineBoard:
        """Return one line's place.

        Args:
            number: Of the line, from 0.
            ledger: Returns the ledger's terms by name, in the order the board was given.
            speed_mm_s: Of the sorter, which makes positions of the chutes' travel times.
            machine: Its kind, "loop" or "diverter".
            stations: Its induction stations, as far as they are known.
        """
        row = self._rows[number]
        row["machine"] = to_text(machine, 16)
        row["speed_mm_s"] = speed_mm_s
        row["known_stations"][list(stations)] = 1
        return LineBoard(row, self._clock, ledger, self._terms)

    def set_ready(self) -> None:
        """Tell that the kernels are compiled and the lines recovered."""
        self._file.head["ready"] = 1

    def set_journal(self, status: JournalStatus) -> None:
        """Tell how the journal stands."""
        self._process["journal"][:] = [getattr(status, name) for name in JOURNAL_NUMBERS]
        self._process["journal_problem"] = to_text(status.problem, PROBLEM_BYTES)

    def set_gc(self, pauses: GcPauses) -> None:
        """Tell with each beat what these say by then."""
        self._file.gc = pauses

    def beat(self) -> None:
        """Tell that the process lives; at least twice in BEAT_STALE_S, from the loop's thread."""
        self._file.beat()


class RecorderBoardWriter:
    """The recorder's board."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Make the board; raises UnavailableError where its file can't be made."""
        self._file = BoardFile(path, RECORDER, RECORDER_BOARD_ID, clock.now_ns())

    def set_gc(self, pauses: GcPauses) -> None:
        """Tell with each update what these say by then."""
        self._file.gc = pauses

    def update(
        self, *, rows: int, batches: int, lag_seconds: float, connected: bool, problem: str
    ) -> None:
        """Tell how recording stands, and that the process lives.

        Args:
            rows: Rows written to the database since this process began.
            batches: Transactions they took.
            lag_seconds: Age of the oldest journaled record that is not in the database.
            connected: Whether the database answers.
            problem: What is wrong in one line, and what to do; empty while all is well.
        """
        record = self._file.record
        record["rows"] = rows
        record["batches"] = batches
        record["lag_seconds"] = lag_seconds
        record["connected"] = connected
        record["problem"] = to_text(problem, PROBLEM_BYTES)
        self._file.head["ready"] = 1
        self._file.beat()


def _names(names: Sequence[str], limit: int) -> bytes:
    text = json.dumps(list(names), ensure_ascii=False).encode()
    if len(names) > limit or len(text) > NAMES_BYTES:
        raise ValueError(
            f"{len(names)} names in {len(text)} bytes; a board holds {limit} in {NAMES_BYTES}"
        )
    return text


def _unread(link: LinkStatus, read: Resume) -> int:
    """Return how far the PLC's newest event was ahead of the newest one read; it may lie back."""
    if link.boot_id != read.boot_id:
        return 0
    ahead = (link.head_sequence - read.sequence) & 0xFFFF_FFFF
    return ahead if ahead < 1 << 31 else 0


def chutes_of_groups(
    names: Sequence[str], first: NDArray[np.int32], chutes: NDArray[np.uint16]
) -> dict[int, str]:
    """Return the group each chute serves, from a compiled plan's arrays.

    Args:
        names: Group names by number, group 0 is none.
        first: int32[groups + 2], where each group's chutes begin.
        chutes: uint16, the chutes of all groups.
    """
    served: dict[int, str] = {}
    for number, name in enumerate(names):
        for chute in chutes[first[number] : first[number + 1]]:
            if 0 < chute <= CHUTE_NUMBER_MAX:
                served.setdefault(int(chute), name)
    return served
