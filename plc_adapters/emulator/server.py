"""The emulator on a socket: its registers as Modbus TCP holding registers, its cycle in real time.

Everything runs on one event loop, so a request is served between two cycles and sees a whole image,
as a PLC's server block does that is called once per scan.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from plc_adapters.emulator.build import Sorter

READ_FUNCTION = 3
WRITE_FUNCTIONS = (6, 16)
READ_WRITE_FUNCTION = 23
EVERY_UNIT = 0
"""Unit id under which pymodbus answers all of them."""
PYMODBUS_LOGGER = "pymodbus.logging"


class ListenError(Exception):
    """The address can't be listened on: says which, why, and what to do."""


class Server:
    """Serves one sorter until :meth:`stop`; the plant's instant 0 is when it begins to listen."""

    def __init__(self, sorter: Sorter) -> None:
        self._sorter = sorter
        self._base = sorter.file.listen.base_address
        self._stop = asyncio.Event()
        self._started_ns = time.monotonic_ns()
        self.address = (sorter.file.listen.host, sorter.file.listen.port)
        """Where it listens; the port is the real one once it does."""

    def stop(self) -> None:
        """End :meth:`serve` with the current cycle."""
        self._stop.set()

    def now_us(self) -> int:
        """Return the plant's time: microseconds since the start."""
        return (time.monotonic_ns() - self._started_ns) // 1000

    async def serve(self, on_second: Callable[[], None]) -> None:
        """Listen and run cycles until stopped; ``on_second`` is called at once and every second.

        Raises:
            ListenError: the port is in use, or the address is not this machine's.
        """
        size = len(self._sorter.memory.registers)
        data = SimData(self._base, count=size, values=0, datatype=DataType.REGISTERS)
        device = SimDevice(id=EVERY_UNIT, simdata=[data], action=self._answer)
        host, port = self.address
        server = ModbusTcpServer(device, address=self.address)
        logging.getLogger(PYMODBUS_LOGGER).addFilter(_hide_listen_warning)
        try:
            await server.serve_forever(background=True)
        except RuntimeError:
            raise ListenError(_why_not(host, port)) from None
        finally:
            logging.getLogger(PYMODBUS_LOGGER).removeFilter(_hide_listen_warning)
        if isinstance(server.transport, asyncio.Server):
            self.address = server.transport.sockets[0].getsockname()[:2]
        try:
            await self._run(on_second)
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call]

    async def _run(self, on_second: Callable[[], None]) -> None:
        """Run cycles at their pace; a late one is run once, as physics is exact between cycles."""
        sorter = self._sorter
        cycle_us = sorter.file.plc.cycle_ms * 1000
        self._started_ns = time.monotonic_ns()
        next_us = second_us = 0
        while not self._stop.is_set():
            now_us = self.now_us()
            if now_us - next_us > cycle_us:
                sorter.tally.late_cycles += 1
                sorter.tally.cycle_late_max_us = max(
                    sorter.tally.cycle_late_max_us, now_us - next_us
                )
                next_us = now_us
            sorter.program.cycle(now_us)
            if now_us >= second_us:
                second_us += 1_000_000
                on_second()
            next_us += cycle_us
            await asyncio.sleep(max(0, next_us - self.now_us()) / 1e6)

    async def _answer(
        self,
        function: int,
        _start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Serve one request that pymodbus found to lie within the image."""
        memory = self._sorter.memory
        first = address - self._base
        if values is None:
            if function not in (READ_FUNCTION, READ_WRITE_FUNCTION):
                return ExcCodes.ILLEGAL_FUNCTION
            registers[first : first + count] = memory.registers[first : first + count]
            return None
        if function not in (*WRITE_FUNCTIONS, READ_WRITE_FUNCTION):
            return ExcCodes.ILLEGAL_FUNCTION
        if not memory.host_write(first, [int(value) for value in values], self.now_us()):
            return ExcCodes.ILLEGAL_ADDRESS
        return None


def _hide_listen_warning(record: logging.LogRecord) -> bool:
    """Drop pymodbus' own word on a failed listen: the error raised says more."""
    return "Failed to start server" not in record.getMessage()


def _why_not(host: str, port: int) -> str:
    """Return why that address can't be listened on, by trying it once more."""
    reason = "it was refused"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return (
        f"{host}:{port}: can't listen there: {reason}; end the other program, or give another "
        "listen.host or listen.port"
    )
