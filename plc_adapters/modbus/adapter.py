"""The mailbox over Modbus TCP, as an adapter."""

from collections.abc import Callable

from plc_adapters.host.adapter import HostAdapter
from plc_adapters.modbus.settings import ModbusLink
from plc_adapters.modbus.wire import ModbusWire


def create(line: int, link: object, clock: Callable[[], int]) -> HostAdapter:
    """Make the adapter of one line; see :func:`plc_adapters.registry.create`."""
    settings, make_wire = connection(link)
    return HostAdapter(line, settings, clock, make_wire)


def connection(link: object) -> tuple[ModbusLink, Callable[[], ModbusWire]]:
    """Return how to reach a PLC; see :func:`plc_adapters.registry.connection`."""
    settings = ModbusLink.of(link)
    return settings, lambda: ModbusWire(settings)
