"""A whole day of a centre in a minute: the real line, journal and recorder in virtual time.

No faults: how the promises hold among those, :mod:`sorter.simulation.world` shows. Here a day's
number of pieces comes in a day's rhythm, and everything must be decided in time, kept and recorded
once.
"""

import asyncio
import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import DischargeStatus, LinkStatus, Records, Resume
from sorter.assignment.decider import Decider
from sorter.journal.writer import JournalWriter
from sorter.line.keeper import Keeper
from sorter.line.ledger import ledger_of
from sorter.line.loop import LineLoop
from sorter.line.slip import SlipLimits
from sorter.line.tracking import Tracking
from sorter.outlets.record import Recording
from sorter.ports import Batch
from sorter.simulation.day_sorter import DaySorter
from sorter.simulation.disk import ProcessDisk, SimulatedDisk
from sorter.simulation.plant import FOLDER, JOURNAL, LINE, WAYBILLS, machine, waybill
from sorter.simulation.settings import DAY_S, Rhythm
from sorter.simulation.trace import Violation
from sorter.simulation.virtual_loop import VirtualLoop

SPEED_MM_S = 1_000
CAPACITY = 2_000
"""Pieces that a sorted chute holds until it is emptied."""
UNREAD_EVERY = 97
"""Every so many-th label can't be read."""
BEGIN_NS = 1_762_790_400_000_000_000
"""11 November 2025, 00:00 in China: the wall clock at the start."""
COMMIT_S, RECORD_S = 5.0, 20.0
SEGMENT_BYTES = 16 << 20
QUEUE_MAX = 4_096
DRAIN_S = 600
"""After the day's last piece everything is sorted and recorded within so long."""


@dataclass(slots=True)
class Day:
    """What a day came to."""

    rhythm: str
    pieces: int
    seed: int
    wall_s: float = 0.0
    virtual_s: float = 0.0
    turns: int = 0
    events: int = 0
    decisions: int = 0
    peak_per_hour: int = 0
    on_sorter_max: int = 0
    further_laps: int = 0
    late: int = 0
    """Answers after their deadline."""
    outcomes: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """Promises that were broken."""


def shares(rhythm: Rhythm) -> list[float]:
    """Return the share of a day's pieces in each of its 24 hours, of 1 in all."""
    column = {Rhythm.REGULAR: "regular_day_share_pct", Rhythm.DOUBLE_11: "double11_share_pct"}
    with (FOLDER / "hourly_profile.csv").open(encoding="utf-8", newline="") as file:
        found = [float(row[column[rhythm]]) for row in csv.DictReader(file)]
    total = sum(found)
    return [share / total for share in found]


def arrivals(rhythm: Rhythm, pieces: int, seed: int) -> NDArray[np.int64]:
    """Return int64[pieces], the instants in ns from midnight at which they come, in order."""
    chance = np.random.default_rng(seed)
    counts = chance.multinomial(pieces, shares(rhythm))
    hours = np.repeat(np.arange(24), counts)
    instants = (hours + chance.random(pieces)) * 3_600_000_000_000
    return np.sort(instants.astype(np.int64))


class DayStore:
    """A store that counts: each record must be the next one, and each piece a new one."""

    def __init__(self, pieces: int) -> None:
        self.events = 0
        self.decisions = 0
        self.has = np.zeros(pieces + 1, bool)
        self._position = (0, 0)

    async def position(self, line: str, seat: int) -> tuple[int, int]:
        """Return how far the journal is recorded."""
        assert (line, seat) == (LINE, 0)
        return self._position

    async def write(
        self, line: str, batches: Sequence[Batch], position: tuple[int, int], seat: int
    ) -> int:
        """Record batches.

        Raises:
            Violation: a record is missing, or stands twice.
        """
        assert (line, seat) == (LINE, 0)
        before = self.events
        for batch in batches:
            count = len(batch.events)
            expected = np.arange(self.events + 1, self.events + count + 1)
            if not np.array_equal(batch.events["sequence"], expected):
                raise Violation(2, f"after event {self.events} came {batch.events['sequence']}")
            self.events += count
            self.decisions += len(batch.decisions)
            ended = batch.pieces["piece_id"]
            if self.has[ended].any() or len(np.unique(ended)) != len(ended):
                raise Violation(2, f"pieces ended twice among {ended.tolist()}")
            self.has[ended] = True
        self._position = position
        return self.events - before


class _Counted:
    """The outlet of the loop: counts turns, and has the ledger balance after each."""

    def __init__(self) -> None:
        self.turns = 0

    def record(self, _batch: Batch, tracking: Tracking, _link: LinkStatus, _ns: int) -> None:
        """Count a turn.

        Raises:
            Violation: the ledger does not balance.
        """
        self.turns += 1
        if not ledger_of(tracking).balanced:
            raise Violation(1, f"the ledger does not balance: {ledger_of(tracking).as_dict()}")


