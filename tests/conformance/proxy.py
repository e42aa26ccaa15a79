"""A TCP proxy that does to a connection what networks do, by a seeded schedule."""

import asyncio
import random
from collections import Counter
from contextlib import suppress

CHUNK = 65_536
DELAY_S = 0.03
"""Longest that a delayed piece of the stream is held."""
SPLIT_MAX = 7
"""Longest piece of a split stream, in bytes, up to :data:`SPLIT_BYTES` of a chunk."""
SPLIT_BYTES = 200
"""So much of a chunk is split; the rest goes in one piece, as time is short."""
HOLD_S = 0.05
"""How long a piece waits for the next one that is to overtake it."""
FAULTS = ("delay", "split", "half_close", "repeat", "reorder")
"""What :attr:`FaultProxy.fault` may be, besides none."""
CERTAIN_FAULTS = ("delay", "split", "half_close", "repeat")
"""Those that come about whatever the two ends say. One chunk overtakes another only where an end
sends on within :data:`HOLD_S` without waiting for an answer."""


class FaultProxy:
    """Listens on a port of its own and hands everything on to ``target``, or does not.

    ``fault`` is done to every chunk, in both directions, while it is set: *delay* holds it for a
    while, *split* hands it on in pieces of a few bytes, *half_close* ends one direction and keeps
    the other until more is sent the first way, *repeat* hands some chunks on twice, *reorder* lets
    the next one overtake. Only what really came about is counted as broken: a fault is drawn for
    some chunks, and not every chunk can be split or overtaken.
    """

    def __init__(self, target: int, seed: int) -> None:
        self._target = target
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._links: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self.port = 0
        self.fault = ""
        self.seen: Counter[str] = Counter()
        """Chunks that came while a fault was set, by the fault."""
        self.broken: Counter[str] = Counter()
        """Of those, the ones that it was really done to."""

    async def start(self) -> None:
        """Take connections, on the port of the first start."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Drop all connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for link in list(self._links):
            for writer in link:
                writer.transport.abort()

    async def cut(self, seconds: float) -> None:
        """Cut the cable for so long."""
        await self.stop()
        await asyncio.sleep(seconds)
        await self.start()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        link = (writer, back)
        self._links.add(link)
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        except (OSError, RuntimeError):
            pass
        finally:
            self._links.discard(link)
            for one in link:
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held = b""
        while True:
            try:
                async with asyncio.timeout(HOLD_S if held else None):
                    chunk = await reader.read(CHUNK)
            except TimeoutError:
                writer.write(held)
                held = b""
                continue
            if not chunk:
                break
            self.seen[self.fault] += 1
            if self.fault == "reorder" and not held:
                held = chunk
                continue
            await self._hand_on(chunk, writer)
            if held:
                writer.write(held)
                held = b""
                self.broken["reorder"] += 1
            await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _hand_on(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        match self.fault:
            case "delay":
                await asyncio.sleep(self._random.random() * DELAY_S)
                writer.write(chunk)
                self.broken["delay"] += 1
            case "split":
                at = pieces = 0
                while at < min(len(chunk), SPLIT_BYTES):
                    size = self._random.randint(1, SPLIT_MAX)
                    writer.write(chunk[at : at + size])
                    await writer.drain()
                    await asyncio.sleep(0)
                    at += size
                    pieces += 1
                writer.write(chunk[at:])
                self.broken["split"] += pieces > 1
            case "half_close" if self._random.random() < 0.3 and not writer.is_closing():
                writer.write_eof()
                self.broken["half_close"] += 1
            case "repeat" if self._random.random() < 0.3:
                writer.write(chunk + chunk)
                self.broken["repeat"] += 1
            case _:
                writer.write(chunk)
