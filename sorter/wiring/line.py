"""The line process: the loops of a site's lines on one event loop, and the journal's thread."""

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from plc_adapters.contract import Resume, StandbyAdapter
from plc_adapters.registry import create, with_scanners
from sorter.assignment.arrays import PlanArrays, PreAdviceArrays, no_pre_advice
from sorter.assignment.decider import Decider
from sorter.clock import Clock, SystemClock
from sorter.config import Line, SiteFile
from sorter.errors import ConfigError, FencedError, JournalError
from sorter.journal.reader import recovery
from sorter.journal.thread import CommitThread
from sorter.journal.writer import JournalWriter
from sorter.line.commands import COMMANDS_MAX
from sorter.line.following import Following
from sorter.line.host_desk import ANSWERS_MAX, HostDesk
from sorter.line.keeper import Keeper
from sorter.line.ledger import ledger_of
from sorter.line.loop import LineLoop
from sorter.line.recovery import recover
from sorter.line.slip import SlipLimits
from sorter.line.standby import Standby
from sorter.line.tracking import COUNTER_NAMES, Tracking
from sorter.line.warmup import warm_up
from sorter.outlets.board import BoardWriter, LineBoard, chutes_of_groups
from sorter.outlets.layout import JournalStatus
from sorter.outlets.pauses import GcWatch
from sorter.outlets.questions import QuestionRing
from sorter.plans.image import map_image
from sorter.plans.machine import load_chutes
from sorter.plans.versions import need_version
from sorter.ports import Batch, Snapshot, Standing
from sorter.wiring.active import Active, read_active
from sorter.wiring.audit import AuditLog
from sorter.wiring.control import Control
from sorter.wiring.control_client import socket_path
from sorter.wiring.line_words import LineWords
from sorter.wiring.notify import Notifier, Watchdog
from sorter.wiring.paths import StatePaths
from sorter.wiring.plan_life import PlanLife
from sorter.wiring.process import settle_memory, stop_on_signals
from sorter.wiring.switch_over import SwitchOver

BEAT_S = 0.1
"""Pause between two words to the board that this process lives."""
END_S = 2.0
"""Time the loops have to end their turn; a turn held up by a full disk is left to the PLC."""
LEDGER_TERMS = ("inducted", "discharged", "on_sorter", "removed", "lost", "unexplained")
MIB = 1024 * 1024

_logger = logging.getLogger(__name__)


class _PreAdvice(NamedTuple):
    """The table in use, and the name of its image."""

    table: PreAdviceArrays
    name: str


@dataclass(slots=True)
class RunningLine:
    """One line with all its parts."""

    loop: LineLoop
    runs: LineLoop | Standby
    """What runs the loop."""
    adapter: StandbyAdapter
    tracking: Tracking
    outlet: LineBoard
    resume: Resume
    life: PlanLife
    keeper: Keeper

    @property
    def steps(self) -> int:
        """Grows while the loop goes on."""
        return self.loop.steps

    @property
    def waits(self) -> bool:
        """Whether the loop stands still with reason: its PLC is away, or granted to another."""
        status = self.adapter.status
        return status.fenced or not status.connected


