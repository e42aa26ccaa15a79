"""An AutoID scan result as bytes, written straight from OPC 30010, 9.3 and OPC 10000-6, 5.2.

Apart from the service's structures, so that a wrong reading of the specification on one side shows
on the other.
"""

import struct

AIM_BYTES = 3
"""Of an AIM identifier before a code, such as ``]C0``."""
OPTICAL_ENCODING = 5040
"""OpticalScanResult's binary encoding, in AutoID's namespace."""
_SYMBOLOGY = 1 << 3
"""Bit of the optional field: after Location, Grade and Position."""
STRING = 2
"""Kind of ScanData."""
_TICKS_1601 = 116_444_736_000_000_000
"""The Unix epoch in OPC UA's units of 100 ns."""


def optical_result(code: bytes, read_ns: int, kind: int = STRING) -> bytes:
    """Return the body of an OpticalScanResult; ``read_ns`` since the Unix epoch."""
    symbology = code[:AIM_BYTES] if code.startswith(b"]") else b""
    mask = _SYMBOLOGY if symbology else 0
    parts = [struct.pack("<I", mask), _text(b"RAW:STRING")]
    parts += [struct.pack("<I", kind), _text(code.removeprefix(symbology))]
    parts.append(struct.pack("<q", read_ns // 100 + _TICKS_1601))
    if symbology:
        parts.append(_text(symbology))
    return b"".join(parts)


def _text(text: bytes) -> bytes:
    return struct.pack("<i", len(text)) + text
