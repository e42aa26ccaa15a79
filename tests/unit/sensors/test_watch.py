"""When a reading is worth an event, and how a sensor is judged."""

import math
from typing import Any

import numpy as np
import pytest

from plc_adapters.contract import NO_LINE, EventKind, Quantity, Records, SensorStatus
from sorter.config_sensors import ModbusSensor
from sorter.sensors.watch import NS_PER_S, Watch

BEGAN_NS = 1_000 * NS_PER_S
SILENCE_S, EVERY_S = 30, 300


def watch(**settings: Any) -> Watch:
    sensor = ModbusSensor(
        **{
            "name": "cold-room",
            "quantity": "temperature",
            "address": 0,
            "dead_band": 0.5,
            "low": 0.0,
            "high": 4.0,
            "valid_min": -40.0,
            "valid_max": 85.0,
            **settings,
        }
    )
    return Watch(sensor, SILENCE_S * 1000, EVERY_S, BEGAN_NS)


def at(second: float) -> int:
    return BEGAN_NS + round(second * NS_PER_S)


def statuses(events: list[Records | None]) -> list[int | None]:
    return [None if event is None else int(event["status"][0]) for event in events]


def test_the_first_reading_is_an_event_with_name_quantity_and_thousandths() -> None:
    event = watch(scale=0.1, offset=-2.0).hear(53.0, at(1))
    assert event is not None
    assert event["kind"][0] == EventKind.SENSOR
    assert event["line"][0] == NO_LINE
    assert event["status"][0] == SensorStatus.WITHIN
    assert event["quantity"][0] == Quantity.TEMPERATURE
    assert event["reading_milli"][0] == 3300
    assert event["code_count"][0] == 1
    assert event["codes"][0, 0].tobytes().rstrip(b"\0") == b"cold-room"
    assert event["host_receive_ns"][0] == event["event_ns"][0] == at(1)


def test_only_what_leaves_the_dead_band_is_kept_measured_from_what_was_kept() -> None:
    one = watch()
    kept = [one.hear(reading, at(n)) for n, reading in enumerate((2.0, 2.4, 1.6, 2.5, 2.9, 3.0))]
    assert [event is not None for event in kept] == [True, False, False, True, False, True]


def test_an_unchanging_reading_is_kept_again_after_a_while() -> None:
    one = watch()
    seconds = (0, EVERY_S - 1, EVERY_S, 2 * EVERY_S - 1, 2 * EVERY_S)
    kept = [one.hear(2.0, at(second)) for second in seconds]
    assert [event is not None for event in kept] == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("reading", "status"),
    [
        (0.0, SensorStatus.WITHIN),
        (4.0, SensorStatus.WITHIN),
        (-0.01, SensorStatus.LOW),
        (4.01, SensorStatus.HIGH),
        (85.01, SensorStatus.INVALID),
        (-40.01, SensorStatus.INVALID),
        (math.nan, SensorStatus.INVALID),
        (math.inf, SensorStatus.INVALID),
    ],
)
def test_status_by_limits(reading: float, status: SensorStatus) -> None:
    event = watch().hear(reading, at(1))
    assert statuses([event]) == [status]
    if status == SensorStatus.INVALID:
        assert event is not None
        assert event["reading_milli"][0] == 0


def test_a_sensor_without_limits_is_always_within() -> None:
    one = watch(low=None, high=None)
    assert statuses([one.hear(80.0, at(1)), one.hear(-30.0, at(2))]) == [SensorStatus.WITHIN] * 2


def test_a_change_of_status_is_kept_within_the_dead_band() -> None:
    one = watch()
    events = [one.hear(reading, at(n)) for n, reading in enumerate((3.9, 4.1, 3.9))]
    assert statuses(events) == [SensorStatus.WITHIN, SensorStatus.HIGH, SensorStatus.WITHIN]


def test_time_out_of_limits_is_counted_at_a_stretch_and_altogether() -> None:
    one = watch()
    one.hear(5.0, at(0))
    one.look(at(4))
    one.hear(6.0, at(10))
    assert (one.out_since_ns, one.out_ns, one.excursions) == (at(0), 10 * NS_PER_S, 1)
    one.hear(3.0, at(12))
    assert (one.out_since_ns, one.out_ns, one.excursions) == (0, 12 * NS_PER_S, 1)
    one.look(at(20))
    one.hear(-1.0, at(21))
    one.look(at(22))
    assert (one.out_since_ns, one.out_ns, one.excursions) == (at(21), 13 * NS_PER_S, 2)


def test_from_too_warm_to_too_cold_is_one_excursion() -> None:
    one = watch()
    assert statuses([one.hear(5.0, at(0)), one.hear(-5.0, at(1))]) == [
        SensorStatus.HIGH,
        SensorStatus.LOW,
    ]
    assert (one.excursions, one.out_since_ns) == (1, at(0))


def test_silence_is_told_once_and_again_as_often_as_a_reading() -> None:
    one = watch()
    one.hear(2.0, at(0))
    one.fail("no answer")
    events = [one.look(at(second)) for second in (SILENCE_S - 1, SILENCE_S, SILENCE_S + 1)]
    assert statuses(events) == [None, SensorStatus.SILENT, None]
    assert math.isnan(one.reading)
    assert (one.failures, one.problem) == (1, "no answer")
    assert statuses([one.look(at(SILENCE_S + EVERY_S))]) == [SensorStatus.SILENT]
    heard = one.hear(2.0, at(SILENCE_S + EVERY_S + 1))
    assert statuses([heard]) == [SensorStatus.WITHIN]
    assert one.problem == ""


def test_a_sensor_never_heard_becomes_silent() -> None:
    one = watch()
    assert one.status == 0
    assert one.look(at(SILENCE_S - 1)) is None
    assert statuses([one.look(at(SILENCE_S))]) == [SensorStatus.SILENT]


def test_events_of_any_readings_fit_their_fields() -> None:
    one = watch(valid_min=-1e6, valid_max=1e6, low=None, high=None)
    for reading in (1e6, -1e6):
        event = one.hear(reading, at(1))
        assert event is not None
        assert event["reading_milli"][0] == np.int32(reading * 1000)
