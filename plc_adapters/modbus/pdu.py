"""Messages with registers, packed and unpacked at once: the daily work of a host that polls rings.

The library unpacks one register at a time and writes each answer out as text for a log line that
nobody asked for; of a read of 120 registers that is more than a third of its time.
"""

import struct

from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    WriteMultipleRegistersRequest,
)


class HoldingRegisters(ReadHoldingRegistersResponse):
    """The answer to FC03; given to the library by its ``register``."""

    def decode(self, data: bytes) -> None:
        """Take the registers; raises ModbusIOException where there are fewer than the answer says.

        Whether they are as many as were asked for is the asker's to look at.
        """
        size = data[0]
        if size >= len(data):
            raise ModbusIOException(
                f"byte count {size} > length of packet {len(data)}", self.function_code
            )
        count = size // 2
        self.registers = list(struct.unpack_from(f">{count}H", data, 1))

    def __str__(self) -> str:
        """Return what the library logs."""
        return f"{type(self).__name__}({len(self.registers)} registers)"


class WriteRegisters(WriteMultipleRegistersRequest):
    """The request of FC16."""

    def encode(self) -> bytes:
        """Return all but the function code; the library packs one register at a time."""
        count = len(self.registers)
        return struct.pack(f">HHB{count}H", self.address, count, 2 * count, *self.registers)
