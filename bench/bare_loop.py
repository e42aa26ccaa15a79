"""The reference of the latency benches: the same connection doing nothing but read and write.

It reads the event slots it expects next and, for every scan, writes a fixed instruction; no codec
into records, no tracking, no decision, no journal; on the event loop that a line has, too. What the
service takes longer than this is the service's own. Run as
``python -m bench.bare_loop PORT [PORT ...]``; ends on SIGTERM.
"""

import asyncio
import signal
import sys

import uvloop

from plc_adapters.contract import EventKind
from plc_adapters.host.wire import Wire
from plc_adapters.mailbox.table import (
    EVENT_SLOT,
    HEADER,
    INSTRUCTION_SLOT,
    SEAT_HEAD,
    event_address,
    instruction_address,
    next_sequence,
    seat_address,
)
from plc_adapters.modbus.settings import ModbusLink
from plc_adapters.modbus.wire import ModbusWire

POLL_S = 0.005
"""The poll period the service uses, too."""
HEARTBEAT_S = 0.1
SLOTS_PER_READ = 125 // EVENT_SLOT.size
KIND = EVENT_SLOT.field("kind").offset
PIECE = EVENT_SLOT.field("piece_id").offset
LAP = EVENT_SLOT.field("lap").offset
TIME = EVENT_SLOT.field("plc_time_ms").offset
PARTS = EVENT_SLOT.field("parts").offset
END = EVENT_SLOT.field("sequence_end").offset
DEADLINE_MS = 60_000
"""Far ahead: the reference answers at once and has no deadline of its own."""


def _u32(registers: list[int], offset: int) -> int:
    return registers[offset] << 16 | registers[offset + 1]


def _words(value: int) -> list[int]:
    return [value >> 16 & 0xFFFF, value & 0xFFFF]


class BareLoop:
    """Answers every scan of one PLC with the same chute."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._expected = 1
        self._sequence = 0
        self._epoch = 0
        self._beat = 0
        self._slots = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Claim an epoch and answer until told to stop."""
        await self._wire.connect()
        header = await self._wire.read(0, HEADER.size)
        self._slots = header[HEADER.field("event_slots").offset]
        self._epoch = _u32(header, HEADER.field("granted_epoch").offset) + 1
        self._expected = next_sequence(_u32(header, HEADER.field("acknowledged").offset))
        self._sequence = next_sequence(_u32(header, HEADER.field("consumed").offset))
        loop = asyncio.get_running_loop()
        beat_at = 0.0
        while not stop.is_set():
            if loop.time() >= beat_at:
                beat_at = loop.time() + HEARTBEAT_S
                await self._heartbeat()
            if not await self._turn():
                await asyncio.sleep(POLL_S)
        await self._wire.close()

    async def _turn(self) -> bool:
        """Read the next slots and answer their scans; False unless every slot was new."""
        room = self._slots - self._expected % self._slots
        count = min(SLOTS_PER_READ, room)
        registers = await self._wire.read(
            event_address(self._expected, self._slots), count * EVENT_SLOT.size
        )
        answers: list[list[int]] = []
        before = self._expected
        for i in range(count):
            slot = registers[i * EVENT_SLOT.size : (i + 1) * EVENT_SLOT.size]
            if _u32(slot, 0) != self._expected or _u32(slot, END) != self._expected:
                break
            self._expected = next_sequence(self._expected)
            if slot[KIND] == EventKind.SCANNED and slot[PARTS] >> 8 == 0:
                answers.append(slot)
        for slot in answers:
            await self._answer(slot)
        return (self._expected - before) % 0xFFFFFFFF == count

    async def _answer(self, slot: list[int]) -> None:
        deadline = (_u32(slot, TIME) + DEADLINE_MS) & 0xFFFFFFFF
        payload = [
            *_words(self._epoch), *slot[PIECE : PIECE + 2], slot[LAP], 0, 1, 0, 0, 0, 1,
            *_words(1), *_words(deadline),
        ]  # fmt: skip
        payload += [sum(payload) & 0xFFFF, *_words(self._sequence)]
        assert len(payload) == INSTRUCTION_SLOT.size
        await self._wire.write(instruction_address(0, self._sequence), payload)
        self._sequence = next_sequence(self._sequence)

    async def _heartbeat(self) -> None:
        self._beat = (self._beat + 1) & 0xFFFF
        newest = (self._expected - 1) or 0xFFFFFFFF
        values = [self._beat, *_words(self._epoch), *_words(newest if self._expected > 1 else 0)]
        assert len(values) <= SEAT_HEAD.size
        await self._wire.write(seat_address(0), values)


async def _main(ports: list[int]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    links = [ModbusLink(port=port, timeout_ms=1000) for port in ports]
    await asyncio.gather(*(BareLoop(ModbusWire(link)).run(stop) for link in links))


if __name__ == "__main__":
    uvloop.run(_main([int(port) for port in sys.argv[1:]]))
