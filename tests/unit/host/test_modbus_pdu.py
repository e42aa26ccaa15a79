"""Messages with registers are what the library's own are, and refuse what those refuse."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    WriteMultipleRegistersRequest,
)

from plc_adapters.modbus.pdu import HoldingRegisters, WriteRegisters


def decoded(kind: type[ReadHoldingRegistersResponse], data: bytes) -> list[int] | str:
    answer = kind()
    try:
        answer.decode(data)
    except (ModbusIOException, IndexError, struct.error) as error:
        return type(error).__name__
    return list(answer.registers)


@given(st.lists(st.integers(0, 0xFFFF), max_size=125), st.binary(max_size=3))
def test_registers_are_as_the_library_reads_them(registers: list[int], behind: bytes) -> None:
    data = struct.pack(f">B{len(registers)}H", 2 * len(registers), *registers) + behind
    assert decoded(HoldingRegisters, data) == registers
    assert decoded(ReadHoldingRegistersResponse, data) == registers


@given(st.binary(max_size=260))
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    found = decoded(HoldingRegisters, data)
    if data and data[0] % 2 == 0:
        assert found == decoded(ReadHoldingRegistersResponse, data)
    else:
        assert isinstance(found, str) or len(found) == data[0] // 2


def test_what_the_library_logs_names_no_register() -> None:
    answer = HoldingRegisters(registers=[1] * 125)
    assert str(answer) == "HoldingRegisters(125 registers)"
    with pytest.raises(ModbusIOException, match="byte count 4 > length of packet 3"):
        answer.decode(b"\x04\0\1")


@given(st.integers(0, 0xFFFF), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=123))
def test_registers_are_written_as_the_library_writes_them(at: int, registers: list[int]) -> None:
    kinds = (WriteRegisters, WriteMultipleRegistersRequest)
    own, librarys = (kind(1, address=at, registers=registers).encode() for kind in kinds)
    assert own == librarys
