"""The emulator as a process of its own, and a plain Modbus client that knows only the map."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient

DEADLINE_S = 300.0
"""How long a test waits for what must come; a machine under load is slow, not wrong."""
RING, SLOT, SLOTS = 1208, 40, 64
SEAT = 40
INSTRUCTIONS = 48

TOML = """
chutes = "chutes.csv"
[listen]
port = 0
[plc]
default_chute = 9
event_slots = 64
wait_for_host = true
host_watchdog_ms = 5000
[loop]
length_mm = 20000
speed_mm_s = 8000
cell_pitch_mm = 500
[arrivals]
pieces_per_hour = 36000
spacing = "fixed"
[[stations]]
number = 1
position_mm = 18000
"""
CHUTES = "chute,position_mm,capacity_pieces\n" + "".join(
    f"{number},{8000 + 1000 * number},1000\n" for number in range(1, 10)
)


class Emulator:
    """A running emulator."""

    def __init__(self, folder: Path, *settings: str) -> None:
        (folder / "emulator.toml").write_text(TOML, encoding="utf-8")
        (folder / "chutes.csv").write_text(CHUTES, encoding="utf-8")
        command = [sys.executable, "-m", "plc_adapters.emulator", "--json"]
        command += ["--config", str(folder / "emulator.toml")]
        for setting in settings:
            command += ["--set", setting]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.status()["port"])

    def status(self) -> dict[str, Any]:
        """The next line of status."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the emulator ended with exit code {self.process.wait()}"
        return dict(json.loads(line))

    def status_when(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first status of which that is true."""
        end = time.monotonic() + DEADLINE_S
        while not holds(status := self.status()):
            assert time.monotonic() < end, status
        return status

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> dict[str, Any]:
        """End it as a terminal would; the last line of status."""
        self.process.send_signal(signal.SIGTERM)
        while not (status := self.status())["final"]:
            pass
        assert self.process.wait(DEADLINE_S) == 0
        return status

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()


class Host:
    """A host in seat 0, by hand-typed addresses."""

    def __init__(self, port: int) -> None:
        self.client = ModbusTcpClient("127.0.0.1", port=port, timeout=10, retries=0)
        assert self.client.connect()  # type: ignore[no-untyped-call]
        self.beat = self.read_up_to = self.written = 0

    def close(self) -> None:
        self.client.close()  # type: ignore[no-untyped-call]

    def read(self, address: int, count: int) -> list[int]:
        answer = self.client.read_holding_registers(address, count=count)
        assert not answer.isError(), answer
        return list(answer.registers)

    def u32(self, address: int) -> int:
        high, low = self.read(address, 2)
        return high << 16 | low

    def write(self, address: int, values: list[int]) -> None:
        answer = self.client.write_registers(address, values)
        assert not answer.isError(), answer

    def live(self, epoch: int) -> None:
        """Heartbeat, claim, acknowledgement."""
        self.beat = (self.beat + 1) & 0xFFFF
        newest = self.read_up_to
        self.write(SEAT, [self.beat, 0, epoch, newest >> 16, newest & 0xFFFF])

    def next_event(self) -> list[int]:
        """The registers of the next event's slot, or nothing if it has not come."""
        expected = self.read_up_to + 1
        slot = self.read(RING + expected % SLOTS * SLOT, SLOT)
        if slot[0] << 16 | slot[1] != expected or slot[38] << 16 | slot[39] != expected:
            return []
        self.read_up_to = expected
        return slot

    def instruct(self, piece: int, chute: int, epoch: int = 1) -> None:
        """Write one instruction for lap 0."""
        self.written += 1
        body = [0, epoch, piece >> 16, piece & 0xFFFF, 0, 0, chute, 0, 0, 0, 1, 0, 7, 0, 0]
        at = INSTRUCTIONS + self.written % 32 * 18
        self.write(at, [*body, sum(body) & 0xFFFF, 0, self.written])


Start = Callable[..., Emulator]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts emulators; none outlives the test."""
    started: list[Emulator] = []

    def one(*settings: str) -> Emulator:
        started.append(Emulator(tmp_path, *settings))
        return started[-1]

    yield one
    for emulator in started:
        emulator.kill()


@pytest.fixture
def connect() -> Iterator[Callable[[int], Host]]:
    """Connects hosts; closes them at the end."""
    hosts: list[Host] = []

    def one(port: int) -> Host:
        hosts.append(Host(port))
        return hosts[-1]

    yield one
    for host in hosts:
        host.close()
