"""A scanner of its own: the PLC's scans bear no codes, and its readings come apart, or never."""

import asyncio
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plc_adapters.contract import EventKind, ScanStatus
from plc_adapters.emulator.config import EmulatorConfigError, load_config
from plc_adapters.emulator.listen_sections import ListenOpcua
from plc_adapters.emulator.plc import Scan
from plc_adapters.emulator.scanner import Scanner
from plc_adapters.emulator.scanner_sections import EmulatedScanner

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Bench

PKI = "scanner.opcua={certificate='a', key='b', trusted='c'}"
OPCUA = ListenOpcua(certificate=Path("a"), key=Path("b"), trusted=Path("c"))
MS = 1000


class Front:
    def __init__(self) -> None:
        self.told: list[tuple[tuple[bytes, ...], int, int]] = []

    async def tell(self, codes: tuple[bytes, ...], read_ns: int, piece_id: int) -> None:
        self.told.append((codes, read_ns, piece_id))


def test_the_plc_tells_of_the_piece_and_the_scanner_what_it_read(bench: "Bench") -> None:
    rig = bench.rig(PKI)
    rig.claim(1)
    rig.run(4)
    scans = [event for event in rig.events if event.kind == EventKind.SCANNED]
    assert scans
    assert {event.status for event in scans} == {ScanStatus.CODES_ELSEWHERE}
    assert not any(code for event in scans for code in event.codes)
    assert all(event.weight > 0 for event in scans)
    read = rig.sorter.program.read_elsewhere
    assert read is not None
    assert [(scan.piece_id, scan.codes) for scan in read] == [
        (event.piece, (b"]C0P%03d" % event.piece,)) for event in scans
    ]


def test_readings_are_told_when_they_are_due_with_the_instant_they_were_read() -> None:
    settings = EmulatedScanner(opcua=OPCUA, deliver_min_ms=10, deliver_max_ms=60)
    scans = deque(Scan(n, (b"P%d" % n,), n * 20 * MS) for n in range(1, 6))
    scanner, front = Scanner(settings, 1, scans), Front()
    asyncio.run(scanner.tell_due(25 * MS, front))
    assert front.told == []
    before = time.time_ns()
    asyncio.run(scanner.tell_due(200 * MS, front))
    assert sorted(piece for _, _, piece in front.told) == [1, 2, 3, 4, 5]
    assert scanner.told == 5
    for codes, read_ns, piece in front.told:
        assert codes == (b"P%d" % piece,)
        assert before <= read_ns + (200 - 20 * piece) * MS * 1000 <= time.time_ns()


def test_some_are_never_told() -> None:
    settings = EmulatedScanner(opcua=OPCUA, untold=0.5)
    scans = deque(Scan(n, (), 0) for n in range(200))
    scanner, front = Scanner(settings, 1, scans), Front()
    asyncio.run(scanner.tell_due(1000 * MS, front))
    assert scanner.told + scanner.untold == 200
    assert 50 < scanner.untold < 150


def test_wrong_delays_are_told(bench: "Bench") -> None:
    with pytest.raises(EmulatorConfigError) as caught:
        load_config(bench.config, (PKI, "scanner.deliver_min_ms=50"))
    assert "deliver_min_ms is more than deliver_max_ms" in str(caught.value)
