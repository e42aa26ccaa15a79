"""The emulator's AutoID device; answers each line as ``tests/interop/node/scanner_peer.mjs`` does.

``python -m tests.conformance.peers.asyncua_scanner CERTIFICATE KEY TRUSTED``
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from plc_adapters.emulator.autoid_front import AutoIdFront
from plc_adapters.emulator.listen_sections import ListenOpcua


async def main(certificate: str, key: str, trusted: str) -> None:
    front = AutoIdFront(
        ListenOpcua(certificate=Path(certificate), key=Path(key), trusted=Path(trusted))
    )
    _, port = await front.listen(("127.0.0.1", 0))
    print(port, flush=True)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        told = json.loads(line)
        # It has text alone; the other kinds are what the other peers are for.
        codes = tuple(text.encode() for _, text in told["codes"])
        await front.tell(codes, time.time_ns() - told["ago_ms"] * 1_000_000, told["piece"])
        print("ok", flush=True)
    await front.end()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
