"""A storm of plan swaps, and loads of pre-advice, at the network's peak: is a piece ever late?

Several whole lines in one process as the service runs them: loop, tracking, decision, journal with
its thread, each line's plan life with its files. In the place of the PLCs stand feeds that hand out
events at the instant each was meant to come, whatever the host does (open loop). Latency is from
the instant a piece was meant to be at its scanner until its instruction is handed over. The
reference is the same run of the same pieces with nothing swapped; the runs take turns.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import sorter.demo
from bench.report import Report, against, figure, hash_of, machine
from plc_adapters.contract import EVENT, DischargeStatus, EventKind, LinkStatus, Records, Resume
from routing_tables.load import load_network
from routing_tables.schema import lianyungang
from sorter.assignment.arrays import PlanArrays, PreAdviceArrays
from sorter.assignment.decider import Decider
from sorter.clock import SystemClock
from sorter.config import SiteFile, load_site
from sorter.demo.manifest import write_manifest
from sorter.journal.thread import CommitThread
from sorter.journal.writer import JournalWriter
from sorter.line.keeper import Keeper
from sorter.line.ledger import ledger_of
from sorter.line.loop import LineLoop
from sorter.line.slip import SlipLimits
from sorter.line.tracking import COUNTER_NAMES, Tracking
from sorter.line.warmup import warm_up
from sorter.outlets.board import BoardWriter
from sorter.plans.image import map_image
from sorter.plans.machine import load_chutes
from sorter.ports import BATCH_MAX
from sorter.wiring.active import read_active
from sorter.wiring.line import LEDGER_TERMS
from sorter.wiring.orders import NOW, Order
from sorter.wiring.paths import StatePaths
from sorter.wiring.plan_life import PlanLife
from sorter.wiring.prepare import make_plan_version, prepare
from sorter.wiring.process import settle_memory

RATE, LINES = 625, 4
"""Pieces a second in all, and the lines they are spread over: 30 million a day at their peak."""
SECONDS, SECONDS_SMALL = 40, 4
SWAPS, SWAPS_SMALL = 2_400, 80
ROUNDS, ROUNDS_SMALL = 2, 1
WAYBILLS, WAYBILLS_SMALL = 1_000_000, 20_000
VERSIONS = 4
"""Versions a line swaps among; pieces of all of them travel at once."""
LABELS = 5_000
POLL_S = 0.001
TO_SCANNER_NS, TO_CHUTE_NS = 1_000_000_000, 3_000_000_000
"""From induction: each piece sees a dozen swaps between its induction and its scan."""
BEGIN_NS = 500_000_000
SECOND_NS = 1_000_000_000
FILES = Path(sorter.demo.__file__).parent

SITE = """
[site]
name = "bench"
[network]
centre = "LYG-HUB"
pre_advice = "pre_advice.csv"
"""
LINE = """
[[lines]]
name = "line-{number}"
plan = "plan-1.toml"
machine = {{ chutes = "chutes.csv", speed_mm_s = 2000 }}
"""

Disturb = Callable[["Site"], Awaitable[int]]


class Feed:
    """A PLC that hands out events when each is due, and notes when they are answered."""

    def __init__(self, line: int, pieces: int, labels: list[bytes], clock: SystemClock) -> None:
        self.status = LinkStatus(connected=True, problem="")
        self.pieces = pieces
        self.latency_ns = np.full(pieces + 1, -1, np.int64)
        self.late = 0
        self.version = np.zeros(pieces + 1, np.int64)
        self.torn = 0
        """Pieces answered under another version than the one they were inducted under."""
        self._clock = clock
        self._line = line
        self._events = self._schedule(labels)
        self._scan_ns = np.zeros(pieces + 1, np.int64)
        self._next = 0

    def _schedule(self, labels: list[bytes]) -> Records:
        spacing_ns = SECOND_NS * LINES // RATE
        number = np.arange(1, self.pieces + 1)
        inducted_ns = BEGIN_NS + number * spacing_ns + self._line * spacing_ns // LINES
        events = np.zeros(3 * self.pieces, EVENT)
        for k, (kind, after_ns) in enumerate((
            (EventKind.INDUCTED, 0),
            (EventKind.SCANNED, TO_SCANNER_NS),
            (EventKind.DISCHARGED, TO_CHUTE_NS),
        )):  # fmt: skip
            part = events[k * self.pieces : (k + 1) * self.pieces]
            part["kind"], part["piece_id"] = kind, number
            part["event_ns"] = inducted_ns + after_ns
        scans = events[self.pieces : 2 * self.pieces]
        scans["code_count"] = 1
        codes = np.frombuffer(b"".join(label.ljust(40, b"\0") for label in labels), "u1")
        scans["codes"][:, 0] = codes.reshape(-1, 40)[number % len(labels)]
        events["status"][2 * self.pieces :] = DischargeStatus.SORTED
        events["chute"][2 * self.pieces :] = 60
        events["boot_id"], events["station"], events["line"] = 7, 1, self._line
        ordered: Records = events[np.argsort(events["event_ns"], kind="stable")]
        ordered["sequence"] = np.arange(1, len(ordered) + 1)
        return ordered

    async def open(self, resume: Resume) -> None:
        """Let time begin."""
        assert resume.sequence == 0
        self._events["event_ns"] += self._clock.now_ns()
        scans = self._events[self._events["kind"] == EventKind.SCANNED]
        self._scan_ns[scans["piece_id"]] = scans["event_ns"]

    @property
    def is_done(self) -> bool:
        """Whether every event was handed out."""
        return self._next == len(self._events)

    async def read(self) -> Records:
        """Return what is due; nothing after a poll period without."""
        due = self._due()
        if due == self._next:
            await asyncio.sleep(POLL_S)
            due = self._due()
        else:
            await asyncio.sleep(0)  # as a socket would let the others have their turn
        events = self._events[self._next : due]
        events["host_receive_ns"] = self._clock.now_ns()
        self._next = due
        return events

    def _due(self) -> int:
        ahead = self._events["event_ns"][self._next : self._next + BATCH_MAX]
        return self._next + int(np.searchsorted(ahead, self._clock.now_ns(), "right"))

    async def write(self, instructions: Records) -> None:
        """Note when each answer came, and whether in time."""
        now_ns = self._clock.now_ns()
        pieces = instructions["piece_id"]
        self.latency_ns[pieces] = now_ns - self._scan_ns[pieces]
        self.late += int(np.count_nonzero(now_ns > instructions["deadline_ns"]))
        self.version[pieces] = instructions["plan_version"]

    def acknowledge(self, sequence: int) -> None:
        """Nothing is kept here for anybody."""

    async def close(self) -> None:
        """Compare each piece's answer with its induction."""
        inducted = self._events[self._events["kind"] == EventKind.INDUCTED]
        answered = self.version[inducted["piece_id"]]
        self.torn = int(np.count_nonzero((answered != inducted["plan_version"]) & (answered != 0)))


