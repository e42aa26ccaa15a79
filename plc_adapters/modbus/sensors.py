"""Sensors read as registers over Modbus TCP, of a device or of the units behind a gateway."""

from collections.abc import Sequence
from typing import Literal, Protocol, cast

from plc_adapters.modbus.settings import ModbusLink
from plc_adapters.modbus.tls import Tls
from plc_adapters.modbus.wire import ModbusWire, Table
from plc_adapters.sensors.source import RegisterType, number_of, registers_of


class Connection(Protocol):
    """What is needed to connect, such as a section of a site file."""

    @property
    def host(self) -> str:
        """Name or address of the device or gateway."""

    @property
    def port(self) -> int:
        """TCP port."""

    @property
    def timeout_ms(self) -> int:
        """Of one request."""

    @property
    def tls(self) -> object:
        """Certificates with the fields of Tls, None for the bare protocol."""


class Place(Protocol):
    """Where one sensor's value stands."""

    @property
    def unit_id(self) -> int:
        """Unit behind the gateway, or of the device."""

    @property
    def table(self) -> Table:
        """Kind of registers."""

    @property
    def address(self) -> int:
        """The first register, counted from 0."""

    @property
    def type(self) -> RegisterType:
        """How the number stands in them."""

    @property
    def word_order(self) -> Literal["big", "little"]:
        """Which word of two comes first."""


class DeviceLink(ModbusLink):
    """A connection that serves whatever units are behind it."""

    @property
    def peer(self) -> str:
        """The device as messages name it."""
        return f"{self.host}:{self.port}"


class ModbusSensors:
    """See :class:`plc_adapters.sensors.source.SensorSource`."""

    def __init__(self, link: ModbusLink, places: Sequence[Place]) -> None:
        self._link = link
        self._places = places
        self._wire: ModbusWire | None = None

    @property
    def peer(self) -> str:
        """The device as messages name it."""
        return self._link.peer

    async def connect(self) -> None:
        """Connect; raises LinkError."""
        wire = ModbusWire(self._link)
        await wire.connect()
        self._wire = wire

    async def read(self, sensor: int) -> float:
        """Return what a sensor's registers hold; raises RefusedError and LinkError."""
        assert self._wire is not None, "connect comes first"
        place = self._places[sensor]
        registers = await self._wire.read_table(
            place.table, place.address, registers_of(place.type), place.unit_id
        )
        return number_of(registers, place.type, place.word_order)

    async def close(self) -> None:
        """Let the connection go."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()


def sensors(link: object, places: Sequence[object]) -> ModbusSensors:
    """Make the way to some sensors; see :func:`plc_adapters.registry.sensors`."""
    given = cast("Connection", link)
    tls = Tls.of(given.tls) if given.tls is not None else None
    settings = DeviceLink(host=given.host, port=given.port, timeout_ms=given.timeout_ms, tls=tls)
    return ModbusSensors(settings, cast("Sequence[Place]", places))
