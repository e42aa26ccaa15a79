"""Emulated sensors: values that swing, and once go where they should not."""

import math
from collections.abc import Callable, Iterable

from plc_adapters.emulator.sections import EmulatedSensor

TENTHS = 10
"""A register holds tenths of the unit, as common transmitters do."""


class Sensors:
    """The sensors that the emulator serves beside the mailbox."""

    def __init__(self, sensors: Iterable[EmulatedSensor], now_us: Callable[[], int]) -> None:
        self.all = tuple(sensors)
        self._now_us = now_us
        self._by_address = {sensor.address: sensor for sensor in self.all}

    def value(self, sensor: EmulatedSensor) -> float:
        """Return what a sensor measures now."""
        now_ms = self._now_us() / 1000
        value = sensor.mean + sensor.swing * math.sin(2 * math.pi * now_ms / sensor.period_ms)
        began = sensor.excursion_after_ms
        if sensor.excursion_for_ms and began <= now_ms < began + sensor.excursion_for_ms:
            value += sensor.excursion
        return value

    def register(self, address: int) -> int | None:
        """Return the holding register at an address: int16; None where no sensor has one."""
        sensor = self._by_address.get(address)
        return None if sensor is None else round(self.value(sensor) * TENTHS) & 0xFFFF


NO_SENSORS = Sensors((), lambda: 0)
