"""The tables find what was put in and nothing else, however their keys collide."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench import naive
from bench.naive_arrays import pre_advice_arrays
from plc_adapters.contract import CODE_BYTES
from sorter.assignment import tables
from sorter.assignment.tables import (
    CODE_MAX,
    build_places,
    build_pre_advice,
    find_place,
    find_waybill,
    hash_waybill,
    mix,
    slots_for,
)

MASK = 0xFFFFFFFFFFFFFFFF
LEVELS = (12, 9, 6, 4, 2)
DIVISIONS = st.sampled_from([2, 4, 6, 9, 12]).flatmap(
    # Few digits to choose from, so that codes lie inside each other.
    lambda digits: st.text("12", min_size=digits, max_size=digits)
)


def splitmix(key: int) -> int:
    """The finaliser of splitmix64, from its definition, in unbounded integers."""
    key = ((key ^ key >> 30) * 0xBF58476D1CE4E5B9) & MASK
    key = ((key ^ key >> 27) * 0x94D049BB133111EB) & MASK
    return key ^ key >> 31


def padded(code: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(code.ljust(CODE_BYTES, b"\0"), np.uint8)


def places(zones: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    return build_places(
        np.fromiter(map(int, zones), np.int64, len(zones)),
        np.fromiter(zones.values(), np.int32, len(zones)),
    )


def twins(count: int) -> list[bytes]:
    """Codes of 16 bytes with the same 64 bits of hash: the second word makes up for the first."""
    first = int.from_bytes(b"TWIN-000")
    made = [b"TWIN-000" + b"TWIN-000"]
    aim = splitmix(16 ^ first) ^ first
    for number in range(1, 100_000):
        head = b"TWIN-%03d" % (number % 1000) if number < 1000 else b"TW%06d" % number
        tail = (splitmix(16 ^ int.from_bytes(head)) ^ aim).to_bytes(8)
        if 0 not in tail:
            made.append(head + tail)
        if len(made) == count:
            return made
    raise AssertionError("not enough twins")


@given(st.integers(0, 2**63 - 1))
def test_mix_is_the_finaliser_of_splitmix64(key: int) -> None:
    assert int(mix(key)) & MASK == splitmix(key)


@pytest.mark.parametrize("entries", [0, 1, 2, 3, 4, 5, 1000, 665_276])
def test_a_table_has_twice_the_slots_and_a_power_of_two(entries: int) -> None:
    slots = slots_for(entries)
    assert slots >= max(2, 2 * entries)
    assert slots & (slots - 1) == 0
    assert slots <= max(2, 4 * entries)


@given(st.dictionaries(DIVISIONS, st.integers(0, 2**31 - 1), max_size=60), DIVISIONS)
@settings(deadline=None)
def test_the_longest_known_prefix_decides(zones: dict[str, int], code: str) -> None:
    keys, key_zones = places(zones)
    prefixes = (code[:digits] for digits in LEVELS if digits <= len(code))
    expected = next((zones[prefix] for prefix in prefixes if prefix in zones), -1)
    assert find_place(int(code), keys, key_zones) == expected


@pytest.mark.parametrize(
    ("destination", "zone"),
    [
        (1, -1), (9, -1), (10, -1), (32, 0), (320, 0), (3207, 1), (32070, 1), (320706, 2),
        (32070600, 2), (320706001, 3), (32070600100, 3), (320706001002, 4), (320706001003, 3),
        (320706002001, 2), (33, -1), (3_207_060_010_020, -1), (2**62, -1),
    ],
)  # fmt: skip
def test_prefixes_of_every_length(destination: int, zone: int) -> None:
    keys, zones = places({"32": 0, "3207": 1, "320706": 2, "320706001": 3, "320706001002": 4})
    assert find_place(destination, keys, zones) == zone


@pytest.mark.parametrize("home", ["first", "last"])
def test_places_of_one_slot_stand_beside_each_other(home: str) -> None:
    """Sixteen codes that all hash to one slot, also where the probe wraps at the table's end."""
    count = 16
    slots = slots_for(count)
    slot = 0 if home == "first" else slots - 1
    alike = [n for n in range(100_000, 200_000) if splitmix(n) & (slots - 1) == slot]
    inside, outside = alike[:count], alike[count : 2 * count]
    keys, zones = places({str(code): number for number, code in enumerate(inside)})
    assert len(keys) == slots
    assert [find_place(code, keys, zones) for code in inside] == list(range(count))
    assert {find_place(code, keys, zones) for code in outside} == {-1}


