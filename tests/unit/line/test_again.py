"""A line's journal decided once more is the same, and what is not is told field by field."""

import numpy as np
import pytest

from plc_adapters.contract import DischargeStatus, EventKind, Records
from sorter.assignment.decider import Decider
from sorter.errors import ConfigError
from sorter.line import again
from sorter.line.again import Again, Compared, Sources
from sorter.line.slip import SlipLimits
from sorter.line.tracking import Tracking
from sorter.ports import HOST_ANSWER, Batch, HostAnswer, Snapshot, Standing
from tests.unit.line.decider import small_decider
from tests.unit.line.records import START_NS, discharged, events, inducted, machine, scanned

SLIP = SlipLimits(2, 4)
Entries = list[Batch | Snapshot | Standing]


class Line:
    """A line that leaves a journal, without a PLC."""

    def __init__(self) -> None:
        self.tracking = Tracking(machine(), slip=SLIP)
        self.decider = small_decider()
        self.journal: Entries = []
        self.now_ns = START_NS
        self.sequence = 0
        self.keep_state()

    def keep_state(self) -> None:
        self.journal += [Snapshot(0, self.tracking.snapshot()), self.standing()]

    def standing(self, version: int = 3, begun_ns: int = 1) -> Standing:
        locked = tuple(np.flatnonzero(self.tracking.chutes["locked"]).tolist())
        return Standing(0, version, "today", locked, (SLIP.mismatches, SLIP.of), begun_ns)

    def turn(self, *happened: dict[str, object], answers: Records | None = None) -> None:
        came = events(*happened, first=self.sequence + 1)
        self.sequence += len(came)
        came["host_receive_ns"] = self.now_ns = self.now_ns + 100_000_000
        came["plan_version"][came["kind"] == EventKind.INDUCTED] = self.decider.plan_version
        rows, ended = self.tracking.apply(came)
        made = self.decider.decide(came, rows, self.tracking, self.now_ns)
        if answers is not None:
            to = self.tracking.rows_of(answers)
            made, _ = self.decider.decide_answers(
                answers, to, self.tracking, self.now_ns, len(made)
            )
        made = self.decider.withdraw(self.tracking, self.now_ns, len(made))
        self.journal.append(Batch(0, came, made.copy(), ended.copy()))

    def lock(self, *chutes: int) -> None:
        self.tracking.lock_only(chutes)
        self.journal.append(self.standing())


def busy() -> Line:
    """Chutes that fill up, one that is locked, the same piece twice in a turn, laps, a host."""
    line = Line()
    for piece in range(1, 5):
        line.turn(inducted(piece), scanned(piece, code=b"A001"))
    line.lock(1)
    line.turn(inducted(5), scanned(5, code=b"A002"), scanned(5, code=b"A002"))
    line.turn(inducted(6), scanned(6, code=b"A777"), inducted(7), scanned(7))
    said = np.zeros(1, HOST_ANSWER)
    said[0] = (7, 6, HostAnswer.KNOWN, 1, 0, 0, 3207)
    line.turn(answers=said)
    line.turn(discharged(1, DischargeStatus.SORTED, 1), discharged(7, DischargeStatus.REMOVED))
    line.keep_state()
    line.turn(inducted(8), scanned(8, code=b"A001"))
    line.turn(scanned(5, 1, code=b"A002"), scanned(8, 1, code=b"A001"))
    return line


def decide_again(journal: Entries, decider: Decider | None = None, **span: int) -> Compared:
    chosen = decider or small_decider()
    found = Again(Sources(lambda _: chosen.plan, lambda _: chosen.pre_advice), **span)
    for entry in journal:
        found.take(entry)
    return found.found


