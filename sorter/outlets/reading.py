"""The boards as other processes read them: whole, typed, and honest about a writer that is gone."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plc_adapters.autoid.tie import TieCounts
from plc_adapters.autoid.tied_adapter import ScannerStatus
from plc_adapters.contract import ChuteState, LinkStatus, Records
from sorter.outlets.board import LINE_BOARD_ID, RECORDER_BOARD_ID
from sorter.outlets.layout import (
    HISTOGRAMS,
    JOURNAL_NUMBERS,
    LINE,
    LINE_HEAD,
    LINK_NUMBERS,
    QUEUES,
    RECORDER,
    SCANNER_NUMBERS,
    JournalStatus,
    from_text,
    quantile,
)
from sorter.outlets.mapped import BoardSource, Monotonic
from sorter.outlets.pauses import GcPauses
from sorter.ports import HostCount

READ_TRIES = 50
"""Looks at a line until one falls between two of its copies; a line killed while it copied is
shown as it was left."""
READ_PAUSE_S = 0.0002
"""Between two looks; a copy takes about as long."""
OPEN_STATES = (ChuteState.OPEN, ChuteState.EMPTIED)


class LineView:
    """One line as it stood at an instant; a copy, nothing changes under the reader."""

    def __init__(
        self, row: Records, counter_names: Sequence[str], ledger_terms: Sequence[str]
    ) -> None:
        """Wrap LINE[1]."""
        self._row = row[0]
        self.name = from_text(self._row["name"])
        self.counters = dict(zip(counter_names, self._row["counters"].tolist(), strict=False))
        """Counters by name."""
        self.ledger = dict(zip(ledger_terms, self._row["ledger"].tolist(), strict=False))
        """The ledger's terms by name."""
        self.link = LinkStatus(problem=from_text(self._row["link_problem"]))
        """How the link to the PLC stands."""
        for field, number in zip(LINK_NUMBERS, self._row["link"].tolist(), strict=True):
            setattr(self.link, field, type(getattr(self.link, field))(number))

    @property
    def scanners(self) -> dict[str, ScannerStatus]:
        """How each scanner beside the PLC stands, by its name."""
        found = {}
        for row in self._row["scanners"][: int(self._row["scanner_count"])]:
            ties = TieCounts(*row["ties"].tolist())
            status = ScannerStatus(problem=from_text(row["problem"]), ties=ties)
            for field, number in zip(SCANNER_NUMBERS, row["numbers"].tolist(), strict=True):
                setattr(status, field, type(getattr(status, field))(number))
            found[from_text(row["name"])] = status
        return found

    @property
    def reported(self) -> bool:
        """Whether the line has told how it stands since its process began."""
        return bool(self._row["reported"])

    @property
    def published_ns(self) -> int:
        """The line's clock as it told."""
        return int(self._row["published_ns"])

    @property
    def machine(self) -> str:
        """Kind of the sorter: "loop" or "diverter"."""
        return from_text(self._row["machine"])

    @property
    def speed_mm_s(self) -> int:
        """Speed of the sorter."""
        return int(self._row["speed_mm_s"])

    @property
    def plan_name(self) -> str:
        """Name of the sort plan that decides."""
        return from_text(self._row["plan_name"])

    @property
    def plan_version(self) -> int:
        """Version of the sort plan that decides."""
        return int(self._row["plan_version"])

    @property
    def brands(self) -> list[str]:
        """Brand codes by number; the one at 0 stands for "not known"."""
        return _listed(self._row["brands"])

    @property
    def classes(self) -> list[str]:
        """Service classes by number; the one at 0 stands for "not known"."""
        return _listed(self._row["classes"])

    @property
    def chutes(self) -> Records:
        """CHUTE by number."""
        chutes: Records = self._row["chutes"]
        return chutes

    def group(self, chute: int) -> str:
        """Return the name of the chute group that a chute serves, empty for none."""
        return from_text(self._row["groups"][chute])

    @property
    def dispositions(self) -> NDArray[np.int64]:
        """int64[DISPOSITIONS_MAX]: answers the PLC accepted."""
        counts: NDArray[np.int64] = self._row["dispositions"]
        return counts

    @property
    def stations(self) -> NDArray[np.int64]:
        """int64[STATION_NUMBER_MAX + 1]: inductions."""
        counts: NDArray[np.int64] = self._row["stations"]
        return counts

    @property
    def known_stations(self) -> NDArray[np.bool_]:
        """bool[STATION_NUMBER_MAX + 1]: which stations the site file names."""
        known: NDArray[np.bool_] = self._row["known_stations"] != 0
        return known

    @property
    def outcomes(self) -> NDArray[np.int64]:
        """int64[BRANDS_MAX, OUTCOMES_MAX]: pieces ended since the start, by DischargeStatus."""
        counts: NDArray[np.int64] = self._row["outcomes"]
        return counts

    @property
    def class_outcomes(self) -> NDArray[np.int64]:
        """int64[CLASSES_MAX, OUTCOMES_MAX]: the same by service class."""
        counts: NDArray[np.int64] = self._row["class_outcomes"]
        return counts

    @property
    def ended_by(self) -> NDArray[np.int64]:
        """int64[DISPOSITIONS_MAX]: the same by the disposition that a piece ended with."""
        counts: NDArray[np.int64] = self._row["ended_by"]
        return counts

    @property
    def queues(self) -> dict[str, tuple[int, int]]:
        """How many wait in each queue of the line, and how many may."""
        told = [(waiting, limit) for waiting, limit in self._row["queues"].tolist()]
        return dict(zip(QUEUES, told, strict=True))

    @property
    def unread(self) -> int:
        """Events in the PLC's ring that were not read when its header was."""
        return int(self._row["unread"])

    def host(self, count: HostCount) -> int:
        """Return what the line counted of the upstream host since its process began."""
        return int(self._row["host"][count])

    def histogram(self, name: str) -> tuple[NDArray[np.int64], int]:
        """Return a histogram's counts by bucket and the sum of its values, in its own unit.

        Counted since the process began; names, units and bounds are those of HISTOGRAMS.
        """
        return self._row[name]["counts"], int(self._row[name]["total"])

    def slack_ms(self, share: float) -> float | None:
        """Return the slack that ``share`` (0 to 1) of all answers had at least; None before one."""
        return quantile(self.histogram("slack")[0], HISTOGRAMS["slack"].values, 1 - share)

    def answer_ms(self, share: float) -> float | None:
        """Return the time within which ``share`` of all scans were answered; None before one."""
        micros = quantile(self.histogram("answer")[0], HISTOGRAMS["answer"].values, share)
        return None if micros is None else micros / 1_000

    @property
    def quarantined(self) -> bool:
        """Whether no piece is sorted by its destination until somebody has looked."""
        return bool(self._row["quarantined"])

    @property
    def in_flight(self) -> int:
        """Pieces on the sorter."""
        return int(self._row["in_flight"])

    @property
    def shown(self) -> Records:
        """SHOWN: of those, at most PIECES_SHOWN_MAX."""
        shown: Records = self._row["shown"][: self.in_flight]
        return shown

    @property
    def pieces_per_hour(self) -> float:
        """Inductions over the last RATE_WINDOW_S, as a rate; 0 in the first second."""
        seconds, inducted = self._row["rate_second"], self._row["rate_inducted"]
        newest = int(np.argmax(seconds))
        recent = np.flatnonzero((seconds > 0) & (seconds > seconds[newest] - len(seconds)))
        if len(recent) < 2:
            return 0.0
        oldest = int(recent[np.argmin(seconds[recent])])
        return (
            float(inducted[newest] - inducted[oldest])
            / float(seconds[newest] - seconds[oldest])
            * 3600
        )

    @property
    def read_rate(self) -> float | None:
        """Share of scans with at least one code, None before the first."""
        return _share(self.counters.get("scans_read", 0), self.counters.get("scans", 0))

    @property
    def recirculation(self) -> float | None:
        """Laps begun after the first for each inducted piece, None before the first piece."""
        return _share(self.counters.get("recirculated", 0), self.ledger.get("inducted", 0))


