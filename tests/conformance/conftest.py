"""Each peer is started once; each test starts the PLC's program anew on it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.harness import PEERS, Peer, Plc, start_peer
from tests.integration.opcua.conftest import Pki, pki

__all__ = ["pki"]
"""The certificates of the OPC UA adapter's own tests, used here as well."""

Scenario = Callable[[Plc], Awaitable[None]]
RunWithPlc = Callable[..., None]


@pytest.fixture(scope="session")
def peers(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Peer]]:
    """A function that gives the peer of a name, started at its first use."""
    folder = tmp_path_factory.mktemp("peers")
    started: dict[str, Peer] = {}

    def give(name: str) -> Peer:
        if name not in started:
            started[name] = start_peer(name, pki, folder)
        return started[name]

    yield give
    for peer in started.values():
        peer.end()


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest, peers: Callable[[str], Peer]) -> Peer:
    return peers(request.param)


@pytest.fixture
def run_with_plc(tmp_path: Path) -> RunWithPlc:
    """Run a coroutine function with a started PLC on a peer, and stop it afterwards."""

    def run(peer: Peer, scenario: Scenario, *settings: str, word_order: str = "big") -> None:
        async def whole() -> None:
            plc = Plc(peer, tmp_path, settings, word_order)
            await plc.start()
            try:
                await scenario(plc)
            finally:
                await plc.stop()
                await _end_leftovers()

        asyncio.run(whole())

    return run


async def _end_leftovers() -> None:
    """Let connections that a test cut come to their end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=1)
