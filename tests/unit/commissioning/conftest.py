"""An emulated PLC in virtual time behind a wire in memory: a minute of checking takes a moment."""

from collections.abc import Callable
from pathlib import Path

import pytest

from plc_adapters.commissioning.context import Plan
from plc_adapters.commissioning.findings import Result
from plc_adapters.commissioning.run import check_plc
from plc_adapters.emulator.build import Sorter, build_sorter
from plc_adapters.emulator.config import load_config
from plc_adapters.host.wire import LinkError
from plc_adapters.modbus.settings import ModbusLink

TOML = """
chutes = "chutes.csv"

[listen]
port = 0

[plc]
default_chute = 9
lap_limit = 3
event_slots = 64
cycle_ms = 5
host_watchdog_ms = 1000
wait_for_host = true

[loop]
length_mm = 20000
speed_mm_s = 2000
cell_pitch_mm = 500

[arrivals]
pieces_per_hour = 7200
spacing = "fixed"

[[stations]]
number = 1
position_mm = 18000
"""
"""A lap takes 10 s, station to scanner 1 s, scanner to chute n 0.5 s and n times 0.5 s."""
CHUTES = "chute,position_mm,capacity_pieces\n" + "".join(
    f"{number},{1000 + 1000 * number},1000\n" for number in range(1, 10)
)
REQUEST_US = 2000
"""What a request takes on the wire."""
TURNS_MAX = 200_000
"""Requests after which a check is taken for endless."""


class VirtualPlc:
    """A sorter whose time goes on only while somebody waits for it."""

    def __init__(self, folder: Path, *settings: str) -> None:
        (folder / "chutes.csv").write_text(CHUTES, encoding="utf-8")
        (folder / "emulator.toml").write_text(TOML, encoding="utf-8")
        file, chutes = load_config(folder / "emulator.toml", settings)
        self.sorter: Sorter = build_sorter(file, chutes, boot_id=7)
        self.now_us = 0
        self.requests = 0
        self.cut_after = TURNS_MAX
        """Requests after which the connection breaks, once."""
        self._cycle_us = file.plc.cycle_ms * 1000
        self._next_us = 0
        self._answer_us = file.faults.answer_ms * 1000
        self.advance(0)

    def advance(self, by_us: int) -> None:
        self.now_us += by_us
        while self._next_us <= self.now_us:
            self.sorter.program.cycle(self._next_us)
            self._next_us += self._cycle_us

    def clock(self) -> int:
        return self.now_us * 1000

    async def connect(self) -> None:
        self.advance(REQUEST_US)

    async def read(self, address: int, count: int) -> list[int]:
        self._request()
        found = self.sorter.memory.registers[address : address + count]
        if len(found) != count:
            raise LinkError(f"the PLC has no {count} registers at {address}")
        self.advance(REQUEST_US // 2)
        return found

    async def write(self, address: int, registers: list[int]) -> None:
        self._request()
        if not self.sorter.memory.host_write(address, registers, self.now_us):
            raise LinkError(f"register {address} is not the host's")
        self.advance(REQUEST_US // 2)

    async def pause(self, seconds: float) -> None:
        self.advance(max(1, int(seconds * 1e6)))

    async def close(self) -> None:
        return

    def _request(self) -> None:
        self.requests += 1
        assert self.requests < TURNS_MAX, "the check never ends"
        self.advance(REQUEST_US // 2 + self._answer_us)
        if self.requests > self.cut_after:
            self.cut_after = TURNS_MAX
            raise LinkError("connection lost")


LINK = ModbusLink(poll_period_ms=5, heartbeat_ms=100)
PLAN = Plan(tuple(range(1, 10)), first_chute_ms=900, load_s=2.0)
Check = Callable[..., Result]


async def checked(plc: VirtualPlc, link: ModbusLink = LINK, plan: Plan = PLAN) -> Result:
    """Check that PLC."""
    return await check_plc("loop-1", link, lambda: plc, plan, plc.clock, lambda _what, _share: None)


@pytest.fixture
def make_plc(tmp_path: Path) -> Callable[..., VirtualPlc]:
    return lambda *settings: VirtualPlc(tmp_path, *settings)
