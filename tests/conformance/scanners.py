"""AutoID devices of several makers' stacks, each a process, and a line's way to them."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plc_adapters.autoid.client import AutoIdScanner
from plc_adapters.autoid.codes import CodeFilter
from plc_adapters.autoid.settings import DeliveryMode, ScannerSettings
from plc_adapters.autoid.tie import NS_PER_MS, Window
from plc_adapters.autoid.tied_adapter import TiedAdapter
from plc_adapters.contract import EVENT, EventKind, LinkStatus, Records, Resume, ScanStatus
from plc_adapters.opcua.settings import Endpoint
from tests.integration.modbus.conftest import WAIT_S
from tests.integration.opcua.conftest import TIMEOUT_MS, Pki
from tests.interop.npm import node_command

PEERS = ("asyncua", "opcua", "node-opcua-2.182", "node-opcua-2.186")
STATION = 255
OWN = "urn:sorting-centre:emulator"
SCRIPTS = Path(__file__).parent.parent / "interop" / "node"
ELSEWHERE = int(ScanStatus.CODES_ELSEWHERE)


@dataclass
class Device:
    """An AutoID device in a process of its own."""

    name: str
    pki: Pki
    process: subprocess.Popen[str]
    port: int

    def tell(self, piece: int, codes: Sequence[tuple[str, str]], ago_ms: int = 0) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = json.dumps({"codes": codes, "piece": piece, "ago_ms": ago_ms})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer == "ok", f"{self.name}: {answer!r}, ended with {self.process.poll()}"

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def start_device(name: str, pki: Pki, folder: Path) -> Device:
    """Start a device; the test fails if what it needs is not installed."""
    own = pki.plc
    if name == "asyncua":
        module = "tests.conformance.peers.asyncua_scanner"
        files = (own.certificate, own.key, pki.host.folder)
        command = [sys.executable, "-m", module, *map(str, files)]
    elif name == "opcua":
        module = "tests.conformance.peers.opcua_scanner"
        command = [sys.executable, "-m", module, str(own.certificate), str(pki.plc_key_pem)]
    else:
        version = name.removeprefix("node-opcua-")
        files = (pki.plc_pem, own.key, folder / f"scanner-{name}")
        command = node_command(SCRIPTS / "scanner_peer.mjs", version, *map(str, files))
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=SCRIPTS.parents[2]
    )
    assert process.stdout is not None
    first = process.stdout.readline().strip()
    assert first.isdigit(), f"{name} did not start: {first!r}"
    return Device(name, pki, process, int(first))


def settings_of(
    device: Device, window: Window, port: int = 0, mode: DeliveryMode = "events"
) -> ScannerSettings:
    endpoint = Endpoint(
        f"opc.tcp://127.0.0.1:{port or device.port}",
        certificate=device.pki.host.certificate,
        key=device.pki.host.key,
        trusted=device.pki.plc.folder,
        timeout_ms=TIMEOUT_MS,
    )
    return ScannerSettings(
        "tunnel",
        STATION,
        endpoint,
        mode=mode,
        device="s=Scanner",
        device_namespace=OWN,
        window=window,
        codes=CodeFilter(no_read=("NoRead",)),
        reconnect_max_ms=100,
        trigger_field="TriggerId" if window.by_trigger else "",
        trigger_namespace=OWN if window.by_trigger else "",
    )


class Plc:
    """A PLC in memory that tells of pieces at the photo-eye, without codes."""

    def __init__(self) -> None:
        self.status = LinkStatus(connected=True)
        self._waiting: list[Records] = []
        self._sequence = 0

    def passes(self, piece: int, at_ns: int) -> None:
        self._sequence += 1
        event = np.zeros(1, EVENT)
        event["kind"], event["status"] = EventKind.SCANNED, ELSEWHERE
        event["boot_id"], event["sequence"] = 1, self._sequence
        event["piece_id"], event["station"], event["event_ns"] = piece, STATION, at_ns
        self._waiting.append(event)

    async def open(self, resume: Resume) -> None:
        """Nothing is to be opened."""

    def follow(self, resume: Resume) -> None:
        """Nobody stands by."""

    def hand_over(self, *, begins: bool) -> None:
        """Nobody stands by."""

    async def read(self) -> Records:
        await asyncio.sleep(0.005)
        self.status.polls += 1
        waiting, self._waiting = self._waiting, []
        return np.concatenate(waiting) if waiting else np.empty(0, EVENT)

    async def write(self, instructions: Records) -> None:
        """Nothing is instructed."""

    def acknowledge(self, sequence: int) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is to be closed."""


class Line:
    """A PLC with a scanner beside it, read as a line reads them."""

    def __init__(self, device: Device, settings: ScannerSettings) -> None:
        self.device = device
        self.plc = Plc()
        self.scanner = AutoIdScanner(settings, time.time_ns)
        self.adapter = TiedAdapter(self.plc, [self.scanner], time.time_ns)
        self.told: dict[int, tuple[int, tuple[bytes, ...]]] = {}
        """Status and codes of each piece, as the line got them."""
        self.passed = 0

    async def open(self) -> None:
        await self.adapter.open(Resume())
        await self.turn_until(lambda: self.scanner.status.connected)

    async def turn(self) -> None:
        for event in await self.adapter.read():
            piece = int(event["piece_id"])
            assert piece not in self.told, "a piece was told twice"
            rows = event["codes"][: int(event["code_count"])]
            codes = tuple(bytes(row.tobytes().rstrip(b"\0")) for row in rows)
            self.told[piece] = int(event["status"]), codes

    async def turn_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert self.device.process.poll() is None, f"{self.device.name} has ended"
            assert time.monotonic() < deadline, f"never came true; {self.scanner.status}"
            await self.turn()

    async def piece(self, *codes: tuple[str, str], tell: bool = True) -> int:
        """Let a piece pass the photo-eye and the scanner read it."""
        self.passed += 1
        self.plc.passes(self.passed, time.time_ns() - 20 * NS_PER_MS)
        if tell:
            telling = asyncio.to_thread(self.device.tell, self.passed, codes)
            await asyncio.shield(telling)
        return self.passed

    async def close(self) -> None:
        await self.adapter.close()
