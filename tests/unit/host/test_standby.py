"""Two hosts at one PLC: who stands by reads along, and has the line once the other is silent."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plc_adapters.contract import EVENT, INSTRUCTION, AnswerStatus, EventKind, Records, Resume
from plc_adapters.emulator.build import build_sorter
from plc_adapters.emulator.config import load_config
from plc_adapters.host.adapter import HostAdapter
from plc_adapters.host.memory_wire import MemoryWire
from plc_adapters.host.vigil import Vigil
from plc_adapters.mailbox.codec import Header, decode_header, decode_seat_head
from plc_adapters.mailbox.table import HEADER, SEAT_HEAD, seat_address
from plc_adapters.modbus.settings import ModbusLink
from tests.conformance.harness import CHUTES, TOML

CYCLE_US = 10_000
STEPS_MAX = 5_000


class Rig:
    """One PLC's program and two hosts; time passes as the test lets the PLC cycle."""

    def __init__(self, folder: Path) -> None:
        (folder / "chutes.csv").write_text(CHUTES)
        (folder / "emulator.toml").write_text(TOML.replace("60000", "500"))
        self._file, self._chutes = load_config(folder / "emulator.toml")
        self._now_us = 0
        self._began_ns = time.time_ns()
        self.cut = [False, False]
        self.start(1)
        self.hosts = [self._host(seat) for seat in range(2)]
        self.heard: list[list[Records]] = [[], []]

    def start(self, boot_id: int) -> None:
        self.sorter = build_sorter(self._file, self._chutes, boot_id)

    def _host(self, seat: int) -> HostAdapter:
        link = ModbusLink(
            seat=seat, poll_period_ms=10, heartbeat_ms=20, watch_ms=20, silence_ms=1000,
            reconnect_max_ms=50,
        )  # fmt: skip

        def write(address: int, values: list[int]) -> bool:
            return bool(self.sorter.memory.host_write(address, values, self._now_us))

        def wire() -> MemoryWire:
            registers = self.sorter.memory.registers
            return Wire(registers, write, lambda: not self.cut[seat])

        return HostAdapter(0, link, self.now_ns, wire)

    def now_ns(self) -> int:
        return self._began_ns + self._now_us * 1000

    def pass_time(self) -> None:
        self._now_us += CYCLE_US
        self.sorter.program.cycle(self._now_us)

    async def turn(self, *seats: int) -> None:
        """Let the PLC cycle once and these hosts read."""
        self.pass_time()
        for seat in seats:
            self.heard[seat].append(await self.hosts[seat].read())

    async def until(self, condition: Callable[[], bool], *seats: int) -> None:
        for _ in range(STEPS_MAX):
            if condition():
                return
            await self.turn(*seats)
        raise AssertionError("never came true")

    def header(self) -> Header:
        return decode_header(self.sorter.memory.registers[: HEADER.size], "big")

    def claim(self, seat: int) -> int:
        at = seat_address(seat)
        return decode_seat_head(self.sorter.memory.registers[at : at + SEAT_HEAD.size], "big").epoch

    async def instruct(self, seat: int, count: int = 1) -> None:
        instructions = np.zeros(count, INSTRUCTION)
        instructions["piece_id"] = 999
        await self.hosts[seat].write(instructions)

    def events(self, seat: int) -> Records:
        return np.concatenate(self.heard[seat] or [np.empty(0, EVENT)])

    async def pair(self) -> None:
        """Give host 0 the line; host 1 stands by."""
        self.hosts[0].follow(Resume())
        await self.until(lambda: not self.hosts[0].status.standby, 0)
        self.hosts[1].follow(Resume())
        await self.until(lambda: self.hosts[1].status.connected, 0, 1)


class Wire(MemoryWire):
    """Pauses no real time: the test's clock stands still meanwhile."""

    async def pause(self, seconds: float) -> None:
        del seconds


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_standby_reads_what_the_other_is_told_and_claims_nothing(rig: Rig) -> None:
    async def play() -> None:
        await rig.pair()
        before = rig.header().acknowledged
        await rig.instruct(0, 5)
        for _ in range(50):
            await rig.turn(0, 1)
        assert (rig.claim(1), rig.header().granted_seat) == (0, 0)
        told = rig.events(1)
        assert (told["kind"] == EventKind.INSTRUCTED).sum() == 5
        # Neither of the two has acknowledged: the one was not told to, the other must not.
        assert rig.header().acknowledged == before
        rig.hosts[1].acknowledge(int(told["sequence"][-1]))
        for _ in range(50):
            await rig.turn(0, 1)
        assert rig.header().acknowledged == before

    asyncio.run(play())


def test_a_silent_host_is_replaced_and_told_what_was_not_acknowledged(rig: Rig) -> None:
    async def play() -> None:
        await rig.pair()
        await rig.instruct(0, 5)
        await rig.until(lambda: len(rig.events(1)) >= 5, 0, 1)
        last = int(rig.events(1)["sequence"][-1])
        # From here on host 0 stands still.
        await rig.until(lambda: not rig.hosts[1].status.standby, 1)
        status = rig.hosts[1].status
        assert (rig.header().granted_seat, rig.header().granted_epoch) == (1, 2)
        assert (status.takeovers, status.epoch, status.fenced) == (1, 2, False)
        rig.hosts[1].acknowledge(last)
        await rig.until(lambda: rig.header().acknowledged == last, 1)
        heard = len(rig.events(1))
        await rig.instruct(1)
        await rig.until(lambda: len(rig.events(1)) > heard, 1)
        assert rig.events(1)["status"][-1] == AnswerStatus.UNKNOWN_PIECE

    asyncio.run(play())


