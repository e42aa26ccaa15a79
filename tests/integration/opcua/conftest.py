"""Certificates, and an emulated sorter served over OPC UA."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization

from plc_adapters.host.adapter import HostAdapter
from plc_adapters.opcua.adapter import create
from plc_adapters.opcua.certificates import load_certificate, make_pair
from plc_adapters.opcua.settings import OpcuaLink
from tests.integration.modbus.conftest import Plc

TIMEOUT_MS = 10_000
"""A handshake on a loaded machine is slow, not wrong."""


class Pair(NamedTuple):
    """A certificate, its key, and a folder in which the certificate is trusted."""

    certificate: Path
    key: Path

    @property
    def folder(self) -> Path:
        return self.certificate.parent


class Pki(NamedTuple):
    host: Pair
    plc: Pair
    stranger: Pair
    user: Pair
    """Who may connect where users prove themselves by certificate."""

    @property
    def plc_pem(self) -> Path:
        """The PLC's certificate as PEM, for servers that take nothing else."""
        path = self.plc.folder.parent / "plc.pem"
        certificate = load_certificate(self.plc.certificate)
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path

    @property
    def plc_key_pem(self) -> Path:
        """The PLC's key by a name that tells its format."""
        path = self.plc.folder.parent / "plc.key.pem"
        path.write_bytes(self.plc.key.read_bytes())
        return path


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Self-signed pairs, each in a folder of its own."""
    return make_pki(tmp_path_factory.mktemp("pki"))


def make_pki(folder: Path) -> Pki:
    hosts = ("localhost", "127.0.0.1")
    names = ("host", "plc", "stranger", "user")
    return Pki(*(Pair(*make_pair(folder / n, n, f"urn:test:{n}", hosts)) for n in names))


def served(pki: Pki, *settings: str) -> tuple[str, ...]:
    """Settings of an emulator that serves OPC UA and trusts the host."""
    return (
        "listen.protocol=opcua",
        f"listen.opcua.certificate={pki.plc.certificate}",
        f"listen.opcua.key={pki.plc.key}",
        f"listen.opcua.trusted={pki.host.folder}",
        *settings,
    )


def link_to(port: int, pki: Pki, **changes: object) -> OpcuaLink:
    settings: dict[str, object] = {
        "url": f"opc.tcp://127.0.0.1:{port}",
        "certificate": pki.host.certificate,
        "key": pki.host.key,
        "trusted": pki.plc.folder,
        "timeout_ms": TIMEOUT_MS,
        "heartbeat_ms": 20,
        "silence_ms": 500,
        "reconnect_max_ms": 100,
    }
    return OpcuaLink(**(settings | changes))  # type: ignore[arg-type]


def adapter_of(link: OpcuaLink) -> HostAdapter:
    return create(0, link, time.time_ns)


RunWithPlc = Callable[..., None]


@pytest.fixture
def run_with_plc(tmp_path: Path, pki: Pki) -> RunWithPlc:
    """Run a coroutine function with a PLC served over OPC UA, and stop it afterwards."""

    def run(scenario: Callable[[Plc], Awaitable[None]], *settings: str) -> None:
        async def whole() -> None:
            plc = Plc(tmp_path, *served(pki, *settings))
            await plc.start()
            try:
                await scenario(plc)
            finally:
                await plc.stop()

        asyncio.run(whole())

    return run
