"""How the host gathers the events of several reads for one turn."""

import asyncio

import numpy as np
import pytest

from plc_adapters.contract import LinkStatus, Records, Resume
from plc_adapters.host.event_ring import GATHERED_MAX, NS_PER_MS, EventRing
from plc_adapters.host.memory_wire import MemoryWire
from plc_adapters.host.wire import LinkError, MailboxLink
from plc_adapters.mailbox.clock_map import ClockMap
from plc_adapters.mailbox.codec import decode_header
from plc_adapters.mailbox.table import (
    EVENT_SLOT,
    EVENT_SLOTS_MAX,
    HEADER,
    READ_SLOTS_MAX,
    event_address,
    image_size,
)
from plc_adapters.modbus.settings import ModbusLink
from plc_adapters.opcua.settings import WORDS_PER_READ_MAX, OpcuaLink
from sorter.ports import BATCH_MAX

SLOTS = 64
EVENTS = GATHERED_MAX + 7
LINK = ModbusLink(poll_period_ms=5)
SLOTS_PER_READ = LINK.words_per_read // EVENT_SLOT.size


class Plc:
    """A ring with EVENTS events; ``request_ns`` passes with each request, the last may fail."""

    def __init__(
        self,
        request_ns: int = 0,
        requests: int = EVENTS,
        link: MailboxLink = LINK,
        slots: int = SLOTS,
        first: int = 1,
        events: int = EVENTS,
    ) -> None:
        self.now_ns = NS_PER_MS
        self.requests = requests
        self._request_ns = request_ns
        registers = [0] * image_size(slots)
        for name, value in (("event_slots", slots), ("boot_id", 0)):
            registers[HEADER.field(name).offset] = value
        registers[HEADER.field("boot_id").offset + 1] = 7
        registers[HEADER.field("acknowledged").offset + 1] = first - 1
        for sequence in range(first, first + events):
            at = event_address(sequence, slots)
            for end in ("sequence_begin", "sequence_end"):
                registers[at + EVENT_SLOT.field(end).offset + 1] = sequence
            registers[at + EVENT_SLOT.field("kind").offset] = 1
        self.wire = MemoryWire(registers, lambda _at, _values: False, self._is_up)
        self.ring = EventRing(0, link, lambda: self.now_ns, ClockMap(), LinkStatus())
        self.ring.begin_boot(decode_header(registers[: HEADER.size], "big"), Resume())

    def _is_up(self) -> bool:
        self.requests -= 1
        self.now_ns += self._request_ns
        return self.requests >= 0

    def read(self) -> tuple[Records, bool]:
        return asyncio.run(self.ring.read(self.wire))


def sequences(events: Records) -> list[int]:
    return [int(sequence) for sequence in events["sequence"]]


def test_reads_that_come_back_full_share_a_turn_up_to_a_limit() -> None:
    plc = Plc()
    first, more = plc.read()
    assert sequences(first) == list(range(1, GATHERED_MAX + 1))
    assert more
    first["plan_version"] = 3  # The line writes into what it was given.
    rest, more = plc.read()
    assert sequences(rest) == list(range(GATHERED_MAX + 1, EVENTS + 1))
    assert not more
    assert set(np.concatenate((first, rest))["boot_id"].tolist()) == {7}


def test_a_plc_that_answers_slower_than_it_is_polled_gets_one_request_a_turn() -> None:
    plc = Plc(request_ns=LINK.poll_period_ms * NS_PER_MS)
    events, more = plc.read()
    assert sequences(events) == list(range(1, SLOTS_PER_READ + 1))
    assert more


def test_the_longest_reads_of_a_turn_bring_no_more_than_a_line_takes() -> None:
    link = OpcuaLink("opc.tcp://x:4840", words_per_read=WORDS_PER_READ_MAX)
    short = GATHERED_MAX - 1
    plc = Plc(link=link, slots=EVENT_SLOTS_MAX, first=EVENT_SLOTS_MAX - short, events=1000)
    # The ring's end cuts the first read short; the longest one comes behind it.
    events, more = plc.read()
    assert len(events) == short + READ_SLOTS_MAX
    assert more
    # A scan whose further codes never come ends before the first of these.
    assert len(events) + 1 <= BATCH_MAX


def test_what_was_read_before_a_read_that_failed_is_delivered_once() -> None:
    plc = Plc(requests=2)
    with pytest.raises(LinkError):
        plc.read()
    assert sequences(plc.ring.take_left_over()) == list(range(1, 2 * SLOTS_PER_READ + 1))
    assert not len(plc.ring.take_left_over())
    plc.requests = EVENTS
    events, _ = plc.read()
    assert sequences(events)[0] == 2 * SLOTS_PER_READ + 1


def test_a_sequence_that_may_still_be_of_the_boot_before_ends_a_turn() -> None:
    plc = Plc()
    gate = plc.ring.gate
    gate.restart(0, retired=SLOTS_PER_READ, journaled=True)
    assert not gate.is_plain
    events, _ = plc.read()
    assert sequences(events) == list(range(1, SLOTS_PER_READ))
