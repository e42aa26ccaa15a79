"""The codec beyond the golden frames: any values, torn slots, wraps, scans that broke off."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plc_adapters.contract import CODE_BYTES, CODES_MAX, EVENT, INSTRUCTION, Records, ScanStatus
from plc_adapters.mailbox.codec import (
    EventDecoder,
    Header,
    InstructionEncoder,
    SeatHead,
    decode_header,
    decode_seat_head,
    encode_seat_head,
)
from plc_adapters.mailbox.sequences import SEQUENCES, advance
from plc_adapters.mailbox.table import HEADER, SEAT_HEAD, Kind

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
SEQUENCE = st.one_of(st.integers(1, 9), st.integers(SEQUENCES - 9, SEQUENCES), U32.filter(bool))
ORDER = st.sampled_from(["big", "little"])
SCANNED, INSTRUCTED = 2, 3


def pair(value: int, order: str) -> list[int]:
    words = [value >> 16 & 0xFFFF, value & 0xFFFF]
    return words if order == "big" else words[::-1]


def slot(sequence: int, order: str = "big", texts: Any = "big", **values: Any) -> list[int]:
    """Return a slot's registers by the printed map; ``answer`` lies in place of ``code``."""
    get: Any = values.get
    low16 = [get(name, -1) & 0xFFFF for name in ("length_mm", "width_mm", "height_mm")]
    code = get("code", b"").ljust(40, b"\0")
    words = [int.from_bytes(code[i : i + 2], texts) for i in range(0, 40, 2)]
    if "answer" in values:
        words = [*get("answer"), *[0] * 6]
    return [
        *pair(sequence, order), get("kind", 1), get("status", 0), *pair(get("piece_id", 0), order),
        get("station", 0), get("chute", 0), get("cell", 0), get("lap", 0),
        *pair(get("plc_time_ms", 0), order), *pair(get("weight_g", -1), order), *low16,
        get("parts", 0), *words, *pair(get("end", sequence), order),
    ]  # fmt: skip


def scan(sequence: int, number: int, total: int, piece: int = 5, **values: Any) -> list[int]:
    values.setdefault("code", b"c%d" % number)
    return slot(sequence, kind=SCANNED, piece_id=piece, parts=number << 8 | total, **values)


def decoder() -> EventDecoder:
    return EventDecoder("big", "big")


def codes(event: Records) -> list[bytes]:
    count = int(event["code_count"])
    return [bytes(code).rstrip(b"\0") for code in event["codes"][:count]]


# Round trips.

PLAIN = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([1, 4, 5, 6, 7]),
        "status": U16,
        "piece_id": U32,
        "station": st.integers(0, 255),
        "chute": st.integers(0, 1023),
        "cell": U16,
        "lap": st.integers(0, 255),
        "plc_time_ms": U32,
    }
)
MEASURED = st.fixed_dictionaries(
    {
        "weight_g": st.integers(-(2**31), 2**31 - 1),
        "length_mm": st.integers(-(2**15), 2**15 - 1),
        "width_mm": st.integers(-(2**15), 2**15 - 1),
        "height_mm": st.integers(-(2**15), 2**15 - 1),
    }
)


@given(ORDER, ORDER, SEQUENCE, PLAIN, MEASURED)
def test_any_plain_event(
    order: Any, texts: Any, sequence: int, plain: dict[str, int], measured: dict[str, int]
) -> None:
    made = EventDecoder(order, texts)
    registers = slot(sequence, order, texts, **plain, **measured, code=b"not a scan's")
    events, following = made.decode(registers, sequence)
    assert (len(events), following, made.malformed) == (1, advance(sequence, 1), 0)
    assert events.dtype == EVENT
    for name, value in plain.items():
        assert events[0][name] == value, name
    for name, value in measured.items():
        assert events[0][name] == (value if value > 0 else -1), name
    assert events[0]["sequence"] == sequence
    assert events[0]["code_count"] == 0
    assert not events["codes"].any()
    assert not events[["slack_ms", "disposition", "instruction_sequence"]].tolist()[0].count(1)


