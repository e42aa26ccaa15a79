"""One Modbus TCP connection: reads and writes registers, or says in one line why it can't.

pymodbus is pinned, as its minor versions change their interface; it stands here alone.
"""

import logging

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ConnectionException
from pymodbus.pdu import ModbusPDU

from plc_adapters.modbus.settings import ModbusLink

# The library reports each failed request at error level; the adapter reports an outage once.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


class LinkError(Exception):
    """The connection can't be used any more; the text names the peer and what happened."""


class IllegalAddressError(LinkError):
    """The PLC answered, and has no such registers (Modbus exception 2)."""


class Wire:
    """A connection that is used until it first fails, and then thrown away.

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

    async def connect(self) -> None:
        """Connect; raises LinkError if the peer is not there within the timeout."""
        if not await self._client.connect():
            raise LinkError(
                f"{self._link.peer}: can't connect; is the PLC up, reachable, and its one "
                "connection free?"
            )

    async def read(self, address: int, count: int) -> list[int]:
        """Return holding registers; ``address`` from the start of the mailbox.

        Raises:
            LinkError: no answer in time, a lost connection, a refusal, an answer of wrong length.
        """
        self._expect_connected()
        at = self._link.base_address + address
        self._waits = True
        try:
            answer = await self._client.read_holding_registers(
                at, count=count, device_id=self._link.unit_id
            )
        except ModbusException as error:
            raise LinkError(f"{self._link.peer}: reading {count} at {at}: {error}") from error
        finally:
            self._waits = False
        self._expect_success(answer, f"reading {count} registers at {at}")
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
            raise LinkError(
                f"{self._link.peer}: writing {len(registers)} at {at}: {error}"
            ) from error
        finally:
            self._waits = False
        self._expect_success(answer, f"writing {len(registers)} registers at {at}")

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def _on_connect(self, connected: bool) -> None:  # noqa: FBT001 - the library's signature
        """Fail the request under way when the connection is lost; else it waits its timeout."""
        future = self._client.ctx.response_future
        if not connected and self._waits and not future.done():
            future.set_exception(ConnectionException("connection lost"))

    def _expect_connected(self) -> None:
        # The library would connect again by itself, perhaps to a PLC that started anew meanwhile.
        if not self._client.connected:
            raise LinkError(f"{self._link.peer}: connection lost")

    def _expect_success(self, answer: ModbusPDU, doing: str) -> None:
        """Raise what the PLC's refusal means, if it is one."""
        if not answer.isError():
            return
        text = f"{self._link.peer}: the PLC refuses {doing}: Modbus exception "
        if answer.exception_code == ExcCodes.ILLEGAL_ADDRESS:
            raise IllegalAddressError(f"{text}2, no such registers")
        raise LinkError(f"{text}{answer.exception_code}; see the PLC's manual")
