"""The layout table: sizes, no overlap, one writer for every register."""

import pytest

from plc_adapters.mailbox.register_map import areas
from plc_adapters.mailbox.sequences import advance
from plc_adapters.mailbox.table import (
    ANSWER,
    EVENT_RING,
    EVENT_SLOT,
    EVENT_SLOTS_MAX,
    EVENT_SLOTS_MIN,
    HEADER,
    INSTRUCTION_SLOT,
    INSTRUCTION_SLOTS,
    SEAT_HEAD,
    SEAT_SIZE,
    SEATS,
    Block,
    Kind,
    Writer,
    event_address,
    image_size,
    instruction_address,
    next_sequence,
    seat_address,
)

BLOCKS = (HEADER, SEAT_HEAD, INSTRUCTION_SLOT, EVENT_SLOT)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_fields_lie_side_by_side_within_their_block(block: Block) -> None:
    offset = 0
    for field in block.fields:
        assert field.offset == offset, field.name
        offset += field.size
    assert offset <= block.size
    assert len({field.name for field in block.fields}) == len(block.fields)


def test_answer_lies_within_the_code_of_its_slot() -> None:
    code = EVENT_SLOT.field("code")
    taken = [r for f in ANSWER.fields for r in range(f.offset, f.offset + f.size)]
    assert len(set(taken)) == len(taken)
    assert min(taken) == code.offset
    assert max(taken) < code.offset + code.size
    assert ANSWER.writer is EVENT_SLOT.writer


def test_sizes() -> None:
    assert [block.size for block in BLOCKS] == [40, 8, 18, 40]
    assert EVENT_SLOT.field("code").size == 20
    assert {f.size for b in BLOCKS for f in b.fields if f.kind in (Kind.U32, Kind.I32)} == {2, 4}
    assert SEAT_SIZE == 8 + 32 * 18
    assert EVENT_RING == 40 + 2 * SEAT_SIZE
    assert (seat_address(0), seat_address(1)) == (40, 624)


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(KeyError, match="header has no field 'colour'"):
        HEADER.field("colour")


@pytest.mark.parametrize("event_slots", [EVENT_SLOTS_MIN, 256, EVENT_SLOTS_MAX])
def test_each_register_has_one_writer_and_all_are_covered(event_slots: int) -> None:
    writers: dict[int, Writer] = {}
    for area in areas(event_slots):
        if area.block is ANSWER:
            continue
        for copy in range(area.copies):
            first = area.address + copy * area.every
            for register in range(first, first + area.block.size):
                assert register not in writers, (area.name, register)
                writers[register] = area.block.writer
    assert sorted(writers) == list(range(image_size(event_slots)))
    hosts = [register for register, writer in writers.items() if writer is Writer.HOST]
    assert hosts == list(range(40, EVENT_RING))
    assert image_size(event_slots) <= 65_536


@pytest.mark.parametrize("sequence", [1, 2, 31, 32, 33, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_slots_stay_in_their_rings(sequence: int) -> None:
    for seat in range(SEATS):
        first = seat_address(seat) + SEAT_HEAD.size
        at = instruction_address(seat, sequence)
        assert (at - first) % INSTRUCTION_SLOT.size == 0
        assert first <= at <= seat_address(seat) + SEAT_SIZE - INSTRUCTION_SLOT.size
        assert (at - first) // INSTRUCTION_SLOT.size == sequence % INSTRUCTION_SLOTS
    at = event_address(sequence, 256)
    assert at == EVENT_RING + sequence % 256 * EVENT_SLOT.size
    assert at + EVENT_SLOT.size <= image_size(256)


def test_sequence_after_the_highest_is_1() -> None:
    assert [next_sequence(s) for s in (0, 1, 0xFFFFFFFE, 0xFFFFFFFF)] == [1, 2, 0xFFFFFFFF, 1]
    for sequence in (0, 1, 77, 0xFFFFFFFE, 0xFFFFFFFF):
        assert next_sequence(sequence) == advance(sequence, 1)
