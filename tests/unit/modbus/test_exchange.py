"""One request at a time over one connection, whatever the peer makes of it."""

import asyncio
import struct
from collections.abc import Awaitable, Callable

import pytest
from pymodbus import ModbusException
from pymodbus.exceptions import ConnectionException, ModbusIOException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest

from plc_adapters.modbus.exchange import NUMBER_MAX, Exchange
from plc_adapters.modbus.pdu import WriteRegisters

UNIT = 7
LONG_S = 10.0
SHORT_S = 0.05


class Connection(asyncio.Transport):
    """What asyncio would give: keeps what is written, and tells the protocol how it ends."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.ends: list[str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.ends.append("close")

    def abort(self) -> None:
        self.ends.append("abort")


def run(scenario: Callable[[Exchange, Connection], Awaitable[None]], s: float = LONG_S) -> None:
    """Run a scenario over a connection that has been made; a request may take ``s`` seconds."""

    async def whole() -> None:
        exchange, connection = Exchange(s), Connection()
        exchange.connection_made(connection)
        async with asyncio.timeout(LONG_S):
            await scenario(exchange, connection)
        if exchange.is_connected:
            exchange.connection_lost(None)

    asyncio.run(whole())


async def asked(exchange: Exchange, count: int = 2) -> asyncio.Task[ModbusPDU]:
    """Return a request for registers that is under way."""
    request = ReadHoldingRegistersRequest(dev_id=UNIT, address=100, count=count)
    task = asyncio.create_task(exchange.ask(request))
    await asyncio.sleep(0)
    return task


def answer(number: int, *registers: int, unit: int = UNIT) -> bytes:
    """Return the frame of an answer to a read (Modbus TCP, 4.1; FC03, 6.3)."""
    body = struct.pack(f">BB{len(registers)}H", 3, 2 * len(registers), *registers)
    return struct.pack(">HHHB", number, 0, 1 + len(body), unit) + body


def number_of(frame: bytes) -> int:
    return int.from_bytes(frame[:2], "big")


def test_an_answer_brings_its_registers() -> None:
    async def scenario(exchange: Exchange, connection: Connection) -> None:
        assert exchange.is_connected
        assert not exchange.heard
        reading = await asked(exchange)
        assert connection.written == [bytes.fromhex("0001 0000 0006 07 03 0064 0002")]
        exchange.data_received(answer(1, 0x1234, 0xFFFF))
        assert (await reading).registers == [0x1234, 0xFFFF]
        assert exchange.heard

    run(scenario)


def test_a_write_is_answered_too() -> None:
    async def scenario(exchange: Exchange, connection: Connection) -> None:
        request = WriteRegisters(UNIT, address=5, registers=[1, 2])
        writing = asyncio.create_task(exchange.ask(request))
        await asyncio.sleep(0)
        frame = bytes.fromhex("0001 0000 000b 07 10 0005 0002 04 0001 0002")
        assert connection.written == [frame]
        exchange.data_received(bytes.fromhex("0001 0000 0006 07 10 0005 0002"))
        assert not (await writing).isError()

    run(scenario)


def test_a_refusal_is_an_answer() -> None:
    async def scenario(exchange: Exchange, connection: Connection) -> None:
        reading = await asked(exchange)
        exchange.data_received(bytes.fromhex("0001 0000 0003 07 83 02"))
        refused = await reading
        assert refused.isError()
        assert refused.exception_code == 2

    run(scenario)


@pytest.mark.parametrize("cut", range(1, 13))
def test_an_answer_in_parts_is_one_when_it_is_whole(cut: int) -> None:
    async def scenario(exchange: Exchange, connection: Connection) -> None:
        reading = await asked(exchange)
        frame = answer(1, 5, 6)
        exchange.data_received(frame[:cut])
        await asyncio.sleep(0)
        assert not reading.done()
        exchange.data_received(frame[cut:])
        assert (await reading).registers == [5, 6]

    run(scenario)


def test_each_request_has_a_number_of_its_own_and_none_is_nought() -> None:
    async def scenario(exchange: Exchange, connection: Connection) -> None:
        exchange._number = NUMBER_MAX - 1
        for number in (NUMBER_MAX, 1, 2):
            reading = await asked(exchange, 1)
            assert number_of(connection.written[-1]) == number
            exchange.data_received(answer(number, number))
            assert (await reading).registers == [number]

    run(scenario)


@pytest.mark.parametrize("asks_first", [False, True])
def test_an_answer_that_comes_late_is_not_the_next_requests(asks_first: bool) -> None:
    async def scenario(exchange: Exchange, connection: Connection) -> None:
        with pytest.raises(ModbusIOException, match="no answer within"):
            await (await asked(exchange))
        exchange._timeout_s = LONG_S
        if not asks_first:
            exchange.data_received(answer(1, 11, 12))
        reading = await asked(exchange)
        assert [number_of(frame) for frame in connection.written] == [1, 2]
        if asks_first:
            exchange.data_received(answer(1, 11, 12))
            await asyncio.sleep(0)
            assert not reading.done()
        exchange.data_received(answer(2, 21, 22))
        assert (await reading).registers == [21, 22]

    run(scenario, SHORT_S)


def test_one_timer_serves_many_requests_and_fails_the_one_that_is_due() -> None:
    async def scenario(exchange: Exchange, connection: Connection) -> None:
        for number in (1, 2, 3):
            reading = await asked(exchange)
            exchange.data_received(answer(number, 1, 2))
            await reading
        first = exchange._timer
        reading = await asked(exchange)
        assert exchange._timer is first
        with pytest.raises(ModbusIOException, match="no answer"):
            await reading
        assert exchange.is_connected, "whether to hang up is the asker's to say"

    run(scenario, 0.5)


@pytest.mark.parametrize("cause", [None, ConnectionResetError("reset by peer")])
@pytest.mark.parametrize("part", [0, 5])
def test_a_peer_that_hangs_up_fails_the_request_at_once(cause: Exception | None, part: int) -> None:
    async def scenario(exchange: Exchange, connection: Connection) -> None:
        reading = await asked(exchange)
        exchange.data_received(answer(1, 1, 2)[:part])
        exchange.connection_lost(cause)
        with pytest.raises(ConnectionException, match="connection lost"):
            await reading
        assert exchange.ended.is_set()
        assert exchange.ended_by is cause
        assert not exchange.is_connected
        with pytest.raises(ConnectionException, match="connection lost"):
            await (await asked(exchange))
        assert len(connection.written) == 1

    run(scenario)


@pytest.mark.parametrize(
    "wrong",
    [
        bytes.fromhex("0001 0000 0007 07 03 08 0001 0002"),
        bytes.fromhex("0001 0000 0003 07 63 00"),
        b"\xa5" * 700,
    ],
    ids=["fewer bytes than it says", "unknown function", "more than a frame has"],
)
def test_what_is_no_answer_fails_the_request(wrong: bytes) -> None:
    async def scenario(exchange: Exchange, connection: Connection) -> None:
        reading = await asked(exchange)
        exchange.data_received(wrong)
        with pytest.raises(ModbusException):
            await reading

    run(scenario)


def test_another_units_answer_is_passed_over() -> None:
    async def scenario(exchange: Exchange, connection: Connection) -> None:
        reading = await asked(exchange)
        exchange.data_received(answer(1, 1, 2, unit=UNIT + 1))
        await asyncio.sleep(0)
        assert not reading.done()
        exchange.data_received(answer(1, 3, 4))
        assert (await reading).registers == [3, 4]

    run(scenario)


def test_what_nobody_asked_for_is_passed_over() -> None:
    async def scenario(exchange: Exchange, connection: Connection) -> None:
        exchange.data_received(answer(9, 1, 2))
        assert exchange.heard
        reading = await asked(exchange)
        exchange.data_received(answer(1, 3, 4) + answer(1, 5, 6))
        assert (await reading).registers == [3, 4]

    run(scenario)


def test_it_ends_the_connection_as_it_is_told_and_once() -> None:
    async def scenario(exchange: Exchange, connection: Connection) -> None:
        exchange.close()
        exchange.abort()
        assert connection.ends == ["close", "abort"]
        assert not exchange.ended.is_set()
        exchange.connection_lost(None)
        exchange.close()
        exchange.abort()
        assert connection.ends == ["close", "abort"]

    run(scenario)
