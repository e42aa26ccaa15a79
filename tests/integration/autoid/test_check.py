"""The check of a scanner beside the PLC: a sound one passes, each planted fault is named."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from plc_adapters.autoid.codes import CodeFilter
from plc_adapters.autoid.settings import ScannerSettings
from plc_adapters.autoid.tie import NS_PER_MS
from plc_adapters.autoid.tied_adapter import ScannerStatus
from plc_adapters.commissioning.ear import Ear
from plc_adapters.commissioning.findings import (
    Passed,
    Result,
    ScannerMark,
    ScannerResult,
    Verdict,
)
from plc_adapters.commissioning.scanners import check_with_scanners
from plc_adapters.emulator.scanner_sections import ScannerFaults
from tests.integration.autoid.conftest import BY_WINDOW, Eye
from tests.integration.modbus.conftest import until
from tests.integration.opcua.conftest import Pki
from tests.integration.service.conftest import free_port

PIECES = 7
"""More than a check waits for."""
GAP_S = 0.25
"""Between two pieces that are tied by their windows: more than one."""
WAIT_S = 0.3
"""What the check waits for scans that do not come."""
STATION = 255
M = ScannerMark
Change = Callable[[Eye], ScannerSettings]


def by_trigger(eye: Eye) -> ScannerSettings:
    return eye.by_trigger()


def by_window(eye: Eye) -> ScannerSettings:
    return eye.settings()


def of(**changes: Any) -> Change:
    """Settings that do not agree with the scanner."""
    return lambda eye: replace(eye.by_trigger(), **changes)


def at_no_port(eye: Eye) -> ScannerSettings:
    settings = eye.by_trigger()
    url = f"opc.tcp://127.0.0.1:{free_port()}"
    return replace(settings, endpoint=replace(settings.endpoint, url=url))


def trusting_none(eye: Eye) -> ScannerSettings:
    settings = eye.by_trigger()
    assert settings.endpoint.certificate is not None
    folder = settings.endpoint.certificate.parent
    return replace(settings, endpoint=replace(settings.endpoint, trusted=folder))


class Served:
    """Scanners on one event loop, one for each model of a device that is asked for."""

    def __init__(self, pki: Pki) -> None:
        self._pki = pki
        self._runner = asyncio.Runner()
        self._eyes: dict[tuple[bool, bool], Eye] = {}

    def check(self, change: Change, faults: ScannerFaults, **how: bool) -> ScannerResult:
        return self._runner.run(self._check(change, faults, **how))

    async def _check(
        self, change: Change, faults: ScannerFaults, *, tells: bool = True, cut: bool = False
    ) -> ScannerResult:
        """Check a scanner while pieces pass it; the PLC is one that only tells of them."""
        eye = await self._eye(faults)
        eye.front.faults = faults
        ear = Ear(change(eye), time.monotonic_ns, time.time_ns)

        async def plc() -> Result:
            result = Result("loop-1", "plc")
            await until(
                lambda: ear.began_ns > 0 or ear.enough.is_set() or ear.problem not in ("", NOT_YET)
            )
            for piece in range(1, PIECES + 1):
                result.measured.at_scanners.append(Passed(STATION, piece, time.monotonic_ns()))
                codes = () if piece == PIECES else (f"]C1JD{piece:08d}".encode(),)
                if tells:
                    await eye.front.tell(codes, time.time_ns(), piece)
                await asyncio.sleep(0.02 if ear.settings.window.by_trigger else GAP_S)
                if cut and piece == 1:
                    await eye.front.hang_up()
                    await eye.start()
                    await until(lambda: ear.scanner.status.reconnects > 0)
            result.measured.pieces = PIECES
            ends_ns = time.monotonic_ns() + MARGIN_MS * NS_PER_MS * (not tells)
            await until(lambda: ear.ended_ns >= ends_ns or not ear.began_ns)
            return result

        checked = await check_with_scanners(plc, [ear], WAIT_S, lambda _what, _share: None)
        return checked.scanners[0]

    async def _eye(self, faults: ScannerFaults) -> Eye:
        model = faults.no_autoid, faults.no_events
        if model not in self._eyes:
            self._eyes[model] = eye = Eye(self._pki, faults)
            await eye.start()
        return self._eyes[model]

    def end(self) -> None:
        for eye in self._eyes.values():
            self._runner.run(eye.front.end())
        self._runner.close()


@pytest.fixture(scope="module")
def served(pki: Pki) -> Iterator[Served]:
    made = Served(pki)
    yield made
    made.end()


NOT_YET = ScannerStatus().problem
MARGIN_MS = 500
WRONG_WINDOW = replace(BY_WINDOW, offset_ms=-9000)
PLANTED: list[tuple[str, Change, ScannerFaults, ScannerMark]] = [
    ("no server", at_no_port, ScannerFaults(), M.REACHABLE),
    ("untrusted", trusting_none, ScannerFaults(), M.SECURITY),
    ("no AutoID", by_trigger, ScannerFaults(no_autoid=True), M.AUTOID),
    ("no device", of(device="s=Elsewhere"), ScannerFaults(), M.DEVICE),
    ("no events", by_trigger, ScannerFaults(no_events=True), M.DEVICE),
    ("unknown kind", by_trigger, ScannerFaults(unknown_kind=True), M.READABLE),
    ("filter", of(codes=CodeFilter(pattern="SF[0-9]+")), ScannerFaults(), M.FILTER),
    ("no-read text", by_trigger, ScannerFaults(says_no_read="no code!"), M.NO_READ),
    ("clock ahead", by_window, ScannerFaults(stamp_ahead_ms=60_000), M.CLOCK),
    ("clock behind", by_window, ScannerFaults(stamp_ahead_ms=-60_000), M.CLOCK),
    ("standing id", by_trigger, ScannerFaults(trigger_stands=True), M.TRIGGER_ID),
    ("no id", by_trigger, ScannerFaults(no_trigger_id=True), M.TRIGGER_ID),
    ("wrong window", lambda eye: eye.settings(window=WRONG_WINDOW), ScannerFaults(), M.TIE),
    ("wrong station", of(station=7), ScannerFaults(), M.TIE),
]
"""A name, the site's settings, the scanner's faults, and what is named for it."""


@pytest.mark.parametrize("change", [by_trigger, by_window], ids=["trigger", "window"])
def test_a_sound_scanner_passes(served: Served, change: Change) -> None:
    result = served.check(change, ScannerFaults())
    unsound = [f for f in result.findings if f.verdict is not Verdict.OK]
    assert unsound == []
    seen = {f.mark: f.seen for f in result.findings}
    assert set(seen) == set(M) - ({M.TRIGGER_ID} if change is by_window else set())
    assert seen[M.SECURITY] == "Basic256Sha256 SignAndEncrypt"
    assert f"String {PIECES - 1}" in seen[M.READABLE]
    assert f"{PIECES} tied, 0 ambiguous" in seen[M.TIE]
    assert "this machine's" in seen[M.CLOCK]
    assert result.scans == PIECES


@pytest.mark.parametrize(
    ("change", "faults", "named"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED]
)
def test_a_planted_fault_is_named(
    served: Served, change: Change, faults: ScannerFaults, named: ScannerMark
) -> None:
    result = served.check(change, faults)
    failed = [f for f in result.findings if f.verdict is Verdict.FAIL]
    assert [f.mark for f in failed] == [named], failed
    assert all(f.seen and len(f.advice) > 15 for f in failed)
    assert {f.mark for f in result.findings} | {M.TRIGGER_ID} == set(M)


def test_scans_that_were_lost_on_their_way_are_named(served: Served) -> None:
    result = served.check(by_trigger, ScannerFaults(), cut=True)
    failed = [f for f in result.findings if f.verdict is Verdict.FAIL]
    assert [f.mark for f in failed] == [M.DELIVERY]
    assert "lost 1 times" in failed[0].seen


def test_a_scanner_that_tells_nothing_is_named(served: Served) -> None:
    result = served.check(by_trigger, ScannerFaults(), tells=False)
    failed = [f for f in result.findings if f.verdict is Verdict.FAIL]
    assert [f.mark for f in failed] == [M.SCAN]
    assert f"{PIECES} pieces at station {STATION}" in failed[0].seen


def test_a_no_read_text_that_is_known_is_no_fault(served: Served) -> None:
    change = of(codes=CodeFilter(no_read=("No Code!",)))
    result = served.check(change, ScannerFaults(says_no_read="no code!"))
    told = next(f for f in result.findings if f.mark is M.NO_READ)
    assert (told.verdict, "no code!" in told.seen) == (Verdict.OK, True)
    assert result.passed
