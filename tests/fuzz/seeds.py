"""Inputs to begin with: shapes that broke other people's decoders, and the rules of this layout."""

from tests.fuzz.targets import SLOT_BYTES, SLOTS_MAX

KIND_AT, STATUS_AT, PIECE_AT, PARTS_AT, CODE_AT = 4, 6, 8, 34, 36
"""Bytes within a slot."""


def _slot(kind: int, parts: int = 0, code: bytes = b"", piece: int = 1) -> bytes:
    slot = bytearray(SLOT_BYTES)
    slot[KIND_AT + 1] = kind
    slot[PIECE_AT + 3] = piece
    slot[PARTS_AT : PARTS_AT + 2] = parts.to_bytes(2, "big")
    slot[CODE_AT : CODE_AT + len(code)] = code
    return bytes(slot)


def seeds() -> dict[str, bytes]:
    """Return inputs by what they are: an order, a shape, then slots."""
    plain = b"\0\0"
    several = _slot(2, 0x0002, b"]C0A001") + _slot(2, 0x0102, b"]E06901234567892")
    return {
        "empty": b"",
        "one-byte": b"\0",
        "no-slot": plain,
        "truncated-slot": plain + _slot(2, 1, b"A001")[:37],
        "every-kind": b"".join((plain, *(_slot(kind) for kind in (1, 2, 3, 4)))),
        "unknown-kind": plain + _slot(250),
        "kind-zero": plain + _slot(0),
        "all-ones": plain + b"\xff" * (SLOT_BYTES * SLOTS_MAX),
        "kind-at-every-second-byte": plain + b"\0\x02" * (SLOT_BYTES // 2),
        "scan": plain + _slot(2, 1, b"]C0A001"),
        "scan-of-two": plain + several,
        "second-part-missing": plain + several[:SLOT_BYTES] + _slot(1),
        "second-part-first": plain + several[SLOT_BYTES:],
        "part-of-another-piece": plain + several[:SLOT_BYTES] + _slot(2, 0x0102, b"A1", piece=2),
        "parts-beyond-limit": plain + _slot(2, 0x00FF, b"A001") + _slot(2, 0x01FF, b"A002"),
        "part-number-beyond-total": plain + _slot(2, 0xFF01, b"A001"),
        "code-without-end": plain + _slot(2, 1, b"9" * 40),
        "chinese": plain + _slot(2, 1, "连云港0042".encode()),
        "broken-utf8": plain + _slot(2, 1, b"\xff\xfe\x80"),
        "aim-only": plain + _slot(2, 1, b"]C1]C1"),
        "torn": b"\0\x0f" + _slot(2, 1, b"A001"),
        "second-slot-torn": b"\0\x02" + _slot(1) + _slot(2, 1, b"A001"),
        "little": b"\x03\0" + several,
        "magic": plain + bytes.fromhex("123456784142434400010100"),
        **{
            f"scanner-{kind}-{what}": bytes([kind]) + told
            for kind in range(3)
            for what, told in told_by_scanners().items()
        },
    }


def told_by_scanners() -> dict[str, bytes]:
    """Return what happens at a scanner, as :mod:`tests.fuzz.scanners` takes choices from bytes."""
    return {
        "every-happening": bytes(range(64)),
        "every-choice": bytes(3 * k % 256 for k in range(200)),
        "many-events": b"\x04\x00\x03\x01\x02\x00\x01\x05" * 20,
        "many-values": b"\x05\x01\x01\x01\x02\x03\x04\x05" * 20,
        "pieces-and-boots": b"\x01\x00\x14\x01\x02\x00" * 12,
        "a-status": b"\x03\x80\x00\x03\x00",
        "from-the-wire": b"\x04\x01\x07\x00\x07\x01\x07\x02\x07\x03" * 8,
    }