@dataclass(frozen=True, slots=True)
class ProcessView:
    """The line process at an instant."""

    pid: int
    started_ns: int
    """Unix time."""
    ready: bool
    """Whether its kernels are compiled and its lines recovered."""
    problem: str
    """Why it is not to be trusted: it is dead or stuck; empty while it lives."""
    journal: JournalStatus
    gc: GcPauses
    lines: tuple[LineView, ...]

    def line(self, name: str) -> LineView | None:
        """Return a line by its name, None if there is none of that name."""
        return next((line for line in self.lines if line.name == name), None)


class BoardReader:
    """Reads the line process's board, across its deaths and restarts."""

    def __init__(self, path: Path, monotonic: Monotonic = time.monotonic_ns) -> None:
        self._source = BoardSource(path, LINE_BOARD_ID, "line", monotonic)

    def read(self) -> ProcessView:
        """Return everything as it stands now.

        Raises:
            UnavailableError: there is no board, or one of another version. A board whose writer
                is dead is no error: the view's ``problem`` says so.
        """
        raw = self._source.bytes()
        count = (len(raw) - LINE_HEAD.itemsize) // LINE.itemsize
        process: Records = np.ndarray(1, LINE_HEAD, raw).copy()
        rows: Records = np.ndarray(count, LINE, raw, LINE_HEAD.itemsize)
        counters = json.loads(from_text(process["counter_names"][0]))
        terms = json.loads(from_text(process["ledger_terms"][0]))
        head = process["head"]
        numbers = dict(zip(JOURNAL_NUMBERS, process["journal"][0].tolist(), strict=True))
        return ProcessView(
            pid=int(head["pid"][0]),
            started_ns=int(head["started_ns"][0]),
            ready=bool(head["ready"][0]),
            problem=self._source.problem(head),
            journal=JournalStatus(**numbers, problem=from_text(process["journal_problem"][0])),
            gc=GcPauses(*head["gc"][0].tolist()),
            lines=tuple(LineView(_whole(rows[i : i + 1]), counters, terms) for i in range(count)),
        )


