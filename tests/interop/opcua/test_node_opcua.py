"""node-opcua's servers trust whom they are told to, under each policy; others are told why not."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from plc_adapters.mailbox.table import SEAT_HEAD, seat_address
from plc_adapters.opcua.session import load_credentials
from plc_adapters.opcua.wire import OpcuaWire
from tests.conformance.harness import start_peer
from tests.integration.opcua.conftest import Pki, link_to, pki
from tests.integration.opcua.test_identity import POLICIES
from tests.integration.opcua.test_refusals import why_refused

__all__ = ["pki"]
VERSIONS = ("2.182", "2.186")
NODE_NAMES = dict(
    zip(POLICIES, ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"), strict=True)
)


@contextmanager
def serving(version: str, pki: Pki, folder: Path, **security: str) -> Iterator[int]:
    """A server that trusts this project's host alone; its port."""
    security["host"] = str(pki.host.certificate)
    security["policy"] = NODE_NAMES[security["policy"]]
    peer = start_peer(f"node-opcua-{version}", pki, folder, json.dumps(security))
    try:
        yield peer.port
    finally:
        peer.end()


async def write_and_read(port: int, pki: Pki, **changes: Any) -> None:
    link = link_to(port, pki, **changes)
    wire = OpcuaWire(link, load_credentials(link))
    await wire.connect()
    wanted = list(range(1, SEAT_HEAD.size + 1))
    await wire.write(seat_address(0), wanted)
    assert await wire.read(seat_address(0), len(wanted)) == wanted
    await wire.close()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_trusts_only_this_host(
    version: str, policy: str, pki: Pki, tmp_path: Path
) -> None:
    async def whole(port: int) -> None:
        await write_and_read(port, pki, security_policy=policy)
        told = await why_refused(
            port, pki, security_policy=policy, certificate=pki.stranger.certificate,
            key=pki.stranger.key,
        )  # fmt: skip
        assert "does not trust this host's certificate; move it from the server's list" in told

    with serving(version, pki, tmp_path, policy=policy) as port:
        asyncio.run(whole(port))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_knows_its_user_by_a_certificate(
    version: str, policy: str, pki: Pki, tmp_path: Path
) -> None:
    async def whole(port: int) -> None:
        user = {"user_certificate": pki.user.certificate, "user_key": pki.user.key}
        await write_and_read(port, pki, security_policy=policy, **user)
        stranger = {"user_certificate": pki.stranger.certificate, "user_key": pki.stranger.key}
        told = await why_refused(port, pki, security_policy=policy, **stranger)
        assert "does not take this user" in told
        told = await why_refused(port, pki, security_policy=policy)
        assert "does not take this user" in told

    security = {"policy": policy, "user": str(pki.user.certificate)}
    with serving(version, pki, tmp_path, **security) as port:
        asyncio.run(whole(port))
