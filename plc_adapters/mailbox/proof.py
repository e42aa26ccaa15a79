"""Whether what a PLC shows at an address is this mailbox, stored the way it is configured."""

from plc_adapters.contract import AdapterError
from plc_adapters.mailbox.codec import ByteOrder, decode_header
from plc_adapters.mailbox.table import (
    EVENT_SLOTS_MAX,
    EVENT_SLOTS_MIN,
    HEADER,
    LAYOUT_VERSION,
    MAGIC,
    MAGIC_TEXT,
)

_MAGIC_WORDS = [MAGIC >> 16, MAGIC & 0xFFFF]
_TEXT_WORDS = [MAGIC_TEXT[i] << 8 | MAGIC_TEXT[i + 1] for i in range(0, len(MAGIC_TEXT), 2)]


def _swapped(words: list[int]) -> list[int]:
    return [(word & 0xFF) << 8 | word >> 8 for word in words]


def prove_layout(
    registers: list[int], peer: str, word_order: ByteOrder, string_byte_order: ByteOrder
) -> None:
    """Check the header's constants, version and ring size against what is configured.

    Args:
        registers: the header as read, ``HEADER.size`` registers.
        peer: what to call the PLC in an error, with host, port and base address.
        word_order: configured order of the words of a 32-bit value.
        string_byte_order: configured order of the bytes of a text.

    Raises:
        AdapterError: it is no mailbox, or of another version, or stored in another order than
            configured; the message names the peer, what was read, and what to do.
    """
    prove_words(registers, peer, word_order)
    prove_text(registers, peer, string_byte_order)
    header = decode_header(registers, word_order)
    prove_version(header.layout_version, peer)
    prove_slots(header.event_slots, peer)


def prove_version(version: int, peer: str) -> None:
    """Check the layout version; raises AdapterError."""
    if version != LAYOUT_VERSION:
        raise AdapterError(
            f"{peer}: its mailbox has layout version {version}, this service speaks "
            f"version {LAYOUT_VERSION}; bring the PLC program or the service to the other's version"
        )


def prove_slots(slots: int, peer: str) -> None:
    """Check the size of the event ring; raises AdapterError."""
    if not EVENT_SLOTS_MIN <= slots <= EVENT_SLOTS_MAX or slots & (slots - 1):
        raise AdapterError(
            f"{peer}: event_slots is {slots}, but must be a power of two from {EVENT_SLOTS_MIN} to "
            f"{EVENT_SLOTS_MAX}; correct it in the PLC program"
        )


def prove_words(registers: list[int], peer: str, word_order: ByteOrder) -> None:
    """Check that the magic number reads right in this word order; raises AdapterError."""
    at = HEADER.field("magic").offset
    words = registers[at : at + 2]
    configured = _MAGIC_WORDS if word_order == "big" else _MAGIC_WORDS[::-1]
    if words == configured:
        return
    shown = f"16#{words[0]:04X} 16#{words[1]:04X}"
    if words == configured[::-1]:
        other = "little" if word_order == "big" else "big"
        raise AdapterError(
            f"{peer}: the magic number reads {shown}: the PLC stores the words of 32-bit values "
            f'the other way; set word_order = "{other}" for this link'
        )
    if words in (_swapped(_MAGIC_WORDS), _swapped(_MAGIC_WORDS[::-1])):
        raise AdapterError(
            f"{peer}: the magic number reads {shown}: the bytes within each register are swapped, "
            "which Modbus forbids; turn the swap off in the PLC or the gateway before it"
        )
    raise AdapterError(
        f"{peer}: no mailbox there: its first registers read {shown} where the magic number "
        f"16#{MAGIC:08X} should be; correct base_address (OPC UA: nodes.header), or load the "
        "mailbox into the PLC"
    )


def prove_text(registers: list[int], peer: str, string_byte_order: ByteOrder) -> None:
    """Check that the magic text reads right in this byte order; raises AdapterError."""
    field = HEADER.field("magic_text")
    words = registers[field.offset : field.offset + field.size]
    configured = _TEXT_WORDS if string_byte_order == "big" else _swapped(_TEXT_WORDS)
    if words == configured:
        return
    shown = " ".join(f"16#{word:04X}" for word in words)
    if words == _swapped(configured):
        other = "little" if string_byte_order == "big" else "big"
        raise AdapterError(
            f"{peer}: the magic text reads {shown}: the PLC stores the bytes of texts the other "
            f'way; set string_byte_order = "{other}" for this link'
        )
    raise AdapterError(
        f"{peer}: no mailbox there: the magic number is right, but the magic text reads {shown} "
        f"where {MAGIC_TEXT.decode()} should be; correct the PLC program's constant"
    )
