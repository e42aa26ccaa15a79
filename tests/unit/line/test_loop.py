"""The loop: read, answer, leave copies; no further read while the journal has no room."""

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
import pytest

from plc_adapters.contract import (
    EVENT,
    AdapterError,
    Disposition,
    LinkStatus,
    Records,
    Resume,
)
from sorter.errors import FencedError
from sorter.line.loop import LineLoop
from sorter.line.tracking import Tracking
from sorter.ports import Batch, Standing
from tests.unit.line.decider import small_decider
from tests.unit.line.records import (
    BOOT,
    SECOND,
    START_NS,
    Values,
    events,
    inducted,
    machine,
    scanned,
)

LINE = 2
WAIT_S = 30.0


class Clock:
    """Goes on by a millisecond each time it is asked."""

    def __init__(self) -> None:
        self.ns = START_NS

    def now_ns(self) -> int:
        self.ns += 1_000_000
        return self.ns


@dataclass
class FakeAdapter:
    """Gives the turns prepared, then nothing; tells to stop when they are used up."""

    log: list[str]
    turns: list[Records]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    status: LinkStatus = field(default_factory=LinkStatus)
    written: list[Records] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    opened: Resume | None = None
    refuses: bool = False

    async def open(self, resume: Resume) -> None:
        self.log.append("open")
        self.opened = resume
        if self.refuses:
            raise AdapterError("plc-1: layout 9, must be 1; update its program")

    async def read(self) -> Records:
        self.log.append("read")
        await asyncio.sleep(0)
        if not self.turns:
            self.stop.set()
            return np.empty(0, EVENT)
        return self.turns.pop(0)

    async def write(self, instructions: Records) -> None:
        self.log.append("write")
        self.written.append(instructions.copy())

    def acknowledge(self, sequence: int) -> None:
        self.log.append(f"acknowledge {sequence}")
        self.acknowledged.append(sequence)

    async def close(self) -> None:
        self.log.append("close")


@dataclass
class FakeJournal:
    """Takes a batch after so many refusals; durable only as far as it is told."""

    log: list[str]
    refusals: int = 0
    durable_to: int = 0
    snapshot_wanted: bool = False
    kept: list[Batch] = field(default_factory=list)
    snapshots: list[bytes] = field(default_factory=list)

    def offer(self, batch: Batch) -> bool:
        assert batch.line == LINE
        if self.refusals:
            self.refusals -= 1
            self.log.append("refused")
            return False
        self.log.append("offered")
        self.kept.append(Batch(LINE, *(column.copy() for column in batch[1:])))
        return True

    def durable(self, line: int) -> int:
        assert line == LINE
        return self.durable_to

    def wants_snapshot(self, line: int) -> bool:
        assert line == LINE
        return self.snapshot_wanted

    def offer_snapshot(self, line: int, content: bytes) -> None:
        assert line == LINE
        self.log.append("snapshot")
        self.snapshots.append(content)
        self.snapshot_wanted = False

    def offer_standing(self, standing: Standing) -> None:
        raise AssertionError("the loop does not know what it stands on")


@dataclass
class FakeOutlet:
    log: list[str]
    turns: list[tuple[int, int, int]] = field(default_factory=list)
    """Events, decisions, instant of the answer."""

    def record(self, batch: Batch, tracking: Tracking, link: LinkStatus, answered_ns: int) -> None:
        self.log.append("recorded")
        assert tracking.resume.sequence >= len(batch.events)
        assert not link.connected
        self.turns.append((len(batch.events), len(batch.decisions), answered_ns))


class Rig:
    def __init__(self, *turns: Records) -> None:
        self.log: list[str] = []
        self.adapter = FakeAdapter(self.log, list(turns))
        self.journal = FakeJournal(self.log)
        self.outlet = FakeOutlet(self.log)
        self.tracking = Tracking(machine(), rows=8)
        self.clock = Clock()
        self.decider = small_decider()
        self.loop = LineLoop(
            LINE, "north", self.adapter, self.tracking, self.decider, self.journal,
            self.outlet, self.clock,
        )  # fmt: skip

    def run(self, resume: Resume | None = None) -> None:
        running = self.loop.run(resume or Resume(), self.adapter.stop)
        asyncio.run(asyncio.wait_for(running, WAIT_S))


def turn(*each: Values, first: int = 1) -> Records:
    heard = events(*each, first=first)
    heard["line"] = LINE
    heard["event_ns"] = START_NS
    return heard


def test_a_scan_is_answered_before_any_copy_is_left() -> None:
    rig = Rig(turn(inducted(1), scanned(1, code=b"A001")))
    rig.journal.durable_to = 2
    asyncio.run(rig.loop.turn())
    assert rig.log == ["read", "write", "offered", "acknowledge 2", "recorded"]
    (instructions,) = rig.adapter.written
    (answer,) = instructions
    assert (answer["line"], answer["piece_id"], answer["lap"], answer["revision"]) == (
        LINE,
        1,
        0,
        0,
    )
    assert answer["chutes"].tolist() == [1, 2, 3, 0]
    assert (answer["disposition"], answer["plan_version"]) == (Disposition.ROUTED, 3)
    assert answer["deadline_ns"] == START_NS + 10 * SECOND - SECOND // 10
    assert (answer["epoch"], answer["sequence"]) == (0, 0)
    assert rig.outlet.turns == [(2, 1, rig.clock.ns)]
    (batch,) = rig.journal.kept
    assert batch.decisions["event_sequence"].tolist() == [2]
    assert batch.decisions["decided_ns"].tolist() == [START_NS + 1_000_000]


