"""The mailbox over OPC UA, as an adapter."""

from collections.abc import Callable

from plc_adapters.host.adapter import HostAdapter
from plc_adapters.opcua.session import load_credentials
from plc_adapters.opcua.settings import OpcuaLink
from plc_adapters.opcua.wire import OpcuaWire


def create(line: int, link: object, clock: Callable[[], int]) -> HostAdapter:
    """Make the adapter of one line; see :func:`plc_adapters.registry.create`.

    Raises:
        AdapterError: a certificate, key or password can't be used.
    """
    settings, make_wire = connection(link)
    return HostAdapter(line, settings, clock, make_wire)


def connection(link: object) -> tuple[OpcuaLink, Callable[[], OpcuaWire]]:
    """Return how to reach a PLC; see :func:`plc_adapters.registry.connection`.

    Raises:
        AdapterError: as for :func:`create`.
    """
    settings = OpcuaLink.of(link)
    credentials = load_credentials(settings)
    return settings, lambda: OpcuaWire(settings, credentials)
