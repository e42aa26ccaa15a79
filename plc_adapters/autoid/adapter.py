"""Scanners of their own beside a line's PLC."""

from collections.abc import Callable, Sequence

from plc_adapters.autoid.client import AutoIdScanner
from plc_adapters.autoid.settings import ScannerSettings


def scanners(settings: Sequence[ScannerSettings], clock: Callable[[], int]) -> list[AutoIdScanner]:
    """Make the ways to one line's scanners; see :func:`plc_adapters.registry.with_scanners`.

    Raises:
        AdapterError: the settings contradict each other, or a file that they name is of no use.
    """
    return [AutoIdScanner(one, clock) for one in settings]
