"""The host's side of one PLC's mailbox: events in, instructions out, and a link that heals.

One task uses it, one request at a time. The events expected next are polled, not the header: an
event costs one round trip (:mod:`plc_adapters.host.event_ring`). Heartbeat and header go with each
heartbeat period; whatever the header contradicts (another boot, another host, a gap) is settled
there.
"""

import asyncio
from collections.abc import Callable

import numpy as np

from plc_adapters.contract import (
    EVENT,
    AdapterError,
    LinkStatus,
    Records,
    Resume,
)
from plc_adapters.host.event_ring import NS_PER_MS, EventRing
from plc_adapters.host.vigil import Vigil
from plc_adapters.host.wire import LinkError, MailboxLink, Wire
from plc_adapters.mailbox.clock_map import ClockMap
from plc_adapters.mailbox.codec import (
    Header,
    SeatHead,
    decode_header,
    decode_seat_head,
    encode_seat_head,
)
from plc_adapters.mailbox.outbox import Outbox
from plc_adapters.mailbox.proof import prove_layout
from plc_adapters.mailbox.sequences import distance
from plc_adapters.mailbox.slot_kernels import last_taken
from plc_adapters.mailbox.table import HEADER, SEAT_HEAD, SEATS, seat_address
from plc_adapters.mailbox.warmup import warm_up

RECONNECT_FIRST_MS = 50
"""Pause before the first new attempt; it doubles up to the link's ``reconnect_max_ms``."""
PEER_LOOK_NS = 1_000_000_000
"""Pause between two looks at the heartbeat in the other seat."""
EPOCH_MAX = 0xFFFFFFFF
"""Highest epoch; at one a second they last 136 years."""


