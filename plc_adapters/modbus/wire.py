"""One Modbus TCP connection, bare or in TLS: reads and writes registers, or says why it can't.

pymodbus is pinned, as its minor versions change their interface; it stands here alone.
"""

import asyncio
import logging
import ssl
from typing import Literal, cast

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ConnectionException
from pymodbus.pdu import ModbusPDU

from plc_adapters.host.wire import LinkError, RefusedError
from plc_adapters.modbus.pdu import HoldingRegisters
from plc_adapters.modbus.settings import ModbusLink
from plc_adapters.modbus.tls import TLS_PORT, client_context, explain

# The library reports each failed request at error level; the adapter reports an outage once.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


CLOSE_S = 1.0
"""What a peer gets to end a connection; then it is thrown away."""


Table = Literal["holding", "input"]
"""Kind of registers: those a host may write (FC03), and those it may not (FC04)."""


class IllegalAddressError(RefusedError):
    """The PLC answered, and has no such registers (Modbus exception 2)."""


class _Watched(asyncio.Protocol):
    """Hands everything on to the library, and remembers what ended the connection.

    A PLC that refuses this host's certificate says so only after the handshake (TLS 1.3, RFC 8446
    section 4.4.2.4), when the library has no ear for the reason any more.
    """

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner
        self.ended_by: Exception | None = None
        self.heard = False
        """Whether the peer has ever said anything."""
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.heard = True
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended_by = exc
        self.ended.set()
        self._inner.connection_lost(exc)


class ModbusWire:
    """A connection to one PLC; see :class:`plc_adapters.host.wire.Wire`.

    One request at a time, as the library serialises them anyway and some PLCs answer one a scan.
    The library's retries and reconnects are off: a request that may have been executed is judged by
    what the PLC's mailbox says, and a connection made anew may lead to a PLC started anew.
    """

    def __init__(self, link: ModbusLink) -> None:
        self._link = link
        self._waits = False
        """Whether a request is under way."""
        self._client = AsyncModbusTcpClient(
            link.host,
            port=link.port,
            timeout=link.timeout_ms / 1000,
            retries=0,
            reconnect_delay=0,
            trace_connect=self._on_connect,
        )
        self._client.register(HoldingRegisters)
        # The library swallows why a connection failed, and knows no name but the host's in TLS.
        self._client.ctx.call_create = self._create
        self._context = client_context(link.tls) if link.tls else None
        self._refusal: BaseException | None = None
        """Why connecting failed."""
        self._watched: _Watched | None = None

    async def connect(self) -> None:
        """Connect; raises LinkError if the peer is not there within the timeout."""
        if await self._client.connect():
            return
        if self._context is not None and isinstance(self._refusal, ssl.SSLError):
            raise LinkError(f"{self._link.peer}: {explain(self._refusal, self._link.server_name)}")
        if self._context is not None and not isinstance(self._refusal, ConnectionRefusedError):
            raise LinkError(
                f"{self._link.peer}: no TLS answer; is the PLC up, and this its secure port "
                f"({TLS_PORT} unless changed)?"
            )
        raise LinkError(
            f"{self._link.peer}: can't connect; is the PLC up, reachable, and its one "
            "connection free?"
        )

    async def _create(self) -> tuple[asyncio.Transport, _Watched]:
        """Make the connection, as the library asks for it."""
        self._refusal = None
        inner = cast("asyncio.Protocol", self._client.ctx.handle_new_connection())
        try:
            made = await asyncio.get_running_loop().create_connection(
                lambda: _Watched(inner),
                self._link.host,
                self._link.port,
                ssl=self._context,
                server_hostname=self._link.server_name if self._context else None,
            )
        except (OSError, asyncio.CancelledError) as error:
            self._refusal = error
            raise
        self._watched = made[1]
        return made

    async def read(self, address: int, count: int) -> list[int]:
        """Return holding registers; ``address`` from the start of the mailbox.

        Raises:
            LinkError: no answer in time, a lost connection, a refusal, an answer of wrong length.
        """
        at = self._link.base_address + address
        return await self.read_table("holding", at, count, self._link.unit_id)

    async def read_table(self, table: Table, at: int, count: int, unit_id: int) -> list[int]:
        """Return registers of a unit, wherever in it they are.

        Raises:
            RefusedError: the unit, or the gateway before it, refuses; other units may answer.
            LinkError: as for :meth:`read`.
        """
        self._expect_connected()
        doing = f"reading {count} registers at {at} of unit {unit_id}"
        client = self._client
        ask = client.read_input_registers if table == "input" else client.read_holding_registers
        self._waits = True
        try:
            answer = await ask(at, count=count, device_id=unit_id)
        except ModbusException as error:
            raise self._broken(error, doing) from error
        finally:
            self._waits = False
        self._expect_success(answer, doing)
        if len(answer.registers) != count:
            raise LinkError(
                f"{self._link.peer}: asked for {count} registers at {at}, got "
                f"{len(answer.registers)}; check what stands between here and the PLC"
            )
        return list(answer.registers)

    async def write(self, address: int, registers: list[int]) -> None:
        """Write holding registers in one request (FC16); ``address`` as for :meth:`read`.

        Raises:
            LinkError: as for :meth:`read`; whether the PLC has written them is then unknown.
        """
        self._expect_connected()
        at = self._link.base_address + address
        self._waits = True
        try:
            answer = await self._client.write_registers(at, registers, device_id=self._link.unit_id)
        except ModbusException as error:
            raise self._broken(error, f"writing {len(registers)} at {at}") from error
        finally:
            self._waits = False
        self._expect_success(answer, f"writing {len(registers)} registers at {at}")

    async def pause(self, seconds: float) -> None:
        """Sleep: over Modbus no PLC speaks unasked."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Let the connection go, and wait a moment for its end: TLS says goodbye first."""
        transport = self._client.ctx.transport
        self._client.close()
        if self._watched is None:
            return
        try:
            await asyncio.wait_for(self._watched.ended.wait(), CLOSE_S)
        except TimeoutError:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()

    def _on_connect(self, connected: bool) -> None:  # noqa: FBT001 - the library's signature
        """Fail the request under way when the connection is lost; else it waits its timeout."""
        future = self._client.ctx.response_future
        if not connected and self._waits and not future.done():
            future.set_exception(ConnectionException("connection lost"))

    def _broken(self, error: ModbusException, doing: str) -> LinkError:
        """Return what to raise for a request that came to nothing."""
        watched = self._watched if self._context else None
        if watched and isinstance(watched.ended_by, ssl.SSLError):
            why = explain(watched.ended_by, self._link.server_name)
            return LinkError(f"{self._link.peer}: {why}")
        if watched and not watched.heard and not self._client.connected:
            return LinkError(
                f"{self._link.peer}: the PLC hung up right after the TLS handshake: it does not "
                "take this host's certificate; have it trust tls.certificate or its authority"
            )
        return LinkError(f"{self._link.peer}: {doing}: {error}")

    def _expect_connected(self) -> None:
        # The library would connect again by itself, perhaps to a PLC that started anew meanwhile.
        if not self._client.connected:
            raise self._broken(ConnectionException("connection lost"), "before a request")

    def _expect_success(self, answer: ModbusPDU, doing: str) -> None:
        """Raise what the PLC's refusal means, if it is one."""
        if not answer.isError():
            return
        text = f"{self._link.peer}: the PLC refuses {doing}: Modbus exception "
        if answer.exception_code == ExcCodes.ILLEGAL_ADDRESS:
            raise IllegalAddressError(f"{text}2, no such registers")
        raise RefusedError(f"{text}{answer.exception_code}; see the PLC's manual")
