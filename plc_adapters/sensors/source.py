"""A connection to sensors, and how numbers stand in registers."""

import struct
from collections.abc import Sequence
from typing import Literal, Protocol

RegisterType = Literal["int16", "uint16", "int32", "uint32", "float32"]
"""How a number stands in registers: two's complement or IEEE 754."""
_FORMATS = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "float32": "f"}


class SensorSource(Protocol):
    """One connection to some sensors; never used by two tasks at once.

    It does not heal itself: after a LinkError whoever uses it closes it and connects again.
    """

    @property
    def peer(self) -> str:
        """Where the sensors are, as messages name it."""

    async def connect(self) -> None:
        """Connect; raises LinkError, or AdapterError for what waiting can't cure."""

    async def read(self, sensor: int) -> float:
        """Return what a sensor tells now, before any scaling; NaN where it tells no number.

        Args:
            sensor: its index among the places that the source was made with.

        Raises:
            RefusedError: this sensor can't be read; the others may be.
            LinkError: the connection is of no use any more.
        """

    async def close(self) -> None:
        """Let the connection go; never raises."""


def registers_of(kind: RegisterType) -> int:
    """Return how many registers a number takes, 1 or 2."""
    return struct.calcsize(f">{_FORMATS[kind]}") // 2


def number_of(
    registers: Sequence[int], kind: RegisterType, word_order: Literal["big", "little"]
) -> float:
    """Return the number that some registers hold.

    Args:
        registers: each 0 to 65535, as many as :func:`registers_of` says.
        kind: how it stands in them.
        word_order: which word of two comes first.
    """
    words = registers if word_order == "big" else list(reversed(registers))
    (number,) = struct.unpack(f">{_FORMATS[kind]}", struct.pack(f">{len(words)}H", *words))
    return float(number)
