"""The service's codec against the golden frames."""

from dataclasses import asdict
from typing import Any

import numpy as np

from plc_adapters.contract import CODE_BYTES, EVENT, INSTRUCTION
from plc_adapters.mailbox.codec import (
    EventDecoder,
    InstructionEncoder,
    SeatHead,
    decode_header,
    decode_seat_head,
    encode_seat_head,
)
from plc_adapters.mailbox.proof import prove_layout
from plc_adapters.mailbox.sequences import advance

NOT_IN_A_SLOT = (
    *("line", "boot_id", "event_ns", "host_receive_ns"),
    *("quantity", "reading_milli"),
)
HELD = ("instruction_sequence", "epoch", "revision", "disposition", "plan_version", "slack_ms")


def expected_event(meaning: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Return the EVENT that a frame means, every field of it."""
    event = np.zeros(1, EVENT)
    for name, value in meaning.items():
        if name not in ("codes", "answer"):
            event[name] = value
    event["code_count"] = len(meaning["codes"])
    for number, code in enumerate(meaning["codes"]):
        event["codes"][0, number, : len(code)] = list(code.encode("ascii"))
        assert len(code) <= CODE_BYTES
    if meaning["answer"]:
        for name in HELD:
            event[name] = meaning["answer"][name]
        event["chutes"] = meaning["answer"]["chutes"]
    return event


def test_event_slots_read_as_what_they_mean(event: Any) -> None:
    decoder = EventDecoder(event.word_order, event.string_byte_order)
    slots = len(event.registers) // 40
    last = event.meaning["sequence"]
    events, following = decoder.decode(event.registers, advance(last, 1 - slots))
    assert following == advance(last, 1)
    assert decoder.malformed == 0
    wanted = expected_event(event.meaning)
    assert len(events) == 1
    for name in EVENT.names or ():
        assert events[name].tolist() == wanted[name].tolist(), name


def test_every_field_of_an_event_is_in_a_frame(event: Any) -> None:
    named = {*event.meaning, *NOT_IN_A_SLOT, *HELD, "code_count", "chutes"} - {"answer"}
    assert named == set(EVENT.names or ())


def test_header_reads_as_what_it_means(header: Any) -> None:
    wanted = dict(header.meaning)
    assert wanted.pop("magic_text") == "ABCD"
    found = asdict(decode_header(header.registers, header.word_order))
    assert found == {**wanted, "consumed": tuple(wanted["consumed"])}
    prove_layout(header.registers, "plc", header.word_order, header.string_byte_order)


def test_seat_head_both_ways(seat: Any) -> None:
    meant = SeatHead(**seat.meaning)
    assert encode_seat_head(meant, seat.word_order) == seat.registers
    assert decode_seat_head([*seat.registers, 0, 0, 0], seat.word_order) == meant


def test_instruction_is_written_as_the_frame(instruction: Any) -> None:
    meaning = instruction.meaning
    record = np.zeros(1, INSTRUCTION)
    for name, value in meaning.items():
        if name not in ("check", "deadline_ms"):
            record[name] = value
    deadline = np.array([meaning["deadline_ms"]], np.uint32)
    written = InstructionEncoder(instruction.word_order).encode(record, deadline)
    assert written.tolist() == [instruction.registers]