@dataclass(slots=True)
class Outcome:
    """What all runs of one kind counted."""

    latency_us: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = field(default_factory=list)
    late: int = 0
    undecided: int = 0
    torn: int = 0
    changes: int = 0


@dataclass(slots=True)
class Site:
    """The lines of one run."""

    site: SiteFile
    folder: Path
    seconds: int
    swaps: int
    waybills: int
    lives: list[PlanLife] = field(default_factory=list)


async def _nothing(_: Site) -> int:
    return 0


async def _swap(site: Site) -> int:
    """Swap on each line in turn, evenly over the run or as fast as the files take it."""
    loop = asyncio.get_running_loop()
    began, pause_s = loop.time(), site.seconds / site.swaps
    for number in range(site.swaps):
        life = site.lives[number % LINES]
        version = 1 + (number // LINES + 1) % VERSIONS
        await life.activate(Order(version, NOW, "bench", "storm"), replaces=True)
        await asyncio.sleep(max(0.0, began + (number + 1) * pause_s - loop.time()))
    return site.swaps


async def _load(site: Site) -> int:
    """Load a day's waybills in a process of its own, as a job does, then have each line swap."""
    process = await asyncio.create_subprocess_exec(
        "nice", "-n", "15", sys.executable, "-m", "sorter", "pre-advice", "load",
        str(site.folder / "day.csv"), "--why", "bench", "--config", str(site.folder / "site.toml"),
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    if await process.wait():
        raise RuntimeError("bench: the load of pre-advice failed; see its words above")
    for life in site.lives:
        await life.reload_pre_advice("bench", "storm")
    return len(site.lives)


KINDS: dict[str, Disturb] = {
    "quiet": _nothing,
    "plans swapped": _swap,
    "pre-advice loaded": _load,
}


def run(*, small: bool) -> Report:
    """Measure; ``small`` for seconds instead of minutes."""
    seconds = SECONDS_SMALL if small else SECONDS
    outcomes = {kind: Outcome() for kind in KINDS}
    warm_up()
    with tempfile.TemporaryDirectory(prefix="sorter-bench-") as name:
        folder = Path(name)
        labels = _write_files(folder, WAYBILLS_SMALL if small else WAYBILLS)
        site = load_site(folder / "site.toml")
        for _ in range(ROUNDS_SMALL if small else ROUNDS):
            for kind, outcome in outcomes.items():
                shutil.rmtree(site.site.state_dir, ignore_errors=True)
                _make_versions(site, folder)
                here = Site(
                    site, folder, seconds, SWAPS_SMALL if small else SWAPS,
                    WAYBILLS_SMALL if small else WAYBILLS,
                )  # fmt: skip
                asyncio.run(_run_once(here, labels, KINDS[kind], outcome))
    figures = {
        kind: figure(f"{kind}, {RATE}/s over {LINES} lines", "us", np.concatenate(o.latency_us))
        for kind, o in outcomes.items()
    }
    quiet = figures.pop("quiet")
    told = [quiet]
    for kind, measured in figures.items():
        o = outcomes[kind]
        told.append(against(
            measured, quiet, late=o.late, undecided=o.undecided, under_two_versions=o.torn,
            changes=o.changes, ratio_p999=measured.p999 / quiet.p999,
            ratio_max=measured.max / quiet.max,
        ))  # fmt: skip
    counts = [f"{len(np.concatenate(o.latency_us))} {o.changes}" for o in outcomes.values()]
    return Report("swaps", told, hash_of(*(count.encode() for count in counts)), machine())


def _write_files(folder: Path, waybills: int) -> list[bytes]:
    """Write site, plans and pre-advice; return the codes that the scanners read."""
    network = load_network(lianyungang())
    write_manifest(folder, network, seed=1, pieces=LABELS)
    plan = (FILES / "plan.toml").read_text(encoding="utf-8")
    for version in range(1, VERSIONS + 1):
        text = plan.replace('policy = "balanced"', 'policy = "filling"' if version % 2 else
                            'policy = "ordered"')  # fmt: skip
        text = text.replace("laps = 3", f"laps = {version}")
        (folder / f"plan-{version}.toml").write_text(text, encoding="utf-8")
    head, *rows = (FILES / "chutes.csv").read_text(encoding="utf-8").splitlines()
    wide = [f"{row.rsplit(',', 1)[0]},100000" for row in rows]
    (folder / "chutes.csv").write_text("\n".join([head, *wide]) + "\n", encoding="utf-8")
    with (folder / "day.csv").open("w", encoding="utf-8") as file:
        file.write("waybill,brand,service_class,destination\n")
        file.writelines(f"DAY{number:012d},,,320707\n" for number in range(waybills))
    lines = "".join(LINE.format(number=number) for number in range(LINES))
    (folder / "site.toml").write_text(SITE + lines, encoding="utf-8")
    rows = (folder / "pre_advice.csv").read_text(encoding="utf-8").splitlines()[1:]
    return [row.split(",")[0].encode() for row in rows]


def _make_versions(site: SiteFile, folder: Path) -> None:
    prepare(site)
    network = load_network(lianyungang())
    for line in site.lines:
        for version in range(2, VERSIONS + 1):
            make_plan_version(site, line, folder / f"plan-{version}.toml", "bench", "x", network)


async def _run_once(site: Site, labels: list[bytes], disturb: Disturb, outcome: Outcome) -> None:
    """Sort all pieces once, with or without a disturbance."""
    clock = SystemClock()
    state = StatePaths(site.site.site.state_dir)
    names = [line.name for line in site.site.lines]
    board = BoardWriter(state.line_board, names, COUNTER_NAMES, LEDGER_TERMS, clock)
    journal = JournalWriter(
        state.journal, names, [0] * LINES, clock, segment_bytes=64 << 20, queue_max=4096
    )
    committing = CommitThread(journal, 0.005)
    feeds: list[Feed] = []
    stop = asyncio.Event()
    loops = []
    for number, name in enumerate(names):
        feeds.append(Feed(number, RATE // LINES * site.seconds, labels, clock))
        loop, life = _line(site, number, name, feeds[-1], journal, board, clock)
        loops.append(loop)
        site.lives.append(life)
    committing.start()
    settle_memory()
    watching = [asyncio.create_task(life.watch()) for life in site.lives]
    turning = [asyncio.create_task(loop.run(Resume(), stop)) for loop in loops]
    outcome.changes += await disturb(site)
    while not all(feed.is_done for feed in feeds):  # noqa: ASYNC110 - feeds tell of no end
        await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*turning)
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    committing.close()
    for feed in feeds:
        answered = feed.latency_ns[1:]
        outcome.undecided += int(np.count_nonzero(answered < 0))
        outcome.latency_us.append(answered[answered >= 0] / 1e3)
        outcome.late += feed.late
        outcome.torn += feed.torn


def _line(
    site: Site, number: int, name: str, feed: Feed, journal: JournalWriter, board: BoardWriter,
    clock: SystemClock,
) -> tuple[LineLoop, PlanLife]:  # fmt: skip
    """Put a line together as the line process does."""
    state = StatePaths(site.site.site.state_dir)
    metal = site.site.lines[number].machine
    tracking = Tracking(load_chutes(metal.chutes, metal.speed_mm_s))
    active, advice = read_active(state.active_plan(name)), read_active(state.pre_advice)
    assert active is not None
    assert advice is not None
    decider = Decider(
        map_image(active.image, PlanArrays)[0], map_image(advice.image, PreAdviceArrays)[0]
    )
    outlet = board.line(number, lambda: ledger_of(tracking).as_dict(), metal.speed_mm_s)
    loop = LineLoop(number, name, feed, tracking, decider, journal, outlet, clock)
    life = PlanLife(
        name, state, loop.commands, decider, tracking, outlet, clock, active, loop.desk,
        Keeper(number, journal, tracking, decider, SlipLimits(), clock.now_ns(), advice.image.name),
    )  # fmt: skip
    return loop, life
