"""The emulator as its users start it: a process, a port, signals, one JSON line per second."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pymodbus.exceptions import ModbusException

if TYPE_CHECKING:
    from tests.integration.emulator.conftest import Host, Start

Connect = Callable[[int], "Host"]
DEADLINE_S = 300.0
SCANNED, INSTRUCTED, DISCHARGED, MACHINE = 2, 3, 4, 6
ACCEPTED, UNKNOWN_PIECE, TOO_LATE = 1, 4, 5
BOOT, HEARTBEAT, STATE, HEAD, GRANTED = 6, 8, 9, 12, 18


def number(slot: list[int], at: int) -> int:
    """A 32-bit value of a slot."""
    return slot[at] << 16 | slot[at + 1]


def sort(host: "Host", pieces: int) -> tuple[dict[int, int], dict[int, tuple[int, int]]]:
    """Answer each piece until so many have left that were answered in time.

    Returns the chutes that were said and taken, and how and where those pieces ended.
    """
    told: dict[int, int] = {}
    taken: dict[int, int] = {}
    ended: dict[int, tuple[int, int]] = {}
    end = time.monotonic() + DEADLINE_S
    while len(ended) < pieces:
        assert time.monotonic() < end, (told, taken, ended)
        host.live(1)
        while slot := host.next_event():
            kind, status, piece = slot[2], slot[3], number(slot, 4)
            if kind == SCANNED:
                told[piece] = 1 + piece % 8
                host.instruct(piece, told[piece])
            elif kind == INSTRUCTED and status == ACCEPTED:
                assert slot[18 + 5] == told[piece]
                taken[piece] = told[piece]
            elif kind == INSTRUCTED:
                assert status in (UNKNOWN_PIECE, TOO_LATE)
            elif kind == DISCHARGED and piece in taken:
                ended[piece] = (status, slot[7])
    return {piece: taken[piece] for piece in ended}, ended


def test_pieces_go_where_a_plain_client_says(start: "Start", connect: Connect) -> None:
    emulator = start("plc.boot_id=4711")
    host = connect(emulator.port)
    assert host.read(0, 8) == [0x1234, 0x5678, 0x4142, 0x4344, 1, 64, 0, 4711]
    assert (host.u32(GRANTED), host.read(STATE, 1)) == (0, [4])
    told, ended = sort(host, 6)
    assert (host.u32(GRANTED), host.read(STATE, 1)) == (1, [2])
    assert ended == {piece: (1, chute) for piece, chute in told.items()}
    final = emulator.end()
    assert final["answers"]["accepted"] == final["latency_us"]["count"] >= 6
    assert final["two_instructions"] == final["overflow"] == 0
    assert final["latency_us"]["p50"] >= final["arrival_us"]["p50"] > 0


def test_only_seats_can_be_written_over_the_wire(start: "Start", connect: Connect) -> None:
    host = connect(start().port)
    for address, count in ((0, 1), (39, 2), (1207, 2)):
        answer = host.client.write_registers(address, [7] * count)
        assert answer.isError()
        assert answer.exception_code == 2
    assert host.client.read_coils(0, count=1).isError()


def test_usr1_stops_induction_and_the_loop_empties(start: "Start", connect: Connect) -> None:
    emulator = start("plc.wait_for_host=false")
    emulator.status_when(lambda status: status["inducted"] > 3)
    emulator.signal(signal.SIGUSR1)
    host = connect(emulator.port)
    end = time.monotonic() + DEADLINE_S
    states: list[int] = []
    while not states or states[-1] != 4:
        assert time.monotonic() < end
        host.live(1)
        while slot := host.next_event():
            if slot[2] == MACHINE:
                states.append(slot[3])
    assert states == [2, 4]
    status = emulator.status_when(lambda status: status["on_sorter"] == 0)
    assert status["machine_state"] == "SUSPENDED"
    assert status["inducted"] == sum(status["discharged"].values())


def test_usr2_stops_the_plc_while_its_socket_answers(start: "Start", connect: Connect) -> None:
    emulator = start("plc.wait_for_host=false")
    host = connect(emulator.port)
    emulator.signal(signal.SIGUSR2)
    before = emulator.status_when(lambda status: status["frozen"])
    header = host.read(0, 40)
    after = emulator.status()
    assert after["frozen"]
    assert host.read(0, 40) == header
    assert before == after
    emulator.signal(signal.SIGUSR2)
    emulator.status_when(lambda status: not status["frozen"])
    end = time.monotonic() + DEADLINE_S
    while host.read(HEARTBEAT, 1) == header[HEARTBEAT : HEARTBEAT + 1]:
        assert time.monotonic() < end
    last = emulator.end()
    assert last["seconds"] > after["seconds"]
    assert last["boot_id"] == after["boot_id"]


def test_a_cut_cable_drops_the_host_and_is_mended(start: "Start", connect: Connect) -> None:
    # Of several cuts a slow machine's test meets one, whichever.
    cuts = ",".join(f"{{after_ms={second}000, for_ms=1000}}" for second in (3, 12, 24, 48))
    emulator = start(f"cuts=[{cuts}]")
    host, boot = until_connected(connect, emulator.port)
    end = time.monotonic() + DEADLINE_S
    # The library lets a reset through as it is, where the cut hits it while it waits.
    with pytest.raises((ModbusException, ConnectionError)):
        while time.monotonic() < end:
            host.u32(HEAD)
    assert until_connected(connect, emulator.port)[1] == boot


def until_connected(connect: Connect, port: int) -> tuple["Host", int]:
    """Try until a host is connected and has read the boot id; return both."""
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            host = connect(port)
            return host, host.u32(BOOT)
        except (ModbusException, ConnectionError, AssertionError):
            assert time.monotonic() < end


def test_a_restarted_plc_has_the_port_and_another_boot(start: "Start", connect: Connect) -> None:
    first = start()
    host = connect(first.port)
    boot = host.u32(BOOT)
    first.kill()
    again = connect(start(f"listen.port={first.port}").port)
    assert again.u32(BOOT) not in (0, boot)


def test_what_is_wrong_is_said_before_anything_runs(tmp_path: Path, start: "Start") -> None:
    running = start()
    command = [sys.executable, "-m", "plc_adapters.emulator", "--config"]

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        return done.returncode, done.stderr

    code, words = run(str(tmp_path / "none.toml"))
    assert (code, "none.toml: no such file" in words) == (3, True)
    config = str(tmp_path / "emulator.toml")
    code, words = run(config, "--set", f"listen.port={running.port}")
    assert code == 4
    assert words.startswith(f"127.0.0.1:{running.port}: can't listen there: Address already in use")


def test_it_ends_quietly_when_nobody_reads_it_any_more(start: "Start") -> None:
    emulator = start()
    assert emulator.process.stdout is not None
    emulator.process.stdout.close()
    assert emulator.process.wait(DEADLINE_S) == 0
