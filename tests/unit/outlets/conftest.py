"""A line without a PLC: real tracking fed by hand, and its board."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    EVENT,
    AnswerStatus,
    ChuteState,
    DischargeStatus,
    EventKind,
    LinkStatus,
    Records,
)
from sorter.line.ledger import ledger_of
from sorter.line.tracking import COUNTER_NAMES, Tracking, warm_up
from sorter.outlets.board import BoardWriter
from sorter.ports import CHUTE, DECISION, Batch

SECOND_NS = 1_000_000_000
LEDGER_TERMS = ("inducted", "discharged", "on_sorter", "removed", "lost", "unexplained")


class HandClock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.ns = 1_000 * SECOND_NS

    def now_ns(self) -> int:
        return self.ns


class Lab:
    """One line, its board, and the events to feed it."""

    def __init__(self, path: Path, chutes: int = 6) -> None:
        warm_up()  # Compiling takes longer than a board may go without a beat.
        self.path = path
        self.clock = HandClock()
        self.link = LinkStatus(connected=True, problem="", boot_id=7, epoch=3)
        table = np.zeros(CHUTE_NUMBER_MAX + 1, CHUTE)
        numbers = np.arange(1, chutes + 1)
        table["exists"][numbers] = 1
        table["state"][numbers] = ChuteState.OPEN
        table["capacity"][numbers] = 10
        table["travel_ns"][numbers] = numbers * SECOND_NS
        self.tracking = Tracking(table, rows=1024)
        self.writer = BoardWriter(
            path, ["loop-1", "loop-2"], COUNTER_NAMES, LEDGER_TERMS, self.clock
        )
        self.line = self.writer.line(
            0, lambda: ledger_of(self.tracking).as_dict(), 2_000, stations=[1]
        )
        self.line.set_plan("hub", 4, ["", "HX", "QY"], ["", "next_day"], {1: "north", 2: "south"})
        self.sequence = 0

    def events(self, kind: EventKind, pieces: list[int], **fields: int) -> Records:
        """Return one event of a kind for each piece."""
        events = np.zeros(len(pieces), EVENT)
        events["kind"] = kind
        events["boot_id"] = 7
        events["piece_id"] = pieces
        events["sequence"] = self.sequence + 1 + np.arange(len(pieces))
        events["event_ns"] = events["host_receive_ns"] = self.clock.ns
        for field, value in fields.items():
            events[field] = value
        self.sequence += len(pieces)
        return events

    def turn(self, events: Records, decisions: Records | None = None, answered_ns: int = 0) -> None:
        """Apply and record events as a line's loop does."""
        _, ended = self.tracking.apply(events)
        no_decisions = np.zeros(0, DECISION)
        batch = Batch(0, events, no_decisions if decisions is None else decisions, ended)
        self.line.record(batch, self.tracking, self.link, answered_ns)

    def run_pieces(self, pieces: list[int], slack_ms: int = 1_500) -> None:
        """Induct, scan, answer and discharge pieces, 2 ms from scan to answer."""
        self.turn(self.events(EventKind.INDUCTED, pieces, station=1))
        scans = self.events(EventKind.SCANNED, pieces, code_count=1)
        decisions = np.zeros(len(pieces), DECISION)
        decisions["boot_id"] = 7
        decisions["event_sequence"] = scans["sequence"]
        decisions["decided_ns"] = self.clock.ns + 500_000
        self.turn(scans, decisions, self.clock.ns + 2_000_000)
        self.turn(
            self.events(
                EventKind.INSTRUCTED, pieces, status=AnswerStatus.ACCEPTED, slack_ms=slack_ms
            )
        )
        self.turn(self.events(EventKind.DISCHARGED, pieces, status=DischargeStatus.SORTED, chute=2))

    def publish(self) -> None:
        """Copy the state to the board now."""
        self.line.publish(self.tracking, self.link)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "run" / "line.board")


@pytest.fixture
def new_lab() -> Callable[[Path], Lab]:
    return Lab
