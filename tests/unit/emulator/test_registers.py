"""Frames typed by hand: the registers as an integrator reads them off the printed map."""

import pytest

from plc_adapters.contract import EventKind
from plc_adapters.emulator.memory import Memory
from plc_adapters.emulator.ring import Answer, EventRing, Report
from plc_adapters.emulator.seats import Seats

RING = 1208
SCAN = Report(
    EventKind.SCANNED, 32, 0x01020304, 0x00010002, 11, 0, 7, 2, -1, 300, 200, -1,
    (b"]C0AB", b"9"),
)  # fmt: skip


def scanned(word_order: str, text_order: str) -> list[list[int]]:
    memory = Memory(8, word_order, text_order)  # type: ignore[arg-type]
    ring = EventRing(memory, 8, 16, first_sequence=6)
    ring.offer(SCAN)
    ring.flush()
    return [memory.registers[RING + s * 40 : RING + s * 40 + 40] for s in (6, 7)]


def test_scan_of_two_codes_takes_two_slots_high_word_first() -> None:
    head = [2, 32, 1, 2, 11, 0, 7, 2, 0x0102, 0x0304, 0xFFFF, 0xFFFF, 300, 200, 0xFFFF]
    first, second = scanned("big", "big")
    assert first == [0, 6, *head, 0x0002, 0x5D43, 0x3041, 0x4200, *[0] * 17, 0, 6]
    assert second == [0, 7, *head, 0x0102, 0x3900, *[0] * 19, 0, 7]


def test_low_word_and_low_byte_first() -> None:
    first, _ = scanned("little", "little")
    assert first[:6] == [6, 0, 2, 32, 2, 1]
    assert first[10:14] == [0x0304, 0x0102, 0xFFFF, 0xFFFF]
    assert first[18:21] == [0x435D, 0x4130, 0x0042]
    assert first[38:] == [6, 0]


def test_the_two_orders_are_independent() -> None:
    first, _ = scanned("little", "big")
    assert first[:2] == [6, 0]
    assert first[18:20] == [0x5D43, 0x3041]


def test_echo_lies_over_the_code() -> None:
    memory = Memory(8, "big", "big")
    ring = EventRing(memory, 8, 16)
    answer = Answer(0x00090008, 3, 1, (5, 6, 0, 0), 2, 0x00040005, 0x00060007)
    ring.offer(Report(EventKind.INSTRUCTED, 3, 10, 4, lap=1, answer=answer))
    ring.flush()
    slot = memory.registers[RING + 40 : RING + 80]
    assert slot[17] == 0
    assert slot[18:33] == [9, 8, 0, 3, 1, 5, 6, 0, 0, 2, 4, 5, 6, 7, 0]


@pytest.mark.parametrize("order", ["big", "little"])
def test_instruction_typed_by_hand(order: str) -> None:
    memory = Memory(8, order, "big")  # type: ignore[arg-type]
    step = 1 if order == "big" else -1
    epoch, piece, plan, deadline, sequence = (
        pair[::step] for pair in ([0, 5], [1, 2], [0, 9], [3, 4], [0, 1])
    )
    body = [*epoch, *piece, 2, 1, 8, 9, 0, 0, 1, *plan, *deadline]
    slot = [*body, sum(body), *sequence]
    assert memory.host_write(40 + 8 + 18, slot, now_us=123)
    (taken,) = Seats(memory, 1000).take()
    assert taken == (0, 1, 5, 0x10002, 2, 1, (8, 9, 0, 0), 1, 9, 0x30004, True, 123)


def test_only_seats_can_be_written() -> None:
    memory = Memory(8, "big", "big")
    before = list(memory.registers)
    for address, count in ((0, 1), (39, 2), (1207, 2), (1208, 1), (623, 2), (-1, 1)):
        assert not memory.host_write(address, [7] * count, 0)
    assert memory.registers == before
    assert memory.host_write(40, [1], 0)
    assert memory.host_write(1207, [1], 0)


def test_ring_never_overwrites_what_is_not_acknowledged() -> None:
    memory = Memory(8, "big", "big")
    ring = EventRing(memory, 8, 20)
    for number in range(30):
        ring.offer(Report(EventKind.CHUTE_STATE, 1, 0, chute=number))
    ring.flush()
    assert (ring.head, ring.backlog, ring.overflow_count) == (8, 12, 10)
    ring.acknowledge(9)
    ring.acknowledge(0)
    ring.flush()
    assert ring.head == 8
    ring.acknowledge(3)
    ring.flush()
    assert ring.head == 11
    assert memory.registers[RING + 4 * 40 + 7] == 3
    ring.acknowledge(2)
    assert ring.acknowledged == 3


def test_ring_wraps_past_zero_without_losing_a_slot() -> None:
    memory = Memory(8, "big", "big")
    ring = EventRing(memory, 8, 100, first_sequence=0xFFFFFFFD)
    seen = []
    for number in range(40):
        ring.offer(Report(EventKind.CHUTE_STATE, 1, 0, chute=number))
        ring.flush()
        at = RING + ring.head % 8 * 40
        seen.append((ring.head, memory.registers[at + 7]))
        ring.acknowledge(ring.head)
    assert [sequence for sequence, _ in seen[:5]] == [0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF, 1, 2]
    assert [chute for _, chute in seen] == list(range(40))
    assert ring.overflow_count == 0
