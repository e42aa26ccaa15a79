"""The demo: writes a site, starts its emulated sorters and the service, watches, sums up."""

import asyncio
import contextlib
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sorter.clock import SystemClock
from sorter.config import load_site
from sorter.demo.emulated import Emulated, emulated, made_up_host
from sorter.demo.site import write_site
from sorter.demo.view import Summary
from sorter.errors import UnavailableError
from sorter.outlets.reading import BoardReader, LineView
from sorter.store.records import RecordStore
from sorter.wiring.process import stop_on_signals
from sorter.wiring.supervisor import Supervisor

READY_S = 300.0
"""Longest wait for the service to be ready; the first start compiles the kernels, which takes a
machine that has other work to do minutes."""
DRAIN_S = 130.0
"""Longest wait, after induction stopped, until the sorter is empty: two laps of the loop."""
RECORD_S = 20.0
"""Longest wait until the last piece is in the database."""
TICK_S = 0.5

Show = Callable[[tuple[Summary, ...], str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a demo can be told."""

    state: Path
    seconds: float = 0.0
    """How long pieces are inducted; 0 for until Ctrl-C."""
    pieces_per_hour: int = 20_000
    """Of the loop."""
    http_port: int = 8080
    plc_port: int = 15_020
    """Of the loop; the diverter line, the upstream host and the scanner have the next ones."""
    seed: int = 1
    settings: tuple[str, ...] = ()
    """Keys of the sorters' files to replace, each ``LINE.KEY=VALUE``."""


class Demo:
    """One run of the demo."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._folder = options.state.resolve()
        self._board: BoardReader | None = None
        self._store: RecordStore | None = None
        self._began_s = 0.0
        self._emptying = False
        self._ready_s = 0.0
        self._summaries: tuple[Summary, ...] = ()

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self._options.http_port}/"

    async def run(self, show: Show) -> tuple[Summary, ...]:
        """Run it and return how it came out, line by line.

        Args:
            show: Called now and then with how the lines stand and a word on what is going on.

        Raises:
            UnavailableError: a port is in use, or a process did not start.
        """
        stop = stop_on_signals()
        options = self._options
        self._began_s = time.monotonic()
        show(self._summaries, "writing the site")
        site = await asyncio.to_thread(
            write_site, self._folder, options.http_port, options.plc_port, options.seed,
            options.pieces_per_hour, options.settings,
        )  # fmt: skip
        supervisor = Supervisor(load_site(site.file), site.file, logs_to_files=True)
        async with contextlib.AsyncExitStack() as running:
            sorters = {
                name: await running.enter_async_context(emulated(config, settings))
                for name, (config, settings) in site.emulators.items()
            }
            await running.enter_async_context(made_up_host(site.host_table, site.host_port))
            service = await running.enter_async_context(self._service(supervisor))
            show(self._summaries, "starting database, kernels and processes")
            await self._until_ready(service, stop)
            self._ready_s = time.monotonic() - self._began_s
            self._board = BoardReader(supervisor.state.line_board)
            self._store = RecordStore(
                supervisor.dsn, supervisor.site.store.retention_days, SystemClock()
            )
            await self._watch(show, service, stop, list(sorters.values()))
        return tuple(_judged(each, sorters[each.line].status) for each in self._summaries)

    @contextlib.asynccontextmanager
    async def _service(self, supervisor: Supervisor) -> AsyncIterator[asyncio.Task[None]]:
        """Run the service as long as the context lasts."""
        stop = asyncio.Event()
        task = asyncio.create_task(supervisor.run_until(stop))
        try:
            yield task
        finally:
            stop.set()
            if self._store is not None:
                await self._store.close()
            await task

    async def _until_ready(self, service: asyncio.Task[None], stop: asyncio.Event) -> None:
        deadline_s = time.monotonic() + READY_S
        reason = "no answer yet"
        while not stop.is_set():
            if service.done():
                service.result()
            answer, reason = await asyncio.to_thread(self._readiness)
            if answer:
                return
            if time.monotonic() > deadline_s:
                raise UnavailableError(
                    f"the service was not ready after {READY_S:.0f} s ({reason}); its logs are in "
                    f"{self._folder / 'state' / 'logs'}"
                )
            await asyncio.sleep(0.05)

    def _readiness(self) -> tuple[bool, str]:
        try:
            with urllib.request.urlopen(f"{self.url}readyz", timeout=2) as answer:  # noqa: S310
                return answer.status == 200, ""
        except OSError as error:
            return False, str(error)

    async def _watch(
        self, show: Show, service: asyncio.Task[None], stop: asyncio.Event, sorters: list[Emulated]
    ) -> None:
        """Show how it goes until the time is over and the sorters are empty."""
        options = self._options
        started_s = time.monotonic()
        while not stop.is_set():
            elapsed_s = time.monotonic() - started_s
            if options.seconds and elapsed_s >= options.seconds:
                break
            await self._tick(show, service, elapsed_s, f"open {self.url} to watch; Ctrl-C ends")
            await _pause(stop, TICK_S)
        for sorter in sorters:
            sorter.stop_induction()
        self._emptying = True
        drain_s = 0.0 if stop.is_set() else DRAIN_S
        note = "induction has stopped; the sorters empty"
        deadline_s = time.monotonic() + drain_s
        while time.monotonic() < deadline_s and not stop.is_set():
            await _pause(stop, TICK_S)
            await self._tick(show, service, time.monotonic() - started_s, note)
            if not any(each.on_sorter for each in self._summaries):
                break
        deadline_s = time.monotonic() + RECORD_S
        while time.monotonic() < deadline_s:
            await asyncio.sleep(TICK_S)
            await self._tick(show, service, time.monotonic() - started_s, "recording the rest")
            if all(each.balanced for each in self._summaries):
                break

    async def _tick(
        self, show: Show, service: asyncio.Task[None], elapsed_s: float, note: str
    ) -> None:
        if service.done():
            service.result()
        assert self._board is not None
        assert self._store is not None
        lines = self._board.read().lines
        before = {each.line: each for each in self._summaries}
        summaries = []
        for line in lines:
            recorded = await self._store.piece_count(line.link.boot_id)
            summary = _summary(line, recorded, elapsed_s, self._ready_s)
            if self._emptying and line.name in before:
                rate = before[line.name].pieces_per_hour
                summary = replace(summary, pieces_per_hour=rate)
            summaries.append(summary)
        self._summaries = tuple(summaries)
        problems = [line.link.problem for line in lines if line.link.problem]
        show(self._summaries, problems[0] if problems else note)


def _judged(summary: Summary, told: dict[str, Any]) -> Summary:
    """Return a line's summary with what its sorter itself counted as the last word."""
    return replace(
        summary,
        inducted_by_plc=int(told.get("inducted", 0)),
        deadline_misses=max(summary.deadline_misses, int(told.get("deadline_misses", 0))),
        two_instructions=int(told.get("two_instructions", 0)),
    )


def _summary(line: LineView, recorded: int, elapsed_s: float, ready_s: float) -> Summary:
    ledger = line.ledger
    return Summary(
        line=line.name,
        seconds=elapsed_s,
        inducted=ledger["inducted"],
        inducted_by_plc=line.link.inducted_count,
        discharged=ledger["discharged"],
        on_sorter=ledger["on_sorter"],
        removed=ledger["removed"],
        lost=ledger["lost"],
        unexplained=ledger["unexplained"],
        pieces_per_hour=line.pieces_per_hour or 0.0,
        read_rate=line.read_rate or 0.0,
        recirculation=line.recirculation or 0.0,
        slack_p50_ms=line.slack_ms(0.5) or 0.0,
        slack_p99_ms=line.slack_ms(0.99) or 0.0,
        deadline_misses=line.counters["deadline_misses"],
        recorded=recorded,
        ready_s=ready_s,
    )


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until told to stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
