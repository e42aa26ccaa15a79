"""The adapters by name; each is imported only when a site uses it."""

from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import cast

from plc_adapters.autoid.settings import ScannerSettings
from plc_adapters.autoid.tied_adapter import Scanner, TiedAdapter
from plc_adapters.contract import AdapterError, StandbyAdapter
from plc_adapters.host.wire import MailboxLink, Wire
from plc_adapters.sensors.source import SensorSource

ADAPTERS = {"modbus": "plc_adapters.modbus.adapter", "opcua": "plc_adapters.opcua.adapter"}
"""Kind of adapter, and its module: ``create(line, link, clock)`` and ``connection(link)``."""

SENSORS = {"modbus": "plc_adapters.modbus.sensors"}
"""Kind of adapter, and its module: ``sensors(link, places)``."""

SCANNERS = {"autoid": "plc_adapters.autoid.adapter"}
"""Kind of scanner, and its module: ``scanners(settings, clock)``."""


def create(kind: str, line: int, link: object, clock: Callable[[], int]) -> StandbyAdapter:
    """Make the adapter of one line.

    Args:
        kind: name of the adapter, as a site file gives it.
        line: index of the line, set in every EVENT.
        link: the adapter's settings: an object with the fields of its own settings class.
        clock: tells nanoseconds since the Unix epoch, never stepping back.

    Raises:
        AdapterError: there is no such adapter, or the settings lack a field.
    """
    return cast("StandbyAdapter", _module(kind).create(line, link, clock))


def with_scanners(
    adapter: StandbyAdapter, settings: Sequence[ScannerSettings], clock: Callable[[], int]
) -> tuple[StandbyAdapter, tuple[Scanner, ...]]:
    """Put scanners of their own beside a line's PLC; without any, the adapter stays as it is.

    Args:
        adapter: the way to the PLC.
        settings: one for each station whose codes come from a scanner of its own.
        clock: as for :func:`create`.

    Returns:
        The adapter whose scans bear the scanners' codes, and the ways to the scanners.

    Raises:
        AdapterError: settings contradict each other, or a file that they name is of no use.
    """
    if not settings:
        return adapter, ()
    scanners = tuple(_module("autoid", SCANNERS).scanners(settings, clock))
    return TiedAdapter(adapter, scanners, clock), scanners


def connection(kind: str, link: object) -> tuple[MailboxLink, Callable[[], Wire]]:
    """Return what is known of a PLC and a maker of bare connections to it, beside any adapter.

    Args:
        kind: as for :func:`create`.
        link: as for :func:`create`.

    Raises:
        AdapterError: as for :func:`create`.
    """
    return cast("tuple[MailboxLink, Callable[[], Wire]]", _module(kind).connection(link))


def sensors(kind: str, link: object, places: Sequence[object]) -> SensorSource:
    """Make the way to the sensors behind one connection.

    Args:
        kind: as for :func:`create`.
        link: the connection's settings.
        places: where each sensor's value stands, in the order in which they are read.

    Raises:
        AdapterError: there is no such adapter, or a file that the settings name is of no use.
    """
    return cast("SensorSource", _module(kind, SENSORS).sensors(link, places))


def _module(kind: str, adapters: dict[str, str] = ADAPTERS) -> ModuleType:
    module = adapters.get(kind)
    if module is None:
        known = ", ".join(sorted(adapters))
        raise AdapterError(f"adapter {kind!r} does not exist; use one of: {known}")
    return import_module(module)