def test_several_scans_are_one_write() -> None:
    rig = Rig(turn(*(scanned(n, code=b"A001") for n in range(1, 6))))
    asyncio.run(rig.loop.turn())
    (instructions,) = rig.adapter.written
    assert instructions["piece_id"].tolist() == [1, 2, 3, 4, 5]
    assert instructions["chutes"][:, 0].tolist() == [1, 2, 3, 1, 2]


def test_nothing_is_written_where_nothing_is_decided() -> None:
    rig = Rig(turn(inducted(1)))
    asyncio.run(rig.loop.turn())
    assert rig.log == ["read", "offered", "acknowledge 0", "recorded"]
    assert rig.outlet.turns == [(1, 0, 0)]


def test_a_silent_turn_leaves_no_batch_but_acknowledges() -> None:
    rig = Rig()
    rig.journal.durable_to = 7
    asyncio.run(rig.loop.turn())
    assert rig.log == ["read", "acknowledge 7", "recorded"]


def test_a_full_journal_stops_the_reading_until_it_has_room() -> None:
    rig = Rig(turn(scanned(1, code=b"A001")), turn(inducted(2), first=2))
    rig.journal.refusals = 5
    rig.run()
    one = ["read", "write", *["refused"] * 5, "offered", "acknowledge 0", "recorded"]
    other = ["read", "offered", "acknowledge 0", "recorded"]
    silent = ["read", "acknowledge 0", "recorded"]
    assert rig.log == ["open", *one, *other, *silent, "close"]
    # Tried again, never dropped: the same batch, whole and once.
    assert [batch.events["sequence"].tolist() for batch in rig.journal.kept] == [[1], [2]]
    assert len(rig.journal.kept[0].decisions) == 1


def test_only_what_is_durable_is_acknowledged() -> None:
    rig = Rig(turn(inducted(1)), turn(inducted(2), first=2), turn(inducted(3), first=3))
    asyncio.run(rig.loop.turn())
    rig.journal.durable_to = 1
    asyncio.run(rig.loop.turn())
    asyncio.run(rig.loop.turn())
    assert rig.adapter.acknowledged == [0, 1, 1]


def test_a_snapshot_holds_the_turn_offered_before_it() -> None:
    rig = Rig(turn(scanned(1, code=b"A001")))
    rig.journal.snapshot_wanted = True
    asyncio.run(rig.loop.turn())
    assert rig.log == ["read", "write", "offered", "snapshot", "acknowledge 0", "recorded"]
    after = Tracking(machine(), rows=8)
    assert after.restore(rig.journal.snapshots[0]).sequence == 1
    assert after.in_flight()["chutes"].tolist() == [[1, 2, 3, 0]]
    asyncio.run(rig.loop.turn())
    assert rig.log.count("snapshot") == 1


def test_the_link_opens_where_the_journal_ended_and_is_closed() -> None:
    rig = Rig()
    rig.run(Resume(BOOT, 41, 3))
    assert rig.adapter.opened == Resume(BOOT, 41, 3)
    assert (rig.log[0], rig.log[-1]) == ("open", "close")


def test_a_fenced_line_ends_after_its_copies_are_left() -> None:
    rig = Rig(turn(scanned(1, code=b"A001")), turn(inducted(2), first=2))
    rig.adapter.status.fenced = True
    with pytest.raises(FencedError, match=r"line north: .*another host; stop one"):
        rig.run()
    assert rig.log == [
        "open", "read", "write", "offered", "acknowledge 0", "recorded", "close",
    ]  # fmt: skip


def test_a_mailbox_that_can_not_be_used_ends_the_line() -> None:
    rig = Rig(turn(inducted(1)))
    rig.adapter.refuses = True
    with pytest.raises(AdapterError, match="plc-1"):
        rig.run()
    assert "read" not in rig.log


def test_an_induction_is_journaled_with_the_version_it_happened_under() -> None:
    rig = Rig(turn(inducted(1), scanned(2)), turn(scanned(1, code=b"A001"), first=3))
    asyncio.run(rig.loop.turn())
    asyncio.run(rig.loop.turn())
    assert rig.journal.kept[0].events["plan_version"].tolist() == [3, 0]
    assert rig.tracking.versions_in_flight() == {3: 2}


def test_a_command_is_applied_between_two_batches() -> None:
    rig = Rig(turn(scanned(1, code=b"A001")), turn(scanned(2, code=b"A001"), first=2))
    plan = rig.decider.plan
    newer = plan._replace(scalars=plan.scalars.copy())
    newer.scalars[0] = 4

    async def write(instructions: Records) -> None:
        # In the middle of a batch: what comes now waits for its end.
        if not rig.adapter.written:
            applied.append(rig.loop.commands.submit(lambda: rig.decider.activate(newer)))
        rig.adapter.written.append(instructions.copy())
        assert rig.decider.plan_version == len(rig.adapter.written) + 2

    applied: list[Future[None]] = []
    rig.adapter.write = write  # type: ignore[method-assign]
    asyncio.run(rig.loop.turn())
    assert not applied[0].done()
    asyncio.run(rig.loop.turn())
    assert applied[0].done()
    versions = [batch.decisions["plan_version"].tolist() for batch in rig.journal.kept]
    assert versions == [[3], [4]]