def test_who_comes_back_is_fenced_and_nothing_it_says_is_taken(rig: Rig) -> None:
    async def play() -> None:
        await rig.pair()
        await rig.until(lambda: not rig.hosts[1].status.standby, 1)
        refused = rig.header().refused_count
        await rig.instruct(0, 3)
        await rig.until(lambda: rig.hosts[0].status.fenced, 0, 1)
        assert rig.header().refused_count == refused + 3
        rig.hosts[0].follow(Resume())
        await rig.until(lambda: rig.hosts[0].status.connected, 0, 1)
        for _ in range(50):
            await rig.turn(0, 1)
        assert (rig.header().granted_seat, rig.hosts[1].status.fenced) == (1, False)
        # And the other way round.
        await rig.until(lambda: not rig.hosts[0].status.standby, 0)
        assert (rig.header().granted_seat, rig.header().granted_epoch) == (0, 3)

    asyncio.run(play())


def test_a_line_handed_over_is_answered_until_the_grant(rig: Rig) -> None:
    async def play() -> None:
        await rig.pair()
        await rig.until(lambda: rig.hosts[0].status.peer_seen_ns > 0, 0, 1)
        rig.hosts[0].hand_over(begins=True)
        asked = 0
        while rig.hosts[1].status.standby:
            if rig.header().granted_seat == 0:
                await rig.instruct(0)
                asked += 1
            await rig.turn(0, 1)
            if len(rig.events(0)):
                rig.hosts[0].acknowledge(int(rig.events(0)["sequence"][-1]))
            assert asked < STEPS_MAX
        await rig.until(lambda: rig.hosts[0].status.fenced, 0, 1)
        # All that was said before the grant was taken: the last one may have met the grant itself.
        assert rig.header().refused_count <= 1
        echoes = (rig.events(1)["status"] == AnswerStatus.UNKNOWN_PIECE).sum()
        assert echoes >= asked - 1

    asyncio.run(play())


def test_a_line_that_nobody_takes_is_kept(rig: Rig) -> None:
    async def play() -> None:
        rig.hosts[0].follow(Resume())
        await rig.until(lambda: not rig.hosts[0].status.standby, 0)
        rig.hosts[0].hand_over(begins=True)
        await rig.until(lambda: bool(rig.header().host_silent), 0)
        rig.hosts[0].hand_over(begins=False)
        await rig.until(lambda: not rig.header().host_silent, 0)
        assert (rig.header().granted_epoch, rig.hosts[0].status.fenced) == (1, False)

    asyncio.run(play())


def test_a_claim_that_came_to_nothing_does_not_stand(rig: Rig) -> None:
    async def play() -> None:
        await rig.pair()
        await rig.until(lambda: bool(rig.header().host_silent))
        # The standby claims, and the living host beats again before the PLC has looked.
        rig.pass_time()
        rig.heard[1].append(await rig.hosts[1].read())
        claimed = rig.claim(1)
        rig.heard[0].append(await rig.hosts[0].read())
        await rig.turn(0, 1)
        assert claimed > 0
        if rig.header().granted_seat == 0:
            await rig.until(lambda: rig.claim(1) == 0, 0, 1)

    asyncio.run(play())


def test_a_plc_that_starts_anew_is_left_to_the_host_that_had_it(rig: Rig) -> None:
    async def play() -> None:
        await rig.pair()
        rig.cut = [True, True]
        for _ in range(20):
            await rig.turn(0, 1)
        rig.start(2)
        rig.cut = [False, False]
        await rig.until(lambda: rig.header().granted_epoch > 0, 0, 1)
        assert rig.header().granted_seat == 0
        await rig.until(lambda: rig.hosts[1].status.boot_id == 2, 0, 1)
        assert rig.hosts[1].status.standby

    asyncio.run(play())


def test_events_that_went_by_unread_are_told_as_a_gap_to_learn_from(rig: Rig) -> None:
    async def play() -> None:
        await rig.pair()
        slots = rig.header().event_slots
        while len(rig.events(0)) < 3 * slots:
            await rig.instruct(0, 8)
            await rig.turn(0)
            if len(rig.events(0)):
                rig.hosts[0].acknowledge(int(rig.events(0)["sequence"][-1]))
        await rig.until(lambda: rig.hosts[1].status.relearnings > 0, 0, 1)
        assert rig.hosts[1].status.missed_count == 0
        rig.heard[1].clear()
        await rig.instruct(0)
        await rig.until(lambda: len(rig.events(1)) > 0, 0, 1)

    asyncio.run(play())


def test_nobody_alive_is_told_from_nobody_granted() -> None:
    def header(epoch: int, silent: int) -> Header:
        names = Header.__dataclass_fields__
        values = dict.fromkeys(names, 0) | {"granted_epoch": epoch, "host_silent": silent}
        return Header(**values)  # type: ignore[arg-type]

    vigil = Vigil(grace_ns=100)
    assert not vigil.is_due(header(3, 0), 1)
    assert vigil.is_due(header(3, 1), 2)
    assert vigil.is_due(header(3, 1), 5)
    assert vigil.due_ns == 2
    assert not vigil.is_due(header(3, 0), 6)
    assert not vigil.is_due(header(0, 1), 10)
    assert not vigil.is_due(header(0, 1), 109)
    assert vigil.is_due(header(0, 1), 110)
    assert (vigil.since_ns, vigil.due_ns) == (10, 110)
