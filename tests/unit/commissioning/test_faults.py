"""Each fault planted in an emulated PLC is found and named, and nothing else is blamed."""

import asyncio
from collections.abc import Callable

import pytest

from plc_adapters.commissioning.findings import Mark, Verdict
from tests.unit.commissioning.conftest import VirtualPlc, checked

NEAR_WRAP = "plc.first_sequence=4294967000"
HELD = 'halts=[{after_ms=2000, for_ms=20000, state="held"}]'
PLANTED = [
    (("plc.word_order=little",), {Mark.WORD_ORDER}),
    (("plc.string_byte_order=little",), {Mark.STRING_BYTE_ORDER}),
    (("plc.layout_version=2",), {Mark.LAYOUT_VERSION}),
    (("faults.wrong_magic=true",), {Mark.MAGIC}),
    (("faults.event_slots_shown=48",), {Mark.EVENT_SLOTS}),
    (("faults.event_slots_shown=128",), {Mark.IMAGE}),
    (("faults.heartbeat_stands=true",), {Mark.HEARTBEAT}),
    (("faults.clock_stands=true",), {Mark.CLOCK}),
    (("faults.machine_state_shown=6",), {Mark.MACHINE_STATE}),
    (("faults.inducts_always=true", HELD), {Mark.MACHINE_STATE}),
    (("faults.answer_ms=200",), {Mark.REQUEST_TIME}),
    (("faults.writes_seats=true",), {Mark.ONE_WRITER}),
    (("faults.never_grants=true",), {Mark.GRANT}),
    (("faults.grants_beside_alive=true",), {Mark.SECOND_HOST}),
    (("faults.grants_lower_epoch=true",), {Mark.LOWER_CLAIM}),
    (("faults.never_silent=true",), {Mark.SILENT_HOST}),
    (("faults.accepts_lower_epoch=true",), {Mark.LOWER_EPOCH, Mark.TAKE_OVER}),
    (("faults.accepts_other_seat=true",), {Mark.OTHER_SEAT}),
    (("faults.no_echo=true",), {Mark.ECHO}),
    (("faults.consumed_stands=true",), {Mark.CONSUMED}),
    (("faults.check_not_verified=true",), {Mark.CHECK_SUM}),
    (("faults.replaces_held=true",), {Mark.HELD}),
    (("faults.torn_slots=true",), {Mark.WHOLE_SLOTS}),
    (("faults.skips_slots=true",), {Mark.EVENTS, Mark.LOAD}),
    (("faults.loses_events=true",), {Mark.LOAD}),
    (("faults.ignores_acknowledgement=true",), {Mark.ACKNOWLEDGEMENT}),
    (("faults.takes_any_acknowledgement=true",), {Mark.ACKNOWLEDGEMENT_BEYOND}),
    (("faults.overwrites_unacknowledged=true",), {Mark.UNACKNOWLEDGED}),
    (("faults.zero_after_wrap=true", NEAR_WRAP), {Mark.WRAP}),
]


@pytest.mark.parametrize(("settings", "named"), PLANTED, ids=lambda value: str(value)[:50])
def test_a_planted_fault_is_named(
    make_plc: Callable[..., VirtualPlc], settings: tuple[str, ...], named: set[Mark]
) -> None:
    result = asyncio.run(checked(make_plc(*settings)))
    failed = {f.mark: f for f in result.findings if f.verdict is Verdict.FAIL}
    # Pieces whose induction was lost are counted and never told: that is the same fault.
    assert set(failed) - {Mark.COUNTERS} == named
    assert not result.passed
    assert all(f.seen and len(f.advice) > 20 for f in failed.values())
