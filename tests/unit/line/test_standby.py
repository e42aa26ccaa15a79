"""A host that stands by: it follows, takes over with the grant, and stands by again once fenced."""

import asyncio

import numpy as np

from plc_adapters.contract import EVENT, INSTRUCTION, AnswerStatus, LinkStatus, Records, Resume
from sorter.errors import FencedError
from sorter.line.following import Following
from sorter.line.keeper import Keeper
from sorter.line.loop import LineLoop
from sorter.line.slip import SlipLimits
from sorter.line.standby import Standby
from sorter.line.tracking import Tracking
from sorter.ports import Batch, Standing
from tests.unit.line.decider import small_decider
from tests.unit.line.records import BOOT, START_NS, events, inducted, instructed, machine, scanned

LINE = 2
WAIT_S = 30.0
GRANT, FENCE, MISSED, STOP = "grant", "fence", "missed", "stop"


class Plc:
    """Gives the turns prepared; a word among them is what befalls the host at that instant."""

    def __init__(self, log: list[str], *turns: Records | str) -> None:
        self.status = LinkStatus()
        self.stop = asyncio.Event()
        self.written: list[Records] = []
        self._log = log
        self._turns = list(turns)

    async def open(self, resume: Resume) -> None:
        raise AssertionError(f"a standby claims nothing: {resume}")

    def follow(self, resume: Resume) -> None:
        self._log.append(f"follow {resume.sequence}")
        self.status.standby = True
        self.status.fenced = False

    def hand_over(self, *, begins: bool) -> None:
        raise AssertionError(begins)

    async def read(self) -> Records:
        await asyncio.sleep(0)
        told = self._turns.pop(0) if self._turns else STOP
        if not isinstance(told, str):
            return told
        self._log.append(told)
        match told:
            case "grant":
                self.status.standby = False
                self.status.silence_seen_ns = START_NS
            case "fence":
                self.status.fenced = True
            case "missed":
                self.status.relearnings += 1
            case "stop":
                self.stop.set()
        return np.empty(0, EVENT)

    async def write(self, instructions: Records) -> None:
        assert not self.status.standby, "a standby instructs nothing"
        self._log.append(f"write {instructions['piece_id'].tolist()}")
        self.written.append(instructions.copy())

    def acknowledge(self, sequence: int) -> None:
        del sequence

    async def close(self) -> None:
        self._log.append("close")


class Journal:
    def __init__(self, log: list[str]) -> None:
        self.kept: list[Batch] = []
        self.snapshots: list[bytes] = []
        self._log = log

    def offer(self, batch: Batch) -> bool:
        told = f"{batch.events['sequence'].tolist()} {batch.decisions['piece_id'].tolist()}"
        self._log.append(f"journal {told}")
        self.kept.append(Batch(LINE, *(column.copy() for column in batch[1:])))
        return True

    def durable(self, line: int) -> int:
        return 0 * line

    def wants_snapshot(self, line: int) -> bool:
        return line < 0

    def offer_snapshot(self, line: int, content: bytes) -> None:
        assert line == LINE
        self._log.append("snapshot")
        self.snapshots.append(content)

    def offer_blank(self, line: int, content: bytes) -> None:
        self.offer_snapshot(line, content)

    def offer_standing(self, standing: Standing) -> None:
        raise AssertionError("neither loop nor standby know what decisions stand on")


class Forgetful:
    def record(self, batch: Batch, tracking: Tracking, link: LinkStatus, answered_ns: int) -> None:
        """Take nothing."""


class Clock:
    def now_ns(self) -> int:
        return START_NS + 1_000_000


def run(*turns: Records | str) -> tuple[list[str], Plc, Journal, Tracking]:
    log: list[str] = []
    tracking, decider, clock = Tracking(machine(), rows=8), small_decider(), Clock()
    plc, journal, outlet = Plc(log, *turns), Journal(log), Forgetful()
    following = Following(LINE, tracking, tracking.snapshot(), decider)
    loop = LineLoop(LINE, "north", plc, tracking, decider, journal, outlet, clock)
    keeper = Keeper(LINE, journal, tracking, decider, SlipLimits(), START_NS)
    standby = Standby(loop, plc, tracking, following, journal, keeper, outlet, clock)
    asyncio.run(asyncio.wait_for(standby.run(Resume(BOOT, 40, 2), plc.stop), WAIT_S))
    assert loop.steps >= sum(not isinstance(turn, str) for turn in turns), "no sign of life"
    return log, plc, journal, tracking


def test_a_standby_answers_and_journals_nothing() -> None:
    log, plc, journal, tracking = run(events(inducted(1), scanned(1, code=b"A001")))
    assert log == ["follow 40", "stop", "close"]
    assert (plc.written, journal.kept) == ([], [])
    assert len(tracking.in_flight()) == 1


def test_it_answers_first_and_then_journals_what_no_journal_may_have() -> None:
    heard = events(
        scanned(1, code=b"A001"), instructed(1, AnswerStatus.ACCEPTED, (1,)),
        scanned(2, code=b"A001"),
    )  # fmt: skip
    log, plc, journal, tracking = run(heard, GRANT, events(scanned(3, code=b"A001"), first=4))
    assert log == [
        "follow 40", "grant", "write [2]", "snapshot", "journal [1] []", "journal [2, 3] []",
        "journal [] [2]", "snapshot", "write [3]", "journal [4] [3]", "stop", "close",
    ]  # fmt: skip
    assert plc.written[0].dtype == INSTRUCTION
    assert plc.status.takeover_ns == 1_000_000
    # A line killed now comes up from the second snapshot, one killed in between from the first.
    between, after = (Tracking(machine(), rows=8) for _ in range(2))
    assert between.restore(journal.snapshots[0]).sequence == 0
    assert after.restore(journal.snapshots[1]).sequence == 3
    for batch in journal.kept[:3]:
        between.apply(batch.events)
        between.adopt_decisions(batch.decisions)
    assert between.in_flight()["piece_id"].tolist() == [1, 2]
    assert len(tracking.in_flight()) == 3


def test_a_fenced_host_stands_by_again_and_can_come_back() -> None:
    first = events(scanned(1, code=b"A001"))
    later = events(scanned(2, code=b"A001"), first=2)
    log, *_ = run(GRANT, first, FENCE, later, GRANT)
    assert log == [
        "follow 40", "grant", "snapshot", "snapshot", "write [1]", "journal [1] [1]", "fence",
        "follow 1", "grant", "write [2]", "snapshot", "journal [2] []", "journal [] [2]",
        "snapshot", "stop", "close",
    ]  # fmt: skip


def test_missed_events_are_not_built_upon() -> None:
    _, plc, _, tracking = run(
        events(scanned(1, code=b"A001")), MISSED, events(scanned(2, code=b"A001"), first=99), GRANT
    )
    assert tracking.in_flight()["piece_id"].tolist() == [2]
    assert plc.written[0]["piece_id"].tolist() == [2]


def test_a_fence_is_no_error_of_a_host_that_stands_by() -> None:
    try:
        run(GRANT, FENCE)
    except FencedError as error:
        raise AssertionError(error) from error
