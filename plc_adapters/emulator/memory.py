"""The PLC's registers: the mailbox image as the emulated PLC stores it.

Written straight from the layout table and apart from the service's codec, so that a wrong reading
of the table on one side shows on the other.
"""

from typing import Literal

from plc_adapters.mailbox.table import (
    INSTRUCTION_SLOT,
    INSTRUCTION_SLOTS,
    SEAT_HEAD,
    SEAT_SIZE,
    SEATS,
    Field,
    Kind,
    image_size,
    seat_address,
)

ByteOrder = Literal["big", "little"]
SIGN_BIT_16 = 0x8000
SIGN_BIT_32 = 0x8000_0000


class Memory:
    """The image as a list of 16-bit registers, with typed access by field.

    ``word_order`` says which word of a 32-bit value comes first, ``string_byte_order`` which byte
    of a register comes first in a text ("big": the high one).
    """

    def __init__(
        self, event_slots: int, word_order: ByteOrder, string_byte_order: ByteOrder
    ) -> None:
        self.registers = [0] * image_size(event_slots)
        self._high, self._low = (0, 1) if word_order == "big" else (1, 0)
        self._swap_text = string_byte_order == "little"
        self._received_us = [[0] * INSTRUCTION_SLOTS for _ in range(SEATS)]

    def get_u16(self, address: int) -> int:
        """Return one register."""
        return self.registers[address]

    def put_u16(self, address: int, value: int) -> None:
        """Set one register to the low 16 bits of ``value``."""
        self.registers[address] = value & 0xFFFF

    def get_u32(self, address: int) -> int:
        """Return two registers as one unsigned value."""
        return self.registers[address + self._high] << 16 | self.registers[address + self._low]

    def put_u32(self, address: int, value: int) -> None:
        """Set two registers to the low 32 bits of ``value``."""
        self.registers[address + self._high] = value >> 16 & 0xFFFF
        self.registers[address + self._low] = value & 0xFFFF

    def get_text(self, address: int, size: int) -> bytes:
        """Return a text of ``size`` bytes with its NUL padding."""
        words = self.registers[address : address + (size + 1) // 2]
        order: ByteOrder = "little" if self._swap_text else "big"
        return b"".join(word.to_bytes(2, order) for word in words)[:size]

    def put_text(self, address: int, size: int, text: bytes) -> None:
        """Set a text, cut or NUL-padded to ``size`` bytes."""
        padded = text[:size].ljust(size + size % 2, b"\0")
        order: ByteOrder = "little" if self._swap_text else "big"
        self.registers[address : address + len(padded) // 2] = [
            int.from_bytes(padded[i : i + 2], order) for i in range(0, len(padded), 2)
        ]

    def get(self, base: int, field: Field, index: int = 0) -> int:
        """Return a number of a block that begins at ``base``; ``index`` for repeated fields."""
        address = base + field.offset
        match field.kind:
            case Kind.U16:
                return self.get_u16(address + index)
            case Kind.I16:
                value = self.get_u16(address + index)
                return value - ((value & SIGN_BIT_16) << 1)
            case Kind.U32:
                return self.get_u32(address + 2 * index)
            case Kind.I32:
                value = self.get_u32(address + 2 * index)
                return value - ((value & SIGN_BIT_32) << 1)
            case Kind.TEXT:
                raise ValueError(f"{field.name} is a text, not a number")

    def put(self, base: int, field: Field, value: int, index: int = 0) -> None:
        """Set a number of a block that begins at ``base``; ``index`` for repeated fields."""
        address = base + field.offset
        if field.kind in (Kind.U32, Kind.I32):
            self.put_u32(address + 2 * index, value)
        elif field.kind is Kind.TEXT:
            raise ValueError(f"{field.name} is a text, not a number")
        else:
            self.put_u16(address + index, value)

    def host_write(self, address: int, values: list[int], now_us: int) -> bool:
        """Take a write from the network; False if it touches a register that is not the host's.

        ``address`` counts from the start of the image. The instant is kept for each instruction
        slot touched, as what the PLC received it at.
        """
        for seat in range(SEATS):
            begin = address - seat_address(seat)
            end = begin + len(values)
            if begin < 0 or end > SEAT_SIZE:
                continue
            self.registers[address : address + len(values)] = values
            first = max(0, begin - SEAT_HEAD.size) // INSTRUCTION_SLOT.size
            last = (end - 1 - SEAT_HEAD.size) // INSTRUCTION_SLOT.size
            for slot in range(first, last + 1):
                self._received_us[seat][slot] = now_us
            return True
        return False

    def received_us(self, seat: int, sequence: int) -> int:
        """Return when the slot of that instruction was last written."""
        return self._received_us[seat][sequence % INSTRUCTION_SLOTS]
