"""A small sorter whose PLC runs the printed Structured Text, on Modbus TCP.

The metal is that of the PLC in C: pieces are inducted at a rate, scanned a while later, pass the
chutes in the order of their positions, and go round again if none took them. The belt's position is
told in milliseconds.
"""

import asyncio
import threading
import time
from collections import Counter, deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from plc_adapters.contract import AnswerStatus, ChuteState, DischargeStatus, ScanStatus
from plc_adapters.emulator.plant import Reading
from plc_adapters.mailbox.table import EVENT_RING
from plc_adapters.reference.constants import Size
from tests.unit.reference.lockstep import SEATS_AT, Reference

SIZE = Size(event_slots=256, cells=600, chutes=9, backlog_slots=512)
CYCLE_MS, SCAN_MS, LAP_LIMIT, WATCHDOG_MS = 5, 100, 5, 3000
STATION, SCANNER, EXECUTE = 1, 11, 2
FIRST_TIME_MS = 0xFFFF_F800
"""The counter wraps two seconds after the start."""
CODES_MAX, CODE_BYTES = 4, 40
WAIT_S = 300.0
"""Longest wait for what must come; a machine under load is slow, not wrong."""


@dataclass
class Load:
    """A piece as metal; ``scan_ms`` is when it passes the scanner on this lap."""

    number: int
    cell: int
    label: str
    scan_ms: int
    scanned: bool = False
    next_gate: int = 0
    chute: int = 0
    status: int = 0
    lap: int = 0


