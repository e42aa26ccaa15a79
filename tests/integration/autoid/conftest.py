"""An emulated scanner served over OPC UA, and the way to it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from plc_adapters.autoid.client import AutoIdScanner
from plc_adapters.autoid.codes import CodeFilter
from plc_adapters.autoid.settings import ScannerSettings
from plc_adapters.autoid.tie import Result, Window
from plc_adapters.emulator.autoid_front import DEVICE, OWN, SOUND, TRIGGER_FIELD, AutoIdFront
from plc_adapters.emulator.listen_sections import ListenOpcua
from plc_adapters.emulator.scanner_sections import ScannerFaults
from plc_adapters.opcua.settings import Endpoint
from tests.integration.modbus.conftest import until
from tests.integration.opcua.conftest import TIMEOUT_MS, Pki, pki

__all__ = ["pki"]

DELIVERY_MS = 20_000
"""On a loaded machine a result comes late, and is right all the same."""
BY_WINDOW = Window(offset_ms=0, window_ms=200, delivery_ms=DELIVERY_MS)
BY_TRIGGER = Window(window_ms=200, delivery_ms=DELIVERY_MS, by_trigger=True)


class Eye:
    """An emulated scanner, and this host's way to it."""

    def __init__(self, pki: Pki, faults: ScannerFaults = SOUND) -> None:
        self._pki = pki
        self.front = AutoIdFront(
            ListenOpcua(certificate=pki.plc.certificate, key=pki.plc.key, trusted=pki.host.folder),
            faults,
        )
        self.port = 0
        self.seen: list[Result] = []
        self.scanner: AutoIdScanner

    async def start(self) -> None:
        _, self.port = await self.front.listen(("127.0.0.1", self.port))

    def settings(self, **changes: object) -> ScannerSettings:
        endpoint = Endpoint(
            f"opc.tcp://127.0.0.1:{self.port}",
            certificate=self._pki.host.certificate,
            key=self._pki.host.key,
            trusted=self._pki.plc.folder,
            timeout_ms=TIMEOUT_MS,
        )
        settings = ScannerSettings(
            "tunnel",
            255,
            endpoint,
            device=f"s={DEVICE}",
            device_namespace=OWN,
            window=BY_WINDOW,
            codes=CodeFilter(no_read=("NoRead",)),
            reconnect_max_ms=100,
        )
        return replace(settings, **changes)  # type: ignore[arg-type]

    def by_trigger(self, **changes: object) -> ScannerSettings:
        return self.settings(
            trigger_field=TRIGGER_FIELD, trigger_namespace=OWN, window=BY_TRIGGER, **changes
        )

    async def connect(self, settings: ScannerSettings) -> AutoIdScanner:
        self.scanner = AutoIdScanner(settings, time.time_ns)
        self.scanner.open()
        await until(lambda: self.scanner.status.connected)
        return self.scanner

    async def clock_known(self) -> None:
        await until(lambda: self.scanner.knows_clock)

    def look(self) -> list[Result]:
        self.seen += self.scanner.take()
        return self.seen

    def codes(self) -> list[list[bytes]]:
        return [codes_of(result) for result in self.look()]


def codes_of(result: Result) -> list[bytes]:
    rows = result.codes.codes[: result.codes.count]
    return [bytes(row.tobytes().rstrip(b"\0")) for row in rows]


RunWithEye = Callable[[Callable[[Eye], Awaitable[None]]], None]


@pytest.fixture
def run_with_eye(pki: Pki) -> RunWithEye:
    """Run a coroutine function with a served scanner, and stop it afterwards."""

    def run(scenario: Callable[[Eye], Awaitable[None]]) -> None:
        async def whole() -> None:
            eye = Eye(pki)
            await eye.start()
            try:
                await scenario(eye)
            finally:
                await eye.front.end()

        asyncio.run(whole())

    return run
