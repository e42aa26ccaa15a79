"""Requests and answers of one Modbus TCP connection, one at a time, in the library's frames.

Frames and messages are pymodbus's. Its transaction manager is not used: its retries and reconnects
were off, and what is left of it, a lock, a task's timeout and its log for each request, took a
polled line more time than frame and message together.
"""

import asyncio
from typing import cast

from pymodbus import ModbusException
from pymodbus.exceptions import ConnectionException, ModbusIOException
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

from plc_adapters.modbus.pdu import HoldingRegisters

NUMBER_MAX = 0xFFFF
"""Transaction numbers count from 1 to this, as some peers answer with 0 whatever was asked."""


class Exchange(asyncio.Protocol):
    """One connection, from the instant it is made; see :meth:`ask`."""

    def __init__(self, timeout_s: float) -> None:
        """Wait for the connection.

        Args:
            timeout_s: What a request may take.
        """
        self.ended_by: Exception | None = None
        """What ended the connection. A PLC that refuses this host's certificate says so only after
        the handshake (TLS 1.3, RFC 8446 section 4.4.2.4)."""
        self.heard = False
        """Whether the peer has ever said anything."""
        self.ended = asyncio.Event()
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._framer = FramerSocket(DecodePDU(is_server=False))
        self._framer.decoder.register(HoldingRegisters)
        self._number = 0
        self._unit = 0
        self._received = b""
        self._answer: asyncio.Future[ModbusPDU] | None = None
        """Of the request under way."""
        self._due_s = 0.0
        """When that one is given up, by the loop's clock."""
        self._timer: asyncio.TimerHandle | None = None
        """Looks whether a request is due; one serves many, as almost none ever is."""

    @property
    def is_connected(self) -> bool:
        """Whether the connection has been made and its end, with the reason, is not known yet."""
        return self._transport is not None

    async def ask(self, request: ModbusPDU) -> ModbusPDU:
        """Send a request and return its answer, which may be a refusal.

        Raises:
            ModbusException: there is no connection, it ended, or nothing that is an answer came in
                time. An answer that comes later would be passed over.
        """
        if self._transport is None:
            raise ConnectionException("connection lost")
        self._number = self._number % NUMBER_MAX + 1
        request.transaction_id = self._number
        self._unit = request.dev_id
        self._received = b""
        answer: asyncio.Future[ModbusPDU] = self._loop.create_future()
        self._answer = answer
        self._due_s = self._loop.time() + self._timeout_s
        if self._timer is None:
            self._timer = self._loop.call_at(self._due_s, self._give_up_if_due)
        try:
            self._transport.write(self._framer.buildFrame(request))
            return await answer
        finally:
            self._answer = None

    def close(self) -> None:
        """End the connection; TLS says goodbye first, so that ``ended`` comes later."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take a frame or a part of one; what belongs to no request is passed over."""
        self.heard = True
        if self._answer is None:
            return
        self._received += data
        if len(self._received) > self._framer.MAX_SIZE:
            self._fail(ModbusIOException(f"{len(self._received)} bytes, more than an answer has"))
            return
        try:
            used, pdu = self._framer.handleFrame(self._received, self._unit, self._number)
        except ModbusException as error:
            self._fail(error)
            return
        self._received = self._received[used:]
        if pdu is not None and not self._answer.done():
            self._answer.set_result(pdu)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request under way; else it would wait its timeout."""
        self.ended_by = exc
        self.ended.set()
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._fail(ConnectionException("connection lost"))

    def _fail(self, error: ModbusException) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def _give_up_if_due(self) -> None:
        self._timer = None
        if self._answer is None:
            return
        if self._loop.time() >= self._due_s:
            self._fail(ModbusIOException(f"no answer within {self._timeout_s:.3g} s"))
        else:
            self._timer = self._loop.call_at(self._due_s, self._give_up_if_due)
