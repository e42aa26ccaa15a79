"""The emulator on a socket: its registers as Modbus TCP holding registers, its cycle in real time.

Everything runs on one event loop, so a request is served between two cycles and sees a whole image,
as a PLC's server block does that is called once per scan.
"""

import asyncio
import logging
import os
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from plc_adapters.contract import AdapterError
from plc_adapters.emulator.build import Sorter
from plc_adapters.emulator.config import EmulatorConfigError
from plc_adapters.emulator.sections import ListenTls
from plc_adapters.modbus.tls import server_context

READ_FUNCTION = 3
WRITE_FUNCTIONS = (6, 16)
READ_WRITE_FUNCTION = 23
EVERY_UNIT = 0
"""Unit id under which pymodbus answers all of them."""
PYMODBUS_LOGGER = "pymodbus.logging"
EXPECTED_WORDS = ("Failed to start server", "Cancel send, because not connected")
NS_PER_SECOND = 1_000_000_000


class ListenError(Exception):
    """The address can't be listened on: says which, why, and what to do."""


class Server:
    """Serves one sorter until :meth:`stop`; the plant's instant 0 is when it begins to listen."""

    def __init__(self, sorter: Sorter) -> None:
        self._sorter = sorter
        self._base = sorter.file.listen.base_address
        self._context = _context(sorter.file.listen.tls)
        self._stop = asyncio.Event()
        self._started_ns = time.monotonic_ns()
        self._frozen_ns = 0
        """When the program was frozen; 0 while it runs."""
        self._modbus: ModbusTcpServer | None = None
        self._cuts = deque(sorted(sorter.file.cuts, key=lambda cut: cut.after_ms))
        self._cut_until_us = 0
        self.address = (sorter.file.listen.host, sorter.file.listen.port)
        """Where it listens; the port is the real one once it does."""

    def stop(self) -> None:
        """End :meth:`serve` with the current cycle."""
        self._stop.set()

    def toggle_freeze(self) -> None:
        """Stop the PLC as its switch does, or let it go on where it stood.

        While it is stopped no cycle runs: belt, heartbeat and clock stand still, and the socket
        still answers from the registers as they were.
        """
        now_ns = time.monotonic_ns()
        if self._frozen_ns:
            self._started_ns += now_ns - self._frozen_ns
            self._frozen_ns = 0
        else:
            self._frozen_ns = now_ns

    def now_us(self) -> int:
        """Return the plant's time: microseconds since the start, freezes left out."""
        return ((self._frozen_ns or time.monotonic_ns()) - self._started_ns) // 1000

    def status(self) -> dict[str, object]:
        """Return where it listens and which of its faults are on, for JSON."""
        host, port = self.address
        return {
            "host": host,
            "port": port,
            "frozen": bool(self._frozen_ns),
            "cable_cut": self.now_us() < self._cut_until_us,
        }

    async def serve(self, on_second: Callable[[], None]) -> None:
        """Listen and run cycles until stopped; ``on_second`` is called at once and every second.

        Raises:
            ListenError: the port is in use, or the address is not this machine's.
        """
        logger = logging.getLogger(PYMODBUS_LOGGER)
        logger.addFilter(_hide_the_expected)
        try:
            await self._listen()
            await self._run(on_second)
        finally:
            await self._hang_up()
            logger.removeFilter(_hide_the_expected)

    async def _listen(self) -> None:
        """Take connections from now on; the port chosen first is kept."""
        size = len(self._sorter.memory.registers)
        data = SimData(self._base, count=size, values=0, datatype=DataType.REGISTERS)
        device = SimDevice(id=EVERY_UNIT, simdata=[data], action=self._answer)
        if self._context is None:
            modbus = ModbusTcpServer(device, address=self.address)
        else:
            # The library's own TLS framer takes every record for one whole frame.
            modbus = ModbusTlsServer(
                device, framer=FramerType.SOCKET, address=self.address, sslctx=self._context
            )
        try:
            await modbus.serve_forever(background=True)
        except RuntimeError:
            raise ListenError(_why_not(*self.address)) from None
        if isinstance(modbus.transport, asyncio.Server):
            self.address = modbus.transport.sockets[0].getsockname()[:2]
        self._modbus = modbus

    async def _hang_up(self) -> None:
        """Drop all connections and take no new ones."""
        if self._modbus is not None:
            await self._modbus.shutdown()  # type: ignore[no-untyped-call]
            self._modbus = None

    async def _watch_cable(self, now_us: int) -> None:
        """Cut the cable where the file says so, and mend it when that has passed."""
        while self._cuts and self._cuts[0].after_ms * 1000 <= now_us:
            cut = self._cuts.popleft()
            self._cut_until_us = max(self._cut_until_us, now_us + cut.for_ms * 1000)
            await self._hang_up()
        if self._modbus is None and now_us >= self._cut_until_us:
            await self._listen()

    async def _run(self, on_second: Callable[[], None]) -> None:
        """Run cycles at their pace; a late one is run once, as physics is exact between cycles."""
        sorter = self._sorter
        cycle_us = sorter.file.plc.cycle_ms * 1000
        self._started_ns = second_ns = time.monotonic_ns()
        next_us = 0
        while not self._stop.is_set():
            if not self._frozen_ns:
                now_us = self.now_us()
                if now_us - next_us > cycle_us:
                    sorter.tally.note_late_cycle(now_us - next_us)
                    next_us = now_us
                await self._watch_cable(now_us)
                sorter.program.cycle(now_us)
                next_us += cycle_us
            if time.monotonic_ns() >= second_ns:
                second_ns += NS_PER_SECOND
                on_second()
            wait_us = cycle_us if self._frozen_ns else next_us - self.now_us()
            await asyncio.sleep(max(0, wait_us) / 1e6)

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


def _context(tls: ListenTls | None) -> ssl.SSLContext | None:
    """Return what to listen with; None for the bare protocol.

    Raises:
        EmulatorConfigError: a certificate can't be used.
    """
    if tls is None:
        return None
    try:
        return server_context(tls.ca, tls.certificate, tls.key)
    except AdapterError as error:
        raise EmulatorConfigError(f"listen.{error}") from None


def _hide_the_expected(record: logging.LogRecord) -> bool:
    """Drop pymodbus' words on a failed listen (the error raised says more) and on a cut cable."""
    return not record.getMessage().startswith(EXPECTED_WORDS)


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
