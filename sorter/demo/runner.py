"""The demo: writes a site, starts an emulated sorter and the service, watches, sums up."""

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from routing_tables.load import load_network
from routing_tables.schema import lianyungang
from sorter.clock import SystemClock
from sorter.config import load_site
from sorter.demo.manifest import write_manifest
from sorter.demo.view import Summary
from sorter.errors import UnavailableError
from sorter.outlets.reading import BoardReader, LineView
from sorter.store.records import RecordStore
from sorter.wiring.process import stop_on_signals
from sorter.wiring.supervisor import Supervisor

FILES = Path(__file__).parent
"""The site that the demo copies: plan, machine, emulator."""
READY_S = 90.0
"""Longest wait for the service to be ready; the first start compiles the kernels."""
DRAIN_S = 130.0
"""Longest wait, after induction stopped, until the sorter is empty: two laps of the loop."""
RECORD_S = 20.0
"""Longest wait until the last piece is in the database."""
END_S = 15.0
"""Longest wait for the emulator to end."""
TICK_S = 0.5

SITE = """\
# The demo's site, written by 'sorter demo'; 'sorter run --config' takes it as well.
[site]
name = "demo"
state_dir = "state"

[network]
centre = "LYG-HUB"
pre_advice = "pre_advice.csv"

[http]
port = {http_port}

[[lines]]
name = "loop-1"
adapter = "modbus"
plan = "plan.toml"

[lines.machine]
chutes = "chutes.csv"
speed_mm_s = 2000
reaction_ms = 20

[lines.link]
port = {plc_port}
"""

