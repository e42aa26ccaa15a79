"""A network that does its worst loses nothing, doubles nothing, and brings nothing stale."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np

from plc_adapters.contract import AnswerStatus
from tests.conformance.conftest import RunWithPlc
from tests.conformance.harness import PEERS, Peer, Plc
from tests.conformance.proxy import CERTAIN_FAULTS, FAULTS, FaultProxy
from tests.conformance.test_conformance import accepted, steps
from tests.integration.modbus.conftest import Host

SEED = 20_261_111
SHORT_CUT_S = 0.2
LONG_CUTS_S = (3.0, 8.0)
CHUNKS = 20
"""Pieces of the stream that come while a fault is set."""
BREAKS = 3
"""Of those, at least so many are broken; a run without would prove nothing."""


class Cable:
    """The way to a peer: a proxy, or a switch where there is no network."""

    def __init__(self, plc: Plc) -> None:
        self._plc = plc
        self.proxy = FaultProxy(plc.peer.port, SEED) if plc.peer.process else None

    async def start(self) -> int:
        """Return the port to connect to."""
        if self.proxy is None:
            return 0
        await self.proxy.start()
        return self.proxy.port

    async def cut(self, seconds: float) -> None:
        if self.proxy is not None:
            await self.proxy.cut(seconds)
            return
        self._plc.up = False
        await asyncio.sleep(seconds)
        self._plc.up = True

    async def stop(self) -> None:
        if self.proxy is not None:
            await self.proxy.stop()


async def turns_during(host: Host, work: asyncio.Task[None]) -> None:
    """Let the host live until something else is done."""
    while not work.done():
        await host.turn()
    await work


async def expect_nothing_lost(plc: Plc, host: Host) -> None:
    """Sort on for a while; then every event came once, and no piece was told two things."""
    tally = plc.sorter.tally
    taken = tally.answers[AnswerStatus.ACCEPTED]
    await host.turn_until(lambda: tally.answers[AnswerStatus.ACCEPTED] >= taken + 5)
    head = plc.sorter.program.ring.head
    await host.turn_until(lambda: host.sequences()[-1] >= head)
    events = host.all()
    status = host.adapter.status
    assert int(events["sequence"][0]) == 1
    assert steps(events) == {1}
    assert status.missed_count == 0
    assert plc.sorter.program.ring.overflow_count == 0
    assert (tally.two_instructions, tally.revised) == (0, 0)
    assert tally.answers[AnswerStatus.MALFORMED] == 0
    echoes = accepted(events)
    assert set(echoes["epoch"].tolist()) == {1}
    # An accepted instruction is one that the host gave: for a piece it had seen, on that lap.
    assert {(int(e["piece_id"]), int(e["lap"])) for e in echoes} <= host.answered
    assert np.isin(echoes["chutes"][:, 0], [1]).all()


def test_a_bad_network(run_with_plc: RunWithPlc, peer: Peer) -> None:
    async def scenario(plc: Plc) -> None:
        cable = Cable(plc)
        host = Host(plc.adapter(await cable.start()))
        await host.open()
        await host.turn_until(lambda: plc.sorter.tally.answers[AnswerStatus.ACCEPTED] >= 3)
        proxy = cable.proxy
        for fault in FAULTS if proxy else ():
            assert proxy is not None
            proxy.fault = fault
            await host.turn_until(lambda: proxy.seen[fault] >= CHUNKS)  # noqa: B023 - used at once
            if fault in CERTAIN_FAULTS:
                await host.turn_until(lambda: proxy.broken[fault] >= BREAKS)  # noqa: B023
            proxy.fault = ""
            await host.turn_until(lambda: host.adapter.status.connected)
        before = host.adapter.status.reconnects
        await turns_during(host, asyncio.create_task(cable.cut(SHORT_CUT_S)))
        await expect_nothing_lost(plc, host)
        assert host.adapter.status.reconnects > before
        await host.adapter.close()
        await cable.stop()

    run_with_plc(peer, scenario)


def test_long_cuts_on_every_peer_at_once(peers: Callable[[str], Peer], tmp_path: Path) -> None:
    async def on_one(name: str, seconds: float) -> None:
        folder = tmp_path / f"{name}-{seconds}"
        folder.mkdir()
        # Ten programs share the machine here, so each has little to do.
        plc = Plc(peers(name), folder, ("arrivals.pieces_per_hour=18000",))
        await plc.start()
        cable = Cable(plc)
        try:
            host = Host(plc.adapter(await cable.start()))
            await host.open()
            await host.turn_until(lambda: plc.sorter.tally.answers[AnswerStatus.ACCEPTED] >= 2)
            await turns_during(host, asyncio.create_task(cable.cut(seconds)))
            await expect_nothing_lost(plc, host)
            await host.adapter.close()
        finally:
            await cable.stop()
            await plc.stop()

    async def whole() -> None:
        for seconds in LONG_CUTS_S:
            await asyncio.gather(*(on_one(name, seconds) for name in PEERS))

    for name in PEERS:
        peers(name)
    asyncio.run(whole())
