"""What is known of one sensor, and when that is worth an event. Knows no clock and no wire."""

import math

import numpy as np

from plc_adapters.contract import (
    CODE_BYTES,
    EVENT,
    NO_LINE,
    UNKNOWN,
    EventKind,
    Records,
    SensorStatus,
)
from sorter.config_sensors import Sensor

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
OUT_OF_LIMITS = (SensorStatus.LOW, SensorStatus.HIGH)


class Watch:
    """One sensor as its readings come, each judged by its own limits.

    Fails closed: a sensor that was never heard becomes silent, and what can't be a measurement is
    told as invalid and never as within limits.
    """

    def __init__(self, sensor: Sensor, silence_ms: int, record_every_s: int, now_ns: int) -> None:
        """Know nothing yet; silence counts from ``now_ns``."""
        self.sensor = sensor
        self.status = 0
        """A SensorStatus, 0 until the first reading or silence."""
        self.reading = math.nan
        """The newest one in the quantity's unit; NaN while invalid, silent or not heard yet."""
        self.read_ns = 0
        """When the device was last heard, 0 for never."""
        self.out_since_ns = 0
        """Since when it is out of limits without a break, 0 while it is not."""
        self.out_ns = 0
        """How long it was out of limits altogether."""
        self.excursions = 0
        """Times it went out of limits."""
        self.reads = self.failures = 0
        self.problem = ""
        """Why the newest attempt to read failed; empty if it did not."""
        self._silence_ns = silence_ms * NS_PER_MS
        self._record_every_ns = record_every_s * NS_PER_S
        self._looked_ns = self._began_ns = now_ns
        self._kept_ns = 0
        self._kept_reading = math.nan

    def hear(self, number: float, now_ns: int) -> Records | None:
        """Take what the device tells; return EVENT[1] if it is to be kept."""
        sensor = self.sensor
        self.reads += 1
        self.read_ns = now_ns
        self.problem = ""
        reading = number * sensor.scale + sensor.offset
        if not sensor.valid_min <= reading <= sensor.valid_max:  # NaN is in no range
            return self._become(SensorStatus.INVALID, math.nan, now_ns)
        if sensor.low is not None and reading < sensor.low:
            return self._become(SensorStatus.LOW, reading, now_ns)
        if sensor.high is not None and reading > sensor.high:
            return self._become(SensorStatus.HIGH, reading, now_ns)
        return self._become(SensorStatus.WITHIN, reading, now_ns)

    def fail(self, problem: str) -> None:
        """Take that it could not be read."""
        self.failures += 1
        self.problem = problem

    def look(self, now_ns: int) -> Records | None:
        """Find out whether it is silent by now; return EVENT[1] if it has just become so."""
        if now_ns - (self.read_ns or self._began_ns) >= self._silence_ns:
            return self._become(SensorStatus.SILENT, math.nan, now_ns)
        self._pass(now_ns)
        return None

    def _pass(self, now_ns: int) -> None:
        """Count the time since the last look by the status it had."""
        if self.status in OUT_OF_LIMITS:
            self.out_ns += now_ns - self._looked_ns
        self._looked_ns = now_ns

    def _become(self, status: SensorStatus, reading: float, now_ns: int) -> Records | None:
        self._pass(now_ns)
        is_new = status != self.status
        if status in OUT_OF_LIMITS and not self.out_since_ns:
            self.out_since_ns = now_ns
            self.excursions += 1
        elif status not in OUT_OF_LIMITS:
            self.out_since_ns = 0
        self.status, self.reading = status, reading
        moved = abs(reading - self._kept_reading)  # NaN, which is no move, beside one
        is_due = now_ns - self._kept_ns >= self._record_every_ns
        if not (is_new or is_due or moved >= max(self.sensor.dead_band, 1e-3)):
            return None
        self._kept_ns, self._kept_reading = now_ns, reading
        return self._event(now_ns)

    def _event(self, now_ns: int) -> Records:
        """Return the event of how it stands; its stream numbers it."""
        event: Records = np.zeros(1, EVENT)
        event["line"] = NO_LINE
        event["kind"] = EventKind.SENSOR
        event["status"] = self.status
        event["quantity"] = self.sensor.code
        if not math.isnan(self.reading):
            event["reading_milli"] = round(self.reading * 1000)
        for field in ("weight_g", "length_mm", "width_mm", "height_mm"):
            event[field] = UNKNOWN
        event["code_count"] = 1
        name = self.sensor.name.encode()[:CODE_BYTES]
        event["codes"][0, 0, : len(name)] = list(name)
        event["event_ns"] = event["host_receive_ns"] = now_ns
        return event
