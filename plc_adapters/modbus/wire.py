"""One Modbus TCP connection, bare or in TLS: reads and writes registers, or says why it can't.

pymodbus is pinned, as its minor versions change their interface; it stands here alone.
"""

import asyncio
import logging
import ssl
from typing import Literal

from pymodbus import ModbusException
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ConnectionException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from plc_adapters.host.wire import LinkError, RefusedError
from plc_adapters.modbus.exchange import Exchange
from plc_adapters.modbus.pdu import WriteRegisters
from plc_adapters.modbus.settings import ModbusLink
from plc_adapters.modbus.tls import TLS_PORT, client_context, explain

# The library reports each failed request at error level; the adapter reports an outage once.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


CLOSE_S = 1.0
"""What a peer gets to end a connection; then it is thrown away."""


Table = Literal["holding", "input"]
"""Kind of registers: those a host may write (FC03), and those it may not (FC04)."""

REQUESTS: dict[Table, type[ModbusPDU]] = {
    "holding": ReadHoldingRegistersRequest,
    "input": ReadInputRegistersRequest,
}


class IllegalAddressError(RefusedError):
    """The PLC answered, and has no such registers (Modbus exception 2)."""


class ModbusWire:
    """A connection to one PLC; see :class:`plc_adapters.host.wire.Wire`.

    One request at a time, as some PLCs answer one a scan. Nothing is sent again and no connection
    made again: a request that may have been executed is judged by what the PLC's mailbox says, and
    a connection made anew may lead to a PLC started anew.
    """

    def __init__(self, link: ModbusLink) -> None:
        self._link = link
        self._context = client_context(link.tls) if link.tls else None
        self._exchange: Exchange | None = None

    async def connect(self) -> None:
        """Connect; raises LinkError if the peer is not there within the timeout."""
        timeout_s = self._link.timeout_ms / 1000
        connecting = asyncio.get_running_loop().create_connection(
            lambda: Exchange(timeout_s),
            self._link.host,
            self._link.port,
            ssl=self._context,
            server_hostname=self._link.server_name if self._context else None,
        )
        try:
            _, self._exchange = await asyncio.wait_for(connecting, timeout_s)
        except OSError as error:
            raise LinkError(f"{self._link.peer}: {self._why_unconnected(error)}") from error

    def _why_unconnected(self, error: OSError) -> str:
        if self._context is not None and isinstance(error, ssl.SSLError):
            return explain(error, self._link.server_name)
        if self._context is not None and not isinstance(error, ConnectionRefusedError):
            return (
                f"no TLS answer; is the PLC up, and this its secure port ({TLS_PORT} unless "
                "changed)?"
            )
        return "can't connect; is the PLC up, reachable, and its one connection free?"

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
        doing = f"reading {count} registers at {at} of unit {unit_id}"
        answer = await self._ask(REQUESTS[table](unit_id, address=at, count=count), doing)
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
        at = self._link.base_address + address
        request = WriteRegisters(self._link.unit_id, address=at, registers=registers)
        await self._ask(request, f"writing {len(registers)} registers at {at}")

    async def pause(self, seconds: float) -> None:
        """Sleep: over Modbus no PLC speaks unasked."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Let the connection go, and wait a moment for its end: TLS says goodbye first."""
        if self._exchange is None:
            return
        self._exchange.close()
        try:
            await asyncio.wait_for(self._exchange.ended.wait(), CLOSE_S)
        except TimeoutError:
            self._exchange.abort()

    async def _ask(self, request: ModbusPDU, doing: str) -> ModbusPDU:
        """Return the answer to a request; raises LinkError, RefusedError."""
        try:
            if self._exchange is None:
                raise ConnectionException("not connected")
            answer = await self._exchange.ask(request)
        except ModbusException as error:
            raise self._broken(error, doing) from error
        self._expect_success(answer, doing)
        return answer

    def _broken(self, error: ModbusException, doing: str) -> LinkError:
        """Return what to raise for a request that came to nothing."""
        secure = self._exchange if self._context else None
        if secure and isinstance(secure.ended_by, ssl.SSLError):
            why = explain(secure.ended_by, self._link.server_name)
            return LinkError(f"{self._link.peer}: {why}")
        if secure and not secure.heard and not secure.is_connected:
            return LinkError(
                f"{self._link.peer}: the PLC hung up right after the TLS handshake: it does not "
                "take this host's certificate; have it trust tls.certificate or its authority"
            )
        return LinkError(f"{self._link.peer}: {doing}: {error}")

    def _expect_success(self, answer: ModbusPDU, doing: str) -> None:
        """Raise what the PLC's refusal means, if it is one."""
        if not answer.isError():
            return
        text = f"{self._link.peer}: the PLC refuses {doing}: Modbus exception "
        if answer.exception_code == ExcCodes.ILLEGAL_ADDRESS:
            raise IllegalAddressError(f"{text}2, no such registers")
        raise RefusedError(f"{text}{answer.exception_code}; see the PLC's manual")
