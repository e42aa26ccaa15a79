"""The mailbox over Modbus TCP, as an adapter."""

from collections.abc import Callable

from plc_adapters.host.adapter import HostAdapter
from plc_adapters.modbus.settings import ModbusLink
from plc_adapters.modbus.wire import ModbusWire


def create(line: int, link: object, clock: Callable[[], int]) -> HostAdapter:
    """Make the adapter of one line; see :func:`plc_adapters.registry.create`."""
    settings = ModbusLink.of(link)
    return HostAdapter(line, settings, clock, lambda: ModbusWire(settings))
