"""Garbage on the wire, both ways: the emulator's ports, and the adapter before a hostile server.

The shapes are those that broke other people's Modbus: a length that lies, a frame in pieces, two
frames in a segment, a peer that says nothing, one that hangs up halfway. After each the next valid
exchange works.
"""

import asyncio
import contextlib
import random
import ssl
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from plc_adapters.host.wire import LinkError
from plc_adapters.modbus.settings import ModbusLink
from plc_adapters.modbus.tls import Tls, client_context
from plc_adapters.modbus.wire import ModbusWire
from tests.certificates import Authority
from tests.integration.modbus.conftest import Plc

MAGIC = [0x1234, 0x5678]
READ = bytes.fromhex("0001 0000 0006 01 03 0000 0002")
ANSWER = bytes.fromhex("0001 0000 0007 01 03 04 1234 5678")
ROUNDS = 150
"""Random frames sent to a port, one connection each."""
WAIT_S = 20.0
HOSTILE: dict[str, list[bytes]] = {
    "length too long": [READ[:4] + b"\xff\xff" + READ[6:]],
    "length too short": [READ[:4] + b"\0\1" + READ[6:]],
    "length zero": [READ[:4] + b"\0\0" + READ[6:]],
    "wrong protocol id": [READ[:2] + b"\0\1" + READ[4:]],
    "truncated request": [READ[:9]],
    "header alone": [READ[:7]],
    "read file record": [bytes.fromhex("0001 0000 000a 01 14 07 06 ffff ffff ffff")],
    "count of zero": [bytes.fromhex("0001 0000 0006 01 03 0000 0000")],
    "count beyond the limit": [bytes.fromhex("0001 0000 0006 01 03 0000 ffff")],
    "address beyond the end": [bytes.fromhex("0001 0000 0006 01 03 ffff 0002")],
    "byte count that lies": [bytes.fromhex("0001 0000 0009 01 10 0028 0002 ff 0001")],
    "function unknown": [bytes.fromhex("0001 0000 0002 01 63")],
    "function at every second byte": [b"\x03" + b"\0\x03" * 60],
    "one byte at a time": [bytes([byte]) for byte in READ],
    "two frames in a segment": [READ + READ],
    "a frame and half of another": [READ + READ[:5]],
    "more than any frame": [b"\xa5" * 5000],
    "nothing": [],
}