Show = Callable[[Summary, str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a demo can be told."""

    state: Path
    seconds: float = 0.0
    """How long pieces are inducted; 0 for until Ctrl-C."""
    pieces_per_hour: int = 20_000
    http_port: int = 8080
    plc_port: int = 15_020
    seed: int = 1


class Sorter:
    """The emulated sorter in a process of its own, and what it last said."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.status: dict[str, Any] = {}
        """Its counts, told every second and at its end."""
        self._process = process
        self._log = log
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.status = json.loads(line)

    async def started(self) -> None:
        """Return once it serves its PLC; raises UnavailableError with its reason if it can't."""
        while not self.status:
            if self._process.returncode is not None or self._listening.done():
                await self._process.wait()
                reason = self._log.read_text(encoding="utf-8").strip() or "it ended at once"
                raise UnavailableError(f"the emulated sorter did not start: {reason}")
            await asyncio.sleep(0.02)

    def stop_induction(self) -> None:
        """Load no piece any more; the belt runs on."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGUSR1)

    async def end(self) -> None:
        """End it; its last word is in :attr:`status`."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._listening, END_S)
            await asyncio.wait_for(self._process.wait(), END_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


class Demo:
    """One run of the demo."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._folder = options.state.resolve()
        self._board: BoardReader | None = None
        self._store: RecordStore | None = None
        self._began_s = 0.0
        self._emptying = False
        self._summary = Summary()

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self._options.http_port}/"

    async def run(self, show: Show) -> Summary:
        """Run it and return how it came out.

        Args:
            show: Called now and then with how it stands and a word on what is going on.

        Raises:
            UnavailableError: a port is in use, or a process did not start.
        """
        stop = stop_on_signals()
        self._began_s = time.monotonic()
        show(self._summary, "writing the site")
        site_file = await asyncio.to_thread(self._write_site)
        supervisor = Supervisor(load_site(site_file), site_file, logs_to_files=True)
        async with self._sorter() as sorter, self._service(supervisor) as service:
            show(self._summary, "starting database, kernels and processes")
            await self._until_ready(service, stop)
            self._summary = replace(self._summary, ready_s=time.monotonic() - self._began_s)
            self._board = BoardReader(supervisor.state.line_board)
            self._store = RecordStore(
                supervisor.dsn, supervisor.site.store.retention_days, SystemClock()
            )
            await self._watch(show, service, stop, sorter)
        return self._judged(sorter)

    def _write_site(self) -> Path:
        """Write the site's files; the manifest of a seed is kept from run to run."""
        folder, options = self._folder, self._options
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "state" / "journal", ignore_errors=True)
        shutil.rmtree(folder / "state" / "run", ignore_errors=True)
        for name in ("plan.toml", "chutes.csv", "emulator.toml"):
            shutil.copyfile(FILES / name, folder / name)
        made = folder / "manifest.json"
        wanted = json.dumps({"seed": options.seed})
        if not made.exists() or made.read_text(encoding="utf-8") != wanted:
            write_manifest(folder, load_network(lianyungang()), options.seed)
            made.write_text(wanted, encoding="utf-8")
        site = folder / "site.toml"
        site.write_text(
            SITE.format(http_port=options.http_port, plc_port=options.plc_port), encoding="utf-8"
        )
        return site

    @contextlib.asynccontextmanager
    async def _sorter(self) -> AsyncIterator[Sorter]:
        """Run the emulated sorter as long as the context lasts."""
        options = self._options
        settings = {
            "listen.port": options.plc_port,
            "arrivals.pieces_per_hour": options.pieces_per_hour,
            "seed": options.seed,
        }
        command = ["-m", "plc_adapters.emulator", "--json"]
        command += ["--config", str(self._folder / "emulator.toml")]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        log = self._folder / "emulator.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        sorter = Sorter(process, log)
        try:
            await sorter.started()
            yield sorter
        finally:
            await sorter.end()

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
        self, show: Show, service: asyncio.Task[None], stop: asyncio.Event, sorter: Sorter
    ) -> None:
        """Show how it goes until the time is over and the sorter is empty."""
        options = self._options
        started_s = time.monotonic()
        while not stop.is_set():
            elapsed_s = time.monotonic() - started_s
            if options.seconds and elapsed_s >= options.seconds:
                break
            await self._tick(show, service, elapsed_s, f"open {self.url} to watch; Ctrl-C ends")
            await _pause(stop, TICK_S)
        sorter.stop_induction()
        self._emptying = True
        drain_s = 0.0 if stop.is_set() else DRAIN_S
        note = "induction has stopped; the sorter empties"
        deadline_s = time.monotonic() + drain_s
        while time.monotonic() < deadline_s and not stop.is_set():
            await _pause(stop, TICK_S)
            await self._tick(show, service, time.monotonic() - started_s, note)
            if self._summary.on_sorter == 0:
                break
        deadline_s = time.monotonic() + RECORD_S
        while time.monotonic() < deadline_s:
            await asyncio.sleep(TICK_S)
            await self._tick(show, service, time.monotonic() - started_s, "recording the rest")
            if self._summary.balanced:
                break

    async def _tick(
        self, show: Show, service: asyncio.Task[None], elapsed_s: float, note: str
    ) -> None:
        if service.done():
            service.result()
        assert self._board is not None
        assert self._store is not None
        line = self._board.read().lines[0]
        recorded = await self._store.piece_count(line.link.boot_id)
        summary = _summary(line, recorded, elapsed_s, self._summary.ready_s)
        if self._emptying:
            summary = replace(summary, pieces_per_hour=self._summary.pieces_per_hour)
        self._summary = summary
        show(self._summary, line.link.problem or note)

    def _judged(self, sorter: Sorter) -> Summary:
        """Return the summary with what the sorter itself counted as the last word."""
        told = sorter.status
        return replace(
            self._summary,
            inducted_by_plc=int(told.get("inducted", 0)),
            deadline_misses=max(self._summary.deadline_misses, int(told.get("deadline_misses", 0))),
            two_instructions=int(told.get("two_instructions", 0)),
        )


def _summary(line: LineView, recorded: int, elapsed_s: float, ready_s: float) -> Summary:
    ledger = line.ledger
    return Summary(
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
