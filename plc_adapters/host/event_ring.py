"""The PLC's event ring as the host reads it: which event comes next, which will come no more."""

from collections.abc import Callable

import numpy as np

from plc_adapters.contract import EVENT, LinkStatus, Records, Resume
from plc_adapters.host.wire import LinkError, MailboxLink, Wire
from plc_adapters.mailbox.acknowledgement import AcknowledgementGate
from plc_adapters.mailbox.clock_map import ClockMap
from plc_adapters.mailbox.codec import EventDecoder, Header
from plc_adapters.mailbox.sequences import advance, distance, oldest_kept
from plc_adapters.mailbox.slot_kernels import mark
from plc_adapters.mailbox.table import EVENT_SLOT, event_address

NS_PER_MS = 1_000_000

GATHERED_MAX = 24
"""Events from which on a turn is begun, however many more the ring holds."""


class EventRing:
    """Reads one PLC's events in order, each once, across its restarts.

    Args:
        line: index of the line, set in every EVENT.
        link: what to know of the PLC.
        clock: tells nanoseconds since the Unix epoch, never stepping back.
        clock_map: the PLC's clock, as its headers tell it.
        status: the link's, for what is counted here.
    """

    def __init__(
        self,
        line: int,
        link: MailboxLink,
        clock: Callable[[], int],
        clock_map: ClockMap,
        status: LinkStatus,
    ) -> None:
        self._line = line
        self._link = link
        self._clock = clock
        self._clock_map = clock_map
        self._status = status
        self._decoder = EventDecoder(link.word_order, link.string_byte_order)
        self._left_over = np.empty(0, EVENT)
        """Events to be delivered first."""
        self.gate = AcknowledgementGate()
        self.slots = 0
        """Slots of the PLC's event ring; 0 before the first header."""
        self._expected = 1
        """Sequence of the event to read next."""
        self._gap_since_ns = 0
        """Since when the header has shown an event that its slot does not hold; 0 if it does."""

    def take_left_over(self) -> Records:
        """Return what a PLC's restart left of a scan, or what came before a read that failed."""
        events, self._left_over = self._left_over, np.empty(0, EVENT)
        return events

    async def read(self, wire: Wire) -> tuple[Records, bool]:
        """Return the EVENTs that the next slots hold, and whether more may be behind them.

        While each read comes back full, further ones follow within a poll period, so that a line
        that is behind has fewer turns to take; a PLC that answers slower gets no second one.

        Raises:
            LinkError: the slots of the read that failed are read again; what came before it is left
                over (:meth:`take_left_over`).
        """
        until_ns = self._clock() + self._link.poll_period_ms * NS_PER_MS
        events, whole = await self._read_once(wire)
        gathered, count = [events], len(events)
        while whole and count < GATHERED_MAX and self.gate.is_plain and self._clock() < until_ns:
            try:
                events, whole = await self._read_once(wire)
            except LinkError:
                # What was read before is read only once. The wire is not to be used again: a late
                # answer could be taken for the next request's.
                self._left_over = _joined(gathered)
                raise
            gathered.append(events)
            count += len(events)
        return _joined(gathered), whole

    async def _read_once(self, wire: Wire) -> tuple[Records, bool]:
        """Take one read; return its EVENTs, and whether all slots asked for held one."""
        side_by_side = self.slots - self._expected % self.slots
        wanted = min(self._link.words_per_read // EVENT_SLOT.size, side_by_side)
        wanted = self.gate.slots_free(self._expected, wanted)
        if wanted == 0:
            return np.empty(0, EVENT), False
        registers = await wire.read(
            event_address(self._expected, self.slots), wanted * EVENT_SLOT.size
        )
        received_ns = self._clock()
        before = self._expected
        events, self._expected = self._decoder.decode(registers, before)
        if self._expected != before:
            self._gap_since_ns = 0
        self._take(events, received_ns)
        return events, distance(self._expected, before) == wanted

    def _take(self, events: Records, received_ns: int) -> None:
        """Note what was decoded, on its way to the line."""
        self._status.malformed_count = self._decoder.malformed
        if len(events):
            self._mark(events, received_ns)
            self.gate.delivered = int(events["sequence"][-1])

    def _mark(self, events: Records, received_ns: int) -> None:
        """Write into EVENTs of this PLC where and when they are from."""
        clock_map = self._clock_map
        mark(
            events, self._line, self._status.boot_id, received_ns, clock_map.latest_ms,
            clock_map.offset_ns,
        )  # fmt: skip

    def begin_boot(self, header: Header, resume: Resume) -> None:
        """Start with a PLC program that is new to this host, at the oldest event it still keeps.

        Only where the journal left off in this very boot is that the event after the journal's.
        """
        first_link = self._status.boot_id == 0
        # A scan whose further codes were still to come has none coming any more.
        self._left_over = self._decoder.flush()
        self._take(self._left_over, self._clock())
        if first_link and header.boot_id == resume.boot_id:
            last = resume.sequence
            if distance(header.acknowledged, last) > 0:
                self._status.missed_count += distance(header.acknowledged, last)
                last = header.acknowledged
            self.gate.resume(last)
            self._expected = advance(last, 1)
        else:
            retired = resume.sequence if first_link else self.gate.delivered
            self.gate.restart(header.acknowledged, retired, journaled=first_link)
            self._expected = advance(header.acknowledged, 1)
        self._settle_boot(header)

    def follow_boot(self, header: Header, resume: Resume) -> None:
        """Start with a PLC program that is new to this host and that another host may instruct.

        In the boot that the journal left off in it is read on from there, acknowledged or not, as
        long as the ring still has it.
        """
        first_link = self._status.boot_id == 0
        self._left_over = self._decoder.flush()
        self._take(self._left_over, self._clock())
        goes_on = first_link and header.boot_id == resume.boot_id
        last = resume.sequence if goes_on else header.acknowledged
        self.gate.follow(header.acknowledged, last)
        self._expected = advance(last, 1)
        self._settle_boot(header)

    def _settle_boot(self, header: Header) -> None:
        self._clock_map.reset()
        self.slots = header.event_slots
        self._gap_since_ns = 0
        self._status.boot_id = header.boot_id

    def connected(self) -> None:
        """Look at the header anew: what a link that is gone has shown proves nothing."""
        self._gap_since_ns = 0

    def close_gap(self, header: Header) -> bool:
        """Go past events that can't be read: overwritten, or never written whole.

        A slot may lag behind the header by a PLC cycle or be torn between two of our requests, so
        only a gap that stays for ``silence_ms`` is believed.

        Returns:
            False if the PLC's newest event has stayed before the one to read next for so long.
        """
        behind = distance(header.head_sequence, self._expected)
        # What may not be read yet, as the journal lacks the boot before, is no gap.
        withheld = self.gate.slots_free(self._expected, 1) == 0
        if header.head_sequence == 0 or behind == -1 or withheld:
            self._gap_since_ns = 0
            return True
        oldest = oldest_kept(header.head_sequence, self.slots)
        overwritten = distance(oldest, self._expected)
        now_ns = self._clock()
        if overwritten > 0:
            self._status.missed_count += overwritten
            self._expected = oldest
        elif self._gap_since_ns == 0:
            self._gap_since_ns = now_ns
        elif now_ns - self._gap_since_ns > self._link.silence_ms * NS_PER_MS:
            self._gap_since_ns = 0
            if behind < 0:
                return False
            self._status.missed_count += 1
            self._expected = advance(self._expected, 1)
        return True


def _joined(gathered: list[Records]) -> Records:
    """Return EVENTs one after the other; as bytes, for numpy would compare them field by field."""
    if len(gathered) == 1:
        return gathered[0]
    events: Records = np.frombuffer(bytearray().join(map(np.ndarray.tobytes, gathered)), EVENT)
    return events
