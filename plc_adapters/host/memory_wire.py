"""A wire that is no wire: the PLC's registers stand in this process."""

import asyncio
from collections.abc import Callable

from plc_adapters.host.wire import LinkError

HostWrite = Callable[[int, list[int]], bool]
"""Takes a host's write at an address; False if it touches a register that is not the host's."""


class MemoryWire:
    """Reads and writes an image in memory; see :class:`plc_adapters.host.wire.Wire`.

    Args:
        registers: the image; whoever drives the PLC changes it in place.
        host_write: the PLC's ear.
        is_up: whether the PLC can be reached; asked before each request.
    """

    def __init__(
        self, registers: list[int], host_write: HostWrite, is_up: Callable[[], bool]
    ) -> None:
        self._registers = registers
        self._host_write = host_write
        self._is_up = is_up

    async def connect(self) -> None:
        """Succeed if the PLC can be reached."""
        self._expect_up()

    async def read(self, address: int, count: int) -> list[int]:
        """Return registers."""
        self._expect_up()
        found = self._registers[address : address + count]
        if len(found) != count:
            raise LinkError(f"memory: there are no {count} registers at {address}")
        return found

    async def write(self, address: int, registers: list[int]) -> None:
        """Write registers of a seat."""
        self._expect_up()
        if not self._host_write(address, registers):
            raise LinkError(f"memory: {len(registers)} registers at {address} are not the host's")

    async def pause(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Do nothing."""

    def _expect_up(self) -> None:
        if not self._is_up():
            raise LinkError("memory: the PLC can't be reached")
