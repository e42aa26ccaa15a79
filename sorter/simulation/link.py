"""The simulated cable between a host and its PLC, and who holds which end of it."""

import asyncio
import random
from typing import Literal

from plc_adapters.host.wire import LinkError
from sorter.simulation.plc import SimulatedPlc
from sorter.simulation.settings import Settings

USUAL_US = (200, 3000)
"""Duration of one request."""
SLOW_FACTOR = 30


class Cable:
    """The way to one PLC. A cut one delivers a request, its answer, or neither."""

    def __init__(self, seed: int, plc: SimulatedPlc) -> None:
        self.plc = plc
        self.is_cut = False
        self.is_slow = False
        self.chance = random.Random(f"{seed}:link")  # noqa: S311 - a run must be repeatable

    async def travel(self) -> None:
        """Take as long as one way takes; raise LinkError where it leads nowhere."""
        low, high = USUAL_US
        microseconds = self.chance.randint(low, high) * (SLOW_FACTOR if self.is_slow else 1)
        await asyncio.sleep(microseconds / 2e6)
        if self.is_cut or self.plc.down:
            await asyncio.sleep(self.chance.uniform(0.0, 0.1))
            raise LinkError("simulated link: no answer")


class Grip:
    """What ends a process from outside: it may be killed, or stand still for a while."""

    def __init__(self) -> None:
        self.killed = False
        self._goes = asyncio.Event()
        self._goes.set()

    def stop(self) -> None:
        """Stand still, as after SIGSTOP."""
        self._goes.clear()

    def go_on(self) -> None:
        """Go on, as after SIGCONT."""
        self._goes.set()

    async def pass_by(self) -> None:
        """Return once the process may go on; a killed one reaches nothing any more."""
        await self._goes.wait()
        if self.killed:
            raise LinkError("simulated link: the process is dead")


class SimulatedWire:
    """One connection; see :class:`plc_adapters.host.wire.Wire`."""

    def __init__(self, cable: Cable, grip: Grip) -> None:
        self._cable = cable
        self._grip = grip
        self._boot = 0

    async def connect(self) -> None:
        """Connect to the PLC's present boot."""
        await self._grip.pass_by()
        await self._cable.travel()
        self._boot = self._cable.plc.boot_id

    async def read(self, address: int, count: int) -> list[int]:
        """Return registers as they stood when the request arrived."""
        await self._grip.pass_by()
        await self._cable.travel()
        registers = self._here().memory.registers[address : address + count]
        await self._cable.travel()
        await self._grip.pass_by()
        return list(registers)

    async def write(self, address: int, registers: list[int]) -> None:
        """Write registers; where the answer is lost, they may have been written."""
        await self._grip.pass_by()
        await self._cable.travel()
        sorter = self._here()
        if not sorter.memory.host_write(address, registers, self._cable.plc.now_us()):
            raise LinkError(f"simulated link: {len(registers)} at {address} are not the host's")
        await self._cable.travel()
        await self._grip.pass_by()

    async def pause(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)
        await self._grip.pass_by()

    async def close(self) -> None:
        """Nothing is held."""

    def _here(self) -> "_Sorter":
        """Return the sorter this connection leads to; a PLC that started anew closed it."""
        if self._cable.plc.boot_id != self._boot or self._grip.killed:
            raise LinkError("simulated link: connection reset")
        sorter: _Sorter = self._cable.plc.sorter
        return sorter


class _Memory:
    registers: list[int]

    def host_write(self, address: int, values: list[int], now_us: int) -> bool:
        raise NotImplementedError


class _Sorter:
    memory: _Memory


class SimulatedLink:
    """Settings of the link; see :class:`plc_adapters.host.wire.MailboxLink`."""

    peer = "simulated PLC"
    word_order: Literal["big", "little"] = "big"
    string_byte_order: Literal["big", "little"] = "big"
    words_per_read = 125
    words_per_write = 123

    def __init__(self, settings: Settings, seat: int) -> None:
        self.seat = seat
        self.poll_period_ms = settings.poll_period_ms
        self.heartbeat_ms = settings.watchdog_ms // 4
        self.watch_ms = settings.poll_period_ms
        self.silence_ms = settings.watchdog_ms
        self.reconnect_max_ms = 200
