"""A scanner's results come over a real session, as they were read, and only then."""

import time

import pytest

from plc_adapters.autoid.client import AutoIdScanner
from plc_adapters.autoid.device_clock import SAMPLES_MIN
from plc_adapters.autoid.tie import Window
from plc_adapters.contract import AdapterError
from tests.integration.autoid.conftest import Eye, RunWithEye
from tests.integration.modbus.conftest import until

WRONG: tuple[tuple[dict[str, object], str], ...] = (
    ({"device": "s=Elsewhere"}, "Elsewhere can't be watched"),
    ({"device": "s=Elsewhere", "mode": "last_scan_data"}, "no LastScanData"),
    ({"device_namespace": "urn:no:such"}, "no namespace urn:no:such"),
)
CONTRADICTING: tuple[tuple[dict[str, object], str], ...] = (
    ({"device_namespace": ""}, "device, device_namespace"),
    ({"trigger_field": "TriggerId"}, "trigger_field"),
    ({"window": Window(delivery_ms=5)}, "longer than delivery_ms"),
    ({"mode": "last_scan_data", "device": "", "device_namespace": ""}, "device: missing"),
)


def test_events_bear_codes_symbologies_and_piece_ids(run_with_eye: RunWithEye) -> None:
    async def scenario(eye: Eye) -> None:
        scanner = await eye.connect(eye.by_trigger())
        now = time.time_ns()
        await eye.front.tell((b"]C0JD0001", b"]Q3https://x"), now, 7)
        await eye.front.tell((), now, 8)
        await eye.front.tell((b"noread",), now, 9)
        await eye.front.tell((b"plain",), now, 0)
        await until(lambda: scanner.status.results + scanner.status.malformed == 4)
        assert eye.codes() == [[b"]C0JD0001", b"]Q3https://x"], [], []]
        assert [result.trigger for result in eye.seen] == [7, 8, 9]
        assert scanner.status.malformed == 1
        await scanner.close()

    run_with_eye(scenario)


def test_instants_come_on_the_service_clock(run_with_eye: RunWithEye) -> None:
    async def scenario(eye: Eye) -> None:
        scanner = await eye.connect(eye.settings())
        await eye.clock_known()
        for number in range(3):
            before = time.time_ns()
            await eye.front.tell((b"JD%d" % number,), before, 0)
            await until(lambda: len(eye.look()) > number)  # noqa: B023 - used at once
            result = eye.seen[-1]
            # The estimate may only be late, by what the fastest message was under way.
            assert before - 1000 <= result.last_ns
            assert result.read_ns <= result.last_ns <= result.arrived_ns
        assert eye.codes() == [[b"JD0"], [b"JD1"], [b"JD2"]]
        scanner._device_clock._samples.clear()
        await eye.front.tell((b"JD3",), time.time_ns(), 0)
        await until(lambda: scanner.status.untimed == 1)
        assert len(eye.look()) == 3
        assert len(scanner._device_clock._samples) < SAMPLES_MIN
        await scanner.close()

    run_with_eye(scenario)


def test_last_scan_data_tells_the_same_code_twice_and_never_again(
    run_with_eye: RunWithEye,
) -> None:
    async def scenario(eye: Eye) -> None:
        scanner = await eye.connect(eye.settings(mode="last_scan_data"))
        await eye.clock_known()
        for _ in range(2):
            seen = len(eye.look())
            await eye.front.tell((b"JD7",), time.time_ns(), 0)
            await until(lambda: len(eye.look()) > seen)  # noqa: B023 - used at once
        await eye.front.hang_up()
        await until(lambda: not scanner.status.connected)
        await eye.start()
        await until(lambda: scanner.status.connected)
        await eye.front.tell((b"JD8",), time.time_ns(), 0)
        await until(lambda: eye.codes()[-1:] == [[b"JD8"]])
        assert eye.codes()[-3:] == [[b"JD7"], [b"JD7"], [b"JD8"]]
        await scanner.close()

    run_with_eye(scenario)


def test_what_is_read_while_the_link_is_cut_never_comes(run_with_eye: RunWithEye) -> None:
    async def scenario(eye: Eye) -> None:
        scanner = await eye.connect(eye.by_trigger())
        await eye.front.tell((b"JD1",), time.time_ns(), 1)
        await until(lambda: len(eye.look()) == 1)
        await eye.front.hang_up()
        await until(lambda: not scanner.status.connected)
        assert scanner.status.problem
        await eye.front.tell((b"JD2",), time.time_ns(), 2)
        await eye.start()
        await until(lambda: scanner.status.connected)
        await eye.front.tell((b"JD3",), time.time_ns(), 3)
        await until(lambda: len(eye.look()) >= 2)
        assert [result.trigger for result in eye.seen] == [1, 3]
        assert (scanner.status.gaps, scanner.status.reconnects) == (1, 1)
        await scanner.close()

    run_with_eye(scenario)


def test_a_wrong_setting_is_told_with_its_cure(run_with_eye: RunWithEye) -> None:
    async def scenario(eye: Eye) -> None:
        for changes, word in CONTRADICTING:
            with pytest.raises(AdapterError, match=word):
                AutoIdScanner(eye.settings(**changes), time.time_ns)
        for changes, word in WRONG:
            scanner = AutoIdScanner(eye.settings(**changes), time.time_ns)
            scanner.open()
            await until(lambda: word in scanner.status.problem)  # noqa: B023 - used at once
            assert "correct device" in scanner.status.problem
            assert not scanner.status.connected
            await scanner.close()

    run_with_eye(scenario)
