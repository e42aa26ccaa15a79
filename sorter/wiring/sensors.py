"""The sensors process: reads what is beside the lines, so that no line ever waits for it."""

import asyncio
import math
from collections.abc import Iterator

from plc_adapters.registry import sensors as source_of
from sorter.clock import Clock, SystemClock
from sorter.config import SiteFile
from sorter.config_sensors import SENSOR_STREAM, AnySensors
from sorter.errors import ConfigError, JournalError
from sorter.journal.reader import recovery
from sorter.journal.thread import CommitThread
from sorter.journal.writer import JournalWriter
from sorter.outlets.sensor_board import SensorBoardWriter, SensorView
from sorter.sensors.poll import Poller
from sorter.sensors.stream import SensorStream, last_boot
from sorter.sensors.watch import Watch
from sorter.wiring.paths import StatePaths
from sorter.wiring.process import settle_memory, stop_on_signals

BEAT_S = 0.1
"""Pause between two words to the board, and between two looks for silent sensors."""
SEGMENT_MIB_MAX = 8
"""Of the sensors' journal, which is small: some hundred thousand events."""
MIB = 1024 * 1024


async def run_sensors(site: SiteFile) -> None:
    """Read the site's sensors until SIGTERM.

    Raises:
        ConfigError: the site has none.
        AdapterError: a certificate of a connection is of no use.
        JournalError: the journal can't be read or written.
    """
    stop = stop_on_signals()
    if not site.sensor_links:
        raise ConfigError("sensor_links: the site has none; don't run --part sensors there")
    state = StatePaths(site.site.state_dir)
    state.make()
    clock = SystemClock()
    boot = last_boot(recovery(state.journal / SENSOR_STREAM, 0))
    journal = JournalWriter(
        state.journal,
        [SENSOR_STREAM],
        [0],
        clock,
        segment_bytes=min(site.journal.segment_mib, SEGMENT_MIB_MAX) * MIB,
        queue_max=site.journal.queue_batches_max,
    )
    stream = SensorStream(journal, boot, clock.now_ns(), site.seat)
    pollers = [_poller(link, stream, clock) for link in site.sensor_links]
    board = SensorBoardWriter(state.sensor_board, clock)
    committing = CommitThread(journal, site.journal.commit_interval_ms / 1000)
    committing.start()
    settle_memory()
    try:
        await _run(pollers, board, committing, stop)
    finally:
        committing.close()


def _poller(link: AnySensors, stream: SensorStream, clock: Clock) -> Poller:
    now_ns = clock.now_ns()
    watches = [Watch(s, link.silence_ms, link.record_every_s, now_ns) for s in link.sensors]
    source = source_of(link.adapter, link.link, link.sensors)
    return Poller(link.name, source, watches, stream, clock, link.period_ms)


async def _run(
    pollers: list[Poller], board: SensorBoardWriter, committing: CommitThread, stop: asyncio.Event
) -> None:
    """Poll until told to stop, or until something ends that must not."""
    tasks = [asyncio.create_task(poller.run()) for poller in pollers]
    tasks.append(asyncio.create_task(_beat(pollers, board, committing)))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in [*tasks, stopped]:
            task.cancel()
        ended = await asyncio.gather(*tasks, stopped, return_exceptions=True)
    for result in ended:
        if isinstance(result, Exception):
            raise result


async def _beat(pollers: list[Poller], board: SensorBoardWriter, committing: CommitThread) -> None:
    """Tell the board how all sensors stand; find out which are silent."""
    while True:
        board.update(list(_views(pollers)), committing.journal.problem)
        if not committing.alive:
            raise JournalError("the journal's thread has ended; see the log above")
        for poller in pollers:
            await poller.look()
        await asyncio.sleep(BEAT_S)


def _views(pollers: list[Poller]) -> Iterator[SensorView]:
    for poller in pollers:
        for watch in poller.watches:
            sensor = watch.sensor
            yield SensorView(
                name=sensor.name,
                link=poller.name,
                quantity=sensor.code,
                status=watch.status,
                reading=watch.reading,
                low=math.nan if sensor.low is None else sensor.low,
                high=math.nan if sensor.high is None else sensor.high,
                read_ns=watch.read_ns,
                out_since_ns=watch.out_since_ns,
                out_ns=watch.out_ns,
                excursions=watch.excursions,
                reads=watch.reads,
                failures=watch.failures,
                reconnects=poller.reconnects,
                problem=watch.problem,
            )
