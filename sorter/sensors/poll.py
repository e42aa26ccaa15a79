"""Reads the sensors of one connection, round after round, whatever fails."""

import asyncio
import logging
from collections.abc import Sequence

from plc_adapters.contract import AdapterError, Records
from plc_adapters.host.wire import LinkError, RefusedError
from plc_adapters.sensors.source import SensorSource
from sorter.clock import Clock
from sorter.sensors.stream import SensorStream
from sorter.sensors.watch import Watch

_logger = logging.getLogger(__name__)


class Poller:
    """One connection: asks each of its sensors once a period.

    A sensor that breaks the connection (a unit that is dead behind its gateway lets the request
    time out) costs the others that one reconnection, and no more.
    """

    def __init__(
        self,
        name: str,
        source: SensorSource,
        watches: Sequence[Watch],
        stream: SensorStream,
        clock: Clock,
        period_ms: int,
    ) -> None:
        self.name = name
        self.watches = watches
        self.reconnects = 0
        """Connections made again after a break."""
        self._source = source
        self._stream = stream
        self._clock = clock
        self._period_s = period_ms / 1000
        self._connected = self._was_connected = False
        self._told = ""

    async def run(self) -> None:
        """Read until cancelled; raises AdapterError for what waiting can't cure."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                due = loop.time() + self._period_s
                await self.read_all()
                await asyncio.sleep(max(0.0, due - loop.time()))
        finally:
            await self._source.close()

    async def read_all(self) -> None:
        """Read each sensor once."""
        for number, watch in enumerate(self.watches):
            try:
                if not self._connected:
                    await self._connect()
                heard = await self._source.read(number)
            except RefusedError as error:
                watch.fail(str(error))
                continue
            except LinkError as error:
                watch.fail(str(error))
                was_connected, self._connected = self._connected, False
                await self._source.close()
                if was_connected:
                    continue
                for other in self.watches[number + 1 :]:
                    other.fail(str(error))
                break
            await self._keep(watch.hear(heard, self._clock.now_ns()))
        self._tell()

    async def look(self) -> None:
        """Find out which sensors are silent by now."""
        for watch in self.watches:
            await self._keep(watch.look(self._clock.now_ns()))

    async def _connect(self) -> None:
        try:
            await self._source.connect()
        except AdapterError as error:
            # A certificate that is missing may come; the other connections go on meanwhile.
            raise LinkError(str(error)) from error
        self._connected = True
        self.reconnects += self._was_connected
        self._was_connected = True

    async def _keep(self, event: Records | None) -> None:
        if event is not None:
            await self._stream.put(event)

    def _tell(self) -> None:
        """Log what is wrong once, and once that it is well again."""
        failing = [w for w in self.watches if w.problem]
        problem = f"{failing[0].sensor.name}: {failing[0].problem}" if failing else ""
        if problem != self._told:
            self._told = problem
            _logger.warning("sensors of %s: %s", self.name, problem or "all are read again")