@given(
    ORDER,
    ORDER,
    SEQUENCE,
    st.lists(st.binary(min_size=1, max_size=CODE_BYTES), min_size=1, max_size=CODES_MAX),
    st.integers(1, CODES_MAX),
)
def test_any_codes_however_the_reads_cut_the_scan(
    order: Any, texts: Any, first: int, texts_read: list[bytes], per_read: int
) -> None:
    made = EventDecoder(order, texts)
    total = len(texts_read)
    slots = [
        slot(advance(first, n), order, texts, kind=SCANNED, parts=n << 8 | total, code=code)
        for n, code in enumerate(texts_read)
    ]
    found: list[Records] = []
    expected = first
    for begin in range(0, total, per_read):
        flat = [word for one in slots[begin : begin + per_read] for word in one]
        events, expected = made.decode(flat, expected)
        found.append(events)
    (event,) = np.concatenate(found)
    assert event["code_count"] == total
    for code, text in zip(event["codes"], texts_read, strict=False):
        assert bytes(code) == text.ljust(CODE_BYTES, b"\0")
    assert not event["codes"][total:].any()
    assert event["sequence"] == advance(first, total - 1)
    assert made.malformed == 0


@given(ORDER, U32, st.integers(-(2**31), 2**31 - 1), st.integers(1, 0xFFFFFFFF))
def test_slack_across_the_wrap_of_the_counter(
    order: Any, taken_ms: int, slack_ms: int, epoch: int
) -> None:
    deadline = (taken_ms + slack_ms) % 2**32
    answer = [
        *pair(6, order), *pair(epoch, order), 1, 5, 6, 0, 0, 1, *pair(9, order),
        *pair(deadline, order),
    ]  # fmt: skip
    registers = slot(3, order, kind=INSTRUCTED, status=1, plc_time_ms=taken_ms, answer=answer)
    events, _ = EventDecoder(order, "big").decode(registers, 3)
    assert events["slack_ms"].tolist() == [slack_ms]
    assert events["epoch"].tolist() == [epoch]
    assert events["chutes"].tolist() == [[5, 6, 0, 0]]
    assert not events["codes"].any()


def test_where_nothing_is_held_there_is_no_slack() -> None:
    answer = [0, 6, *[0] * 12]
    registers = slot(3, kind=INSTRUCTED, status=4, plc_time_ms=123_456, answer=answer)
    events, _ = decoder().decode(registers, 3)
    assert events["slack_ms"].tolist() == [0]


INSTRUCTIONS = st.lists(
    st.fixed_dictionaries(
        {
            "epoch": U32,
            "piece_id": U32,
            "lap": U16,
            "revision": U16,
            "chutes": st.tuples(U16, U16, U16, U16),
            "disposition": U16,
            "plan_version": U32,
            "deadline_ms": U32,
            "sequence": U32,
        }
    ),
    max_size=5,
)


@given(ORDER, INSTRUCTIONS)
def test_any_instructions(order: Any, given_values: list[dict[str, Any]]) -> None:
    records = np.zeros(len(given_values), INSTRUCTION)
    for record, values in zip(records, given_values, strict=True):
        for name in set(values) - {"deadline_ms"}:
            record[name] = values[name]
    deadlines = np.array([v["deadline_ms"] for v in given_values], np.uint32)
    written = InstructionEncoder(order).encode(records, deadlines)
    assert written.shape == (len(given_values), 18)
    assert written.dtype == np.uint16
    for registers, v in zip(written.tolist(), given_values, strict=True):
        body = [
            *pair(v["epoch"], order), *pair(v["piece_id"], order), v["lap"], v["revision"],
            *v["chutes"], v["disposition"], *pair(v["plan_version"], order),
            *pair(v["deadline_ms"], order),
        ]  # fmt: skip
        assert registers == [*body, sum(body) % 65_536, *pair(v["sequence"], order)]


@given(ORDER, U16, U32, U32)
def test_any_seat_head(order: Any, heartbeat: int, epoch: int, acknowledge: int) -> None:
    head = SeatHead(heartbeat, epoch, acknowledge)
    registers = encode_seat_head(head, order)
    assert registers == [heartbeat, *pair(epoch, order), *pair(acknowledge, order)]
    spare = [0] * (SEAT_HEAD.size - len(registers))
    assert decode_seat_head([*registers, *spare], order) == head


def test_a_heartbeat_beyond_its_register_starts_over() -> None:
    assert encode_seat_head(SeatHead(0x1_0003, 1, 0), "big")[0] == 3


@given(ORDER, st.lists(U16, min_size=HEADER.size, max_size=HEADER.size))
def test_any_header(order: Any, registers: list[int]) -> None:
    header = decode_header(registers, order)
    step = 1 if order == "big" else -1
    for field in HEADER.fields:
        raw = registers[field.offset : field.offset + field.size]
        if field.kind is Kind.U16:
            assert getattr(header, field.name) == raw[0]
        elif field.kind is Kind.U32:
            wide = [h << 16 | w for h, w in (raw[i : i + 2][::step] for i in range(0, len(raw), 2))]
            value = getattr(header, field.name)
            assert value == (tuple(wide) if field.count > 1 else wide[0])


