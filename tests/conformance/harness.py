"""One PLC program, and the servers that may hold its image: each is a peer of the adapters."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plc_adapters.emulator.build import Sorter, build_sorter
from plc_adapters.emulator.config import load_config
from plc_adapters.emulator.memory import Memory
from plc_adapters.host.adapter import HostAdapter
from plc_adapters.host.memory_wire import MemoryWire
from plc_adapters.host.wire import MailboxLink, Wire
from plc_adapters.mailbox.table import EVENT_RING, HEADER, image_size
from plc_adapters.modbus.settings import ModbusLink
from plc_adapters.modbus.wire import ModbusWire
from plc_adapters.opcua.nodes import PER_SLOT, NodeMap
from plc_adapters.opcua.session import load_credentials
from plc_adapters.opcua.settings import OpcuaLink
from plc_adapters.opcua.wire import OpcuaWire
from tests.integration.opcua.conftest import Pki
from tests.interop.compiler import compiled
from tests.interop.npm import node_command

EVENT_SLOTS = 64
CYCLE_MS = 10
TIMEOUT_MS = 3000
"""Of one request: a peer on a loaded machine is slow, not gone."""
START_S = 600.0
"""Longest that a peer takes to start."""
PEERS = (
    "memory", "pymodbus", "libmodbus", "jsmodbus", "modbus-serial",
    "asyncua", "asyncua-slots", "opcua", "node-opcua-2.182", "node-opcua-2.186",
)  # fmt: skip
"""Every way to a PLC that is tested; none may be left out."""
MODBUS = ("pymodbus", "libmodbus", "jsmodbus", "modbus-serial")
HERE = Path(__file__).parent
TOML = f"""
chutes = "chutes.csv"

[plc]
default_chute = 9
lap_limit = 3
event_slots = {EVENT_SLOTS}
cycle_ms = {CYCLE_MS}
host_watchdog_ms = 60000
wait_for_host = true

[loop]
length_mm = 20000
speed_mm_s = 10000
cell_pitch_mm = 250

[arrivals]
pieces_per_hour = 108000
spacing = "fixed"

[[stations]]
number = 1
position_mm = 18000

[emptying]
empty_after_ms = 0
"""
"""30 pieces a second; a lap takes two, from the scanner to chute n half of one and n / 10."""
CHUTES = "chute,position_mm,capacity_pieces\n" + "".join(
    f"{number},{5000 + 1000 * number},100000\n" for number in range(1, 10)
)


@dataclass
class Peer:
    """A server of somebody's that holds the image as plain memory; memory itself has none."""

    name: str
    pki: Pki
    process: subprocess.Popen[str] | None = None
    port: int = 0

    def exchange(self, line: str) -> str:
        """Write registers; return the host's, "=" if they are as they were."""
        process = self.process
        assert process is not None and process.stdin is not None and process.stdout is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()
        answer = process.stdout.readline().strip()
        assert answer, f"{self.name} ended with {process.poll()}"
        return answer

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate(timeout=START_S)


