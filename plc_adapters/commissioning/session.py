"""A host that only looks and tries: reads events, writes instructions of its own choosing.

It is not the adapter of a running line: it keeps everything it saw, heals nothing, and does on
purpose what a host must not do. One request at a time, each timed.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import numpy as np

from plc_adapters.commissioning.findings import Measured
from plc_adapters.commissioning.machine import MachineWatch
from plc_adapters.contract import INSTRUCTION, DischargeStatus, EventKind, Records
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
from plc_adapters.mailbox.sequences import advance, distance, oldest_kept
from plc_adapters.mailbox.table import (
    EVENT_SLOT,
    HEADER,
    INSTRUCTION_SLOT,
    INSTRUCTION_SLOTS,
    SEAT_HEAD,
    event_address,
    instruction_address,
    seat_address,
)

EVENTS_KEPT_MAX = 20_000
"""Events kept for the verdicts, the newest."""
TIMES_KEPT_MAX = 200_000
"""Round trips kept for the histogram, the newest."""
OUTSTANDING_MAX = INSTRUCTION_SLOTS - 1
"""Instructions without echo; one less than the slots, as the wrap skips one."""
NS_PER_MS = 1_000_000
GAP_S = 1.0
"""How long an event that the header counts may stay away from its slot."""
STANDING_CYCLE_S = 0.05
"""What a PLC cycle is taken for while its heartbeat stands still."""

COUNTED_KEPT_MAX = 4096
"""Sequences for which the counts of pieces up to them are known, the newest."""
DEFAULTED = (
    DischargeStatus.DEFAULT_NO_INSTRUCTION,
    DischargeStatus.DEFAULT_HOST_SILENT,
    DischargeStatus.DEFAULT_LAP_LIMIT,
)

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


class Counts(NamedTuple):
    """Pieces that the events up to a sequence told of."""

    inducted: int = 0
    ended: int = 0
    defaulted: int = 0


@dataclass(slots=True)
class Sent:
    """An instruction that was written."""

    written_ns: int
    kept: bool
    """Whether its echo is wanted, not only that there was one."""


class Session:
    """One connection to a PLC, as the host in one seat; ``beating`` once it lives."""

    def __init__(
        self,
        wire: Wire,
        terms: Terms,
        clock: Callable[[], int],
        measured: Measured,
    ) -> None:
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
        self.expected = 1
        self.acknowledged = 0
        self.events: deque[Records] = deque(maxlen=EVENTS_KEPT_MAX)
        self.raw: dict[int, list[int]] = {}
        """Slots as first read, of the events not acknowledged yet."""
        self.sent: dict[int, Sent] = {}
        """Instructions without echo, by sequence."""
        self.echoes: dict[int, Records] = {}
        """Echoes by the sequence of their instruction."""
        self.written_ns: dict[int, int] = {}
        """When an instruction whose echo is kept was written."""
        self.seen_ns: dict[int, int] = {}
        """When the event of a sequence was read."""
        self.counted: dict[int, Counts] = {0: Counts()}
        """What the events up to a sequence told of."""
        self.at_wrap: list[int] = []
        """The slot of sequence 0 as it stood when the sequence wrapped."""
        self.given = 0
        """Sequence of the last instruction written."""
        self.clock_map = ClockMap()
        self._decoder = EventDecoder(terms.word_order, terms.string_byte_order)
        self._encoder = InstructionEncoder(terms.word_order)
        self.gaps: list[int] = []
        """Sequences that the header counted and no slot ever held."""
        self.machine = MachineWatch()
        self.overwritten = 0
        """Events that were gone before they were read."""
        self._gap_since_ns = 0
        self._owed = 0
        """Events read and not acknowledged to the PLC yet."""
        self._beats = 0
        self._beat_at_ns = 0
        self._look_at_ns = 0
        self._poll_at_ns = 0

    @property
    def malformed(self) -> int:
        """Slots so far that broke a rule of the layout."""
        return self._decoder.malformed

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
        self.expected = advance(header.acknowledged, 1)
        oldest = oldest_kept(header.head_sequence, header.event_slots)
        if distance(oldest, self.expected) > 0:
            self.expected = oldest

    async def step(self) -> None:
        """One turn: beat if due, read what came, answer scans; else wait a poll period."""
        if self.clock() < self._poll_at_ns:
            await self.wire.pause((self._poll_at_ns - self.clock()) / 1e9)
        if self.clock() >= self._look_at_ns:
            self._look_at_ns = self.clock() + self.terms.heartbeat_ms * NS_PER_MS
            await self.look()
            self._pass_gap()
        full = await self._poll()
        if self.acknowledging and distance(advance(self.expected, -1), self.acknowledged) > 0:
            await self._acknowledge()
        if not full:
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

    async def _poll(self) -> bool:
        """Read the slots expected next; True if all asked for held an event."""
        slots = self.header.event_slots
        wanted = min(self.terms.words_per_read // EVENT_SLOT.size, slots - self.expected % slots)
        registers = await self.read(event_address(self.expected, slots), wanted * EVENT_SLOT.size)
        now_ns = self.clock()
        before = self.expected
        events, self.expected = self._decoder.decode(registers, before)
        came = distance(self.expected, before)
        for place in range(came):
            sequence = advance(before, place)
            at = place * EVENT_SLOT.size
            self.raw[sequence] = registers[at : at + EVENT_SLOT.size]
            self.seen_ns[sequence] = now_ns
        for row in range(len(events)):
            await self._take(events[row : row + 1], now_ns)
        if came:
            self._gap_since_ns = 0
            self._count(events, advance(self.expected, -1))
        if self.expected < before:
            self.at_wrap = await self.read(event_address(0, slots), EVENT_SLOT.size)
        return came == wanted

    def _pass_gap(self) -> None:
        """Go past an event that the header counted and that does not come."""
        header = self.header
        behind = distance(header.head_sequence, self.expected)
        if header.head_sequence == 0 or behind < 0:
            self._gap_since_ns = 0
            return
        lost = distance(oldest_kept(header.head_sequence, header.event_slots), self.expected)
        if lost > 0:
            self.overwritten += lost
            self.expected = advance(self.expected, lost)
        elif self._gap_since_ns == 0:
            self._gap_since_ns = self.clock()
        elif self.clock() - self._gap_since_ns > GAP_S * 1e9:
            self.gaps.append(self.expected)
            self.expected = advance(self.expected, 1)
            self._gap_since_ns = 0

    def _count(self, events: Records, newest: int) -> None:
        """Carry the counts of pieces on to the newest sequence read."""
        counts = self.counted[next(reversed(self.counted))]
        for event in events:
            ended = event["kind"] == EventKind.DISCHARGED
            counts = Counts(
                counts.inducted + bool(event["kind"] == EventKind.INDUCTED),
                counts.ended + bool(ended),
                counts.defaulted + bool(ended and event["status"] in DEFAULTED),
            )
            self.counted[int(event["sequence"])] = counts
        self.counted[newest] = counts
        for known in (self.counted, self.seen_ns):
            while len(known) > COUNTED_KEPT_MAX:
                del known[next(iter(known))]

    async def _take(self, event: Records, now_ns: int) -> None:
        """Keep an event; pair an echo with its instruction; answer a scan."""
        self.events.append(event)
        self.machine.hear(event[0])
        kind = int(event["kind"][0])
        if kind == EventKind.INSTRUCTED:
            sequence = int(event["instruction_sequence"][0])
            sent = self.sent.pop(sequence, None)
            if sent is not None:
                if sent.kept:
                    self.echoes[sequence] = event
                self.measured.answer_us.append((now_ns - sent.written_ns) // 1000)
        elif kind == EventKind.SCANNED and self.answer is not None:
            chutes = self.answer(event)
            if chutes and len(self.sent) < OUTSTANDING_MAX:
                piece, lap = int(event["piece_id"][0]), int(event["lap"][0])
                await self.instruct(piece, chutes, lap=lap)

    async def _acknowledge(self) -> None:
        """Acknowledge all that was read: with the next heartbeat, at once if a quarter waits."""
        slots = self.header.event_slots
        newest = advance(self.expected, -1)
        waiting = distance(newest, self.acknowledged)
        for sequence in [s for s in self.raw if distance(newest, s) >= 0]:
            del self.raw[sequence]
        self.acknowledged = newest
        self._owed += waiting
        if self.beating and self._owed > slots // 4:
            await self.beat()

    # Instructions.

    def next_sequence(self) -> int:
        """Return the sequence that the next instruction takes."""
        return advance(self.given, 1)

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
        self.given = self.next_sequence()
        slot = self._encoded(
            self.given, piece_id, chutes, lap, revision, self.claim if epoch is None else epoch
        )
        check = INSTRUCTION_SLOT.field("check").offset
        slot[check] = slot[check] + spoil_check & 0xFFFF
        self.written_ns[self.given] = now_ns = self.clock()
        self.sent[self.given] = Sent(now_ns, kept=True)
        await self.write(instruction_address(self.seat, self.given), slot)
        return self.given

    async def instruct_from(self, seat: int, consumed: int, epoch: int, piece_id: int) -> int:
        """Write an instruction in another seat, after the one taken there; return its sequence."""
        sequence = advance(consumed, 1)
        slot = self._encoded(sequence, piece_id, [], 0, 0, epoch)
        await self.write(instruction_address(seat, sequence), slot)
        self.sent[sequence] = Sent(self.clock(), kept=True)
        return sequence

    async def burst(self, piece_id: int, count: int) -> list[int]:
        """Write instructions for a piece that does not exist, as many a request as fit."""
        written: list[int] = []
        room = self.terms.words_per_write // INSTRUCTION_SLOT.size
        while len(written) < count:
            first = self.next_sequence()
            side_by_side = INSTRUCTION_SLOTS - first % INSTRUCTION_SLOTS
            run = min(count - len(written), room, side_by_side)
            sequences = [advance(first, place) for place in range(run)]
            # The wrap ends a run: the sequence after the highest stands in another slot.
            sequences = [s for s in sequences if distance(s, first) == s - first]
            slots: list[int] = []
            for sequence in sequences:
                slots += self._encoded(sequence, piece_id, [], 0, 0, self.claim)
            now_ns = self.clock()
            for sequence in sequences:
                self.sent[sequence] = Sent(now_ns, kept=False)
            self.given = sequences[-1]
            await self.write(instruction_address(self.seat, first), slots)
            written += sequences
        return written

    def _encoded(
        self, sequence: int, piece_id: int, chutes: list[int], lap: int, revision: int, epoch: int
    ) -> list[int]:
        """Return the registers of an instruction."""
        instruction = np.zeros(1, INSTRUCTION)
        instruction["sequence"], instruction["epoch"] = sequence, epoch
        instruction["piece_id"], instruction["lap"] = piece_id, lap
        instruction["revision"], instruction["disposition"] = revision, 1
        instruction["chutes"][0, : len(chutes)] = chutes
        deadline = np.array([self.header.plc_time_ms], np.uint32)
        registers: list[int] = self._encoder.encode(instruction, deadline)[0].tolist()
        return registers

    async def echo_of(self, sequence: int, limit_s: float) -> Records | None:
        """Take turns until an instruction is echoed; None if it was not in time."""
        await self.until(lambda: sequence in self.echoes, limit_s)
        return self.echoes.get(sequence)

    def last(self, kind: EventKind, piece_id: int | None = None) -> Records | None:
        """Return the newest event of a kind (and piece); None if there is none."""
        for event in reversed(self.events):
            if event["kind"][0] == kind and piece_id in (None, int(event["piece_id"][0])):
                return event
        return None
