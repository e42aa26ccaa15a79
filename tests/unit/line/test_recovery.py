"""A line that is killed knows after its start what it knew before."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plc_adapters.contract import DischargeStatus, Records
from sorter.errors import JournalError
from sorter.line.books import Register
from sorter.line.ledger import ledger_of
from sorter.line.recovery import recover
from sorter.line.slip import SlipLimits
from sorter.line.tracking import Tracking
from sorter.ports import BATCH_MAX, HOST_ANSWER, Batch, HostAnswer, Snapshot
from tests.unit.line.decider import small_decider
from tests.unit.line.records import (
    BOOT,
    TURNS,
    Values,
    discharged,
    events,
    inducted,
    machine,
    numbered,
    scanned,
)
from tests.unit.line.test_ledger import assert_balanced, assert_tables_agree

ROWS = 4
SLIP = SlipLimits(2, 4)
CUTS = st.sets(st.integers(0, 7))
"""Turns after which a snapshot is taken."""
DECIDER = small_decider()


def live(
    turns: list[list[Values]], cuts: set[int], line: int = 0
) -> tuple[Tracking, list[Batch | Snapshot]]:
    """Run a line; return its end and what its journal holds."""
    tracking = Tracking(machine(), rows=ROWS, slip=SLIP)
    journal: list[Batch | Snapshot] = []
    for number, heard in enumerate(numbered(turns)):
        rows, ended = tracking.apply(heard)
        now_ns = int(heard["event_ns"].max(initial=0))
        decisions = DECIDER.decide(heard, rows, tracking, now_ns)
        decisions = answer_some(tracking, decisions, number, now_ns)
        if len(heard) + len(decisions):
            journal.append(Batch(line, heard, decisions.copy(), ended.copy()))
        if number in cuts:
            journal.append(Snapshot(line, tracking.snapshot()))
    return tracking, journal


def answer_some(tracking: Tracking, decisions: Records, turn: int, now_ns: int) -> Records:
    """Answer for every other piece that waits for the host: with a place, a hold, or nothing."""
    waiting = np.isin(tracking.in_flight()["disposition"], (4, 16))
    ids = tracking.in_flight()["piece_id"][waiting]
    ids = ids[ids % 2 == turn % 2]
    answers = np.zeros(len(ids), HOST_ANSWER)
    answers["boot_id"], answers["piece_id"] = tracking.resume.boot_id, ids
    answers["answer"] = np.where(ids % 3 == 1, HostAnswer.UNKNOWN, HostAnswer.KNOWN)
    answers["destination"] = np.where(ids % 3 == 1, 0, 3207)
    answers["holds"] = ids % 3 == 2
    at = tracking.rows_of(answers)
    return DECIDER.decide_answers(answers, at, tracking, now_ns, len(decisions))[0]


def state(tracking: Tracking) -> dict[str, object]:
    """All that a line knows, in no order of rows."""
    in_flight = tracking.in_flight()
    registers = tracking._t.registers
    return {
        "pieces": {int(piece["piece_id"]): str(piece) for piece in in_flight},
        "chutes": str(tracking.chutes[tracking.chutes["exists"] != 0]),
        "counters": tracking.counters.tolist(),
        "dispositions": tracking.dispositions.tolist(),
        "stations": tracking.stations.tolist(),
        "registers": registers[: Register.MACHINE_STATE + 1].tolist(),
        "quarantine": registers[[Register.QUARANTINED, Register.CONFIRMATIONS]].tolist(),
    }


@given(TURNS, CUTS)
@settings(max_examples=150, deadline=None)
def test_recovery_is_the_state_before(turns: list[list[Values]], cuts: set[int]) -> None:
    before, journal = live(turns, cuts)
    last = max((k for k, entry in enumerate(journal) if isinstance(entry, Snapshot)), default=0)
    for entries in (journal, journal[last:]):
        after = Tracking(machine(), rows=ROWS, slip=SLIP)
        recover([after], entries)
        assert state(after) == state(before)
        assert_tables_agree(after)
        assert_balanced(after)


@given(TURNS, TURNS)
@settings(max_examples=100, deadline=None)
def test_a_restored_line_goes_on_like_the_one_it_was(
    first: list[list[Values]], then: list[list[Values]]
) -> None:
    one, _ = live(first, set())
    other, _ = live(then, set())  # Not fresh: nothing of what it knew may stay.
    assert other.restore(one.snapshot()) == one.resume
    assert state(other) == state(one)
    for heard in numbered(then):
        rows, ended = one.apply(heard)
        decided = DECIDER.decide(heard, rows, one, int(heard["event_ns"].max(initial=0))).copy()
        other_rows, other_ended = other.apply(heard)
        assert sorted(map(str, other_ended)) == sorted(map(str, ended))
        assert (other_rows >= 0).tolist() == (rows >= 0).tolist()
        again = DECIDER.decide(heard, other_rows, other, int(heard["event_ns"].max(initial=0)))
        assert again.tobytes() == decided.tobytes()
        assert state(other) == state(one)


@pytest.mark.parametrize("with_snapshot", [False, True])
def test_each_line_resumes_after_its_last_event(with_snapshot: bool) -> None:
    heard: list[list[Values]] = [
        [inducted(1), scanned(1, code=b"A001")],
        [{"kind": 3, "piece_id": 1, "status": 1, "epoch": 9, "disposition": 1, "chutes": (1,)}],
        [],
    ]
    cuts = {2} if with_snapshot else set()
    tracking, journal = live(heard, cuts, line=1)
    fresh = [Tracking(machine(), rows=ROWS, slip=SLIP) for _ in range(3)]
    resumes, batches = recover(fresh, journal)
    assert batches == 2
    assert resumes[1] == tracking.resume
    assert (resumes[1].boot_id, resumes[1].sequence, resumes[1].epoch) == (BOOT, 3, 9)
    assert resumes[0] == resumes[2] == fresh[0].resume
    assert (resumes[0].boot_id, resumes[0].sequence, resumes[0].epoch) == (0, 0, 0)


def test_the_machine_may_have_changed_since_the_snapshot() -> None:
    before, _ = live([[inducted(1), scanned(1, code=b"A001")]], set())
    before.apply(events(discharged(2, DischargeStatus.SORTED, 3), first=3))
    changed = machine()
    changed["capacity"][3], changed["travel_ns"][3], changed["exists"][4] = 7, 1, 0
    after = Tracking(changed, rows=ROWS)
    after.restore(before.snapshot())
    assert (after.chutes[3]["capacity"], after.chutes[3]["travel_ns"]) == (7, 1)
    assert (after.chutes[3]["fill"], after.chutes[4]["exists"]) == (1, 0)
    assert after.chutes["reserved"].tolist() == before.chutes["reserved"].tolist()


def test_a_counter_that_the_snapshot_does_not_know_starts_at_0() -> None:
    before, _ = live([[inducted(1)]], set())

    def forget(head: dict[str, object]) -> None:
        counters = head["counters"]
        assert isinstance(counters, dict)
        del counters["scans"]
        counters["of_a_later_version"] = 5

    after = Tracking(machine(), rows=ROWS, slip=SLIP)
    after.restore(altered(before.snapshot(), forget))
    assert state(after) == state(before)


def altered(snapshot: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    line, _, body = snapshot.partition(b"\n")
    head = json.loads(line)
    change(head)
    return json.dumps(head).encode() + b"\n" + body


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda s: b"",
    "no head": lambda s: s[10:],
    "head is no object": lambda s: b"[]\n" + s.partition(b"\n")[2],
    "no UTF-8": lambda s: b"\xff" + s,
    "cut": lambda s: s[:-1],
    "a chute less": lambda s: s[: -machine().itemsize],
    "a byte more": lambda s: s + b"\0",
    "pieces gone": lambda s: altered(s, lambda head: head.update(pieces=0)),
    "pieces negative": lambda s: altered(s, lambda head: head.update(pieces=-1)),
    "pieces no number": lambda s: altered(s, lambda head: head.update(pieces="2")),
    "no counters": lambda s: altered(s, lambda head: head.pop("counters")),
    "counters a list": lambda s: altered(s, lambda head: head.update(counters=[1])),
    "counter no number": lambda s: altered(s, lambda head: head.update(counters={"scans": "x"})),
    "counter too large": lambda s: altered(s, lambda head: head.update(counters={"scans": 2**64})),
    "stations short": lambda s: altered(s, lambda head: head.update(stations=[0])),
    "no boot": lambda s: altered(s, lambda head: head.pop("boot_id")),
    "boot no number": lambda s: altered(s, lambda head: head.update(boot_id=None)),
    "other format": lambda s: altered(s, lambda head: head.update(format=2)),
    "other layout": lambda s: altered(s, lambda head: head.update(piece=[])),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_snapshot_is_refused_and_changes_nothing(damage: str) -> None:
    source, _ = live([[inducted(1), scanned(2, code=b"A001")]], set())
    tracking, _ = live([[inducted(5), scanned(6, code=b"A002")]], set())
    before = state(tracking)
    with pytest.raises(JournalError, match=r"^snapshot: .*; "):
        tracking.restore(DAMAGES[damage](source.snapshot()))
    assert state(tracking) == before
    assert_tables_agree(tracking)


def test_a_snapshot_with_more_pieces_than_rows_is_refused() -> None:
    source, _ = live([[inducted(1), inducted(2)]], set())
    with pytest.raises(JournalError, match="2 pieces in flight, room for 1"):
        Tracking(machine(), rows=1).restore(source.snapshot())


def read_from_a_file(records: Records) -> Records:
    """Records as the journal's reader may give them: read-only, not aligned."""
    content = b"\0" + records.tobytes()
    return np.frombuffer(content, records.dtype, offset=1)


def test_records_from_a_file_are_taken_as_well() -> None:
    before, journal = live([[inducted(1), scanned(1, code=b"A001")]], set())
    (batch,) = journal
    assert isinstance(batch, Batch)
    after = Tracking(machine(), rows=ROWS, slip=SLIP)
    after.apply(read_from_a_file(batch.events))
    after.adopt_decisions(read_from_a_file(batch.decisions))
    assert state(after) == state(before)


def test_a_full_turn_is_recovered() -> None:
    heard: list[Values] = [scanned(n, code=b"A001") for n in range(1, BATCH_MAX + 1)]
    before, journal = live([heard], set())
    after = Tracking(machine(), rows=ROWS, slip=SLIP)
    recover([after], journal)
    assert state(after) == state(before)
    assert ledger_of(after).on_sorter == ROWS
