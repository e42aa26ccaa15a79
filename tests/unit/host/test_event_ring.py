"""How the host gathers the events of several reads for one turn."""

import asyncio

import numpy as np
import pytest

from plc_adapters.contract import LinkStatus, Records, Resume
from plc_adapters.host.event_ring import GATHERED_MAX, NS_PER_MS, EventRing
from plc_adapters.host.memory_wire import MemoryWire
from plc_adapters.host.wire import LinkError
from plc_adapters.mailbox.clock_map import ClockMap
from plc_adapters.mailbox.codec import decode_header
from plc_adapters.mailbox.table import EVENT_SLOT, HEADER, event_address, image_size
from plc_adapters.modbus.settings import ModbusLink

SLOTS = 64
EVENTS = GATHERED_MAX + 7
LINK = ModbusLink(poll_period_ms=5)
SLOTS_PER_READ = LINK.words_per_read // EVENT_SLOT.size


class Plc:
    """A ring with EVENTS events; ``request_ns`` passes with each request, the last may fail."""

    def __init__(self, request_ns: int = 0, requests: int = EVENTS) -> None:
        self.now_ns = NS_PER_MS
        self.requests = requests
        self._request_ns = request_ns
        registers = [0] * image_size(SLOTS)
        for name, value in (("event_slots", SLOTS), ("boot_id", 0)):
            registers[HEADER.field(name).offset] = value
        registers[HEADER.field("boot_id").offset + 1] = 7
        for sequence in range(1, EVENTS + 1):
            at = event_address(sequence, SLOTS)
            for end in ("sequence_begin", "sequence_end"):
                registers[at + EVENT_SLOT.field(end).offset + 1] = sequence
            registers[at + EVENT_SLOT.field("kind").offset] = 1
        self.wire = MemoryWire(registers, lambda _at, _values: False, self._is_up)
        self.ring = EventRing(0, LINK, lambda: self.now_ns, ClockMap(), LinkStatus())
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
