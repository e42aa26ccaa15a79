"""The host's side of the mailbox where a link breaks between two requests of one poll."""

import asyncio
import time
from pathlib import Path

import numpy as np

from plc_adapters.contract import INSTRUCTION, EventKind, Records, Resume
from plc_adapters.emulator.build import build_sorter
from plc_adapters.emulator.config import load_config
from plc_adapters.host.adapter import HostAdapter
from plc_adapters.host.memory_wire import MemoryWire
from plc_adapters.mailbox.outbox import OUTSTANDING_MAX
from plc_adapters.mailbox.table import SEAT_HEAD
from plc_adapters.modbus.settings import ModbusLink
from tests.conformance.harness import CHUTES, TOML

MORE = 9
"""Instructions that wait for room in the ring."""


def test_events_read_before_a_write_that_fails_are_delivered(tmp_path: Path) -> None:
    (tmp_path / "chutes.csv").write_text(CHUTES)
    (tmp_path / "emulator.toml").write_text(TOML)
    file, chutes = load_config(tmp_path / "emulator.toml")
    sorter = build_sorter(file, chutes, boot_id=1)
    memory, refusing = sorter.memory, False

    def host_write(address: int, values: list[int]) -> bool:
        if refusing and len(values) > SEAT_HEAD.size:
            return False
        return memory.host_write(address, values, 0)

    link = ModbusLink(poll_period_ms=1, heartbeat_ms=1, silence_ms=60_000, reconnect_max_ms=50)
    adapter = HostAdapter(
        0, link, time.time_ns, lambda: MemoryWire(memory.registers, host_write, lambda: True)
    )

    async def whole() -> Records:
        nonlocal refusing
        opening = asyncio.create_task(adapter.open(Resume()))
        cycles = 0
        while not opening.done():
            cycles += 1
            sorter.program.cycle(cycles)
            await asyncio.sleep(0.001)
        instructions = np.zeros(OUTSTANDING_MAX + MORE, INSTRUCTION)
        instructions["piece_id"] = 999
        await adapter.write(instructions)
        sorter.program.cycle(cycles + 1)
        # The header now says that there is room: the next poll reads events, and writes in vain.
        refusing = True
        found = []
        while adapter.status.connected:
            await asyncio.sleep(0.002)
            found.append(await adapter.read())
        assert any(len(events) for events in found), "nothing was read in the poll that broke"
        refusing = False
        while sum((events["kind"] == EventKind.INSTRUCTED).sum() for events in found) < len(
            instructions
        ):
            cycles += 1
            sorter.program.cycle(cycles + 1)
            found.append(await adapter.read())
        return np.concatenate(found)

    events = asyncio.run(asyncio.wait_for(whole(), 60))
    assert events["sequence"].tolist() == list(range(1, len(events) + 1))
