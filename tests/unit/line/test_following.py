"""A standby knows of its line what the living host knows, and which pieces nobody has answered."""

from hypothesis import given
from hypothesis import strategies as st

from plc_adapters.contract import AnswerStatus, DischargeStatus, Disposition
from sorter.line.following import Following
from sorter.line.ledger import ledger_of
from sorter.line.tracking import Tracking
from sorter.ports import BATCH_MAX
from tests.unit.line.decider import small_decider
from tests.unit.line.records import (
    BOOT,
    SECOND,
    START_NS,
    TURNS,
    Values,
    discharged,
    events,
    inducted,
    instructed,
    machine,
    numbered,
    scanned,
)

LINE = 2
NOW_NS = START_NS + SECOND


class Rig:
    def __init__(self, rows: int = 8) -> None:
        self.tracking = Tracking(machine(), rows=rows)
        self.following = Following(LINE, self.tracking, self.tracking.snapshot(), small_decider())

    def answers(self, now_ns: int = NOW_NS) -> list[tuple[int, int, list[int]]]:
        """Piece, revision and chutes of what is answered at a takeover."""
        made = [batch.decisions for batch in self.following.answers(now_ns)]
        return [
            (int(one["piece_id"]), int(one["revision"]), one["chutes"].tolist())
            for decisions in made
            for one in decisions
        ]


def test_a_piece_whose_answer_was_echoed_is_left_alone() -> None:
    rig = Rig()
    echo = instructed(1, AnswerStatus.ACCEPTED, (2, 3))
    rig.following.hear(events(inducted(1), scanned(1, code=b"A001"), echo), NOW_NS)
    assert rig.following.unanswered == 0
    assert rig.answers() == []
    (piece,) = rig.tracking.in_flight()
    # What the other host answered, and what only a decision learns of a piece.
    assert piece["chutes"].tolist() == [2, 3, 0, 0]
    assert bytes(piece["waybill"][:4]) == b"A001"


def test_a_piece_without_an_echo_is_answered_at_the_takeover() -> None:
    rig = Rig()
    rig.following.hear(events(inducted(1), scanned(1, code=b"A001")), NOW_NS)
    assert rig.following.unanswered == 1
    assert rig.answers() == [(1, 0, [1, 2, 3, 0])]
    assert rig.answers() == []


def test_what_the_piece_has_passed_by_then_is_not_named() -> None:
    rig = Rig()
    scan = events(scanned(1, code=b"A001"))
    rig.following.hear(scan, int(scan["event_ns"][0]))
    late_ns = int(scan["event_ns"][0]) + 15 * SECOND
    assert [answer[2] for answer in rig.answers(late_ns)] == [[2, 3, 0, 0]]


def test_an_answer_refused_for_its_epoch_leaves_its_piece_without_one() -> None:
    rig = Rig()
    refused = instructed(1, AnswerStatus.REFUSED_EPOCH)
    rig.following.hear(events(scanned(1, code=b"A001"), refused), NOW_NS)
    assert [answer[0] for answer in rig.answers()] == [1]


def test_a_hold_seen_later_is_answered_with_its_higher_revision() -> None:
    rig = Rig()
    heard = (
        scanned(1, code=b"A001"), instructed(1, AnswerStatus.ACCEPTED, (1,)),
        scanned(1, code=b"A002"), instructed(1, AnswerStatus.REFUSED_EPOCH, (1,)),
    )  # fmt: skip
    rig.following.hear(events(*heard), NOW_NS)
    ((piece, revision, chutes),) = rig.answers()
    assert (piece, revision) == (1, 1)
    assert chutes == [4, 0, 0, 0]
    (held,) = rig.tracking.in_flight()
    assert held["disposition"] == Disposition.CONFLICT


def test_a_piece_that_left_is_not_answered() -> None:
    rig = Rig()
    gone = discharged(1, DischargeStatus.DEFAULT_HOST_SILENT, 4)
    rig.following.hear(events(scanned(1, code=b"A001")), NOW_NS)
    rig.following.hear(events(gone, first=2), NOW_NS)
    assert rig.answers() == []
    # Its end is in no journal yet, if the other host died before it was told.
    batches = rig.following.take_kept()
    assert [len(batch.pieces) for batch in batches] == [0, 1]
    assert batches[1].pieces["piece_id"].tolist() == [1]


def test_events_are_kept_until_another_journal_has_them() -> None:
    rig = Rig()
    for first in (1, 3, 5):
        rig.following.hear(events(inducted(first), inducted(first + 1), first=first), NOW_NS)
    rig.following.acknowledged(3)
    assert [batch.events["sequence"].tolist() for batch in rig.following.take_kept()] == [
        [3, 4], [5, 6],
    ]  # fmt: skip
    assert rig.following.kept == 0


def test_who_missed_events_knows_nothing_and_takes_pieces_in_again() -> None:
    rig = Rig()
    rig.following.hear(events(inducted(1), scanned(1, code=b"A001")), NOW_NS)
    rig.following.forget()
    assert len(rig.tracking.in_flight()) == rig.following.unanswered == rig.following.kept == 0
    rig.following.hear(events(scanned(2, code=b"A001"), first=90), NOW_NS)
    assert rig.tracking.in_flight()["piece_id"].tolist() == [2]
    assert ledger_of(rig.tracking).balanced


def test_more_pieces_than_a_turn_takes_are_answered_in_several() -> None:
    rig = Rig(rows=2 * BATCH_MAX)
    count = BATCH_MAX + 7
    for first in range(1, count + 1, 100):
        last = min(first + 100, count + 1)
        rig.following.hear(
            events(*(scanned(n, code=b"A001") for n in range(first, last)), first=first), NOW_NS
        )
    batches = [len(batch.decisions) for batch in rig.following.answers(NOW_NS)]
    assert batches == [BATCH_MAX, 7]


@given(TURNS, st.data())
def test_whatever_is_heard_the_ledger_balances_and_nothing_unacknowledged_is_let_go(
    turns: list[list[Values]], data: st.DataObject
) -> None:
    rig = Rig()
    newest = 0
    for batch in numbered(turns):
        rig.following.hear(batch, NOW_NS)
        newest += len(batch)
        assert ledger_of(rig.tracking).balanced
    acknowledged = data.draw(st.integers(0, newest))
    rig.following.acknowledged(acknowledged)
    boot = rig.tracking.resume.boot_id
    answered = rig.answers()
    in_flight = {int(piece["piece_id"]) for piece in rig.tracking.in_flight()}
    assert boot in (0, BOOT, BOOT + 1)
    assert {piece for piece, _, _ in answered} <= in_flight
    assert len({piece for piece, _, _ in answered}) == len(answered)
    kept = [batch.events["sequence"].tolist() for batch in rig.following.take_kept()]
    assert set(range(acknowledged + 1, newest + 1)) <= {one for batch in kept for one in batch}
