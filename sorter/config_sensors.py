"""The sensors of a site: what is connected where, and which readings are as they should be.

They stand beside the lines and not in them: a cold room's sensors hang on a gateway of the building
and not on a sorter's PLC, and one of them may matter to several lines.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from plc_adapters.contract import Quantity
from plc_adapters.sensors.source import RegisterType
from sorter.config_section import LinkTls, Name, Port, Section

SENSORS_MAX = 256
"""Sensors of a site."""
SENSORS_OF_LINK_MAX = 64
"""Sensors of one connection, which are read one after the other."""
SENSOR_STREAM = "site.sensors"
"""Name under which sensor events are kept, as those of a line are under its name; no line can be
called so."""

Number = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
"""In thousandths it fits an event."""


class Sensor(Section):
    """One sensor: what it measures, and what of it matters."""

    name: Name
    quantity: Literal["temperature", "humidity"]
    """In degrees Celsius, or in per cent relative humidity."""
    scale: float = Field(default=1.0, ge=-1e6, le=1e6, allow_inf_nan=False)
    """A reading is what the device tells, times scale, plus offset."""
    offset: Number = 0.0
    dead_band: float = Field(default=0.1, ge=0.0, le=1e6, allow_inf_nan=False)
    """A reading so far from the last one kept is kept as well."""
    low: Number | None = None
    """Below it the reading is out of limits; no lower limit if left out."""
    high: Number | None = None
    valid_min: Number
    """What the device can measure; beyond it the reading counts as none."""
    valid_max: Number

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.scale == 0:
            raise ValueError("scale: 0 makes every reading the same; leave it out, or correct it")
        edges = [self.valid_min, self.low, self.high, self.valid_max]
        given = [edge for edge in edges if edge is not None]
        if given != sorted(given) or self.valid_min == self.valid_max:
            raise ValueError(
                "must be in this order: valid_min, low, high, valid_max; correct the wrong one"
            )
        return self

    @property
    def code(self) -> Quantity:
        """The quantity as events have it."""
        return Quantity[self.quantity.upper()]


class ModbusSensor(Sensor):
    """A sensor in registers."""

    unit_id: int = Field(default=1, ge=0, le=255)
    table: Literal["holding", "input"] = "holding"
    address: int = Field(ge=0, le=65535)
    """The first register, counted from 0."""
    type: RegisterType = "int16"
    word_order: Literal["big", "little"] = "big"
    """Which word of a 32-bit number comes first."""


class SensorGateway(Section):
    """A Modbus device with sensors, or a gateway to them."""

    host: str
    port: Port = 502
    timeout_ms: int = Field(default=1000, ge=20, le=60_000)
    tls: LinkTls | None = None


class SensorLink(Section):
    """One connection and the sensors read over it."""

    name: Name
    period_ms: int = Field(default=1000, ge=100, le=3_600_000)
    """Between two readings of each sensor."""
    silence_ms: int = Field(default=30_000, ge=1000, le=86_400_000)
    """A sensor that was not read for so long is silent."""
    record_every_s: int = Field(default=300, ge=1, le=86_400)
    """A reading is kept at least so often, so that a record without changes differs from none."""

    @model_validator(mode="after")
    def _can_be_heard(self) -> Self:
        if self.silence_ms <= self.period_ms:
            raise ValueError(
                f"silence_ms: {self.silence_ms} would call every sensor silent that is read each "
                f"{self.period_ms} ms; make it longer than period_ms"
            )
        return self


class ModbusSensors(SensorLink):
    """Sensors over Modbus TCP."""

    adapter: Literal["modbus"] = "modbus"
    link: SensorGateway
    sensors: list[ModbusSensor] = Field(min_length=1, max_length=SENSORS_OF_LINK_MAX)


AnySensors = ModbusSensors


def expect_distinct(links: list[AnySensors]) -> None:
    """Raise ValueError where names are used twice, or there are more sensors than can be."""
    for names in ([link.name for link in links], [s.name for link in links for s in link.sensors]):
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"the name {doubled[0]!r} is used twice; rename one")
        if len(names) > SENSORS_MAX:
            raise ValueError(f"{len(names)} sensors; a site has at most {SENSORS_MAX}")