def test_header_and_seat_head_have_the_tables_fields() -> None:
    texts = {field.name for field in HEADER.fields if field.kind is Kind.TEXT}
    assert {f.name for f in fields(Header)} == {f.name for f in HEADER.fields} - texts
    assert {f.name for f in fields(SeatHead)} == {f.name for f in SEAT_HEAD.fields}


# Slots that are not there, torn, or run over the wrap.


@pytest.mark.parametrize("order", ["big", "little"])
def test_sequence_of_a_torn_slot_is_none(order: Any) -> None:
    made = EventDecoder(order, "big")
    registers = [*slot(0x10002, order), *slot(0x10003, order, end=0x10002)]
    assert made.sequence_at(registers, 0) == 0x10002
    assert made.sequence_at(registers, 1) == 0


@pytest.mark.parametrize(
    "second",
    [
        slot(8, end=0),
        slot(8, end=7),
        slot(0, end=8),
        slot(9),
        slot(8 + 0x10000),
        slot(0),
        [0] * 40,
        [0xFFFF] * 40,
    ],
)
def test_reading_stops_at_the_first_slot_that_is_not_the_one_expected(second: list[int]) -> None:
    made = decoder()
    events, following = made.decode([*slot(7), *second, *slot(9)], 7)
    assert (events["sequence"].tolist(), following) == ([7], 8)
    assert made.decode([*second, *slot(9)], 8)[1] == 8
    events, following = made.decode([*slot(8), *slot(9)], 8)
    assert (events["sequence"].tolist(), following) == ([8, 9], 10)
    assert made.malformed == 0


def test_what_stands_in_a_slot_behind_the_gap_does_not_count_as_malformed() -> None:
    made = decoder()
    made.decode([*slot(7), *slot(9, kind=99)], 7)
    assert made.malformed == 0


def test_sequences_run_on_from_1_after_the_highest() -> None:
    last = SEQUENCES
    events, following = decoder().decode(
        [*slot(last - 1), *slot(last), *slot(1), *slot(2)], last - 1
    )
    assert events["sequence"].tolist() == [last - 1, last, 1, 2]
    assert following == 3


def test_0_is_never_a_sequence() -> None:
    events, following = decoder().decode([*slot(SEQUENCES), *slot(0)], SEQUENCES)
    assert (len(events), following) == (1, 1)


# Scans of several codes, and what can break in them.


def decode_all(made: EventDecoder, first: int, *slots: list[int]) -> list[Records]:
    events, following = made.decode([word for one in slots for word in one], first)
    assert following == advance(first, len(slots))
    return list(events)


def test_a_scan_waits_for_its_last_code() -> None:
    made = decoder()
    assert decode_all(made, 1, scan(1, 0, 3)) == []
    assert decode_all(made, 2, scan(2, 1, 3)) == []
    (event,) = decode_all(made, 3, scan(3, 2, 3))
    assert codes(event) == [b"c0", b"c1", b"c2"]
    assert event["sequence"] == 3
    assert len(made.flush()) == 0
    assert made.malformed == 0


def test_events_around_a_scan_keep_their_order() -> None:
    found = decode_all(
        decoder(), 1, slot(1), scan(2, 0, 2), scan(3, 1, 2), slot(4, kind=4), scan(5, 0, 1, piece=6)
    )
    assert [int(event["sequence"]) for event in found] == [1, 3, 4, 5]
    assert [len(codes(event)) for event in found] == [0, 2, 0, 1]


def test_status_bits_of_all_parts_come_together() -> None:
    (event,) = decode_all(decoder(), 1, scan(1, 0, 2, status=32), scan(2, 1, 2, status=1))
    assert event["status"] == 33


def test_more_codes_than_a_scan_can_carry_are_flagged() -> None:
    made = decoder()
    (event,) = decode_all(made, 1, *(scan(1 + n, n, 6) for n in range(6)))
    assert codes(event) == [b"c0", b"c1", b"c2", b"c3"]
    assert event["status"] == ScanStatus.MORE_CODES
    assert event["sequence"] == 6
    assert made.malformed == 0


