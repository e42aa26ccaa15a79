"""The Modbus adapter against the emulated PLC: nothing lost, nothing twice."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from plc_adapters.contract import (
    AdapterError,
    AnswerStatus,
    DischargeStatus,
    EventKind,
    Records,
    Resume,
)
from plc_adapters.modbus.settings import ModbusLink
from tests.integration.modbus.conftest import (
    ANSWER_IN_MS,
    Host,
    Plc,
    adapter_of,
    assert_ended_as_answered,
    until,
)

Run = Callable[..., None]


def slack_and_time_taken_ms(events: Records) -> NDArray[np.float64]:
    """Of each answer taken: what was left until its deadline, and what it took since its scan.

    Together they are what the host set the deadline to after the scan, on whatever clock.
    """
    scanned = {
        (int(scan["piece_id"]), int(scan["lap"])): int(scan["event_ns"])
        for scan in events[events["kind"] == EventKind.SCANNED]
    }
    echoes = events[events["kind"] == EventKind.INSTRUCTED]
    echoes = echoes[echoes["status"] == AnswerStatus.ACCEPTED]
    began = [scanned[int(echo["piece_id"]), int(echo["lap"])] for echo in echoes]
    both: NDArray[np.float64] = echoes["slack_ms"] + (echoes["event_ns"] - np.array(began)) / 1e6
    return both


def contiguous(sequences: list[int]) -> bool:
    return bool((np.diff(sequences) == 1).all())


@pytest.mark.parametrize(
    ("settings", "link"),
    [
        ((), {}),
        (("plc.word_order=little",), {"word_order": "little"}),
        (("plc.string_byte_order=little",), {"string_byte_order": "little"}),
        ((), {"words_per_read": 40, "words_per_write": 18}),
        ((), {"seat": 1}),
        (("listen.base_address=4096",), {"base_address": 4096}),
        (("plc.event_slots=16",), {}),
        (("plc.first_sequence=4294967290",), {}),
        (("plc.first_time_ms=4294966000",), {}),
    ],
)
def test_pieces_are_sorted_as_instructed(
    run_with_plc: Run, settings: tuple[str, ...], link: dict[str, Any]
) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(adapter_of(plc.link(**link)))
        await host.open()
        tally = plc.sorter.tally
        await host.turn_until(lambda: tally.ended[DischargeStatus.SORTED] >= 40)
        events = host.all()
        assert plc.sorter.status()["overflow"] == 0
        assert tally.answers[AnswerStatus.ACCEPTED] >= 40
        steps = np.diff(events["sequence"].astype(np.int64))
        assert set(steps.tolist()) <= {1, 1 - 0xFFFF_FFFF}
        assert_ended_as_answered(events)
        assert abs(np.median(slack_and_time_taken_ms(events)) - ANSWER_IN_MS) <= 20
        scans = events[events["kind"] == EventKind.SCANNED]
        assert scans["codes"][0, 0].tobytes().rstrip(b"\0").startswith(b"]C0EMU")
        assert (events["event_ns"] <= events["host_receive_ns"]).all()
        await host.adapter.close()

    # Slow enough that a busy machine's host is seldom late.
    run_with_plc(scenario, "loop.speed_mm_s=4000", "plc.host_watchdog_ms=2000", *settings)


def test_a_cut_cable_loses_and_repeats_nothing(run_with_plc: Run) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(adapter_of(plc.link()))
        await host.open()
        tally = plc.sorter.tally
        await host.turn_until(
            lambda: tally.ended_count >= 60 and host.adapter.status.reconnects > 1
        )
        events = host.all()
        assert contiguous(host.sequences())
        assert len(set(events["boot_id"].tolist())) == 1
        assert tally.two_instructions == 0
        assert host.adapter.status.missed_count == 0
        assert host.adapter.status.epoch == 1

    run_with_plc(scenario, "cuts=[{after_ms=300,for_ms=120},{after_ms=900,for_ms=60}]")


def test_a_restarted_plc_is_claimed_anew(run_with_plc: Run) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(adapter_of(plc.link()))
        await host.open()
        await host.turn_until(lambda: plc.sorter.tally.ended_count >= 10)
        await plc.reboot()
        await host.turn_until(lambda: plc.sorter.tally.ended_count >= 10)
        status = host.adapter.status
        assert (status.boot_id, status.epoch) == (2, 1)
        events = host.all()
        for boot in (1, 2):
            of_boot = events[events["boot_id"] == boot]
            assert contiguous(of_boot["sequence"].tolist())
        assert int(events[events["boot_id"] == 2]["sequence"][0]) == 1
        assert_ended_as_answered(events)

    run_with_plc(scenario)


def test_a_scan_cut_by_a_restart_is_delivered_with_the_codes_it_has(run_with_plc: Run) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(adapter_of(plc.link()))
        await host.open()
        await host.turn_until(lambda: plc.sorter.tally.ended_count >= 3)
        await plc.stop()
        # The first of two codes came, then the PLC started anew.
        half = np.zeros(40, np.uint16)
        sequence = host.sequences()[-1] + 1
        half[0:2] = half[38:40] = sequence >> 16, sequence & 0xFFFF
        half[2], half[5], half[17] = EventKind.SCANNED, 77, 2
        events, _ = host.adapter._ring._decoder.decode(half.tolist(), sequence)  # type: ignore[attr-defined]
        assert len(events) == 0
        await plc.reboot()
        await host.turn_until(lambda: plc.sorter.tally.ended_count >= 3)
        events = host.all()
        cut = events[(events["boot_id"] == 1) & (events["sequence"] == sequence)]
        assert cut["piece_id"].tolist() == [77]
        assert host.adapter.status.malformed_count == 1
        boots = events["boot_id"].tolist()
        assert boots == sorted(boots)

    run_with_plc(scenario)


def test_a_new_host_goes_on_after_the_journals_last_event(run_with_plc: Run) -> None:
    async def scenario(plc: Plc) -> None:
        first = Host(adapter_of(plc.link()))
        await first.open()
        await first.turn_until(lambda: plc.sorter.tally.ended_count >= 10)
        kept = first.all()[:-5]
        last = kept[-1]
        # Killed: it says nothing more, and its last five events are in no journal.
        first.adapter.acknowledge(0)
        second = Host(adapter_of(plc.link()))
        resume = Resume(int(last["boot_id"]), int(last["sequence"]), first.adapter.status.epoch)
        await second.open(resume)
        # Read only now: the first one's last acknowledgement may have been on its way.
        acknowledged = int(plc.sorter.status()["acknowledged"])  # type: ignore[call-overload]
        assert second.adapter.status.epoch == 2
        ended = plc.sorter.tally.ended_count
        await second.turn_until(lambda: plc.sorter.tally.ended_count >= ended + 10)
        expected_first = max(int(last["sequence"]), acknowledged) + 1
        assert second.sequences()[0] == expected_first
        assert contiguous(second.sequences())
        assert plc.sorter.tally.two_instructions == 0

    run_with_plc(scenario)


def test_a_host_that_wakes_up_after_another_took_over_is_fenced(run_with_plc: Run) -> None:
    async def scenario(plc: Plc) -> None:
        first, second = Host(adapter_of(plc.link())), Host(adapter_of(plc.link(seat=1)))
        await first.open()
        await first.turn_until(lambda: plc.sorter.tally.ended_count >= 5)
        # The first one sleeps; the second one is granted only once the PLC has missed it.
        await second.open()
        accepted = plc.sorter.tally.answers[AnswerStatus.ACCEPTED]
        await first.turn_until(lambda: first.adapter.status.fenced)
        assert "granted epoch 2" in first.adapter.status.problem
        await first.turn()
        await second.turn_until(
            lambda: plc.sorter.tally.answers[AnswerStatus.ACCEPTED] >= accepted + 5
        )
        assert plc.sorter.tally.two_instructions == 0

    run_with_plc(scenario)


def test_a_second_host_waits_while_the_first_is_alive(run_with_plc: Run) -> None:
    async def scenario(plc: Plc) -> None:
        first, second = Host(adapter_of(plc.link())), Host(adapter_of(plc.link(seat=1)))
        await first.open()
        opening = asyncio.create_task(second.open())
        await first.turn_until(lambda: plc.sorter.tally.ended_count >= 20)
        assert not opening.done()
        assert "waits for the host with epoch 1" in second.adapter.status.problem
        assert_ended_as_answered(first.all())
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)

    # A busy machine must not make the first one look dead.
    run_with_plc(scenario, "plc.host_watchdog_ms=60000")


def test_a_frozen_program_is_told_from_a_broken_link(run_with_plc: Run) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(adapter_of(plc.link()))
        await host.open()
        plc.server.toggle_freeze()
        await host.turn_until(lambda: "heartbeat stands still" in host.adapter.status.problem)
        assert not host.adapter.status.connected
        plc.server.toggle_freeze()
        await host.turn_until(lambda: host.adapter.status.connected)
        ended = plc.sorter.tally.ended_count
        await host.turn_until(lambda: plc.sorter.tally.ended_count > ended)
        assert host.adapter.status.problem == ""
        assert contiguous(host.sequences())

    run_with_plc(scenario)


def test_events_that_nobody_acknowledges_stay(run_with_plc: Run) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(adapter_of(plc.link()))
        await host.open()
        deadline = time.monotonic() + 5
        while plc.sorter.program.ring.head < 32 and time.monotonic() < deadline:
            await host.turn(acknowledge=False)
        await host.adapter.close()
        again = Host(adapter_of(plc.link()))
        await again.open(Resume(boot_id=1, sequence=0, epoch=1))
        await again.turn_until(lambda: plc.sorter.tally.ended_count >= 10)
        assert again.sequences()[0] == 1
        assert contiguous(again.sequences())

    run_with_plc(scenario)


@pytest.mark.parametrize(
    ("settings", "link", "message"),
    [
        ((), {"word_order": "little"}, 'set word_order = "big"'),
        ((), {"string_byte_order": "little"}, 'set string_byte_order = "big"'),
        (("plc.layout_version=2",), {}, "layout version 2, this service speaks version 1"),
        (("listen.base_address=0",), {"base_address": 40}, "no mailbox there"),
    ],
)
def test_what_waiting_cannot_cure_is_named(
    run_with_plc: Run, settings: tuple[str, ...], link: dict[str, Any], message: str
) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(adapter_of(plc.link(**link)))
        with pytest.raises(AdapterError, match=message) as caught:
            await host.open()
        assert f"127.0.0.1:{plc.port} unit 1" in str(caught.value)
        await host.adapter.close()

    run_with_plc(scenario, *settings)


def test_an_absent_plc_is_waited_for_and_named(run_with_plc: Run) -> None:
    async def scenario(plc: Plc) -> None:
        await plc.stop()
        host = Host(adapter_of(plc.link()))
        opening = asyncio.create_task(host.open())
        await until(lambda: "can't connect" in host.adapter.status.problem)
        assert f"127.0.0.1:{plc.port}" in host.adapter.status.problem
        await plc.reboot()
        await opening
        assert host.adapter.status.connected

    run_with_plc(scenario)


def test_a_register_the_plc_lacks_is_named(run_with_plc: Run) -> None:
    async def scenario(plc: Plc) -> None:
        adapter = adapter_of(plc.link(base_address=60000))
        opening = asyncio.create_task(adapter.open(Resume()))
        await until(lambda: "no such registers" in adapter.status.problem)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)

    run_with_plc(scenario)


def test_the_settings_say_what_they_lack() -> None:
    with pytest.raises(AdapterError, match="the settings lack host, port"):
        ModbusLink.of(object())
