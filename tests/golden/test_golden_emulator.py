"""The emulator's own writing and reading against the golden frames."""

from typing import Any

from plc_adapters.contract import EventKind
from plc_adapters.emulator.memory import Memory
from plc_adapters.emulator.ring import Answer, EventRing, Report
from plc_adapters.emulator.seats import Seats
from plc_adapters.mailbox.table import HEADER, SEATS, Kind

EVENT_SLOTS = 16
RING = 1208
SEAT_AT = (40, 624)
INSTRUCTIONS_AT = (48, 632)
"""Typed from the printed map, so that these addresses are held against the table's as well."""


def memory_like(image: Any) -> Memory:
    return Memory(EVENT_SLOTS, image.word_order, image.string_byte_order)


def report(meaning: dict[str, Any]) -> Report:
    """Return the report that a PLC program would make of a frame's meaning."""
    values = {k: v for k, v in meaning.items() if k not in ("sequence", "kind", "codes", "answer")}
    answer = dict(meaning["answer"] or {})
    answer.pop("slack_ms", None)
    if answer:
        answer["chutes"] = tuple(answer["chutes"])
    return Report(
        EventKind(meaning["kind"]),
        codes=tuple(code.encode("ascii") for code in meaning["codes"]),
        answer=Answer(**answer) if answer else None,
        **values,
    )


def test_event_slots_are_written_as_the_frame(event: Any) -> None:
    slots = len(event.registers) // 40
    memory = memory_like(event)
    first = event.meaning["sequence"] - slots + 1
    ring = EventRing(memory, EVENT_SLOTS, 4, first_sequence=first)
    assert ring.offer(report(event.meaning))
    ring.flush()
    at = RING + first % EVENT_SLOTS * 40
    assert memory.registers[at : at + len(event.registers)] == event.registers
    untouched = memory.registers[:at] + memory.registers[at + len(event.registers) :]
    assert set(untouched) == {0}


def test_an_event_leaves_nothing_of_the_slot_it_replaces(event: Any) -> None:
    memory = memory_like(event)
    memory.registers[RING:] = [0xEEEE] * (EVENT_SLOTS * 40)
    slots = len(event.registers) // 40
    first = event.meaning["sequence"] - slots + 1
    ring = EventRing(memory, EVENT_SLOTS, 4, first_sequence=first)
    ring.offer(report(event.meaning))
    ring.flush()
    at = RING + first % EVENT_SLOTS * 40
    assert memory.registers[at : at + len(event.registers)] == event.registers


def test_header_is_written_as_the_frame(header: Any) -> None:
    memory = memory_like(header)
    meaning = header.meaning
    ring, seats = EventRing(memory, EVENT_SLOTS, 4), Seats(memory, 1000)
    ring.head, ring.acknowledged = meaning["head_sequence"], meaning["acknowledged"]
    ring.overflow_count = meaning["overflow_count"]
    seats.granted_epoch, seats.granted_seat = meaning["granted_epoch"], meaning["granted_seat"]
    seats.host_silent = bool(meaning["host_silent"])
    seats.refused_count = meaning["refused_count"]
    seats.consumed = list(meaning["consumed"])
    ring.write_header()
    seats.write_header()
    text = HEADER.field("magic_text")
    memory.put_text(text.offset, text.count, meaning["magic_text"].encode("ascii"))
    for name in (
        "magic", "layout_version", "event_slots", "boot_id", "heartbeat", "machine_state",
        "plc_time_ms", "inducted_count", "ended_count", "defaulted_count",
    ):  # fmt: skip
        memory.put(0, HEADER.field(name), meaning[name])
    assert memory.registers[:40] == header.registers


def test_header_reads_as_what_it_means(header: Any) -> None:
    memory = memory_like(header)
    memory.registers[:40] = header.registers
    for field in HEADER.fields:
        wanted = header.meaning[field.name]
        if field.kind is Kind.TEXT:
            assert memory.get_text(field.offset, field.count) == wanted.encode("ascii")
        elif field.count > 1:
            assert [memory.get(0, field, i) for i in range(field.count)] == wanted
        else:
            assert memory.get(0, field) == wanted, field.name


def test_seat_head_claims_and_acknowledges(seat: Any) -> None:
    for number in range(SEATS):
        memory = memory_like(seat)
        seats = Seats(memory, 1000)
        assert memory.host_write(SEAT_AT[number], seat.registers, 0)
        seats.watch(0)
        assert (seats.granted_epoch, seats.granted_seat) == (seat.meaning["epoch"], number)
        assert seats.acknowledgement() == seat.meaning["acknowledge"]
        beaten = [seat.meaning["heartbeat"] + 1, *seat.registers[1:]]
        memory.host_write(SEAT_AT[number], beaten, 0)
        seats.watch(1500)
        assert not seats.host_silent, "the heartbeat stands where the frame has it"


def test_instruction_is_taken_as_what_it_means(instruction: Any) -> None:
    meaning = instruction.meaning
    sequence = meaning["sequence"]
    for number in range(SEATS):
        memory = memory_like(instruction)
        seats = Seats(memory, 1000)
        seats.consumed[number] = sequence - 1
        at = INSTRUCTIONS_AT[number] + sequence % 32 * 18
        assert memory.host_write(at, instruction.registers, 321)
        (taken,) = seats.take()
        found = taken._asdict()
        assert found.pop("sound")
        assert found.pop("seat") == number
        assert found.pop("received_us") == 321
        wanted = {k: v for k, v in meaning.items() if k != "check"}
        assert found == {**wanted, "chutes": tuple(meaning["chutes"])}


def test_instruction_with_a_register_changed_is_not_sound(instruction: Any) -> None:
    sequence = instruction.meaning["sequence"]
    for register in range(16):
        memory = memory_like(instruction)
        seats = Seats(memory, 1000)
        seats.consumed[0] = sequence - 1
        spoiled = list(instruction.registers)
        spoiled[register] ^= 0x0100
        memory.host_write(INSTRUCTIONS_AT[0] + sequence % 32 * 18, spoiled, 0)
        (taken,) = seats.take()
        assert not taken.sound