@pytest.mark.parametrize(
    "intruder",
    [
        slot(2, kind=4, piece_id=5),
        scan(2, 0, 1, piece=6),
        scan(2, 0, 0, piece=6, code=b""),
    ],
)
def test_a_scan_that_breaks_off_is_delivered_with_the_codes_it_has(intruder: list[int]) -> None:
    made = decoder()
    found = decode_all(made, 1, scan(1, 0, 2), intruder, slot(3))
    assert [int(event["sequence"]) for event in found] == [1, 2, 3]
    assert codes(found[0]) == [b"c0"]
    assert made.malformed == 1


@pytest.mark.parametrize("stranger", [scan(2, 2, 3), scan(2, 1, 2), scan(2, 1, 3, piece=6)])
def test_a_part_that_does_not_fit_stands_alone(stranger: list[int]) -> None:
    made = decoder()
    found = decode_all(made, 1, scan(1, 0, 3), stranger)
    assert [int(event["sequence"]) for event in found] == [1, 2]
    assert [len(codes(event)) for event in found] == [1, 1]
    assert made.malformed == 2


def test_a_scan_that_begins_anew_ends_the_one_before() -> None:
    made = decoder()
    found = decode_all(made, 1, scan(1, 0, 2), scan(2, 0, 2, piece=6), scan(3, 1, 2, piece=6))
    assert [(int(event["sequence"]), len(codes(event))) for event in found] == [(1, 1), (3, 2)]
    assert made.malformed == 1


def test_a_part_without_its_beginning_is_delivered_and_counted() -> None:
    made = decoder()
    (event,) = decode_all(made, 8, scan(8, 1, 2))
    assert codes(event) == [b"c1"]
    assert made.malformed == 1


def test_what_waits_can_be_given_up() -> None:
    made = decoder()
    decode_all(made, 1, scan(1, 0, 3), scan(2, 1, 3))
    (event,) = made.flush()
    assert (codes(event), int(event["sequence"])) == ([b"c0", b"c1"], 2)
    assert made.malformed == 1
    assert len(made.flush()) == 0
    assert len(decode_all(made, 3, slot(3))) == 1


# Numbers beyond their limits.


@pytest.mark.parametrize(
    ("values", "name", "becomes"),
    [
        ({"station": 256}, "station", 0),
        ({"chute": 1024}, "chute", 0),
        ({"lap": 256}, "lap", 255),
        ({"lap": 65_535}, "lap", 255),
        ({"kind": 0}, "kind", 0),
        ({"kind": 8}, "kind", 8),
        ({"kind": 65_535}, "kind", 65_535),
    ],
)
def test_numbers_out_of_range_are_bounded_counted_and_delivered(
    values: dict[str, Any], name: str, becomes: int
) -> None:
    made = decoder()
    first, second = decode_all(
        made, 1, slot(1, **values), slot(2, station=255, chute=1023, lap=255)
    )
    assert first[name] == becomes
    assert made.malformed == 1
    assert [int(second[n]) for n in ("station", "chute", "lap")] == [255, 1023, 255]


def test_a_slot_with_several_faults_counts_once() -> None:
    made = decoder()
    decode_all(made, 1, slot(1, station=999, chute=9999, lap=999, kind=77))
    assert made.malformed == 1


def test_chutes_of_an_answer_out_of_range_become_none() -> None:
    made = decoder()
    answer = [0, 6, 0, 1, 0, 1024, 5, 65_535, 0, 1, 0, 9, 0, 0]
    (event,) = decode_all(made, 1, slot(1, kind=INSTRUCTED, status=1, answer=answer))
    assert event["chutes"].tolist() == [0, 5, 0, 0]
    assert made.malformed == 1


@given(st.lists(U16, min_size=38, max_size=38), ORDER, ORDER)
def test_no_registers_raise_and_the_next_event_is_read(
    noise: list[int], order: Any, texts: Any
) -> None:
    made = EventDecoder(order, texts)
    registers = [*pair(4, order), *noise[2:], *noise[:2], *pair(4, order), *slot(5, order)]
    events, following = made.decode([*registers[:38], *pair(4, order), *slot(5, order)], 4)
    assert following == 6
    found = [*events, *made.flush()]
    assert int(found[-1]["sequence"]) in (4, 5)
    assert {int(event["sequence"]) for event in found} == {4, 5}
    for event in found:
        assert event["station"] <= 255
        assert event["chute"] <= 1023
        assert event["lap"] <= 255
        assert event["code_count"] <= CODES_MAX
        assert (event["chutes"] <= 1023).all()