def start_peer(name: str, pki: Pki, folder: Path, *more: str) -> Peer:
    """Start a peer's process; the test fails if what it needs is not installed.

    ``more`` are further arguments for it.
    """
    peer = Peer(name, pki)
    if name == "memory":
        return peer
    peer.process = subprocess.Popen(
        [*_command(name, pki, folder), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE.parent.parent,
    )
    assert peer.process.stdout is not None
    first = peer.process.stdout.readline().strip()
    assert first.isdigit(), f"{name} did not start: {first!r}"
    peer.port = int(first)
    return peer


def _command(name: str, pki: Pki, folder: Path) -> list[str]:
    size, own = str(image_size(EVENT_SLOTS)), pki.plc
    scripts = HERE.parent / "interop" / "node"
    match name:
        case "libmodbus":
            source = HERE / "peers" / "libmodbus_peer.c"
            return [str(compiled(folder / "libmodbus_peer", [source])), size]
        case "jsmodbus" | "modbus-serial":
            return node_command(scripts / "modbus_peer.mjs", name, size)
        case "node-opcua-2.182" | "node-opcua-2.186":
            version = name.removeprefix("node-opcua-")
            pair = (str(pki.plc_pem), str(own.key))
            script = scripts / "opcua_peer.mjs"
            return node_command(script, version, size, *pair, str(folder / name))
        case "opcua":
            module = "tests.conformance.peers.python_opcua"
            pair = (str(own.certificate), str(pki.plc_key_pem))
            return [sys.executable, "-m", module, str(EVENT_SLOTS), *pair]
    listen: dict[str, Any] = {}
    if name.startswith("asyncua"):
        secured = {
            "certificate": str(own.certificate),
            "key": str(own.key),
            "trusted": str(pki.host.folder),
            "variable_per_slot": name == "asyncua-slots",
        }
        listen = {"protocol": "opcua", "opcua": secured}
    module = "tests.conformance.peers.fronts"
    return [sys.executable, "-m", module, str(EVENT_SLOTS), json.dumps(listen)]


@dataclass
class Plc:
    """The emulated sorter's program, its image held by a peer; ``up`` is its wire to memory."""

    peer: Peer
    folder: Path
    settings: tuple[str, ...] = ()
    word_order: str = "big"
    up: bool = True
    boots: int = 0
    frozen: bool = False
    _shown: list[int] = field(default_factory=list)
    """Registers as the peer has them."""
    _started_ns: int = 0
    _task: asyncio.Task[None] | None = None
    sorter: Sorter = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "chutes.csv").write_text(CHUTES)
        (self.folder / "emulator.toml").write_text(TOML)

    @property
    def memory(self) -> Memory:
        return self.sorter.memory

    async def start(self) -> None:
        """Start the program anew: a new boot, an empty image."""
        self.boots += 1
        settings = (*self.settings, f"plc.word_order={self.word_order}")
        file, chutes = load_config(self.folder / "emulator.toml", settings)
        self.sorter = build_sorter(file, chutes, boot_id=self.boots)
        self._shown = [-1] * len(self.memory.registers)
        self._started_ns = time.monotonic_ns()
        self.sorter.program.cycle(0)
        await self._sync()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the program; the peer goes on to serve what was last in the image."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def reboot(self) -> None:
        await self.stop()
        await self.start()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(CYCLE_MS / 1000)
            if not self.frozen:
                self.sorter.program.cycle((time.monotonic_ns() - self._started_ns) // 1000)
            await self._sync()

    async def _sync(self) -> None:
        """Give the peer what the program wrote, the ring before the header; take what hosts did."""
        if self.peer.process is None:
            return
        line = ";".join(self._changed())
        answer = await asyncio.shield(asyncio.to_thread(self.peer.exchange, line))
        if answer == "=":
            return
        values = [int(answer[i : i + 4], 16) for i in range(0, len(answer), 4)]
        self.memory.registers[HEADER.size : EVENT_RING] = values
        self._shown[HEADER.size : EVENT_RING] = values

    def _changed(self) -> list[str]:
        """Return the runs of registers that the program changed; hosts' only at a new boot."""
        blocks = [(EVENT_RING, len(self._shown)), (0, HEADER.size)]
        if self._shown[HEADER.size] < 0:
            blocks.insert(0, (HEADER.size, EVENT_RING))
        found = []
        for first, last in blocks:
            now, shown = self.memory.registers, self._shown
            at = first
            while at < last:
                if now[at] == shown[at]:
                    at += 1
                    continue
                end = at
                while end < last and now[end] != shown[end]:
                    end += 1
                found.append(f"{at}:" + "".join(f"{value:04x}" for value in now[at:end]))
                shown[at:end] = now[at:end]
                at = end
        return found

    def adapter(self, port: int = 0, **changes: Any) -> HostAdapter:
        """Return an adapter to this PLC by its peer, through ``port`` if given."""
        name = self.peer.name
        settings = {"word_order": self.word_order} | changes
        link, make = way_to(name, port or self.peer.port, self.peer.pki, settings)
        if name == "memory":
            make = self._memory_wire
        return HostAdapter(0, link, time.time_ns, make)

    def _memory_wire(self) -> MemoryWire:
        memory = self.memory
        return MemoryWire(
            memory.registers,
            lambda address, values: memory.host_write(address, values, 0),
            lambda: self.up and memory is self.memory,
        )


def way_to(
    name: str, port: int, pki: Pki, changes: dict[str, Any]
) -> tuple[MailboxLink, Callable[[], Wire]]:
    """Return the link to a peer of that name, and what makes a wire of it."""
    times: dict[str, Any] = {
        "poll_period_ms": 5, "heartbeat_ms": 50, "silence_ms": 1000, "reconnect_max_ms": 200,
    }  # fmt: skip
    if name in MODBUS or name == "memory":
        modbus = ModbusLink(port=port, timeout_ms=TIMEOUT_MS, **(times | changes))
        return modbus, lambda: ModbusWire(modbus)
    opcua = OpcuaLink(
        f"opc.tcp://127.0.0.1:{port}",
        certificate=pki.host.certificate,
        key=pki.host.key,
        trusted=pki.plc.folder,
        timeout_ms=TIMEOUT_MS,
        nodes=PER_SLOT if name in ("opcua", "asyncua-slots") else NodeMap(),
    )
    # node-opcua samples and publishes every 50 ms at best: the subscription is to be used.
    opcua = replace(opcua, **(times | {"poll_period_ms": 100} | changes))
    credentials = load_credentials(opcua)
    return opcua, lambda: OpcuaWire(opcua, credentials)
