"""What a server's message may make the OPC UA library hold: no more than its bytes speak for.

asyncua (2.1.0, the newest) takes the length of an array for true before it has read an element. An
array of nulls takes no bytes at all, and a text of a negative length gives the bytes of its length
back: seven bytes then make it fill gigabytes, which the system ends the process for. Every element
of an array takes a byte at least and no text is shorter than nothing; what says otherwise is
refused here, in the two functions of the library that everything else is decoded by.
"""

from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua import ua_binary

LENGTH_BYTES = 4
NO_VALUE = -1
"""Length of an array or a text that is null (OPC 10000-6, 5.2.2.4 and 5.2.5)."""

_unpack_array = ua_binary.unpack_uatype_array


def bound_decoding() -> None:
    """Have the library refuse such lengths, in this process; done once, before anything is read."""
    ua_binary.unpack_uatype_array = _array  # type: ignore[assignment]
    ua_binary._Bytes.unpack = staticmethod(_bytes)  # type: ignore[assignment]  # noqa: SLF001


def _array(vtype: ua.VariantType, data: Buffer) -> list[Any] | None:
    """Return an array of a variant, or its dimensions.

    Raises:
        NotEnoughData: it claims more elements than there are bytes left, or less than none.
    """
    left = len(data) - LENGTH_BYTES
    length = ua_binary.Primitives.Int32.unpack(data.copy())
    if not NO_VALUE <= length <= left:
        raise NotEnoughData(f"an array claims {length} elements in {left} bytes")
    return _unpack_array(vtype, data)


def _bytes(data: Buffer) -> bytes | None:
    """Return a byte string, or a text before it is one.

    Raises:
        NotEnoughData: it is shorter than nothing, or longer than what is left.
    """
    length = ua_binary.Primitives.Int32.unpack(data)
    if length < 0:
        if length == NO_VALUE:
            return None
        raise NotEnoughData(f"a text claims {length} bytes")
    return data.read(length)