async def answered(port: int, context: ssl.SSLContext | None) -> None:
    """A valid request on a new connection gets its answer."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="127.0.0.1" if context else None
    )
    try:
        writer.write(READ)
        answer = await asyncio.wait_for(reader.readexactly(len(ANSWER)), WAIT_S)
        assert answer == ANSWER
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def attack(
    port: int, context: ssl.SSLContext | None, pieces: list[bytes], *, half_close: bool
) -> None:
    """Send these pieces, read whatever comes for a moment, and hang up."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="127.0.0.1" if context else None
    )
    with contextlib.suppress(OSError, TimeoutError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if half_close and writer.can_write_eof():
            writer.write_eof()
        await asyncio.wait_for(reader.read(4096), 0.02)
    writer.transport.abort()


def with_plc(
    folder: Path, scenario: Callable[[Plc, ssl.SSLContext | None], Awaitable[None]], *, tls: bool
) -> None:
    """Run a scenario against an emulated PLC, bare or in TLS."""
    settings: tuple[str, ...] = ()
    context = None
    if tls:
        authority = Authority(folder)
        pair, host = authority.sign("plc", "127.0.0.1"), authority.sign("host")
        ca = authority.pair.certificate
        context = client_context(Tls(ca, host.certificate, host.key))
        settings = (
            f"listen.tls.ca={ca}",
            f"listen.tls.certificate={pair.certificate}",
            f"listen.tls.key={pair.key}",
        )

    async def whole() -> None:
        plc = Plc(folder, *settings)
        await plc.start()
        try:
            await scenario(plc, context)
        finally:
            await plc.stop()

    asyncio.run(whole())


@pytest.mark.parametrize("tls", [False, True], ids=["bare", "tls"])
@pytest.mark.parametrize("half_close", [False, True], ids=["cut", "half-closed"])
def test_a_port_survives_known_attacks(tmp_path: Path, tls: bool, half_close: bool) -> None:
    async def scenario(plc: Plc, context: ssl.SSLContext | None) -> None:
        before = plc.sorter.memory.registers[40:1208]
        for pieces in HOSTILE.values():
            await attack(plc.port, context, pieces, half_close=half_close)
            await answered(plc.port, context)
        assert plc.sorter.memory.registers[40:1208] == before, "nothing was written"

    with_plc(tmp_path, scenario, tls=tls)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_port_survives_random_frames(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    known = [piece for pieces in HOSTILE.values() for piece in pieces]

    async def scenario(plc: Plc, context: ssl.SSLContext | None) -> None:
        for _ in range(ROUNDS):
            frame = bytearray(chance.choice(known))
            for _ in range(chance.randrange(4)):
                if frame:
                    frame[chance.randrange(len(frame))] = chance.randrange(256)
            cut = chance.randrange(len(frame) + 1)
            pieces = [bytes(frame[:cut]), bytes(frame[cut:])]
            await attack(plc.port, context, pieces, half_close=chance.random() < 0.3)
        await answered(plc.port, context)

    with_plc(tmp_path, scenario, tls=False)


def test_a_secure_port_survives_what_is_no_handshake(tmp_path: Path) -> None:
    chance = random.Random(3)
    hello = bytes.fromhex("1603010200010001fc0303")

    async def scenario(plc: Plc, context: ssl.SSLContext | None) -> None:
        for start in (b"", hello, READ, b"\x16\x03\x03\xff\xff", b"\x15\x03\x03\0\2\2\0"):
            for _ in range(8):
                pieces = [start + chance.randbytes(chance.randrange(300))]
                await attack(plc.port, None, pieces, half_close=chance.random() < 0.5)
        await answered(plc.port, context)

    with_plc(tmp_path, scenario, tls=True)


def test_an_idle_peer_holds_nobody_up(tmp_path: Path) -> None:
    """Peers that connect and never speak, or never read, leave the others their answers."""

    async def scenario(plc: Plc, context: ssl.SSLContext | None) -> None:
        idle = [await asyncio.open_connection("127.0.0.1", plc.port) for _ in range(20)]
        for _, writer in idle[:10]:
            writer.write(READ[:8])
        for _ in range(20):
            await answered(plc.port, context)
        for _, writer in idle:
            writer.transport.abort()

    with_plc(tmp_path, scenario, tls=False)


class HostileServer:
    """Answers the first request of each connection as told, and the others as it should."""

    def __init__(self, pieces: Callable[[bytes], list[bytes]], *, hang_up: bool) -> None:
        self._pieces = pieces
        self._hang_up = hang_up
        self._hostile = True
        self.server: asyncio.Server

    async def start(self) -> int:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                request = await reader.readexactly(12)
                hostile, self._hostile = self._hostile, False
                pieces = self._pieces(request) if hostile else [good(request)]
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if hostile and self._hang_up:
                    break
        writer.close()


def good(request: bytes) -> bytes:
    """The right answer to a read of two registers."""
    return request[:2] + ANSWER[2:]


def framed(request: bytes, body: bytes, length: int | None = None) -> bytes:
    size = len(body) + 1 if length is None else length
    return request[:4] + struct.pack(">HB", size & 0xFFFF, 1) + body


BODY = bytes.fromhex("03 04 1234 5678")
ANSWERS: dict[str, tuple[Callable[[bytes], list[bytes]], bool]] = {
    "length too long": (lambda r: [framed(r, BODY, 300)], False),
    "length too short": (lambda r: [framed(r, BODY, 3)], False),
    "length zero": (lambda r: [framed(r, BODY, 0)], False),
    "truncated body": (lambda r: [framed(r, BODY[:4])], False),
    "byte count too high": (lambda r: [framed(r, b"\x03\xff\x12\x34")], False),
    "byte count zero": (lambda r: [framed(r, b"\x03\x00")], False),
    "one register of two": (lambda r: [framed(r, b"\x03\x02\x12\x34")], False),
    "three registers of two": (lambda r: [framed(r, b"\x03\x06" + b"\x12\x34" * 3)], False),
    "another function": (lambda r: [framed(r, b"\x06\0\0\0\1")], False),
    "function unknown": (lambda r: [framed(r, b"\x63\0")], False),
    "exception unknown": (lambda r: [framed(r, b"\x83\xee")], False),
    "another transaction": (lambda r: [b"\xfa\xce" + good(r)[2:]], False),
    "another unit": (lambda r: [good(r)[:6] + b"\x63" + good(r)[7:]], False),
    "wrong protocol": (lambda r: [good(r)[:2] + b"\0\1" + good(r)[4:]], False),
    "garbage": (lambda _: [b"\xa5" * 700], False),
    "nothing": (lambda _: [], False),
    "hang up": (lambda _: [], True),
    "half an answer, then hang up": (lambda r: [good(r)[:8]], True),
}
WORKS: dict[str, Callable[[bytes], list[bytes]]] = {
    "one byte at a time": lambda r: [good(r)[i : i + 1] for i in range(len(good(r)))],
    "in two pieces": lambda r: [good(r)[:6], good(r)[6:]],
}
"""Answers that are right, only in pieces."""


async def read_magic(link: ModbusLink) -> list[int]:
    """Read two registers over a new connection."""
    wire = ModbusWire(link)
    try:
        await wire.connect()
        return await wire.read(0, 2)
    finally:
        await wire.close()


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_a_hostile_answer_is_an_error_and_the_next_exchange_works(name: str) -> None:
    pieces, hang_up = ANSWERS[name]

    async def whole() -> None:
        hostile = HostileServer(pieces, hang_up=hang_up)
        link = ModbusLink(port=await hostile.start(), timeout_ms=500)
        with pytest.raises(LinkError, match=f"127.0.0.1:{link.port}"):
            await read_magic(link)
        assert await read_magic(ModbusLink(port=link.port, timeout_ms=10_000)) == MAGIC
        hostile.server.close()

    asyncio.run(whole())


@pytest.mark.parametrize("name", sorted(WORKS))
def test_an_answer_in_pieces_is_an_answer(name: str) -> None:
    async def whole() -> None:
        hostile = HostileServer(WORKS[name], hang_up=False)
        link = ModbusLink(port=await hostile.start(), timeout_ms=10_000)
        assert await read_magic(link) == MAGIC
        hostile.server.close()

    asyncio.run(whole())


@pytest.mark.parametrize("seed", range(3))
def test_random_answers_are_errors_or_answers_and_nothing_else(seed: int) -> None:
    chance = random.Random(seed)

    def spoiled(request: bytes) -> list[bytes]:
        answer = bytearray(good(request))
        for _ in range(1 + chance.randrange(4)):
            answer[chance.randrange(len(answer))] = chance.randrange(256)
        return [bytes(answer[: 1 + chance.randrange(len(answer))])]

    async def whole() -> None:
        for _ in range(25):
            hostile = HostileServer(spoiled, hang_up=chance.random() < 0.7)
            link = ModbusLink(port=await hostile.start(), timeout_ms=100)
            with contextlib.suppress(LinkError):
                assert len(await read_magic(link)) == 2
            assert await read_magic(ModbusLink(port=link.port, timeout_ms=10_000)) == MAGIC
            hostile.server.close()

    asyncio.run(whole())
