"""The network of the tests does what its faults are called, and counts what it really did."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.conformance.proxy import HOLD_S, FaultProxy
from tests.integration.modbus.conftest import until

WAIT_S = 60
CHUNKS = 40
CHUNK = b"0123456789"

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Scenario = Callable[[FaultProxy, Ends, Ends], Awaitable[None]]


def with_proxy(scenario: Scenario) -> None:
    """Run a scenario with a proxy, and both ends of one connection through it."""

    async def whole() -> None:
        accepted: asyncio.Queue[Ends] = asyncio.Queue()
        server = await asyncio.start_server(
            lambda reader, writer: accepted.put_nowait((reader, writer)), "127.0.0.1", 0
        )
        proxy = FaultProxy(server.sockets[0].getsockname()[1], seed=5)
        await proxy.start()
        near = await asyncio.open_connection("127.0.0.1", proxy.port)
        far = await accepted.get()
        try:
            async with asyncio.timeout(WAIT_S):
                await scenario(proxy, near, far)
        finally:
            near[1].transport.abort()
            far[1].transport.abort()
            await proxy.stop()
            await until(lambda: not proxy._links)
            server.close()

    asyncio.run(whole())


async def one(proxy: FaultProxy, near: Ends, chunk: bytes = CHUNK) -> None:
    """Send a chunk, and wait until it has been seen."""
    before = proxy.seen.total()
    near[1].write(chunk)
    await until(lambda: proxy.seen.total() > before)


async def one_by_one(proxy: FaultProxy, near: Ends, chunk: bytes = CHUNK) -> None:
    """Send CHUNKS chunks that come as such."""
    for _ in range(CHUNKS):
        await one(proxy, near, chunk)


@pytest.mark.parametrize("fault", ["", "delay", "split"])
def test_what_is_delayed_or_split_comes_whole(fault: str) -> None:
    async def scenario(proxy: FaultProxy, near: Ends, far: Ends) -> None:
        proxy.fault = fault
        await one_by_one(proxy, near)
        assert await far[0].readexactly(CHUNKS * len(CHUNK)) == CHUNK * CHUNKS
        assert proxy.seen == {fault: CHUNKS}
        assert proxy.broken == ({fault: CHUNKS} if fault else {})

    with_proxy(scenario)


def test_what_is_too_short_is_not_counted_as_split() -> None:
    async def scenario(proxy: FaultProxy, near: Ends, far: Ends) -> None:
        proxy.fault = "split"
        await one_by_one(proxy, near, b"1")
        assert await far[0].readexactly(CHUNKS) == b"1" * CHUNKS
        assert (proxy.seen["split"], proxy.broken["split"]) == (CHUNKS, 0)

    with_proxy(scenario)


def test_so_many_chunks_come_twice_as_are_counted() -> None:
    async def scenario(proxy: FaultProxy, near: Ends, far: Ends) -> None:
        proxy.fault = "repeat"
        await one_by_one(proxy, near)
        near[1].write_eof()
        came = await far[0].read(-1)
        assert 0 < proxy.broken["repeat"] < CHUNKS
        assert came == CHUNK * (CHUNKS + proxy.broken["repeat"])

    with_proxy(scenario)


def test_a_half_closed_connection_ends_one_way_and_goes_on_the_other() -> None:
    async def scenario(proxy: FaultProxy, near: Ends, far: Ends) -> None:
        proxy.fault = "half_close"
        while not proxy.broken["half_close"]:
            await one(proxy, near)
        handed_on = proxy.seen["half_close"] - 1
        assert await far[0].read(-1) == CHUNK * handed_on
        proxy.fault = ""
        far[1].write(b"still here")
        assert await near[0].readexactly(10) == b"still here"

    with_proxy(scenario)


def test_a_chunk_is_overtaken_by_the_next_or_not_counted() -> None:
    async def scenario(proxy: FaultProxy, near: Ends, far: Ends) -> None:
        proxy.fault = "reorder"
        near[1].write(b"alone")
        assert await far[0].readexactly(5) == b"alone"
        assert (proxy.seen["reorder"], proxy.broken["reorder"]) == (1, 0)
        # On a machine so slow that the first one has gone by then, it is tried again.
        while not proxy.broken["reorder"]:
            await one(proxy, near, b"first")
            near[1].write(b"second")
            came = await far[0].readexactly(11)
            await asyncio.sleep(HOLD_S)
        assert came == b"secondfirst"

    with_proxy(scenario)
