"""The emulator's own servers (pymodbus, asyncua) over plain memory.

``python -m tests.conformance.peers.fronts EVENT_SLOTS [key=value of listen ...]``
"""

import asyncio
import json
import sys

from plc_adapters.emulator.front import Front
from plc_adapters.emulator.listen_sections import Listen
from plc_adapters.emulator.memory import Memory
from plc_adapters.emulator.modbus_front import ModbusFront
from plc_adapters.emulator.opcua_front import OpcuaFront
from tests.conformance.peers.lines import Answers, apply


async def main(event_slots: int, listen: Listen) -> None:
    memory = Memory(event_slots, "big", "big")
    answers = Answers()

    def host_write(address: int, values: list[int]) -> bool:
        return memory.host_write(address, values, 0)

    front: Front = (
        OpcuaFront(listen, memory, host_write)
        if listen.protocol == "opcua"
        else ModbusFront(listen, memory.registers, host_write)
    )
    _, port = await front.listen(("127.0.0.1", 0))
    print(port, flush=True)
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        apply(line.decode(), memory.registers)
        await front.after_cycle()
        print(answers.to(memory.registers), flush=True)
    await front.end()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Listen.model_validate(json.loads(sys.argv[2]))))
