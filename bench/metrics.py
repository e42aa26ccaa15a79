"""What the metrics cost a line: the same turns of the loop with a board that counts, and without.

Two loops take turns over the same events, each with tracking and a compiled plan of its own; the
PLC and the journal take everything at once, so that a turn is what the line itself does. ``turn``
is all of it. The copy into shared memory, five times a second whatever the load, and a scrape,
which another process answers, are figures of their own.
"""

import asyncio
import tempfile
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from bench.assignment_contenders import BOOT
from bench.assignment_inputs import Inputs, make_inputs
from bench.naive_arrays import chute_records, plan_arrays, pre_advice_arrays, scan_events
from bench.report import Report, against, figure, hash_of, machine
from plc_adapters.contract import (
    EVENT,
    AnswerStatus,
    DischargeStatus,
    EventKind,
    LinkStatus,
    Records,
    Resume,
)
from sorter.assignment.decider import Decider
from sorter.clock import SystemClock
from sorter.line.ledger import ledger_of
from sorter.line.loop import LineLoop, Outlet
from sorter.line.tracking import COUNTER_NAMES, Tracking
from sorter.line.warmup import warm_up
from sorter.outlets.board import BoardWriter, LineBoard, RecorderBoardWriter
from sorter.outlets.metrics import Exposition
from sorter.outlets.reading import BoardReader, RecorderBoardReader
from sorter.outlets.shadows import Shadows
from sorter.ports import Batch, Standing
from sorter.wiring.line import LEDGER_TERMS

PIECES = (1, 32)
"""Pieces that each turn inducts, scans, hears of and discharges: a line at 200 pieces a second and
one whose host was away for a moment."""
TURNS, TURNS_SMALL = 20_000, 1_000
EXTRA, EXTRA_SMALL = 2_000, 100
"""Copies into shared memory; a tenth as many scrapes."""
ADVISED = 10_000


class Feed:
    """A PLC that has the next events at once."""

    def __init__(self, events: Records, each: int) -> None:
        self.status = LinkStatus(connected=True, problem="", boot_id=BOOT)
        self._events = events
        self._each = each
        self._next = 0

    async def open(self, resume: Resume) -> None:
        """Nothing to open."""

    async def read(self) -> Records:
        """Return the next turn's events."""
        self._next += self._each
        events = self._events[self._next - self._each : self._next]
        events["host_receive_ns"] = events["event_ns"]
        return events

    async def write(self, instructions: Records) -> None:
        """Take them."""

    def acknowledge(self, sequence: int) -> None:
        """Keep nothing."""

    async def close(self) -> None:
        """Nothing to close."""


class Kept:
    """A journal that has everything at once."""

    def offer(self, batch: Batch) -> bool:  # noqa: ARG002 - the port's
        """Take it."""
        return True

    def durable(self, line: int) -> int:  # noqa: ARG002 - the port's
        """Nothing is asked again."""
        return 0

    def wants_snapshot(self, line: int) -> bool:  # noqa: ARG002 - the port's
        """Never."""
        return False

    def offer_snapshot(self, line: int, content: bytes) -> None:
        """Never called."""

    def offer_standing(self, standing: Standing) -> None:
        """Never called."""


class Silent:
    """An outlet that counts nothing."""

    def record(self, batch: Batch, tracking: Tracking, link: LinkStatus, answered_ns: int) -> None:
        """Do nothing."""


