"""A host that only looks and tries: reads events, writes instructions of its own choosing.

It is not the adapter of a running line: it keeps everything it saw, heals nothing, and does on
purpose what a host must not do. One request at a time, each timed.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

from plc_adapters.commissioning.findings import Measured, Passed
from plc_adapters.commissioning.heard import Heard
from plc_adapters.commissioning.told import Said, Told
from plc_adapters.contract import EventKind, Records, ScanStatus
from plc_adapters.host.wire import MailboxLink, Wire
from plc_adapters.mailbox.clock_map import ClockMap
from plc_adapters.mailbox.codec import (
    EventDecoder,
    Header,
    InstructionEncoder,
    SeatHead,
    decode_header,
    decode_seat_head,
    encode_seat_head,
)
from plc_adapters.mailbox.sequences import advance, distance
from plc_adapters.mailbox.table import (
    EVENT_SLOT,
    HEADER,
    SEAT_HEAD,
    event_address,
    instruction_address,
    seat_address,
)
from plc_adapters.mailbox.warmup import warm_up

AT_SCANNERS_MAX = 4096
"""Pieces at scanners kept to be tied to their scans, the newest."""
TIMES_KEPT_MAX = 200_000
"""Round trips kept for the histogram, the newest."""
NS_PER_MS = 1_000_000
STANDING_CYCLE_S = 0.05
"""What a PLC cycle is taken for while its heartbeat stands still."""

ByteOrder = Literal["big", "little"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a session must know of the link, in the words of a site file."""

    peer: str
    seat: int
    word_order: ByteOrder
    string_byte_order: ByteOrder
    words_per_read: int
    words_per_write: int
    poll_period_ms: int
    heartbeat_ms: int

    @classmethod
    def of(cls, link: MailboxLink) -> "Terms":
        """Copy them from a link."""
        return cls(**{field.name: getattr(link, field.name) for field in fields(cls)})


