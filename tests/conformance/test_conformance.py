"""What every adapter does, whatever peer holds the PLC's image."""

import asyncio
import time

import numpy as np
import pytest

from plc_adapters.contract import (
    EVENT,
    INSTRUCTION,
    AdapterError,
    AnswerStatus,
    DischargeStatus,
    EventKind,
    MachineState,
    Records,
    Resume,
)
from plc_adapters.mailbox.codec import InstructionEncoder
from plc_adapters.mailbox.sequences import advance
from plc_adapters.mailbox.table import instruction_address
from tests.conformance.conftest import RunWithPlc
from tests.conformance.harness import Peer, Plc
from tests.integration.modbus.conftest import WAIT_S, Host

WRAP = 1 - 0xFFFF_FFFF
"""Step from the highest sequence to 1."""


def steps(events: Records) -> set[int]:
    return set(np.diff(events["sequence"].astype(np.int64)).tolist())


def accepted(events: Records) -> Records:
    """The echoes of accepted instructions; fails if a piece and lap has two."""
    echoes: Records = events[
        (events["kind"] == EventKind.INSTRUCTED) & (events["status"] == AnswerStatus.ACCEPTED)
    ]
    keys = [tuple(row) for row in echoes[["boot_id", "piece_id", "lap"]].tolist()]
    assert len(set(keys)) == len(keys)
    return echoes


def answers_heard(host: Host) -> int:
    """Accepted instructions whose echo the host has read."""
    return len(accepted(host.all())) if host.events else 0


def silently_defaulted(events: Records) -> int:
    ended = events[events["kind"] == EventKind.DISCHARGED]
    return int((ended["status"] == DischargeStatus.DEFAULT_HOST_SILENT).sum())


def test_the_layout_is_proved_before_anything_is_written(
    run_with_plc: RunWithPlc, peer: Peer
) -> None:
    async def scenario(plc: Plc) -> None:
        for adapter, setting in (
            (plc.adapter(word_order="little"), "word_order"),
            (plc.adapter(string_byte_order="little"), "string_byte_order"),
        ):
            with pytest.raises(AdapterError, match=f'set {setting} = "big"'):
                await Host(adapter).open()
            await adapter.close()
        assert plc.sorter.program.seats.granted_epoch == 0

    run_with_plc(peer, scenario)


def test_events_come_in_order_and_instructions_are_echoed(
    run_with_plc: RunWithPlc, peer: Peer
) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(plc.adapter())
        await host.open()
        await host.turn_until(lambda: answers_heard(host) >= 20)
        await host.adapter.close()
        events = host.all()
        assert int(events["sequence"][0]) == 1
        assert steps(events) == {1}
        assert set(events["boot_id"].tolist()) == {1}
        echoes = accepted(events)
        assert set(echoes["chutes"][:, 0].tolist()) == {1}
        assert np.abs(echoes["slack_ms"]).max() < 60_000
        scans = events[events["kind"] == EventKind.SCANNED]
        assert scans["codes"][0, 0].tobytes().startswith(b"]C0EMU")
        # The last acknowledgement went out with the close; the PLC takes it with its next cycle.
        last = int(events["sequence"][-1])
        deadline = time.monotonic() + WAIT_S
        while plc.sorter.program.ring.acknowledged != last:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)

    run_with_plc(peer, scenario)


def test_the_machines_state_comes_as_it_was_told(run_with_plc: RunWithPlc, peer: Peer) -> None:
    waited = [
        MachineState.PACKML_SUSPENDED, MachineState.PACKML_UNSUSPENDING,
        MachineState.PACKML_EXECUTE,
    ]  # fmt: skip

    def told(host: Host) -> list[int]:
        events = host.all() if host.events else np.empty(0, EVENT)
        states: list[int] = events["status"][events["kind"] == EventKind.MACHINE_STATE].tolist()
        return states

    async def scenario(plc: Plc) -> None:
        host = Host(plc.adapter())
        await host.open()
        status = host.adapter.status
        await host.turn_until(
            lambda: told(host) == waited and status.machine_state == MachineState.PACKML_EXECUTE
        )
        await host.adapter.close()

    run_with_plc(peer, scenario, "plc.packml=true")