def run(*, small: bool) -> Report:
    """Measure; ``small`` for a second instead of a minute."""
    warm_up()
    turns = TURNS_SMALL if small else TURNS
    inputs = make_inputs(ADVISED, max(PIECES) * min(turns, 1_024))
    figures = []
    counted = []
    with tempfile.TemporaryDirectory(prefix="sorter-bench-") as name:
        for pieces in PIECES:
            folder = Path(name) / str(pieces)
            bench = _Bench(folder, inputs, pieces, turns)
            times = asyncio.run(bench.turns())
            without = figure(f"turn of {pieces} pieces, no metrics", "us", times[0])
            measured = figure(f"turn of {pieces} pieces, metrics", "us", times[1])
            means = {"ratio_mean": float(times[1].mean() / times[0].mean())}
            figures += [without, against(measured, without, **means)]
            counted.append(bench.trackings[1].counters.tobytes())
            if any((a.counters != b.counters).any() for a, b in [bench.trackings]):
                raise RuntimeError("bench: the two lines did not count the same")
        count = EXTRA_SMALL if small else EXTRA
        figures += [
            figure("copy into shared memory", "us", bench.copies(count)),
            figure("scrape", "us", bench.scrapes(count // 10)),
        ]
    return Report("metrics", figures, hash_of(*counted), machine())


class _Bench:
    """Two lines over the same events."""

    def __init__(self, folder: Path, inputs: Inputs, pieces: int, turns: int) -> None:
        self.trackings = (_tracking(inputs), _tracking(inputs))
        self._folder = folder
        self._turns = turns
        clock = SystemClock()
        board = folder / "line.board"
        self._writer = BoardWriter(board, ["line-1"], COUNTER_NAMES, LEDGER_TERMS, clock)
        counting = self.trackings[1]
        self._board: LineBoard = self._writer.line(
            0, lambda: ledger_of(counting).as_dict(), 2_000, stations=[1]
        )
        self._board.set_plan("bench", 1, ["", "A", "B", "C"], ["", "one", "two", "three"], {})
        events = _events(inputs, pieces, turns, clock.now_ns())
        outlets: tuple[Outlet, Outlet] = (Silent(), self._board)
        self._loops = [
            LineLoop(
                0, "line-1", Feed(events.copy(), 4 * pieces), tracking,
                Decider(plan_arrays(inputs.plan), pre_advice_arrays(inputs.pre_advice)),
                Kept(), outlet, clock,
            )
            for tracking, outlet in zip(self.trackings, outlets, strict=True)
        ]  # fmt: skip

    async def turns(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Return float64[2, turns]: us of each turn, without metrics and with them."""
        times = np.zeros((2, self._turns))
        for turn in range(self._turns):
            for which in (0, 1) if turn % 2 else (1, 0):
                began = perf_counter_ns()
                await self._loops[which].turn()
                times[which, turn] = (perf_counter_ns() - began) / 1e3
        return times

    def copies(self, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return us of each copy of the line's state into shared memory."""
        link = LinkStatus(connected=True, problem="", boot_id=BOOT)
        return _timed(count, lambda: self._board.publish(self.trackings[1], link))

    def scrapes(self, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return us of each scrape."""
        recorder = self._folder / "recorder.board"
        RecorderBoardWriter(recorder, SystemClock()).update(
            rows=1, batches=1, lag_seconds=0.0, connected=True, problem=""
        )
        self._writer.beat()
        exposition = Exposition(
            "bench", BoardReader(self._folder / "line.board"), RecorderBoardReader(recorder),
            Shadows(self._folder / "none"),
        )  # fmt: skip
        return _timed(count, lambda: exposition.render(""))


def _timed(count: int, work: object) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    assert callable(work)
    times = np.zeros(count)
    for number in range(count):
        began = perf_counter_ns()
        work()
        times[number] = (perf_counter_ns() - began) / 1e3
    return times


def _tracking(inputs: Inputs) -> Tracking:
    return Tracking(chute_records(inputs.chutes()), rows=4_096)


def _events(inputs: Inputs, pieces: int, turns: int, now_ns: int) -> Records:
    """Return the events of all turns: each inducts some, scans those before them, and so on."""
    scans = scan_events(inputs.scans, 0, BOOT, 1)
    number = 1 + np.arange(pieces * turns).reshape(turns, pieces)
    events = np.zeros((turns, 4, pieces), EVENT)
    for k, kind in enumerate(
        (EventKind.INDUCTED, EventKind.SCANNED, EventKind.INSTRUCTED, EventKind.DISCHARGED)
    ):
        part = events[:, k, :]
        piece = number - k * pieces
        if kind is EventKind.SCANNED:
            part[:] = scans[piece % len(scans)]
        part["kind"] = kind
        # What none was before: a piece of its own that comes at once to its end.
        part["piece_id"] = np.where(piece > 0, piece, 2**31 + number)
    events[:, 2]["status"], events[:, 2]["slack_ms"] = AnswerStatus.ACCEPTED, 900
    events[:, 3]["status"], events[:, 3]["chute"] = DischargeStatus.SORTED, 1
    events[:, 0]["station"] = 1
    events["boot_id"], events["event_ns"] = BOOT, now_ns
    flat: Records = events.reshape(-1)
    flat["sequence"] = 1 + np.arange(len(flat))
    return flat
