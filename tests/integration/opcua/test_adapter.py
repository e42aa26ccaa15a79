"""The OPC UA adapter against the emulated PLC: nothing lost, nothing twice, whatever its map."""

import asyncio
from typing import Any

import numpy as np
import pytest

from plc_adapters.contract import AnswerStatus, DischargeStatus
from plc_adapters.opcua.nodes import PER_SLOT, NodeMap
from tests.integration.modbus.conftest import Host, Plc, assert_ended_as_answered, until
from tests.integration.opcua.conftest import Pki, RunWithPlc, adapter_of, link_to

SLOTS = "listen.opcua.variable_per_slot=true"


@pytest.mark.parametrize(
    ("settings", "link"),
    [
        ((), {}),
        ((SLOTS, "plc.word_order=little"), {"nodes": PER_SLOT, "word_order": "little"}),
        (
            ("plc.first_sequence=4294967290",),
            {"words_per_read": 40, "words_per_write": 18, "seat": 1, "nodes": NodeMap(head="")},
        ),
    ],
)
def test_pieces_are_sorted_as_instructed(
    run_with_plc: RunWithPlc, pki: Pki, settings: tuple[str, ...], link: dict[str, Any]
) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(adapter_of(link_to(plc.port, pki, **link)))
        await host.open()
        tally = plc.sorter.tally
        await host.turn_until(lambda: tally.ended[DischargeStatus.SORTED] >= 25)
        events = host.all()
        assert plc.sorter.status()["overflow"] == 0
        assert tally.answers[AnswerStatus.ACCEPTED] >= 25
        steps = np.diff(events["sequence"].astype(np.int64))
        assert set(steps.tolist()) <= {1, 1 - 0xFFFF_FFFF}
        assert_ended_as_answered(events)
        await host.adapter.close()

    run_with_plc(scenario, "plc.host_watchdog_ms=5000", *settings)


def test_a_cut_cable_loses_and_repeats_nothing(run_with_plc: RunWithPlc, pki: Pki) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(adapter_of(link_to(plc.port, pki)))
        await host.open()
        tally = plc.sorter.tally
        await host.turn_until(
            lambda: tally.ended_count >= 60 and host.adapter.status.reconnects > 1
        )
        assert set(np.diff(host.sequences())) == {1}
        assert tally.two_instructions == 0
        assert host.adapter.status.missed_count == 0
        assert host.adapter.status.epoch == 1

    cuts = "cuts=[{after_ms=800,for_ms=150},{after_ms=2200,for_ms=60}]"
    run_with_plc(scenario, "plc.host_watchdog_ms=5000", cuts)


def test_a_head_that_changes_wakes_the_host(run_with_plc: RunWithPlc, pki: Pki) -> None:
    async def scenario(plc: Plc) -> None:
        # Nothing but the subscription can bring events within the time this test waits.
        host = Host(adapter_of(link_to(plc.port, pki, poll_period_ms=60_000)))
        await host.open()
        seen = plc.sorter.program.ring.head
        await host.turn_until(lambda: bool(host.events) and host.sequences()[-1] > seen + 20)
        assert set(np.diff(host.sequences())) == {1}
        await host.adapter.close()

    run_with_plc(scenario, "plc.host_watchdog_ms=5000")


def test_intervals_beyond_the_poll_period_are_told_and_polled(
    run_with_plc: RunWithPlc, pki: Pki, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(plc: Plc) -> None:
        link = link_to(plc.port, pki, poll_period_ms=20, publishing_interval_ms=500)
        host = Host(adapter_of(link))
        await host.open()
        assert "publishes every 500 ms at best, later than poll_period_ms (20)" in caplog.text
        await host.turn_until(lambda: plc.sorter.tally.ended_count >= 5)
        await host.adapter.close()

    run_with_plc(scenario, "plc.host_watchdog_ms=5000")


def test_a_server_that_is_away_is_waited_for(run_with_plc: RunWithPlc, pki: Pki) -> None:
    async def scenario(plc: Plc) -> None:
        await plc.stop()
        host = Host(adapter_of(link_to(plc.port, pki)))
        opening = asyncio.create_task(host.open())
        await until(lambda: "connection refused" in host.adapter.status.problem)
        assert f"opc.tcp://127.0.0.1:{plc.port}" in host.adapter.status.problem
        await plc.reboot()
        await opening
        assert host.adapter.status.connected
        await host.adapter.close()

    run_with_plc(scenario)