class Session:
    """One connection to a PLC, as the host in one seat; ``beating`` once it lives."""

    def __init__(
        self,
        wire: Wire,
        terms: Terms,
        clock: Callable[[], int],
        measured: Measured,
    ) -> None:
        warm_up()  # So that no slot waits for the compiler while the PLC is watched.
        self.wire = wire
        self.terms = terms
        self.clock = clock
        self.measured = measured
        self.header: Header
        """As last read."""
        self.seat = terms.seat
        self.claim = 0
        self.beating = False
        self.acknowledging = True
        self.answer: Callable[[Records], list[int]] | None = None
        """Chutes for a scan; None: scans are not answered."""
        self.acknowledged = 0
        self.heard = Heard(EventDecoder(terms.word_order, terms.string_byte_order))
        self.told = Told(InstructionEncoder(terms.word_order))
        self.at_wrap: list[int] = []
        """The slot of sequence 0 as it stood when the sequence wrapped."""
        self.clock_map = ClockMap()
        self._owed = 0
        """Events read and not acknowledged to the PLC yet."""
        self._beats = 0
        self._beat_at_ns = 0
        self._look_at_ns = 0
        self._poll_at_ns = 0

    # Requests.

    async def read(self, address: int, count: int) -> list[int]:
        """Read registers, at most as many a request as configured; each request is timed."""
        found: list[int] = []
        while len(found) < count:
            await self._live()
            began_ns = self.clock()
            wanted = min(count - len(found), self.terms.words_per_read)
            found += await self.wire.read(address + len(found), wanted)
            self._timed(began_ns)
        return found

    async def write(self, address: int, registers: list[int]) -> None:
        """Write registers in one request, timed."""
        await self._live()
        began_ns = self.clock()
        await self.wire.write(address, registers)
        self._timed(began_ns)

    async def _live(self) -> None:
        """Beat if it is time, whatever else is under way: a slow PLC must not find this silent."""
        if self.beating and self.clock() >= self._beat_at_ns:
            await self.beat()

    def _timed(self, began_ns: int) -> None:
        times = self.measured.request_us
        times.append((self.clock() - began_ns) // 1000)
        if len(times) > TIMES_KEPT_MAX:
            del times[: TIMES_KEPT_MAX // 2]

    async def look(self) -> Header:
        """Read the header."""
        registers = await self.read(0, HEADER.size)
        self.header = decode_header(registers, self.terms.word_order)
        self.clock_map.sample(self.header.plc_time_ms, self.clock())
        return self.header

    async def seat_head(self, seat: int) -> SeatHead:
        """Read a seat's head."""
        registers = await self.read(seat_address(seat), SEAT_HEAD.size)
        return decode_seat_head(registers, self.terms.word_order)

    async def write_head(self, seat: int, head: SeatHead) -> None:
        """Write a seat's head."""
        await self.write(seat_address(seat), encode_seat_head(head, self.terms.word_order))

    async def beat(self) -> SeatHead:
        """Write heartbeat, claim and acknowledgement to this host's seat; return what."""
        self._beats = (self._beats + 1) & 0xFFFF
        self._beat_at_ns = self.clock() + self.terms.heartbeat_ms * NS_PER_MS
        head = SeatHead(self._beats, self.claim, self.acknowledged)
        await self.write_head(self.seat, head)
        self._owed = 0
        return head

    # Going on.

    async def begin(self) -> None:
        """Take up the ring at the oldest event that is not acknowledged."""
        header = await self.look()
        self.acknowledged = header.acknowledged
        self.heard.begin(header, self.clock())

    async def step(self) -> None:
        """One turn: beat if due, read what came, answer scans; else wait a poll period."""
        if self.clock() < self._poll_at_ns:
            await self.wire.pause((self._poll_at_ns - self.clock()) / 1e9)
        if self.clock() >= self._look_at_ns:
            self._look_at_ns = self.clock() + self.terms.heartbeat_ms * NS_PER_MS
            await self.look()
            self.heard.pass_gap(self.header, self.clock())
        await self._poll()
        if self.acknowledging and distance(self.heard.newest, self.acknowledged) > 0:
            await self._acknowledge()
        if not self.heard.more:
            self._poll_at_ns = self.clock() + self.terms.poll_period_ms * NS_PER_MS

    async def until(self, holds: Callable[[], bool], limit_s: float) -> bool:
        """Take turns until that holds; False if it did not in time."""
        end_ns = self.clock() + int(limit_s * 1e9)
        while not holds():
            if self.clock() >= end_ns:
                return False
            await self.step()
        return True

    async def settle(self, cycles: int = 3) -> None:
        """Take turns until so many PLC cycles have passed, by the PLC's own heartbeat."""
        start = (await self.look()).heartbeat
        longest_s = max(STANDING_CYCLE_S, 5 * self.measured.cycle_ms / 1000)
        end_ns = self.clock() + int(cycles * longest_s * 1e9)
        while (self.header.heartbeat - start) & 0xFFFF <= cycles and self.clock() < end_ns:
            await self.step()
            await self.look()

    async def _poll(self) -> None:
        """Read the slots expected next."""
        slots, before = self.header.event_slots, self.heard.expected
        wanted = min(self.terms.words_per_read // EVENT_SLOT.size, slots - before % slots)
        registers = await self.read(event_address(before, slots), wanted * EVENT_SLOT.size)
        now_ns = self.clock()
        for event in self.heard.take(registers, now_ns):
            await self._react(event, now_ns)
        if self.heard.expected < before:
            self.at_wrap = await self.read(event_address(0, slots), EVENT_SLOT.size)

    async def _react(self, event: Records, now_ns: int) -> None:
        """Pair an echo with its instruction; answer a scan."""
        kind = int(event["kind"][0])
        if kind == EventKind.INSTRUCTED:
            sent = self.told.hear(event)
            if sent is not None:
                self.measured.answer_us.append((now_ns - sent.written_ns) // 1000)
        if kind == EventKind.SCANNED:
            self._note_scanner(event)
        if kind == EventKind.SCANNED and self.answer is not None:
            chutes = self.answer(event)
            if chutes and self.told.room > 0:
                piece, lap = int(event["piece_id"][0]), int(event["lap"][0])
                await self.instruct(piece, chutes, lap=lap)

    def _note_scanner(self, event: Records) -> None:
        """Keep when a piece passed a scanner beside the PLC."""
        if int(event["status"][0]) & ScanStatus.CODES_ELSEWHERE:
            instant_ns = int(self.clock_map.to_host_ns(event["plc_time_ms"])[0])
            station, piece = int(event["station"][0]), int(event["piece_id"][0])
            self.measured.at_scanners.append(Passed(station, piece, instant_ns))
            del self.measured.at_scanners[:-AT_SCANNERS_MAX]

    async def _acknowledge(self) -> None:
        """Acknowledge all that was read: with the next heartbeat, at once if a quarter waits."""
        slots = self.header.event_slots
        newest = self.heard.newest
        waiting = distance(newest, self.acknowledged)
        self.heard.forget_up_to(newest)
        self.acknowledged = newest
        self._owed += waiting
        if self.beating and self._owed > slots // 4:
            await self.beat()

    # Instructions.

    async def instruct(
        self,
        piece_id: int,
        chutes: list[int],
        *,
        lap: int = 0,
        revision: int = 0,
        epoch: int | None = None,
        spoil_check: int = 0,
    ) -> int:
        """Write one instruction in this host's seat; return its sequence."""
        self.told.given = sequence = self.told.next_sequence()
        said = Said(piece_id, self.claim if epoch is None else epoch, tuple(chutes), lap, revision)
        slot = self.told.encode(sequence, said, self.header.plc_time_ms, spoil_check)
        self.told.note(sequence, self.clock(), kept=True)
        await self.write(instruction_address(self.seat, sequence), slot)
        return sequence

    async def instruct_from(self, seat: int, consumed: int, epoch: int, piece_id: int) -> int:
        """Write an instruction in another seat, after the one taken there; return its sequence."""
        sequence = advance(consumed, 1)
        slot = self.told.encode(sequence, Said(piece_id, epoch), self.header.plc_time_ms)
        self.told.note(sequence, self.clock(), kept=True)
        await self.write(instruction_address(seat, sequence), slot)
        return sequence

    async def burst(self, piece_id: int, count: int) -> list[int]:
        """Write instructions for a piece that does not exist, as many a request as fit."""
        written: list[int] = []
        said, told = Said(piece_id, self.claim), self.told
        for run in told.runs(count, self.terms.words_per_write):
            slots: list[int] = []
            for sequence in run:
                slots += told.encode(sequence, said, self.header.plc_time_ms)
                told.note(sequence, self.clock(), kept=False)
            await self.write(instruction_address(self.seat, run[0]), slots)
            written += run
        return written

    async def echo_of(self, sequence: int, limit_s: float) -> Records | None:
        """Take turns until an instruction is echoed; None if it was not in time."""
        await self.until(lambda: sequence in self.told.echoes, limit_s)
        return self.told.echoes.get(sequence)
