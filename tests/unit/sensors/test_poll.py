"""One connection with several sensors, of which anything may fail."""

import asyncio
from collections.abc import Callable

import pytest

from plc_adapters.contract import AdapterError
from plc_adapters.host.wire import LinkError, RefusedError
from sorter.config_sensors import ModbusSensor
from sorter.sensors.poll import Poller
from sorter.sensors.stream import SensorStream
from sorter.sensors.watch import Watch
from tests.unit.sensors.test_stream import NOW_NS, KeptJournal


class StandingClock:
    def __init__(self) -> None:
        self.ns = NOW_NS

    def now_ns(self) -> int:
        return self.ns


class ScriptedSource:
    """Sensors that answer with their number, or with what they are told to raise."""

    peer = "10.0.0.9:502"

    def __init__(self) -> None:
        self.away: Exception | None = None
        self.raises: dict[int, Exception] = {}
        self.connected = False
        self.connects = self.closes = 0
        self.asked: list[int] = []

    async def connect(self) -> None:
        self.connects += 1
        if self.away:
            raise self.away
        self.connected = True

    async def read(self, sensor: int) -> float:
        assert self.connected, "read on a connection that is closed"
        self.asked.append(sensor)
        if sensor in self.raises:
            raise self.raises[sensor]
        return float(sensor)

    async def close(self) -> None:
        self.connected = False
        self.closes += 1


class Bench:
    def __init__(self, sensors: int = 3) -> None:
        self.source, self.journal, self.clock = ScriptedSource(), KeptJournal(), StandingClock()
        stream = SensorStream(self.journal, 0, NOW_NS)
        watches = [
            Watch(
                ModbusSensor(
                    name=f"s{n}", quantity="humidity", address=n, valid_min=0.0, valid_max=100.0
                ),
                30_000, 300, NOW_NS,
            )
            for n in range(sensors)
        ]  # fmt: skip
        self.poller = Poller("room", self.source, watches, stream, self.clock, 1000)

    def rounds(self, count: int = 1, between: Callable[[], None] = lambda: None) -> None:
        async def run() -> None:
            for _ in range(count):
                await self.poller.read_all()
                between()

        asyncio.run(run())

    def readings(self) -> list[float]:
        return [watch.reading for watch in self.poller.watches]


def test_every_sensor_is_read_once_a_round_over_one_connection() -> None:
    bench = Bench()
    bench.rounds(2)
    assert bench.source.asked == [0, 1, 2, 0, 1, 2]
    assert (bench.source.connects, bench.poller.reconnects) == (1, 0)
    assert bench.readings() == [0.0, 1.0, 2.0]
    assert len(bench.journal.identities()) == 3


def test_a_refused_sensor_costs_the_others_nothing() -> None:
    bench = Bench()
    bench.source.raises[1] = RefusedError("exception 11")
    bench.rounds()
    assert [w.reads for w in bench.poller.watches] == [1, 0, 1]
    assert bench.poller.watches[1].problem == "exception 11"
    assert bench.source.connects == 1


def test_a_sensor_that_breaks_the_connection_lets_the_others_be_read() -> None:
    bench = Bench()
    bench.source.raises[1] = LinkError("no answer")
    bench.rounds(2)
    assert [w.reads for w in bench.poller.watches] == [2, 0, 2]
    assert [w.failures for w in bench.poller.watches] == [0, 2, 0]
    assert bench.poller.reconnects == 2


@pytest.mark.parametrize("away", [LinkError("no such host"), AdapterError("certificate missing")])
def test_a_device_that_is_away_is_tried_once_a_round(away: Exception) -> None:
    bench = Bench()
    bench.source.away = away
    bench.rounds(2)
    assert bench.source.connects == 2
    assert [w.failures for w in bench.poller.watches] == [2, 2, 2]
    assert {w.problem for w in bench.poller.watches} == {str(away)}
    bench.source.away = None
    bench.rounds()
    assert [w.problem for w in bench.poller.watches] == ["", "", ""]


def test_an_outage_is_logged_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.source.away = LinkError("no such host")
    bench.rounds(3)
    bench.source.away = None
    bench.rounds(2)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["sensors of room: s0: no such host", "sensors of room: all are read again"]


def test_silence_is_found_while_a_device_is_away() -> None:
    bench = Bench(1)
    bench.source.away = LinkError("no such host")
    bench.rounds()
    assert bench.journal.identities() == []
    bench.clock.ns += 31_000_000_000
    asyncio.run(bench.poller.look())
    assert len(bench.journal.identities()) == 1
