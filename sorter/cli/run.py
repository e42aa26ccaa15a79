"""``sorter run``: the service itself, whole or one of its processes."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from sorter.config import load_site
from sorter.wiring.parts import Part

HELP = """Run the service of a site.

Starts and watches its processes (line, recorder, face), and an embedded database where the site
file names none. Ends on Ctrl-C or SIGTERM.

With --standby on two hosts, each in a seat of its own (link.seat) and with a state_dir of its own,
one has the lines and the other follows; it takes over when the PLC calls the first one silent, or
when 'sorter line switch' is told so. Both need a database that is not embedded.

Example: sorter run --config site.toml
"""


def run(
    config: Annotated[Path, typer.Option(help="The site file.")],
    part: Annotated[
        Part | None,
        typer.Option(
            help="Run this process alone, under systemd or a container platform. "
            "Compile the plans first: sorter plan compile."
        ),
    ] = None,
    standby: Annotated[  # noqa: FBT002 - an option of the command
        bool,
        typer.Option(
            "--standby", help="Follow lines that another host has, and take over when it is silent."
        ),
    ] = False,
) -> None:
    """Run the service, or one part of it."""
    site = load_site(config)
    if part is None:
        from sorter.wiring.logs import set_up_logging  # noqa: PLC0415
        from sorter.wiring.supervisor import Supervisor  # noqa: PLC0415

        set_up_logging("service")
        asyncio.run(Supervisor(site, config, standby=standby).run())
    else:
        from sorter.wiring.parts import run_part  # noqa: PLC0415

        run_part(part, site, standby=standby)
