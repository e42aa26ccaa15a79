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
    settings = OpcuaLink.of(link)
    credentials = load_credentials(settings)
    return HostAdapter(line, settings, clock, lambda: OpcuaWire(settings, credentials))
