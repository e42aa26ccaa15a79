"""The processes of the service by name. Each is imported only where it runs."""

import asyncio
from enum import StrEnum

from sorter.config import SiteFile
from sorter.wiring.logs import set_up_logging
from sorter.wiring.paths import StatePaths
from sorter.wiring.process import end_with_parent
from sorter.wiring.state_lock import held


class Part(StrEnum):
    """A process of the service."""

    LINE = "line"
    RECORDER = "recorder"
    FACE = "face"
    SHADOW = "shadow"
    SENSORS = "sensors"
    """Only where the site has sensors."""


def parts_of(site: SiteFile) -> list[Part]:
    """Return the processes that a site needs."""
    return [part for part in Part if part is not Part.SENSORS or site.sensor_links]


def run_part(part: Part, site: SiteFile, *, standby: bool = False) -> None:
    """Run one process until it is told to stop; it is the only one of its kind on its state_dir.

    Args:
        part: Which one.
        site: The site file.
        standby: Whether the lines have another host, so that this one stands by; others' business.

    Raises:
        UnavailableError: another such process runs on this state_dir.
    """
    end_with_parent()
    set_up_logging(part)
    with held(StatePaths(site.site.state_dir).lock(part), f"{part} process"):
        _run(part, site, standby)


def _run(part: Part, site: SiteFile, standby: bool) -> None:  # noqa: FBT001 - passed on
    """Run a part.

    The imports stand in the branches because a line must load neither an HTTP nor a database
    library, and a face no kernel.
    """
    match part:
        case Part.LINE:
            import uvloop  # noqa: PLC0415

            from sorter.wiring.line import run_line  # noqa: PLC0415

            # Most of what a line does is to wait for short answers over many connections.
            uvloop.run(run_line(site, standby=standby))
        case Part.RECORDER:
            from sorter.wiring.recorder import run_recorder  # noqa: PLC0415

            asyncio.run(run_recorder(site))
        case Part.FACE:
            from sorter.wiring.face import run_face  # noqa: PLC0415

            run_face(site)
        case Part.SHADOW:
            from sorter.wiring.shadow import run_shadow  # noqa: PLC0415

            asyncio.run(run_shadow(site))
        case Part.SENSORS:
            from sorter.wiring.sensors import run_sensors  # noqa: PLC0415

            asyncio.run(run_sensors(site))
