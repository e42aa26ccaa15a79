"""Whatever a line hears, every piece is explained and the tables agree with each other."""

from collections import Counter as Bag

import numpy as np
from hypothesis import given, settings

from plc_adapters.contract import DischargeStatus, EventKind, Records
from sorter.line.books import Counter, Register
from sorter.line.ledger import ledger_of
from sorter.line.piece_table import find_slot
from sorter.line.tracking import Tracking
from tests.unit.line.records import BOOT, TURNS, Values, machine, numbered

ROWS = 4


class Simple:
    """Pieces in flight, by the rules of the contract alone: a dict of laps."""

    def __init__(self) -> None:
        self.boot = 0
        self.laps: dict[int, int] = {}
        self.ended: list[tuple[int, int, int]] = []
        """Boot, piece and outcome, in order."""
        self.not_tracked = 0
        self.malformed = 0

    def hear(self, event: np.void) -> None:
        boot, kind, piece = (int(event[name]) for name in ("boot_id", "kind", "piece_id"))
        if boot == 0:
            self.malformed += 1
            return
        if boot != self.boot:
            self.ended += [(self.boot, each, DischargeStatus.LOST) for each in self.laps]
            self.boot, self.laps = boot, {}
        if kind in (EventKind.INDUCTED, EventKind.SCANNED, EventKind.DISCHARGED) and piece:
            self._piece(event, kind, piece)

    def _piece(self, event: np.void, kind: int, piece: int) -> None:
        lap, status = int(event["lap"]), int(event["status"])
        if kind == EventKind.DISCHARGED:
            if status in list(DischargeStatus):
                self.laps.pop(piece, None)
                self.ended.append((self.boot, piece, status))
        elif piece not in self.laps and len(self.laps) == ROWS:
            self.not_tracked += 1
        elif kind == EventKind.INDUCTED:
            self.laps.setdefault(piece, 0)
        else:
            self.laps[piece] = max(self.laps.get(piece, 0), lap)


def assert_tables_agree(tracking: Tracking) -> None:
    """Index, rows in use and room kept are three views of the same pieces."""
    t = tracking._t
    in_flight = tracking.in_flight()
    ids = in_flight["piece_id"].tolist()
    assert len(set(ids)) == len(ids)
    assert set(in_flight["boot_id"].tolist()) <= {tracking.resume.boot_id}
    assert np.count_nonzero(t.slots) == len(ids)
    for piece in ids:
        row = int(t.slots[find_slot(piece, t)]) - 1
        assert row >= 0
        assert t.pieces[row]["piece_id"] == piece
    touched, freed = int(t.registers[Register.ROWS_TOUCHED]), int(t.registers[Register.ROWS_FREED])
    assert touched - freed == len(ids)
    assert len(set(t.freed[:freed].tolist())) == freed
    kept = Bag(number for number in in_flight["reserved_chute"].tolist() if number)
    reserved = {n: int(t.chutes[n]["reserved"]) for n in np.flatnonzero(t.chutes["reserved"])}
    assert reserved == kept


def assert_balanced(tracking: Tracking) -> None:
    ledger = ledger_of(tracking)
    assert ledger.balanced, ledger
    assert ledger.on_sorter == len(tracking.in_flight())
    assert ledger.as_dict()["unexplained"] == 0


def assert_rows_right(events: Records, rows: np.ndarray, tracking: Tracking) -> None:
    assert len(rows) == len(events)
    for event, row in zip(events, rows, strict=True):
        if row >= 0:
            assert event["kind"] in (EventKind.INDUCTED, EventKind.SCANNED, EventKind.INSTRUCTED)
            assert tracking.pieces[row]["piece_id"] == event["piece_id"]
            assert tracking.pieces[row]["boot_id"] == event["boot_id"]


@given(TURNS)
@settings(max_examples=300, deadline=None)
def test_every_piece_is_explained(turns: list[list[Values]]) -> None:
    tracking, simple = Tracking(machine(), rows=ROWS), Simple()
    discharges: Bag[int] = Bag()
    for events in numbered(turns):
        before = len(simple.ended)
        for event in events:
            simple.hear(event)
        rows, ended = tracking.apply(events)
        assert_balanced(tracking)
        assert_tables_agree(tracking)
        assert_rows_right(events, rows, tracking)
        expected = simple.ended[before:]
        found = list(zip(*(ended[n].tolist() for n in ("boot_id", "piece_id", "outcome")),
                         strict=True))  # fmt: skip
        # Pieces that a new boot settles end in the table's order.
        assert sorted(found) == sorted(expected)
        assert (ended["ended_ns"] > 0).all()
        assert (ended["reserved_chute"] == 0).all()
        discharges.update(
            chute for chute, outcome in zip(ended["chute"].tolist(), ended["outcome"].tolist(),
                                            strict=True)
            if outcome not in (DischargeStatus.REMOVED, DischargeStatus.LOST)
        )  # fmt: skip
        in_flight = tracking.in_flight()
        assert dict(zip(in_flight["piece_id"].tolist(), in_flight["lap"].tolist(),
                        strict=True)) == simple.laps  # fmt: skip
    counters = tracking.counters
    assert counters[Counter.EVENTS] == sum(map(len, turns))
    assert counters[Counter.TABLE_FULL] == simple.not_tracked
    ended_by = counters[Counter.SORTED : Counter.MISSED + 1].tolist()
    outcomes = Bag(outcome for _, _, outcome in simple.ended)
    assert ended_by == [outcomes[status] for status in DischargeStatus]
    for number in np.flatnonzero(machine()["exists"]):
        assert tracking.chutes[number]["discharged"] == discharges[int(number)]


def test_a_full_table_is_counted_and_the_ledger_holds() -> None:
    tracking = Tracking(machine(), rows=ROWS)
    turns: list[list[Values]] = [
        [{"kind": EventKind.INDUCTED, "piece_id": n} for n in range(1, 8)],
        [{"kind": EventKind.SCANNED, "piece_id": n} for n in range(1, 8)],
        [
            {
                "kind": EventKind.DISCHARGED,
                "piece_id": n,
                "status": DischargeStatus.SORTED,
                "chute": 1,
            }
            for n in range(1, 8)
        ],
    ]
    in_flight = []
    for events in numbered(turns):
        rows, _ = tracking.apply(events)
        in_flight.append(rows.tolist())
        assert_balanced(tracking)
    assert in_flight == [[0, 1, 2, 3, -1, -1, -1]] * 2 + [[-1] * 7]
    counters = tracking.counters
    assert counters[Counter.TABLE_FULL] == 6
    assert counters[Counter.INDUCTED] == ROWS
    assert counters[Counter.ADOPTED_AT_END] == 3
    assert ledger_of(tracking).as_dict() == {
        "inducted": 7, "discharged": 7, "on_sorter": 0, "removed": 0, "lost": 0, "unexplained": 0,
    }  # fmt: skip


def test_a_gap_in_the_books_is_unexplained() -> None:
    tracking = Tracking(machine(), rows=ROWS)
    tracking.apply(numbered([[{"kind": EventKind.INDUCTED, "piece_id": 1}]])[0])
    tracking.counters[Counter.INDUCTED] += 2
    ledger = ledger_of(tracking)
    assert not ledger.balanced
    assert ledger.unexplained == 2
    assert tracking.resume.boot_id == BOOT