@dataclass
class Sorter:
    """The metal, and the program that moves it."""

    labels: list[str]
    per_second: float
    positions_mm: dict[int, int]
    default: int
    speed_mm_s: int
    full: list[int]
    last_sequence: int
    watchdog_ms: int = WATCHDOG_MS
    loads: list[Load] = field(default_factory=list)
    on_belt: list[Load] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    recirculated: int = 0
    now_ms: int = 0
    next_piece_ms: int = 0

    def __post_init__(self) -> None:
        order = sorted(self.positions_mm.items(), key=lambda one: one[1])
        self.gates = [(chute, mm * 1000 // self.speed_mm_s) for chute, mm in order]
        self.lap_ms = self.gates[-1][1] + SCAN_MS
        self.free = deque(range(1, SIZE.cells + 1))
        settings = {
            "defaultchute": self.default, "laplimit": LAP_LIMIT, "watchdogms": self.watchdog_ms,
            "waitforhost": True, "lastsequence": self.last_sequence, "lastpieceid": 0,
        }  # fmt: skip
        self.reference = Reference(SIZE, settings, dict(self.gates))
        self.reference.sorter.timems = FIRST_TIME_MS
        self.reference.happen = self._happen
        code = self.reference.machine.code
        judge = code["f_judgeinstruction"]

        def counted(*arguments: Any) -> int:
            answer: int = judge(*arguments)
            self.answers[answer] += 1
            return answer

        code["f_judgeinstruction"] = counted

    def cycle(self, elapsed_ms: int) -> None:
        self.now_ms += elapsed_ms
        self.reference.cycle(self.boot_id, elapsed_ms, self.now_ms, EXECUTE)

    @property
    def boot_id(self) -> int:
        return 1 + id(self) // 16 % 0xFFFF_FFFE

    def done(self) -> bool:
        sorter = self.reference.sorter
        ended = sorter.endedcount == len(self.labels)
        return bool(ended and not sorter.waiting and sorter.acknowledged == sorter.head)

    def _tell(self, name: str, *arguments: Any) -> Any:
        return self.reference.tell(name, *arguments)

    def _happen(self) -> None:
        now = self.reference.sorter.timems
        while self.full:
            self._tell("ChuteChanged", self.full.pop(0), ChuteState.FULL, now)
        for load in self.on_belt:
            self._move(load, now)
        self.free.extend(load.cell for load in self.on_belt if load.status)
        self.on_belt = [load for load in self.on_belt if not load.status]
        self._induct(now)

    def _induct(self, now: int) -> None:
        if len(self.loads) == len(self.labels) or self.now_ms < self.next_piece_ms:
            return
        if not self.free or not self._tell("MayInduct", self.free[0]):
            return
        cell = self.free.popleft()
        number = self._tell("PieceInducted", STATION, cell, now)
        assert number == len(self.loads) + 1
        load = Load(number, cell, self.labels[number - 1], self.now_ms + SCAN_MS)
        self.next_piece_ms = self.now_ms + int(1000 / self.per_second)
        self.loads.append(load)
        self.on_belt.append(load)

    def _move(self, load: Load, now: int) -> None:
        while self.now_ms >= load.scan_ms:
            if not load.scanned:
                self._scan(load, now)
            while load.next_gate < len(self.gates):
                chute, travel_ms = self.gates[load.next_gate]
                if self.now_ms < load.scan_ms + travel_ms:
                    return
                load.next_gate += 1
                way = self._tell("ChutePassed", load.cell, chute, load.scan_ms + travel_ms)
                if way:
                    load.chute, load.status = chute, way
                    self._tell("PieceLeft", load.cell, way, chute, now)
                    return
            if self.now_ms < load.scan_ms + self.lap_ms:
                return
            load.scan_ms += self.lap_ms
            load.scanned, load.next_gate = False, 0
            self.recirculated += 1

    def _scan(self, load: Load, now: int) -> None:
        codes = [code.encode() for code in load.label.split("|") if code]
        status = ScanStatus.MORE_CODES if len(codes) > CODES_MAX else 0
        codes = codes[:CODES_MAX]
        if any(len(code) > CODE_BYTES for code in codes):
            status |= ScanStatus.CODE_CUT
        cut = tuple(code[:CODE_BYTES] for code in codes)
        self.reference.read(Reading(cut, status, 100 + load.number, 300, 250, 200))
        load.scanned = True
        self._tell("PieceScanned", SCANNER, load.cell, now, load.scan_ms)

    def summary(self) -> dict[str, Any]:
        """What the PLC in C prints at its end."""
        sorter = self.reference.sorter
        ways = Counter(load.status for load in self.loads)
        return {
            "complete": self.done(), "inducted": sorter.inductedcount, "ended": sorter.endedcount,
            "sorted": ways[DischargeStatus.SORTED],
            "default_no_instruction": ways[DischargeStatus.DEFAULT_NO_INSTRUCTION],
            "default_host_silent": ways[DischargeStatus.DEFAULT_HOST_SILENT],
            "default_lap_limit": ways[DischargeStatus.DEFAULT_LAP_LIMIT],
            "recirculated": self.recirculated, "overflow": sorter.overflowcount,
            "head": sorter.head, "epoch": sorter.grantedepoch,
            "chutes": [load.chute for load in self.loads],
            **{answer.name.lower(): self.answers[answer] for answer in AnswerStatus},
        }  # fmt: skip


class Plc:
    """A sorter on a thread of its own, until every piece has ended or it is stopped."""

    def __init__(self, sorter: Sorter) -> None:
        self.sorter = sorter
        self._port: Future[int] = Future()
        self._stopped = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.port = self._port.result(WAIT_S)

    def summary(self) -> dict[str, Any]:
        self._thread.join(WAIT_S)
        ended = not self._thread.is_alive()
        self.stop()
        assert ended, f"the PLC did not come to its end: {self.sorter.summary()}"
        return self.sorter.summary()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(WAIT_S)
        if self._failed is not None:
            raise self._failed

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._failed = error
            if not self._port.done():
                self._port.set_exception(error)

    async def _serve(self) -> None:
        self.sorter.cycle(0)
        size = EVENT_RING + SIZE.event_slots * 40
        data = SimData(0, count=size, values=0, datatype=DataType.REGISTERS)
        server = ModbusTcpServer(
            SimDevice(id=0, simdata=[data], action=self._answer), address=("127.0.0.1", 0)
        )
        await server.serve_forever(background=True)
        assert isinstance(server.transport, asyncio.Server)
        self._port.set_result(server.transport.sockets[0].getsockname()[1])
        last = time.monotonic_ns()
        while not self._stopped.is_set() and not self.sorter.done():
            await asyncio.sleep(CYCLE_MS / 1000)
            elapsed_ms = (time.monotonic_ns() - last) // 1_000_000
            last += elapsed_ms * 1_000_000
            self.sorter.cycle(elapsed_ms)
        await server.shutdown()  # type: ignore[no-untyped-call]

    async def _answer(
        self, function: int, _start: int, address: int, count: int, registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:  # fmt: skip
        if values is None:
            image = self.sorter.reference.registers
            registers[address : address + count] = image[address : address + count]
            return None
        if not SEATS_AT <= address <= address + count <= EVENT_RING:
            return ExcCodes.ILLEGAL_ADDRESS
        for at, value in enumerate(values, address):
            self.sorter.reference.host_write(at, [int(value)])
        return None