def test_the_same_line_decides_the_same() -> None:
    line = busy()
    made = sum(len(each.decisions) for each in line.journal if isinstance(each, Batch))
    found = decide_again(line.journal)
    assert found.differences == []
    assert (found.decisions, found.pieces, found.differ, found.not_judged) == (made, 2, 0, 0)
    assert made >= 10
    said = [d for e in line.journal if isinstance(e, Batch) for d in e.decisions["host_answer"]]
    assert any(said)


def test_a_changed_record_is_told_by_its_field_and_brings_about_no_other() -> None:
    line = busy()
    batches = [entry for entry in line.journal if isinstance(entry, Batch)]
    batches[1].decisions["group"] += 1
    found = decide_again(line.journal)
    (told,) = found.differences
    assert (told.piece_id, told.boot_id, told.waybill) == (2, 7, "A001")
    ((name, was, now),) = told.fields
    assert (name, int(was)) == ("group", int(now) + 1)


def test_a_changed_plan_a_missing_and_a_surplus_decision_are_told() -> None:
    line = busy()
    other = small_decider()
    plan = other.plan._replace(group_chutes=np.array([3, 3, 3, 4], np.uint16))
    found = decide_again(line.journal, Decider(plan, other.pre_advice))
    assert 0 < found.differ < found.decisions
    assert any(name == "chutes" for each in found.differences for name, _, _ in each.fields)
    first, second = [k for k, entry in enumerate(line.journal) if isinstance(entry, Batch)][:2]
    one, two = line.journal[first], line.journal[second]
    assert isinstance(one, Batch)
    assert isinstance(two, Batch)
    line.journal[first] = one._replace(decisions=one.decisions[:0])
    found = decide_again(line.journal)
    assert found.differences[0].fields == (("record", "", "there"),)
    line.journal[first] = one._replace(decisions=np.concatenate([one.decisions, two.decisions]))
    found = decide_again(line.journal)
    assert found.differences[0].fields == (("record", "there", ""),)


def test_a_quarantine_takes_back_again_what_it_took_back() -> None:
    line = Line()
    for piece in range(1, 4):
        line.turn(inducted(piece), scanned(piece, code=b"A001"))
    for piece in (1, 2):
        row = np.flatnonzero(line.tracking.pieces["piece_id"] == piece)[0]
        line.tracking.pieces["answer"][row] = 1
    line.keep_state()
    line.turn(discharged(1, DischargeStatus.MISSED), discharged(2, DischargeStatus.MISSED))
    assert line.tracking.quarantined
    last = line.journal[-1]
    assert isinstance(last, Batch)
    assert len(last.decisions) == 1
    line.turn(inducted(9), scanned(9, code=b"A001"))
    assert decide_again(line.journal).differ == 0


def test_only_a_span_is_compared() -> None:
    line = busy()
    instants = np.concatenate(
        [each.decisions["decided_ns"] for each in line.journal if isinstance(each, Batch)]
    )
    cut = int(np.sort(instants)[4])
    assert decide_again(line.journal, begin_ns=cut).decisions == int((instants >= cut).sum())
    assert decide_again(line.journal, end_ns=cut).decisions == int((instants < cut).sum())


def test_what_cannot_be_made_again_is_counted_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = busy()
    made = sum(len(each.decisions) for each in line.journal if isinstance(each, Batch))
    assert decide_again(line.journal[1:]).reasons[again.NO_STATE] > 0

    def gone(name: str) -> object:
        raise ConfigError(f"{name}: not kept any more")

    found = Again(Sources(lambda _: line.decider.plan, gone))  # type: ignore[arg-type]
    for entry in line.journal:
        found.take(entry)
    assert (found.found.decisions, found.found.differ) == (0, 0)
    assert found.found.reasons == {"today: not kept any more": made}
    monkeypatch.setattr(again, "DIFFERENCES_MAX", 1)
    for entry in line.journal:
        if isinstance(entry, Batch):
            entry.decisions["group"] += 1
    found_few = decide_again(line.journal)
    assert len(found_few.differences) == 1
    assert found_few.differ >= made, "and the pieces that went by them"