def test_sequences_wrap_in_the_other_word_order(run_with_plc: RunWithPlc, peer: Peer) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(plc.adapter(word_order="little"))
        await host.open()
        await host.turn_until(lambda: answers_heard(host) >= 5)
        await host.adapter.close()
        events = host.all()
        assert int(events["sequence"][0]) == 0xFFFF_FFF0
        assert steps(events) == {1, WRAP}

    run_with_plc(peer, scenario, "plc.first_sequence=4294967280", word_order="little")


def test_a_sleeper_is_fenced_and_its_instructions_refused(
    run_with_plc: RunWithPlc, peer: Peer
) -> None:
    async def scenario(plc: Plc) -> None:
        first, second = Host(plc.adapter()), Host(plc.adapter(seat=1))
        await first.open()
        tally, seats = plc.sorter.tally, plc.sorter.program.seats
        await first.turn_until(lambda: tally.answers[AnswerStatus.ACCEPTED] >= 3)
        # Nobody hears of the first one for a second, and the second one is granted.
        resume = Resume(1, first.sequences()[-1], 1)
        await second.open(resume)
        assert (seats.granted_epoch, seats.granted_seat) == (2, 1)

        def second_instructs(times: int) -> bool:
            return bool(second.events) and (accepted(second.all())["epoch"] == 2).sum() >= times

        await second.turn_until(lambda: second_instructs(3))
        # What the sleeper still had to say comes now, as if it had been on its way.
        stale = np.zeros(1, INSTRUCTION)
        stale["epoch"], stale["piece_id"], stale["chutes"][:, 0] = (
            1,
            second.all()["piece_id"][-1],
            2,
        )
        sequence = advance(seats.consumed[0], 1)
        stale["sequence"] = sequence
        (slot,) = InstructionEncoder("big").encode(stale, np.zeros(1, np.uint32)).tolist()
        wire = first.adapter._make_wire()  # type: ignore[attr-defined]
        await wire.connect()
        await wire.write(instruction_address(0, sequence), slot)
        await second.turn_until(lambda: seats.refused_count == 1)
        await wire.close()
        await first.turn_until(lambda: first.adapter.status.fenced)
        assert "granted epoch 2" in first.adapter.status.problem
        await second.turn_until(lambda: second_instructs(6))
        assert tally.answers[AnswerStatus.REFUSED_EPOCH] == 1
        assert tally.two_instructions == 0
        await first.adapter.close()
        await second.adapter.close()

    run_with_plc(peer, scenario, "plc.host_watchdog_ms=1000")


def test_a_silent_host_and_a_restarted_plc(run_with_plc: RunWithPlc, peer: Peer) -> None:
    async def scenario(plc: Plc) -> None:
        host = Host(plc.adapter())
        await host.open()
        tally = plc.sorter.tally
        await host.turn_until(lambda: tally.answers[AnswerStatus.ACCEPTED] >= 3)
        deadline = time.monotonic() + WAIT_S
        while not tally.ended[DischargeStatus.DEFAULT_HOST_SILENT]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        taken = answers_heard(host)
        await host.turn_until(
            lambda: answers_heard(host) >= taken + 3 and silently_defaulted(host.all()) > 0
        )
        await plc.reboot()
        await host.turn_until(lambda: plc.sorter.tally.answers[AnswerStatus.ACCEPTED] >= 3)
        events = host.all()
        for boot in (1, 2):
            assert steps(events[events["boot_id"] == boot]) == {1}
        assert int(events[events["boot_id"] == 2]["sequence"][0]) == 1
        accepted(events)
        await host.adapter.close()

    run_with_plc(peer, scenario, "plc.host_watchdog_ms=1000")
