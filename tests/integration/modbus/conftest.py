"""An emulated sorter served over Modbus TCP in the test's own event loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import uvloop

from plc_adapters.contract import (
    INSTRUCTION,
    Adapter,
    AnswerStatus,
    DischargeStatus,
    EventKind,
    Records,
    Resume,
)
from plc_adapters.emulator.build import Sorter, build_sorter
from plc_adapters.emulator.config import load_config
from plc_adapters.emulator.server import Server
from plc_adapters.host.adapter import HostAdapter
from plc_adapters.modbus.adapter import create
from plc_adapters.modbus.settings import ModbusLink

WAIT_S = 300.0
"""Longest wait for what must come; a machine under load is slow, not wrong."""
ANSWER_IN_MS = 100
"""What the host sets an answer's deadline to, after the scan."""
TOML = """
chutes = "chutes.csv"

[listen]
port = 0

[plc]
default_chute = 9
lap_limit = 3
event_slots = 64
cycle_ms = 2
host_watchdog_ms = 200
wait_for_host = true

[loop]
length_mm = 20000
speed_mm_s = 20000
cell_pitch_mm = 500

[arrivals]
pieces_per_hour = 180000
spacing = "fixed"

[[stations]]
number = 1
position_mm = 18000

[emptying]
empty_after_ms = 0
"""
"""A lap takes a second, scanner to chute n 0.1 s and n times 0.05 s; 50 pieces a second."""
CHUTES = "chute,position_mm,capacity_pieces\n" + "".join(
    f"{number},{1000 + 1000 * number},1000\n" for number in range(1, 10)
)


class Plc:
    """An emulated sorter and its server, which can be stopped and started on the same port."""

    def __init__(self, folder: Path, *settings: str) -> None:
        (folder / "chutes.csv").write_text(CHUTES)
        (folder / "emulator.toml").write_text(TOML)
        self._folder = folder
        self._settings = settings
        self._boots = 0
        self._task: asyncio.Task[None] | None = None
        self.sorter: Sorter
        self.server: Server
        self.port = 0
        self._new_sorter()

    def _new_sorter(self, *settings: str) -> None:
        self._boots += 1
        listen = (f"listen.port={self.port}",) if self.port else ()
        file, chutes = load_config(
            self._folder / "emulator.toml", (*self._settings, *listen, *settings)
        )
        self.sorter = build_sorter(file, chutes, boot_id=self._boots)

    async def start(self) -> None:
        """Serve until stopped."""
        self.server = Server(self.sorter)
        self._task = asyncio.create_task(self.server.serve(lambda: None))
        await until(lambda: self.server.address[1] != 0 and self.sorter.plant.now_us > 0)
        self.port = self.server.address[1]

    async def stop(self) -> None:
        """Close the socket; the sorter keeps its state."""
        if self._task is not None:
            self.server.stop()
            await self._task
            self._task = None

    async def reboot(self) -> None:
        """Start the PLC program anew, with an empty loop, on the same port."""
        await self.stop()
        self._new_sorter()
        await self.start()

    def link(self, **changes: object) -> ModbusLink:
        """Return the settings of a link to it."""
        settings: dict[str, object] = {
            "port": self.port, "poll_period_ms": 1, "heartbeat_ms": 20, "silence_ms": 150,
            "timeout_ms": 200, "reconnect_max_ms": 100, **changes,
        }  # fmt: skip
        return ModbusLink(**settings)  # type: ignore[arg-type]


class Host:
    """A host that answers every scan with chute 1 and acknowledges what it has read."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.events: list[Records] = []
        self.answered: set[tuple[int, int]] = set()

    async def open(self, resume: Resume | None = None) -> None:
        await asyncio.wait_for(self.adapter.open(resume or Resume()), WAIT_S)

    async def turn(self, *, acknowledge: bool = True) -> None:
        events = await self.adapter.read()
        if len(events):
            self.events.append(events.copy())
        scans = events[events["kind"] == EventKind.SCANNED]
        if len(scans):
            instructions = np.zeros(len(scans), INSTRUCTION)
            instructions["piece_id"] = scans["piece_id"]
            instructions["lap"] = scans["lap"]
            instructions["chutes"][:, 0] = 1
            instructions["deadline_ns"] = scans["event_ns"] + ANSWER_IN_MS * 1_000_000
            await self.adapter.write(instructions)
            self.answered |= {(int(p), int(lap)) for p, lap in scans[["piece_id", "lap"]].tolist()}
        if len(events) and acknowledge:
            self.adapter.acknowledge(int(events["sequence"][-1]))

    async def turn_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, f"never came true; {self.adapter.status}"
            await self.turn()

    def all(self) -> Records:
        """Every event read so far."""
        return np.concatenate(self.events)

    def sequences(self) -> list[int]:
        found: list[int] = self.all()["sequence"].tolist()
        return found


def assert_ended_as_answered(events: Records, default_chute: int = 9) -> None:
    """Each piece that ended fell where its accepted answer sent it, or by default without one.

    True however slow the machine is: what the host was late for is told as such.
    """
    answered = {
        (int(echo["boot_id"]), int(echo["piece_id"])): int(echo["chutes"][0])
        for echo in events[events["kind"] == EventKind.INSTRUCTED]
        if echo["status"] == AnswerStatus.ACCEPTED
    }
    for end in events[events["kind"] == EventKind.DISCHARGED]:
        chute = answered.get((int(end["boot_id"]), int(end["piece_id"])))
        if chute is not None:
            assert (end["status"], end["chute"]) == (DischargeStatus.SORTED, chute), end
        else:
            assert end["chute"] == default_chute, end
            assert end["status"] in (
                DischargeStatus.DEFAULT_NO_INSTRUCTION,
                DischargeStatus.DEFAULT_HOST_SILENT,
            ), end


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "never came true"
        await asyncio.sleep(0.005)


def adapter_of(link: ModbusLink) -> HostAdapter:
    return create(0, link, time.time_ns)


@pytest.fixture
def run_with_plc(tmp_path: Path) -> Callable[..., None]:
    """Run a coroutine function with a served PLC of these settings, and stop it afterwards."""

    def run(scenario: Callable[[Plc], Awaitable[None]], *settings: str) -> None:
        async def whole() -> None:
            plc = Plc(tmp_path, *settings)
            await plc.start()
            try:
                await scenario(plc)
            finally:
                await plc.stop()

        uvloop.run(whole())

    return run
