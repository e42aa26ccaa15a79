"""Numbers in registers."""

import math
import struct
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plc_adapters.sensors.source import RegisterType, number_of, registers_of


@pytest.mark.parametrize(
    ("registers", "kind", "word_order", "number"),
    [
        ([0x0022], "int16", "big", 34.0),
        ([0xFFDE], "int16", "big", -34.0),
        ([0xFFDE], "uint16", "little", 65502.0),
        ([0xFFFF, 0xFFDE], "int32", "big", -34.0),
        ([0xFFDE, 0xFFFF], "int32", "little", -34.0),
        ([0x0001, 0x0000], "uint32", "big", 65536.0),
        ([0x4059, 0x0000], "float32", "big", 3.390625),
        ([0x0000, 0x4059], "float32", "little", 3.390625),
    ],
)
def test_known_numbers(
    registers: list[int], kind: RegisterType, word_order: Literal["big", "little"], number: float
) -> None:
    assert number_of(registers, kind, word_order) == number
    assert registers_of(kind) == len(registers)


def test_no_number_stays_none() -> None:
    assert math.isnan(number_of([0x7FC0, 0], "float32", "big"))


@given(st.floats(width=32, allow_nan=False))
def test_every_float_comes_back(value: float) -> None:
    registers = list(struct.unpack(">2H", struct.pack(">f", value)))
    assert number_of(registers, "float32", "big") == value
    assert number_of(registers[::-1], "float32", "little") == value