class _Clock:
    """Virtual time as the wall's."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        """Return the instant."""
        return BEGIN_NS + self._loop.now_ns()


def simulate_day(
    rhythm: Rhythm, pieces: int, seed: int = 1, progress: Callable[[float], None] | None = None
) -> Day:
    """Let a day pass.

    Args:
        rhythm: Of its hours.
        pieces: At most :data:`~sorter.simulation.settings.PIECES_MAX`.
        seed: Draws when each piece comes.
        progress: Called with the seconds of the day that have passed.
    """
    began = time.monotonic()
    loop = VirtualLoop(seed)
    instants = arrivals(rhythm, pieces, seed)
    day = Day(rhythm, pieces, seed)
    day.peak_per_hour = int(np.bincount(instants // 3_600_000_000_000, minlength=24).max())
    try:
        loop.run_until_complete(_pass(loop, day, instants + BEGIN_NS, progress))
    except Violation as broken:
        day.problems.append(str(broken))
    finally:
        loop.close()
    day.virtual_s = loop.time()
    day.wall_s = time.monotonic() - began
    return day


def _labels() -> list[bytes]:
    labels = [waybill(number) for number in range(1, WAYBILLS + 1)] * UNREAD_EVERY
    labels[::UNREAD_EVERY] = [b""] * len(labels[::UNREAD_EVERY])
    return labels


def _chutes(shared: Records) -> Records:
    """Return the machine's chutes, those of sorted pieces as large as a day needs."""
    chutes = shared.copy()
    chutes["capacity"][chutes["exists"] != 0] = CAPACITY
    return chutes


async def _pass(
    loop: VirtualLoop,
    day: Day,
    inducted_ns: NDArray[np.int64],
    progress: Callable[[float], None] | None,
) -> None:
    shared = machine(SPEED_MM_S)
    clock, disk, chutes = _Clock(loop), ProcessDisk(SimulatedDisk(day.seed)), _chutes(shared.chutes)
    tracking = Tracking(chutes)
    decider = Decider(shared.plans[0], shared.pre_advice)
    journal = JournalWriter(
        JOURNAL, [LINE], [0], clock,
        segment_bytes=SEGMENT_BYTES, queue_max=QUEUE_MAX, disk=disk,
    )  # fmt: skip
    keeper = Keeper(0, journal, tracking, decider, SlipLimits(), clock.now_ns(), "all")
    keeper.keep_state()
    keeper.keep_standing()
    sorter, outlet = DaySorter(inducted_ns, _labels(), chutes, clock), _Counted()
    line = LineLoop(0, LINE, sorter, tracking, decider, journal, outlet, clock)
    store = DayStore(day.pieces)
    recording = Recording(JOURNAL, {LINE: 0}, store, disk)
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(line.run(Resume(), stop)),
        asyncio.create_task(_commit(journal)),
        asyncio.create_task(_record(recording)),
    ]
    ends_s = DAY_S + DRAIN_S
    while loop.time() < ends_s and not (sorter.is_done and store.events == sorter.told):
        done, _ = await asyncio.wait(tasks, timeout=RECORD_S, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if progress:
            progress(loop.time())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    _tell(day, sorter, tracking, store, outlet)


async def _commit(journal: JournalWriter) -> None:
    while True:
        await asyncio.sleep(COMMIT_S)
        journal.commit()
        journal.take_room()


async def _record(recording: Recording) -> None:
    await recording.begin()
    while True:
        await asyncio.sleep(RECORD_S)
        while await recording.step():
            pass
        for line in recording.lines:
            line.follower.remove_read(line.recorded)


def _tell(
    day: Day, sorter: DaySorter, tracking: Tracking, store: DayStore, outlet: _Counted
) -> None:
    """Write down what the day came to, and hold the books against each other."""
    day.turns, day.events, day.decisions = outlet.turns, store.events, store.decisions
    day.on_sorter_max, day.further_laps, day.late = sorter.on_sorter_max, sorter.laps, sorter.late
    day.outcomes = {DischargeStatus(k).name.lower(): n for k, n in sorter.outcomes.items()}
    ledger = ledger_of(tracking).as_dict()
    recorded = int(np.count_nonzero(store.has))
    checks = {
        f"promise 1: {ledger['unexplained']} pieces unexplained": ledger["unexplained"] == 0,
        f"promise 4: {recorded} pieces recorded": recorded == day.pieces,
        f"promise 4: {store.events} of {sorter.told} events recorded": store.events == sorter.told,
        f"promise 5: {sorter.late} answers late": sorter.late == 0,
        f"promise 10: {sorter.on_sorter} pieces still on the sorter": sorter.on_sorter == 0,
    }
    day.problems += [what for what, holds in checks.items() if not holds]
