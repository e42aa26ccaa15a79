"""The adapters by name; each is imported only when a site uses it."""

from collections.abc import Callable
from importlib import import_module
from typing import cast

from plc_adapters.contract import Adapter, AdapterError

ADAPTERS = {"modbus": "plc_adapters.modbus.adapter", "opcua": "plc_adapters.opcua.adapter"}
"""Kind of adapter, and the module whose ``create(line, link, clock)`` makes one."""


def create(kind: str, line: int, link: object, clock: Callable[[], int]) -> Adapter:
    """Make the adapter of one line.

    Args:
        kind: name of the adapter, as a site file gives it.
        line: index of the line, set in every EVENT.
        link: the adapter's settings: an object with the fields of its own settings class.
        clock: tells nanoseconds since the Unix epoch, never stepping back.

    Raises:
        AdapterError: there is no such adapter, or the settings lack a field.
    """
    module = ADAPTERS.get(kind)
    if module is None:
        known = ", ".join(sorted(ADAPTERS))
        raise AdapterError(f"adapter {kind!r} does not exist; use one of: {known}")
    return cast("Adapter", import_module(module).create(line, link, clock))