def test_waybills_of_one_hash_are_told_apart() -> None:
    codes = twins(40)
    assert len({int(hash_waybill(padded(code), 16)) & MASK for code in codes}) == 1
    inside, outside = codes[:20], codes[20:]
    table = pre_advice_arrays(
        {code: naive.Advice(destination=number) for number, code in enumerate(inside, 1)}
    )
    slots = [find_waybill(padded(code), 16, table.length, table.waybill) for code in inside]
    assert [int(table.destination[slot]) for slot in slots] == list(range(1, 21))
    missed = {find_waybill(padded(code), 16, table.length, table.waybill) for code in outside}
    assert missed == {-1}


@given(
    st.dictionaries(st.binary(min_size=1, max_size=CODE_BYTES), st.integers(0, CODE_MAX)),
    st.binary(min_size=1, max_size=CODE_BYTES),
)
@settings(deadline=None)
def test_a_waybill_is_found_whole_or_not_at_all(known: dict[bytes, int], other: bytes) -> None:
    table = pre_advice_arrays(
        {code: naive.Advice(1, 2, destination) for code, destination in known.items()}
    )
    assert len(table.length) == slots_for(len(known))
    for code in [*known, other, *(code[:-1] for code in known if len(code) > 1)]:
        slot = find_waybill(padded(code), len(code), table.length, table.waybill)
        assert (slot >= 0) == (code in known)
        if slot >= 0:
            assert table.destination[slot] == known[code]


def test_of_a_waybill_given_twice_the_last_row_counts() -> None:
    waybills = np.stack([padded(b"A1"), padded(b"B2"), padded(b"A1")])
    lengths, brand, service_class = np.array([[2, 2, 2], [1, 2, 3], [4, 5, 6]], np.uint16)
    table = build_pre_advice(waybills, lengths, brand, service_class, np.array([7, 8, 9]))
    slot = find_waybill(padded(b"A1"), 2, table.length, table.waybill)
    assert (table.brand[slot], table.service_class[slot], table.destination[slot]) == (3, 6, 9)
    assert np.count_nonzero(table.length) == 2


@pytest.mark.parametrize(
    ("codes", "zones", "culprit"),
    [
        ([32, 32], [0, 1], "code 32 is given twice"),
        ([32, 0], [0, 1], "place 1: code 0"),
        ([-32], [0], "code -32"),
        ([CODE_MAX + 1], [0], f"code {CODE_MAX + 1}"),
        ([32], [-1], "zone -1"),
        ([32], [0, 1], "zones: shape"),
    ],
)
def test_wrong_places_are_named(codes: list[int], zones: list[int], culprit: str) -> None:
    with pytest.raises(ValueError, match=culprit):
        build_places(np.array(codes, np.int64), np.array(zones, np.int32))


@pytest.mark.parametrize(
    ("length", "destination", "culprit"),
    [(0, 1, "waybill 1: length 0"), (41, 1, "length 41"), (1, -1, "destination -1"),
     (1, CODE_MAX + 1, "destination 1000000000000")],
)  # fmt: skip
def test_wrong_waybills_are_named(length: int, destination: int, culprit: str) -> None:
    zeros = np.zeros(2, np.uint16)
    with pytest.raises(ValueError, match=culprit):
        build_pre_advice(
            np.ones((2, CODE_BYTES), np.uint8), np.array([1, length], np.uint16), zeros, zeros,
            np.array([1, destination], np.int64),
        )  # fmt: skip


def test_a_column_of_another_length_is_named() -> None:
    lengths, zeros = np.ones(2, np.uint16), np.zeros(2, np.uint16)
    waybills, destination = np.ones((2, CODE_BYTES), np.uint8), np.zeros(2, np.int64)
    with pytest.raises(ValueError, match="brand: shape"):
        build_pre_advice(waybills, lengths, zeros[:1], zeros, destination)
    with pytest.raises(ValueError, match="waybills: shape"):
        build_pre_advice(waybills[:1], lengths, zeros, zeros, destination)


def test_a_table_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PLACES_MAX", 2)
    monkeypatch.setattr(tables, "PRE_ADVICE_MAX", 2)
    places({"32": 0, "33": 1})
    with pytest.raises(ValueError, match="3 division codes; a table holds at most 2"):
        places({"32": 0, "33": 1, "34": 2})
    with pytest.raises(ValueError, match="3 pre-advised waybills; a table holds at most 2"):
        pre_advice_arrays({bytes([65 + n]): naive.Advice() for n in range(3)})
