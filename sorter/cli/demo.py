"""``sorter demo``: everything on one machine, with an emulated sorter."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import orjson
import typer

from sorter.errors import Exit

HELP = """Sort pieces on two emulated lines: database, service, sorters, all on this machine.

A cross-belt loop whose PLC speaks Modbus TCP, and a wheel-diverter line whose PLC speaks OPC UA.

With --for it ends by itself, prints a table, and ends with 1 if a ledger does not balance, an
answer was late, or a record is missing. Open the URL it prints to watch the sorters.

Example: sorter demo --for 60
With a fault to look for: sorter demo --set 'loop-1.jams=[{chute=7, after_ms=60000, for_ms=300000}]'
"""


def demo(
    seconds: Annotated[
        float, typer.Option("--for", min=0, help="Seconds of induction; 0: until Ctrl-C.")
    ] = 0,
    rate: Annotated[
        int, typer.Option(min=60, max=60_000, help="Pieces per hour on the loop.")
    ] = 20_000,
    state: Annotated[
        Path | None, typer.Option(help="Folder to keep; a temporary one if left out.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the page.")] = 8080,
    plc_port: Annotated[
        int, typer.Option(help="Port of the loop's PLC; the next three are used too.")
    ] = 15_020,
    seed: Annotated[int, typer.Option(help="Same seed, same pieces.")] = 1,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="LINE.KEY=VALUE",
            help="Replace a key of an emulated sorter's file: its faults, for one. Several times.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with JSON.")] = False,  # noqa: FBT002
) -> None:
    """Run the demo and judge it."""
    from sorter.demo.runner import Demo, Options  # noqa: PLC0415 - only this command needs it all
    from sorter.demo.view import Watcher  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="sorter-demo-") as temporary:
        options = Options(
            state or Path(temporary), seconds, rate, port, plc_port, seed, tuple(settings or ())
        )
        running = Demo(options)
        with Watcher(running.url, quiet=as_json, live=sys.stdout.isatty()) as watcher:
            lines = asyncio.run(running.run(watcher.show))
    balanced = bool(lines) and all(each.balanced for each in lines)
    if as_json:
        told = {"balanced": balanced, "lines": [each.as_dict() for each in lines]}
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    if not balanced:
        typer.echo("sorter: the demo did not come out even; see the rows above", err=True)
        raise typer.Exit(Exit.CHECK_FAILED)