class HostAdapter:
    """A way to one PLC; see :class:`plc_adapters.contract.Adapter`.

    Args:
        line: index of the line, set in every EVENT.
        link: what to know of the PLC.
        clock: tells nanoseconds since the Unix epoch, never stepping back.
        make_wire: makes a new connection, for the first use and after each break.
    """

    def __init__(
        self,
        line: int,
        link: MailboxLink,
        clock: Callable[[], int],
        make_wire: Callable[[], Wire],
    ) -> None:
        warm_up()  # So that no event of an open link waits for the compiler.
        self.status = LinkStatus()
        self._link = link
        self._clock = clock
        self._make_wire = make_wire
        self._wire: Wire | None = None
        self._outbox = Outbox(link.seat, link.words_per_write, link.word_order)
        self._clock_map = ClockMap()
        self._ring = EventRing(line, link, clock, self._clock_map, self.status)
        self._resume = Resume()
        self._claim = 0
        """Epoch this host claims; 0 before the first claim."""
        self._granted = False
        self._claims = True
        """Whether its beats bear the epoch: without it the PLC does not take this host for its."""
        self._vigil = Vigil(link.silence_ms * NS_PER_MS)
        self._next_watch_ns = 0
        self._next_peer_ns = 0
        self._peer_heartbeat = -1
        self._heartbeat = 0
        self._sent_acknowledgement = 0
        self._next_heartbeat_ns = 0
        self._next_poll_ns = 0
        self._next_connect_ns = 0
        self._pause_ms = RECONNECT_FIRST_MS
        self._plc_heartbeat = -1
        self._plc_alive_ns = 0

    async def open(self, resume: Resume) -> None:
        """Connect, prove the layout, claim the next epoch; return once granted.

        Raises:
            AdapterError: what answers is no mailbox of this version, stored as configured.
        """
        self._resume = resume
        while not self._granted:
            await self._mend()

    def follow(self, resume: Resume) -> None:
        """Stand by: read what another host is told, and claim once the PLC has no living one."""
        self._resume = resume
        self.status.paired = True
        self._granted = self._claims = False
        self._vigil.begin()
        self.status.standby = True
        self.status.fenced = False
        self._ring.gate.follow(self._ring.gate.accepted, self._ring.gate.delivered)

    def hand_over(self, *, begins: bool) -> None:
        """Let a standby have the line by beating without the epoch, or beat with it again."""
        self._claims = not begins

    async def read(self) -> Records:
        """Return the next EVENTs in order; an empty array after one poll period or while broken."""
        left_over = self._ring.take_left_over()
        if len(left_over):
            return left_over
        if self._wire is None or not (self._granted or self.status.standby):
            await self._mend()
            return np.empty(0, EVENT)
        try:
            return await self._poll(self._wire)
        except LinkError as error:
            await self._lose(str(error))
            return np.empty(0, EVENT)

    async def write(self, instructions: Records) -> None:
        """Give INSTRUCTIONs to the PLC; what a broken link keeps is written after it heals."""
        if self.status.fenced:
            self.status.dropped_count += len(instructions)
            return
        self.status.dropped_count += self._outbox.add(instructions)
        if self._wire is None or not self._granted:
            return
        try:
            await self._flush(self._wire)
        except LinkError as error:
            await self._lose(str(error))

    def acknowledge(self, sequence: int) -> None:
        """Free the PLC's slots up to this event; sent with the next heartbeat."""
        if self.status.standby:
            self._ring.gate.hear(sequence)
        else:
            self._ring.gate.offer(sequence)

    async def close(self) -> None:
        """Tell the PLC the last acknowledgement if it can be reached, and let the link go."""
        if self._wire is not None:
            try:
                if self._granted:
                    await self._beat(self._wire)
            except LinkError:
                pass
            await self._wire.close()
        self._wire = None
        self.status.connected = False
        self.status.problem = "closed"

    # Reading and writing over a link that stands.

    async def _poll(self, wire: Wire) -> Records:
        """Beat if it is time, then read the slots expected next."""
        if self._clock() < self._next_poll_ns:
            await wire.pause((self._next_poll_ns - self._clock()) / 1e9)
        if self.status.standby:
            if self._clock() >= self._next_watch_ns:
                await self._watch(wire)
            if self._claims:
                # Nothing is read while the grant is awaited: that comes within a PLC cycle.
                self._next_poll_ns = self._clock() + self._link.poll_period_ms * NS_PER_MS
                return np.empty(0, EVENT)
        elif self._clock() >= self._next_heartbeat_ns or self._owes_acknowledgement():
            await self._beat(wire)
            await self._look(wire)
            if not self._granted:
                return np.empty(0, EVENT)
        events, whole = await self._ring.read(wire)
        self._note_taken(events)
        self.status.polls += 1
        # A read that came back full has more behind it; else the PLC gets its pause.
        pause_ns = 0 if whole else self._link.poll_period_ms * NS_PER_MS
        self._next_poll_ns = self._clock() + pause_ns
        try:
            if self._granted:
                await self._flush(wire)
        except LinkError as error:
            # What was read before the break is read only once.
            await self._lose(str(error))
        return events

    def _owes_acknowledgement(self) -> bool:
        """Return whether a quarter of the ring waits to be freed before the next heartbeat."""
        owed = distance(self._ring.gate.accepted, self._sent_acknowledgement)
        return owed > self._ring.slots // 4

    def _note_taken(self, events: Records) -> None:
        """Learn from the events which instructions the PLC has taken."""
        if not len(events):
            return
        taken = last_taken(events, self._claim)
        if taken:
            self._outbox.consume(taken)

    async def _flush(self, wire: Wire) -> None:
        """Write what the PLC's ring has room for."""
        self._outbox.number(self._claim, self._clock_map)
        while run := self._outbox.next_run():
            await wire.write(run.address, run.registers)
            self._outbox.wrote(run)

    async def _beat(self, wire: Wire) -> None:
        """Write heartbeat, epoch and acknowledgement in one request."""
        self._heartbeat = (self._heartbeat + 1) & 0xFFFF
        accepted = self._ring.gate.accepted
        head = SeatHead(self._heartbeat, self._claim if self._claims else 0, accepted)
        await wire.write(
            seat_address(self._link.seat), encode_seat_head(head, self._link.word_order)
        )
        self._sent_acknowledgement = accepted
        self._next_heartbeat_ns = self._clock() + self._link.heartbeat_ms * NS_PER_MS

    # What the header says.

    async def _header(self, wire: Wire) -> Header:
        registers = await wire.read(0, HEADER.size)
        received_ns = self._clock()
        prove_layout(
            registers, self._link.peer, self._link.word_order, self._link.string_byte_order
        )
        header = decode_header(registers, self._link.word_order)
        if header.boot_id != self.status.boot_id or header.event_slots != self._ring.slots:
            self._begin_boot(header)
        self._watch_heartbeat(header.heartbeat, received_ns)
        self._clock_map.sample(header.plc_time_ms, received_ns)
        status = self.status
        status.machine_state = header.machine_state
        status.head_sequence = header.head_sequence
        status.acknowledged_sequence = header.acknowledged
        status.granted_epoch = header.granted_epoch
        status.overflow_count = header.overflow_count
        status.refused_count = header.refused_count
        status.inducted_count = header.inducted_count
        status.ended_count = header.ended_count
        status.defaulted_count = header.defaulted_count
        return header

    async def _look(self, wire: Wire) -> None:
        """Read the header of a link that stands, and act on what it contradicts."""
        header = await self._header(wire)
        if not self._granted:
            return
        if header.granted_epoch != self._claim or header.granted_seat != self._link.seat:
            self._fence(header)
            return
        self._outbox.consume(header.consumed[self._link.seat])
        if not self._ring.close_gap(header):
            self._begin_behind(header)
        await self._see_peer(wire)

    async def _watch(self, wire: Wire) -> None:
        """Look, as a standby, whether the PLC has a living host, and claim if it has none."""
        header = await self._header(wire)
        now_ns = self._clock()
        self._next_watch_ns = now_ns + self._link.watch_ms * NS_PER_MS
        self._ring.gate.accepted = header.acknowledged
        missed = self.status.missed_count
        if not self._ring.close_gap(header):
            self._begin_behind(header)
        if self.status.missed_count != missed:
            # Another host was told them: nothing is missing, only this one must learn anew.
            self.status.missed_count = missed
            self.status.relearnings += 1
        is_due = self._vigil.is_due(header, now_ns)
        if is_due or self._is_ours(header):
            if is_due or not self._claims:
                self.status.silence_seen_ns = self._vigil.due_ns or now_ns
            self._claims = True
            self._next_watch_ns = now_ns
            await self._ask_for_grant(wire, header)
        elif self._claims or now_ns >= self._next_heartbeat_ns:
            # A claim left standing would be granted to a host that may be dead by then.
            self._claims = False
            await self._beat(wire)

    def _is_ours(self, header: Header) -> bool:
        """Return whether what this host claimed is granted."""
        return header.granted_epoch == self._claim != 0 and header.granted_seat == self._link.seat

    async def _see_peer(self, wire: Wire) -> None:
        """Look now and then whether the other seat's host, which may stand by, is alive."""
        now_ns = self._clock()
        if not self.status.paired or now_ns < self._next_peer_ns:
            return
        self._next_peer_ns = now_ns + PEER_LOOK_NS
        other = seat_address((self._link.seat + 1) % SEATS)
        heartbeat = decode_seat_head(
            await wire.read(other, SEAT_HEAD.size), self._link.word_order
        ).heartbeat
        if heartbeat != self._peer_heartbeat and self._peer_heartbeat >= 0:
            self.status.peer_seen_ns = now_ns
        self._peer_heartbeat = heartbeat

    def _fence(self, header: Header) -> None:
        """Instruct no more: another host was granted the line."""
        self.status.fenced = True
        self.status.problem = (
            f"{self._link.peer}: the PLC has granted epoch {header.granted_epoch} to the host "
            f"in seat {header.granted_seat}; this one (epoch {self._claim}) stops instructing"
        )
        self.status.dropped_count += self._outbox.drop_all()

    def _begin_boot(self, header: Header) -> None:
        """Start with a PLC program that is new to this host: it must grant anew."""
        if self.status.standby:
            self._ring.follow_boot(header, self._resume)
        else:
            self._ring.begin_boot(header, self._resume)
        self._granted = False
        self._sent_acknowledgement = self._ring.gate.accepted

    def _watch_heartbeat(self, heartbeat: int, now_ns: int) -> None:
        """Tell a PLC that answers but whose program stands from one that runs."""
        if heartbeat != self._plc_heartbeat:
            if now_ns - self._plc_alive_ns > self._link.silence_ms * NS_PER_MS:
                # The PLC's clock may have stood still as well.
                self._clock_map.reset()
            self._plc_heartbeat = heartbeat
            self._plc_alive_ns = now_ns
            if (self._granted or self.status.standby) and not self.status.fenced:
                self.status.connected = True
                self.status.problem = ""
        elif now_ns - self._plc_alive_ns > self._link.silence_ms * NS_PER_MS:
            self.status.connected = False
            self.status.problem = (
                f"{self._link.peer}: answers, but its heartbeat stands still; put the PLC program "
                "in RUN"
            )

    def _begin_behind(self, header: Header) -> None:
        """Settle that the PLC's newest event lies before the one to read next.

        Its program had not filled its header when this boot was first seen; or it went back without
        a new boot id, which nothing here can cure.
        """
        if self._ring.gate.is_untouched:
            self._begin_boot(header)
            return
        self.status.connected = False
        self.status.problem = (
            f"{self._link.peer}: its newest event is {header.head_sequence}, but "
            f"{self._ring.gate.delivered} was read already; give the PLC program a new boot_id at "
            "each start, and restart it"
        )

    # Making a link that stands.

    async def _mend(self) -> None:
        """Take one step towards a link that stands: wait, connect, or ask for the grant."""
        now_ns = self._clock()
        due_ns = self._next_connect_ns if self._wire is None else self._next_heartbeat_ns
        if now_ns < due_ns:
            pause_ns = min(due_ns - now_ns, self._link.heartbeat_ms * NS_PER_MS)
            await asyncio.sleep(pause_ns / 1e9)
            return
        try:
            if self._wire is None:
                await self._connect()
            else:
                await self._ask_for_grant(self._wire, await self._header(self._wire))
        except LinkError as error:
            await self._lose(str(error))

    async def _connect(self) -> None:
        """Connect and settle, by the header, where the link goes on."""
        wire = self._make_wire()
        self._wire = wire
        await wire.connect()
        header = await self._header(wire)
        self._pause_ms = RECONNECT_FIRST_MS
        self._ring.connected()
        if self.status.standby:
            return
        if self._granted:
            self.status.reconnects += 1
            self.status.resent += self._outbox.reconnect(header.consumed[self._link.seat])
            await self._beat(wire)
            await self._look(wire)
            return
        await self._ask_for_grant(wire, header)

    async def _ask_for_grant(self, wire: Wire, header: Header) -> None:
        """See by the header whether this host was granted; claim an epoch above all known ones."""
        held = header.granted_epoch
        if self._is_ours(header):
            self._take_grant(header)
            return
        if self.status.paired and not self.status.standby and held and not header.host_silent:
            self._fence(header)
            return
        if held >= self._claim:
            highest = max(held, self._resume.epoch)
            if highest >= EPOCH_MAX:
                raise AdapterError(
                    f"{self._link.peer}: all epochs are used up; restart the PLC program"
                )
            self._claim = highest + 1
        await self._beat(wire)
        if held:
            self.status.problem = (
                f"{self._link.peer}: waits for the host with epoch {held} to fall silent"
            )

    def _take_grant(self, header: Header) -> None:
        """Begin to instruct; the PLC has taken all that a host before this one wrote.

        What waits here was meant for another boot, as nothing is decided before the first grant.
        """
        self._granted = True
        status = self.status
        status.dropped_count += self._outbox.restart(header.consumed[self._link.seat])
        if status.standby:
            status.standby = False
            status.takeovers += 1
            self._ring.gate.take_over(header.acknowledged)
        status.epoch = self._claim
        status.connected = True
        status.problem = ""

    async def _lose(self, problem: str) -> None:
        """Throw the connection away; the next attempt comes after a pause that doubles."""
        if self._wire is not None:
            await self._wire.close()
        self._wire = None
        self.status.connected = False
        self.status.problem = problem
        self._next_connect_ns = self._clock() + self._pause_ms * NS_PER_MS
        self._pause_ms = min(self._pause_ms * 2, self._link.reconnect_max_ms)