async def run_line(site: SiteFile, *, standby: bool = False) -> None:
    """Run all lines of the site until SIGTERM; raises what stopped them.

    Args:
        site: The site file.
        standby: Whether another host may have the lines: then this one follows, and takes over.

    Raises:
        ConfigError: a plan or machine file is missing or wrong.
        JournalError: the journal can't be read or written.
        FencedError: the PLCs of all lines were given to other hosts.
        AdapterError: a PLC's mailbox can't be used.
    """
    stop = stop_on_signals()
    state = StatePaths(site.site.state_dir)
    state.make()
    clock = SystemClock()
    names = [line.name for line in site.lines]
    board = BoardWriter(state.line_board, names, COUNTER_NAMES, LEDGER_TERMS, clock)
    _logger.info("kernels ready after %.1f s", warm_up())
    trackings = [
        Tracking(
            load_chutes(line.machine.chutes, line.machine.speed_mm_s),
            slip=_slip_limits(line),
        )
        for line in site.lines
    ]
    blanks = [tracking.snapshot() if standby else None for tracking in trackings]
    resumes, batches = recover(trackings, _journaled(site, state))
    _logger.info("journal read: %d batches since the newest snapshot", batches)
    journal = JournalWriter(
        state.journal,
        names,
        [resume.sequence for resume in resumes],
        clock,
        segment_bytes=site.journal.segment_mib * MIB,
        queue_max=site.journal.queue_batches_max,
    )
    committing = CommitThread(journal, site.journal.commit_interval_ms / 1000)
    pre_advice = _pre_advice(state)
    ring = QuestionRing(state.questions, clock.now_ns()) if site.upstream else None
    lines = [
        _make_line(number, site, state, trackings[number], resumes[number], blanks[number],
                   pre_advice, journal, board, clock, ring)
        for number in range(len(names))
    ]  # fmt: skip
    for line in lines:
        line.keeper.keep_state()
        line.keeper.keep_standing()
    committing.start()
    settle_memory()
    board.set_gc(GcWatch().start().pauses)
    board.set_ready()
    notifier = Notifier()
    notifier.say("READY=1", f"STATUS=lines {', '.join(names)}")
    try:
        control = Control(
            socket_path(state),
            {line.loop.name: line.life for line in lines},
            AuditLog(state.audit),
            {line.loop.name: SwitchOver(line.loop.name, line.adapter, clock) for line in lines}
            if standby
            else {},
        )
        watchdog = Watchdog(notifier)
        queue_max = site.journal.queue_batches_max
        await _run(lines, board, committing, queue_max, control, stop, watchdog)
    finally:
        for line in lines:
            line.outlet.publish(line.tracking, line.adapter.status)
        committing.close()


def _journaled(site: SiteFile, state: StatePaths) -> Iterator[Batch | Snapshot | Standing]:
    """Yield the journals of all lines, one after the other."""
    for number, line in enumerate(site.lines):
        yield from recovery(state.journal / line.name, number)


def _make_line(
    number: int,
    site: SiteFile,
    state: StatePaths,
    tracking: Tracking,
    resume: Resume,
    blank: bytes | None,
    pre_advice: _PreAdvice,
    journal: JournalWriter,
    board: BoardWriter,
    clock: Clock,
    ring: QuestionRing | None,
) -> RunningLine:
    line = site.lines[number]
    active, plan, metadata = _plan(line, state)
    decider = Decider(plan, pre_advice.table)
    hold_versions(line.name, decider, tracking, state.versions(line.name))
    metal = line.machine
    outlet = board.line(
        number, lambda: ledger_of(tracking).as_dict(), metal.speed_mm_s, metal.kind, metal.stations
    )
    groups = chutes_of_groups(metadata["groups"], plan.group_first, plan.group_chutes)
    brands, classes = metadata["brands"], metadata["service_classes"]
    outlet.set_plan(metadata["name"], metadata["version"], brands, classes, groups)
    adapter, scanners = with_scanners(
        create(line.adapter, number, line.link, clock.now_ns),
        [scanner.settings() for scanner in line.scanners],
        clock.now_ns,
    )
    outlet.scanners = [(scanner.name, scanner.status) for scanner in scanners]
    desk = HostDesk(line.name, ring)
    desk.set_names(brands, classes)
    if blank is None:
        desk.ask_again(tracking.in_flight(), tracking.chutes, clock.now_ns())
    outlet.host_counts = desk.counts
    loop = LineLoop(number, line.name, adapter, tracking, decider, journal, outlet, clock, desk)
    outlet.queues = lambda: (
        (loop.commands.waiting, COMMANDS_MAX), (desk.waiting, ANSWERS_MAX),
    )  # fmt: skip
    keeper = Keeper(
        number, journal, tracking, decider, _slip_limits(line), clock.now_ns(), pre_advice.name
    )
    life = PlanLife(
        line.name, state, loop.commands, decider, tracking, outlet, clock, active, desk, keeper
    )
    runs: LineLoop | Standby = loop
    if blank is not None:
        following = Following(number, tracking, blank, decider)
        runs = Standby(loop, adapter, tracking, following, journal, keeper, outlet, clock)
    return RunningLine(loop, runs, adapter, tracking, outlet, resume, life, keeper)


def _plan(line: Line, state: StatePaths) -> tuple[Active, PlanArrays, dict[str, Any]]:
    active = read_active(state.active_plan(line.name))
    if active is None:
        raise ConfigError(
            f"{state.active_plan(line.name)}: line {line.name} has no compiled plan; run "
            "'sorter plan compile --config' with this site file first"
        )
    return active, *map_image(active.image, PlanArrays)


