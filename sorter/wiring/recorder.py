"""The recorder process: follows the lines' journals into PostgreSQL."""

import asyncio
import logging

from sorter.clock import Clock, SystemClock
from sorter.config import SiteFile
from sorter.config_sensors import SENSOR_STREAM
from sorter.errors import ConfigError, UnavailableError
from sorter.outlets.board import RecorderBoardWriter
from sorter.outlets.pauses import GcWatch
from sorter.outlets.record import Recording
from sorter.store.records import RecordStore
from sorter.wiring.logs import Outages
from sorter.wiring.paths import StatePaths
from sorter.wiring.plan_records import PlanRecorder
from sorter.wiring.process import settle_memory, stop_on_signals

IDLE_S = 0.05
"""Pause after a look at the journals that found nothing."""
RETRY_S = 1.0
"""Pause before a database that was away is tried again."""
MAINTAIN_S = 600.0
"""Pause between two looks after partitions and read segments."""

_logger = logging.getLogger(__name__)


class Recorder:
    """Moves batches from the journals to the store, and its position with them."""

    def __init__(self, site: SiteFile, store: RecordStore, clock: Clock) -> None:
        self._state = StatePaths(site.site.state_dir)
        self._names = [line.name for line in site.lines]
        self._keep_bytes = site.journal.keep_mib << 20
        self._store = store
        self._clock = clock
        self._board = RecorderBoardWriter(self._state.recorder_board, clock)
        self._plans = PlanRecorder(self._state, self._names, store)
        seats: dict[str, int] = {line.name: line.link.seat for line in site.lines}
        if site.sensor_links or (self._state.journal / SENSOR_STREAM).exists():
            seats[SENSOR_STREAM] = site.seat
        self._recording = Recording(self._state.journal, seats, store)
        self._problem = "the database was not reached yet"
        self._outages = Outages(_logger, "", told=self._problem)
        self._watch = GcWatch()
        self._board.set_gc(self._watch.pauses)

    async def run(self, stop: asyncio.Event) -> None:
        """Record until told to stop; then record what the journals hold by then.

        Raises:
            JournalError: a journal is of another version.
        """
        self._watch.start()
        beat = asyncio.create_task(self._beat())
        last_maintained = 0.0
        try:
            while True:
                ending = stop.is_set()
                try:
                    if not self._recording.lines:
                        await self._store.open()
                        await self._recording.begin()
                    await self._plans.record()
                    wrote = await self._recording.step()
                    self._set_problem("")
                    now = asyncio.get_running_loop().time()
                    if now - last_maintained > MAINTAIN_S:
                        last_maintained = now
                        await self._maintain()
                except UnavailableError as error:
                    self._set_problem(str(error))
                    wrote = 0
                if ending and not wrote:
                    return
                if not wrote:
                    await _wait(stop, RETRY_S if self._problem else IDLE_S)
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
            self._tell()
            self._watch.stop()
            await self._store.close()

    async def _maintain(self) -> None:
        await self._store.maintain()
        for line in self._recording.lines:
            await asyncio.to_thread(line.follower.remove_read, line.recorded, self._keep_bytes)

    def _set_problem(self, problem: str) -> None:
        self._problem = problem
        self._outages.note(problem, "the database takes records")

    async def _beat(self) -> None:
        while True:
            self._tell()
            await asyncio.sleep(0.1)

    def _tell(self) -> None:
        """Tell the board how recording stands."""
        heads = [line.batches[0].events for line in self._recording.lines if line.batches]
        oldest_ns = min((int(e["host_receive_ns"][0]) for e in heads if len(e)), default=0)
        self._board.update(
            rows=self._recording.rows,
            batches=self._recording.transactions,
            lag_seconds=max(0, self._clock.now_ns() - oldest_ns) / 1e9 if oldest_ns else 0.0,
            connected=not self._problem,
            problem=self._problem,
        )


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Return after so long, or as soon as told to stop; never at once, even then."""
    if stop.is_set():
        await asyncio.sleep(IDLE_S)
        return
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def run_recorder(site: SiteFile) -> None:
    """Record until SIGTERM.

    Raises:
        ConfigError: the site names no database.
        JournalError: a journal is of another version.
    """
    stop = stop_on_signals()
    if not site.store.dsn:
        raise ConfigError(
            "store.dsn: the recorder run alone needs a database; name it in the site file or in "
            "SORTER_DATABASE_DSN"
        )
    StatePaths(site.site.state_dir).make()
    clock = SystemClock()
    recorder = Recorder(site, RecordStore(site.store.dsn, site.store.retention_days, clock), clock)
    settle_memory()
    await recorder.run(stop)
