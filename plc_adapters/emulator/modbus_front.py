"""The emulator's registers as Modbus TCP holding registers, bare or in TLS."""

import asyncio
import logging
import ssl

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from plc_adapters.contract import AdapterError
from plc_adapters.emulator.config import EmulatorConfigError
from plc_adapters.emulator.front import HostWrite, ListenError, why_not
from plc_adapters.emulator.listen_sections import Listen, ListenTls
from plc_adapters.emulator.sensors import NO_SENSORS, Sensors
from plc_adapters.modbus.tls import server_context

READ_FUNCTION = 3
WRITE_FUNCTIONS = (6, 16)
READ_WRITE_FUNCTION = 23
EVERY_UNIT = 0
"""Unit id under which pymodbus answers all of them."""
PYMODBUS_LOGGER = "pymodbus.logging"
EXPECTED_WORDS = ("Failed to start server", "Cancel send, because not connected")


class ModbusFront:
    """See :class:`plc_adapters.emulator.front.Front`."""

    def __init__(
        self,
        listen: Listen,
        registers: list[int],
        host_write: HostWrite,
        answer_ms: int = 0,
        sensors: Sensors = NO_SENSORS,
    ) -> None:
        self._sensors = sensors
        self._answer_ms = answer_ms
        self._base = listen.base_address
        self._context = _context(listen.tls)
        self._registers = registers
        self._host_write = host_write
        self._server: ModbusTcpServer | None = None
        logging.getLogger(PYMODBUS_LOGGER).addFilter(_hide_the_expected)

    async def listen(self, address: tuple[str, int]) -> tuple[str, int]:
        """Take connections from now on."""
        places = [(self._base, len(self._registers))]
        places += [(sensor.address, 1) for sensor in self._sensors.all]
        data = [
            SimData(at, count=count, values=0, datatype=DataType.REGISTERS)
            for at, count in sorted(places)
        ]
        device = SimDevice(id=EVERY_UNIT, simdata=data, action=self._answer)
        if self._context is None:
            server = ModbusTcpServer(device, address=address)
        else:
            # The library's own TLS framer takes every record for one whole frame.
            server = ModbusTlsServer(
                device, framer=FramerType.SOCKET, address=address, sslctx=self._context
            )
        try:
            await server.serve_forever(background=True)
        except RuntimeError:
            raise ListenError(why_not(*address)) from None
        self._server = server
        # Not every event loop's server is asyncio's own.
        for listening in getattr(server.transport, "sockets", ()):
            host, port = listening.getsockname()[:2]
            return host, port
        return address

    async def hang_up(self) -> None:
        """Drop all connections and take no new ones."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
            self._server = None

    async def after_cycle(self) -> None:
        """Do nothing: over Modbus nobody is told unasked."""

    async def end(self) -> None:
        """Hang up."""
        await self.hang_up()
        logging.getLogger(PYMODBUS_LOGGER).removeFilter(_hide_the_expected)

    async def _answer(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Serve one request that pymodbus found to lie within the image."""
        if self._answer_ms:
            await asyncio.sleep(self._answer_ms / 1000)
        first = address - self._base
        if values is None:
            if function not in (READ_FUNCTION, READ_WRITE_FUNCTION):
                return ExcCodes.ILLEGAL_FUNCTION
            registers[address - start : address - start + count] = self._read(address, count)
            return None
        if function not in (*WRITE_FUNCTIONS, READ_WRITE_FUNCTION):
            return ExcCodes.ILLEGAL_FUNCTION
        if not self._host_write(first, [int(value) for value in values]):
            return ExcCodes.ILLEGAL_ADDRESS
        return None

    def _read(self, address: int, count: int) -> list[int]:
        """Return registers of the mailbox, or of sensors where one stands."""
        first = address - self._base
        if first >= 0 and first + count <= len(self._registers):
            return self._registers[first : first + count]
        mailbox = range(self._base, self._base + len(self._registers))
        return [
            self._registers[at - self._base] if at in mailbox else self._sensors.register(at) or 0
            for at in range(address, address + count)
        ]


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
