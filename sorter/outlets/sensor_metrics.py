"""The metrics of the sensors beside the lines, read from their board at every scrape."""

from collections.abc import Callable, Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from plc_adapters.contract import Quantity, SensorStatus
from sorter.errors import UnavailableError
from sorter.outlets.sensor_board import SensorsView, SensorView

PREFIX = "sorter_sensor_"
UNHEARD = (0, SensorStatus.SILENT)
OUT = (SensorStatus.LOW, SensorStatus.HIGH)

READINGS = {
    Quantity.TEMPERATURE: ("temperature_celsius", "Newest reading; NaN while there is none.", 1.0),
    Quantity.HUMIDITY: ("humidity_ratio", "Newest reading; NaN while there is none.", 0.01),
}
"""Metric of a quantity, its help, and what makes base units of its readings."""
Told = Callable[[SensorView, int], float]
GAUGES: dict[str, tuple[str, Told]] = {
    "up": (
        "0 while nothing was read of the sensor for too long.",
        lambda s, _: float(s.status not in UNHEARD),
    ),
    "valid": (
        "0 while it tells no measurement: silent, or a value that it can't have measured.",
        lambda s, _: float(s.status not in (*UNHEARD, SensorStatus.INVALID)),
    ),
    "age_seconds": (
        "Since it was last heard; infinite if it never was.",
        lambda s, now_ns: s.age_s(now_ns),
    ),
    "out_of_limits": ("1 while the reading is out of limits.", lambda s, _: float(s.status in OUT)),
    "out_of_limits_age_seconds": (
        "How long it is out of limits without a break, 0 while it is not.",
        lambda s, now_ns: (now_ns - s.out_since_ns) / 1e9 if s.out_since_ns else 0.0,
    ),
}
COUNTERS: dict[str, tuple[str, Callable[[SensorView], float]]] = {
    "out_of_limits_seconds": (
        "How long it was out of limits altogether.", lambda s: s.out_ns / 1e9,
    ),
    "excursions": ("Times it went out of limits.", lambda s: s.excursions),
    "reads": ("Readings taken of it.", lambda s: s.reads),
    "read_failures": ("Attempts to read it that failed.", lambda s: s.failures),
}  # fmt: skip


class SensorBoards(Protocol):
    """Where the sensors process is read."""

    def read(self) -> SensorsView:
        """Return it as it stands; UnavailableError where there is nothing to read."""


class SensorCollector(Collector):
    """Makes the metrics of one site's sensors."""

    def __init__(self, site: str, boards: SensorBoards) -> None:
        self._site = site
        self._boards = boards

    def describe(self) -> Iterator[Metric]:
        """Return nothing: the names are known at a scrape, board or not."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read the board once and return every metric."""
        try:
            view = self._boards.read()
            up = view.alive
        except UnavailableError:
            view, up = None, False
        process = GaugeMetricFamily(
            "sorter_sensors_process_up", "1 while the sensors process beats.", labels=["site"]
        )
        process.add_metric([self._site], float(up))
        yield process
        if view is None or not up:
            return
        yield from self._readings(view)
        labels = ["site", "sensor"]
        for name, (text, told) in GAUGES.items():
            gauge = GaugeMetricFamily(PREFIX + name, text, labels=labels)
            for sensor in view.sensors:
                gauge.add_metric([self._site, sensor.name], told(sensor, view.now_ns))
            yield gauge
        for name, (text, counted) in COUNTERS.items():
            counter = CounterMetricFamily(PREFIX + name, text, labels=labels)
            for sensor in view.sensors:
                counter.add_metric([self._site, sensor.name], counted(sensor))
            yield counter

    def _readings(self, view: SensorsView) -> Iterator[Metric]:
        for quantity, (name, text, unit) in READINGS.items():
            gauge = GaugeMetricFamily(PREFIX + name, text, labels=["site", "sensor"])
            for sensor in view.sensors:
                if sensor.quantity == quantity:
                    gauge.add_metric([self._site, sensor.name], sensor.reading * unit)
            yield gauge