def hold_versions(name: str, decider: Decider, tracking: Tracking, folder: Path) -> None:
    """Hold the versions by which the pieces in flight go; tell of those that are gone."""
    counts = tracking.versions_in_flight()
    for version in sorted(counts.keys() - {0, decider.plan_version}, reverse=True):
        try:
            decider.hold(map_image(need_version(folder, version).image, PlanArrays)[0])
        except (ConfigError, ValueError) as error:
            _logger.warning(
                "line %s: %d pieces on the sorter were inducted under plan version %d, which can't "
                "be used (%s); they are decided under version %d",
                name, counts[version], version, error, decider.plan_version,
            )  # fmt: skip


def _slip_limits(line: Line) -> SlipLimits:
    return SlipLimits(line.slip_detector.mismatches, line.slip_detector.of)


def _pre_advice(state: StatePaths) -> _PreAdvice:
    active = read_active(state.pre_advice)
    if active is None:
        return _PreAdvice(no_pre_advice(), "")
    return _PreAdvice(map_image(active.image, PreAdviceArrays)[0], active.image.name)


async def _run(
    lines: list[RunningLine],
    board: BoardWriter,
    committing: CommitThread,
    queue_max: int,
    control: Control,
    stop: asyncio.Event,
    watchdog: Watchdog,
) -> None:
    """Turn the loops until told to stop or until one of them can't go on.

    A line that another host was granted ends alone; the last one ends the process.
    """
    turning = {asyncio.create_task(line.runs.run(line.resume, stop)): line for line in lines}
    beating = asyncio.create_task(_beat(lines, board, committing, queue_max, watchdog))
    stopped = asyncio.create_task(stop.wait())
    controlling = asyncio.create_task(control.run())
    try:
        while True:
            await asyncio.wait([*turning, beating, stopped], return_when=asyncio.FIRST_COMPLETED)
            fenced = [task for task in turning if task.done() and _is_fenced(task)]
            if not fenced or len(fenced) == len(turning) or stop.is_set():
                break
            for ended_task in fenced:
                _end_alone(turning.pop(ended_task), ended_task.exception())
        if stop.is_set():
            await asyncio.wait(turning, timeout=END_S)
    finally:
        everything = [*turning, beating, stopped, controlling]
        for task in everything:
            task.cancel()
        ended = await asyncio.gather(*everything, return_exceptions=True)
    for result in ended:
        if isinstance(result, Exception):
            raise result


def _end_alone(line: RunningLine, error: BaseException | None) -> None:
    """Tell that a line has ended while the others go on."""
    line.adapter.status.problem = str(error)
    line.outlet.publish(line.tracking, line.adapter.status)
    _logger.error("%s; the other lines go on", error, extra={"line": line.loop.name})


def _is_fenced(task: asyncio.Task[None]) -> bool:
    return not task.cancelled() and isinstance(task.exception(), FencedError)


async def _beat(
    lines: list[RunningLine],
    board: BoardWriter,
    committing: CommitThread,
    queue_max: int,
    watchdog: Watchdog,
) -> None:
    """Tell board and systemd that this process lives, how the journal stands, and who waits."""
    words = [
        LineWords(line.loop.name, line.tracking, line.adapter.status, line.outlet.scanners)
        for line in lines
    ]
    while True:
        board.beat()
        watchdog.feed(lines, time.monotonic_ns())
        board.set_journal(_journal_status(committing.journal, queue_max))
        for line in lines:
            if not line.adapter.status.connected:
                line.outlet.publish(line.tracking, line.adapter.status)
        for each in words:
            each.tell()
        if not committing.alive:
            raise JournalError("the journal's thread has ended; see the log above")
        await asyncio.sleep(BEAT_S)


def _journal_status(journal: JournalWriter, queue_max: int) -> JournalStatus:
    commits = journal.commits
    return JournalStatus(
        waiting_batches=journal.waiting,
        waiting_batches_max=queue_max,
        refused_batches=journal.refused,
        lag_ns=journal.lag_ns,
        commits=commits.count,
        commit_ns=commits.total_ns,
        commit_max_ns=commits.longest_ns,
        written_bytes=commits.written_bytes,
        failures=commits.failures,
        problem=journal.problem,
    )
