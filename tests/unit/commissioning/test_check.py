"""A PLC without faults passes; what can't be checked says so; the seat is left clean."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from plc_adapters.commissioning.context import Plan
from plc_adapters.commissioning.findings import Mark, Result, ScannerMark, Verdict
from plc_adapters.commissioning.run import HeldError, check_plc
from plc_adapters.host.wire import LinkError
from plc_adapters.mailbox.table import HEADER, SEAT_SIZE, SEATS
from tests.unit.commissioning.conftest import LINK, PLAN, VirtualPlc, checked

MakePlc = Callable[..., VirtualPlc]
SEATS_AT = slice(HEADER.size, HEADER.size + SEATS * SEAT_SIZE)


def marks(result: Result, verdict: Verdict) -> set[Mark | ScannerMark]:
    return {finding.mark for finding in result.findings if finding.verdict is verdict}


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("plc.event_slots=8",),
        ("plc.event_slots=1024",),
        ("plc.cycle_ms=50",),
        ("chances.no_read=0.2", "chances.several_codes=0.5", "chances.unknown_weight=0.5"),
        ("faults.answer_ms=30",),
        ("plc.packml=true", 'halts=[{after_ms=9000, for_ms=500, state="suspended"}]'),
    ],
    ids=str,
)
def test_a_plc_without_faults_passes(make_plc: MakePlc, settings: tuple[str, ...]) -> None:
    plc = make_plc(*settings)
    result = asyncio.run(checked(plc))
    assert marks(result, Verdict.FAIL) == set(), [f for f in result.findings if f.verdict == "fail"]
    assert marks(result, Verdict.UNCHECKED) <= {Mark.WRAP, Mark.SORTED, Mark.DEFAULTED}
    assert len(result.findings) == len(Mark)
    assert not any(plc.sorter.memory.registers[SEATS_AT])


@pytest.mark.parametrize(
    "settings",
    [
        ("faults.answer_ms=60",),
        ("faults.answer_ms=97", "plc.host_watchdog_ms=3000"),
        ("plc.cycle_ms=100",),
        ("plc.cycle_ms=600", "plc.host_watchdog_ms=5000"),
    ],
    ids=str,
)
def test_a_slow_plc_is_not_blamed_for_what_cannot_be_judged(
    make_plc: MakePlc, settings: tuple[str, ...]
) -> None:
    """It tells faster than its answers let it be read, or its cycle is as long as a piece's way."""
    result = asyncio.run(checked(make_plc(*settings), plan=replace(PLAN, first_chute_ms=0)))
    assert marks(result, Verdict.FAIL) == set(), [f for f in result.findings if f.verdict == "fail"]
    late = [f for f in result.findings if f.seen.startswith("not judged")]
    assert all(f.verdict is Verdict.UNCHECKED and "make answers faster" in f.advice for f in late)
    assert bool(late) == ("answer_ms" in settings[0])


def test_a_sequence_near_its_end_is_taken_over_the_wrap(make_plc: MakePlc) -> None:
    result = asyncio.run(checked(make_plc("plc.first_sequence=4294967000")))
    assert result.verdict_of(Mark.WRAP) is Verdict.OK
    assert result.passed


def test_a_wrap_that_is_far_says_how_to_check_it(make_plc: MakePlc) -> None:
    result = asyncio.run(checked(make_plc()))
    wrap = next(f for f in result.findings if f.mark is Mark.WRAP)
    assert wrap.verdict is Verdict.UNCHECKED
    assert "4294967000" in wrap.advice
    assert result.passed


def test_without_pieces_all_that_needs_none_is_checked(make_plc: MakePlc) -> None:
    result = asyncio.run(checked(make_plc("arrivals.pieces_per_hour=0.001")))
    needing = {Mark.HELD, Mark.REVISION, Mark.SORTED, Mark.COUNTERS, Mark.DEFAULTED, Mark.WRAP}
    assert marks(result, Verdict.UNCHECKED) == needing
    assert marks(result, Verdict.FAIL) == set()


def test_it_can_be_checked_again(make_plc: MakePlc) -> None:
    plc = make_plc()
    assert asyncio.run(checked(plc)).passed
    again = asyncio.run(checked(plc))
    assert again.passed
    assert "epoch 5" in next(f.seen for f in again.findings if f.mark is Mark.GRANT)


def test_a_living_host_is_left_alone(make_plc: MakePlc) -> None:
    plc = make_plc()
    beat = 0

    async def read(address: int, count: int) -> list[int]:
        nonlocal beat
        beat += 1
        plc.sorter.memory.host_write(HEADER.size, [beat & 0xFFFF, 0, 4], plc.now_us)
        return await VirtualPlc.read(plc, address, count)

    plc.read = read  # type: ignore[method-assign]
    with pytest.raises(
        HeldError, match=r"host in seat 0 is alive .epoch 4 is granted.*--read-only"
    ):
        asyncio.run(checked(plc))
    looked = asyncio.run(checked(plc, plan=replace(PLAN, read_only=True)))
    assert looked.passed
    assert plc.sorter.program.seats.granted_epoch == 4
    assert marks(looked, Verdict.OK) >= {Mark.WORD_ORDER, Mark.HEARTBEAT, Mark.REQUEST_TIME}
    assert looked.verdict_of(Mark.GRANT) is Verdict.UNCHECKED


def test_looking_only_writes_nothing(make_plc: MakePlc) -> None:
    plc = make_plc()
    asyncio.run(checked(plc, plan=replace(PLAN, read_only=True)))
    assert not any(plc.sorter.memory.registers[SEATS_AT])
    assert plc.sorter.program.seats.granted_epoch == 0


@pytest.mark.parametrize("after", [5, 120, 400, 700, 1100])
def test_a_connection_that_breaks_is_a_failure_and_the_seat_is_cleaned(
    make_plc: MakePlc, after: int
) -> None:
    plc = make_plc()
    plc.cut_after = after
    result = asyncio.run(checked(plc))
    reached = next(f for f in result.findings if f.mark is Mark.REACHABLE)
    assert reached.verdict is Verdict.FAIL
    assert "connection lost" in reached.seen
    assert len(result.findings) == len(Mark)
    assert not any(plc.sorter.memory.registers[SEATS_AT])


def test_a_plc_that_is_not_there_is_an_error(make_plc: MakePlc) -> None:
    plc = make_plc()
    plc.cut_after = 0
    with pytest.raises(LinkError):
        asyncio.run(checked(plc))


def test_the_load_is_as_long_and_as_high_as_asked_for(make_plc: MakePlc) -> None:
    plan = Plan(PLAN.chutes, load_s=4.0, load_rate=40.0)
    result = asyncio.run(checked(make_plc("arrivals.pieces_per_hour=0.001"), plan=plan))
    assert 4.0 <= result.measured.load_seconds < 6.0
    assert 30.0 < result.measured.load_rate < 50.0


def test_what_is_being_done_is_told_and_never_goes_back(make_plc: MakePlc) -> None:
    plc, told = make_plc(), list[tuple[str, float]]()
    asyncio.run(check_plc("x", LINK, lambda: plc, PLAN, plc.clock, lambda *step: told.append(step)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert any("default chute" in what for what, _ in told)