@dataclass(frozen=True, slots=True)
class RecorderView:
    """The recorder at an instant."""

    started_ns: int
    rows: int
    batches: int
    lag_seconds: float
    """Age of the oldest journaled record that is not in the database."""
    connected: bool
    problem: str
    """What is wrong, empty while all is well."""
    alive: bool
    """Whether the process beats."""
    gc: GcPauses


class RecorderBoardReader:
    """Reads the recorder's board."""

    def __init__(self, path: Path, monotonic: Monotonic = time.monotonic_ns) -> None:
        self._source = BoardSource(path, RECORDER_BOARD_ID, "recorder", monotonic)

    def read(self) -> RecorderView:
        """Return how recording stands now; UnavailableError where there is no board to read."""
        record: Records = np.ndarray(1, RECORDER, self._source.bytes()).copy()
        dead = self._source.problem(record["head"])
        return RecorderView(
            started_ns=int(record["head"]["started_ns"][0]),
            rows=int(record["rows"][0]),
            batches=int(record["batches"][0]),
            lag_seconds=float(record["lag_seconds"][0]),
            connected=bool(record["connected"][0]) and not dead,
            problem=dead or from_text(record["problem"][0]),
            alive=not dead,
            gc=GcPauses(*record["head"]["gc"][0].tolist()),
        )


def takes_pieces(chute: np.void) -> bool:
    """Whether a CHUTE can be named for one more piece."""
    room = int(chute["fill"]) + int(chute["reserved"]) < int(chute["capacity"])
    return bool(chute["exists"]) and not chute["locked"] and chute["state"] in OPEN_STATES and room


def _whole(row: Records) -> Records:
    """Return a copy of LINE[1] that was not written to while it was made, if that can be had."""
    for _ in range(READ_TRIES):
        before = int(row["generation"][0])
        copy = row.copy()
        if before % 2 == 0 and before == int(row["generation"][0]):
            return copy
        time.sleep(READ_PAUSE_S)
    return copy


def _listed(raw: bytes) -> list[str]:
    """Return names by number as a board holds them; before any was told, only the one at 0."""
    text = from_text(raw)
    return [str(name) for name in json.loads(text)] if text else [""]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
