"""Every AutoID device is understood alike, and on no network is a code tied to another piece."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from plc_adapters.autoid.tie import Window
from plc_adapters.contract import ScanStatus
from tests.conformance.proxy import CERTAIN_FAULTS, FAULTS, FaultProxy
from tests.conformance.scanners import (
    ELSEWHERE,
    PEERS,
    Device,
    Line,
    settings_of,
    start_device,
)
from tests.integration.opcua.conftest import Pki

SEED = 20_261_129
DELIVERY_MS = 2000
"""On a loaded machine a result is long under way; what comes later is a no-read."""
BY_TRIGGER = Window(window_ms=200, delivery_ms=DELIVERY_MS, by_trigger=True)
BY_WINDOW = Window(offset_ms=0, window_ms=300, delivery_ms=DELIVERY_MS)
PIECES_OF_FAULT = 2
CUT_S = 1.0
CUTS_S = (0.2, 3.0, 8.0)
PATIENT_MS = 8000
"""Where every result must be in time, however slow the machine is."""
PASSES_MAX = 100


@pytest.fixture(scope="module")
def devices(
    pki: Pki, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Device]]:
    """A function that gives the device of a name, started at its first use."""
    folder = tmp_path_factory.mktemp("devices")
    started: dict[str, Device] = {}

    def give(name: str) -> Device:
        if name not in started:
            started[name] = start_device(name, pki, folder)
        return started[name]

    yield give
    for device in started.values():
        device.end()


@pytest.fixture(params=PEERS)
def device(request: pytest.FixtureRequest, devices: Callable[[str], Device]) -> Device:
    return devices(request.param)


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


def code_of(piece: int) -> str:
    return f"]C1JD{piece:08d}"


def test_several_codes_of_every_kind_and_no_reads(device: Device) -> None:
    async def scenario() -> None:
        line = Line(device, settings_of(device, replace(BY_TRIGGER, delivery_ms=PATIENT_MS)))
        await line.open()
        kinds = [("text", "]C1JD0001"), ("text", "运单7")]
        if device.name != "asyncua":
            kinds += [("bytes", "GS1\x1d01"), ("epc", "3034257BF7194E4000001A85")]
        wanted = tuple(text.encode() for _, text in kinds)
        several = await line.piece(*kinds)
        nothing = await line.piece()
        no_read = await line.piece(("text", "noread"))
        dead = await line.piece(tell=False)
        await line.turn_until(lambda: len(line.told) == line.passed)
        assert line.told == {
            several: (0, wanted), nothing: (0, ()), no_read: (0, ()), dead: (ELSEWHERE, ()),
        }  # fmt: skip
        assert line.scanner.status.malformed == 0
        await line.close()

    run(scenario)


def test_last_scan_data_by_the_photo_eye(device: Device) -> None:
    async def scenario() -> None:
        line = Line(device, settings_of(device, BY_WINDOW, mode="last_scan_data"))
        await line.open()
        await line.turn_until(lambda: line.scanner.knows_clock)
        # The same code over and over: it counts by its instant. The opcua package tells a value
        # again only if it is another one, whatever is asked of it. A reading that is told so late
        # that it lies in no window any more is nobody's.
        while tied(line) < 3 and line.passed < PASSES_MAX:
            await line.piece(("text", code_of(line.passed + 1 if device.name == "opcua" else 7)))
            await line.turn_until(lambda: len(line.told) == line.passed)
        assert tied(line) == 3
        # LastScanData bears no symbology.
        code = "JD{:08d}".format
        assert_never_wrong(line, lambda n: code(n if device.name == "opcua" else 7).encode())
        await line.close()

    run(scenario)


@pytest.mark.parametrize("window", [BY_TRIGGER, BY_WINDOW], ids=["trigger", "window"])
def test_a_bad_network_ties_nothing_wrong(device: Device, window: Window) -> None:
    async def scenario() -> None:
        proxy = FaultProxy(device.port, SEED)
        await proxy.start()
        line = Line(device, settings_of(device, window, proxy.port))
        await line.open()
        await line.turn_until(lambda: line.scanner.knows_clock)
        for fault in ("", *FAULTS, ""):
            await line.turn_until(lambda: line.scanner.status.connected)
            proxy.fault = fault
            for _ in range(PIECES_OF_FAULT):
                await line.piece(("text", code_of(line.passed + 1)))
                await turn_for(line, gap_s(window))
            if fault in CERTAIN_FAULTS:
                await line.turn_until(lambda: proxy.broken[fault] > 0)  # noqa: B023 - used at once
            await line.turn_until(lambda: len(line.told) == line.passed)
        proxy.fault = ""
        cut = asyncio.create_task(proxy.cut(CUT_S))
        first = line.passed + 1
        while not cut.done():
            await line.piece(("text", code_of(line.passed + 1)))
            await turn_for(line, gap_s(window))
        await cut
        gaps = line.scanner.status.gaps
        await line.turn_until(lambda: line.scanner.status.connected)
        last = await line.piece(("text", code_of(line.passed + 1)))
        await line.turn_until(lambda: len(line.told) == line.passed)
        assert gaps >= 1
        assert_never_wrong(line, lambda piece: code_of(piece).encode())
        # What was read while the cable was cut is nobody's: it goes where unread pieces go.
        assert any(line.told[piece] == (ELSEWHERE, ()) for piece in range(first, last))
        assert line.scanner.status.reconnects >= 1
        await line.close()
        await proxy.stop()

    run(scenario)


def test_after_a_cut_of_any_length_the_scanner_is_heard_again(pki: Pki, tmp_path: Path) -> None:
    """By trigger id and by photo-eye side by side, each on a device of its own."""

    async def on_one(device: Device, window: Window) -> None:
        proxy = FaultProxy(device.port, SEED)
        await proxy.start()
        line = Line(device, settings_of(device, window, proxy.port))
        await line.open()
        await until_one_is_tied(line)
        for seconds in CUTS_S:
            before, last = line.scanner.status.reconnects, line.passed
            await proxy.stop()
            ends = asyncio.get_running_loop().time() + seconds
            while line.passed == last or asyncio.get_running_loop().time() < ends:
                await line.piece(("text", code_of(line.passed + 1)))
                await turn_for(line, gap_s(window))
            meanwhile = range(last + 1, line.passed + 1)
            await proxy.start()
            await line.turn_until(lambda: line.scanner.status.reconnects > before)  # noqa: B023
            await until_one_is_tied(line)
            assert {line.told[piece] for piece in meanwhile} == {(ELSEWHERE, ())}
        assert_never_wrong(line, lambda piece: code_of(piece).encode())
        assert line.scanner.status.gaps >= len(CUTS_S)
        await line.close()
        await proxy.stop()

    by_trigger, by_window = (start_device("asyncua", pki, tmp_path) for _ in range(2))

    async def both() -> None:
        await asyncio.gather(on_one(by_trigger, BY_TRIGGER), on_one(by_window, BY_WINDOW))

    try:
        run(both)
    finally:
        by_trigger.end()
        by_window.end()


def test_what_may_be_two_pieces_is_nobodys(device: Device) -> None:
    async def scenario() -> None:
        window = replace(BY_WINDOW, window_ms=4000, delivery_ms=PATIENT_MS)
        line = Line(device, settings_of(device, window))
        await line.open()
        await line.turn_until(lambda: line.scanner.knows_clock)
        first = await line.piece(("text", code_of(1)))
        second = await line.piece(tell=False)
        await line.turn_until(lambda: len(line.told) == 2)
        ambiguous = int(ScanStatus.TIE_AMBIGUOUS), ()
        assert line.told == {first: ambiguous, second: ambiguous}
        await line.close()

    run(scenario)


def gap_s(window: Window) -> float:
    """Return how far apart pieces follow; by photo-eye so far that their windows are."""
    return 0.05 if window.by_trigger else 1.2 * window.window_ms / 1000


async def until_one_is_tied(line: Line) -> None:
    """Let pieces pass until one more goes on with its code: the scanner is heard."""
    await line.turn_until(lambda: line.scanner.knows_clock)
    before = tied(line)
    for _ in range(PASSES_MAX):
        await line.piece(("text", code_of(line.passed + 1)))
        await line.turn_until(lambda: len(line.told) == line.passed)
        if tied(line) > before:
            return
    raise AssertionError(f"none of {PASSES_MAX} pieces was tied; {line.scanner.status}")


def tied(line: Line) -> int:
    return line.scanner.status.ties.tied


async def turn_for(line: Line, seconds: float) -> None:
    ends = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < ends:
        await line.turn()


def assert_never_wrong(line: Line, code: Callable[[int], bytes]) -> None:
    """Each piece has its own code, or none and the reason; and at least one has its own."""
    right = 0
    for piece, (status, codes) in line.told.items():
        if codes:
            assert codes == (code(piece),), piece
            right += 1
        else:
            assert status in (ELSEWHERE, ScanStatus.TIE_AMBIGUOUS), piece
    assert right
