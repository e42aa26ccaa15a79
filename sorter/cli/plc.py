"""``sorter plc``: what the integrator of a PLC needs."""

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from plc_adapters.mailbox.register_map import MapError, as_csv, as_markdown
from plc_adapters.reference.constants import Size
from plc_adapters.reference.node_list import as_node_list
from plc_adapters.reference.render import as_scl, as_st
from plc_adapters.reference.timing import as_svg, as_text
from sorter.errors import UnavailableError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

EXPORT_HELP = """Print what a PLC's side of the mailbox is built from.

md: every register, and the rules, in words. csv: the registers alone.
st: a PLC's whole side as a program, in Structured Text (IEC 61131-3). scl: the same for Siemens.
opcua: the mailbox as OPC UA variables. timing: timing diagrams of the talk, as text; svg: drawn.

All is made from the table that the service itself is made from. Ends with 2 if there can be no such
mailbox, with 4 if the file can't be written.

Example: sorter plc export --format st --event-slots 512 --chutes 64 --output sorter.st
"""
OF_PROGRAMS, OF_DIAGRAMS = "For st and scl: ", "For timing and svg: "


class Format(StrEnum):
    """What can be printed."""

    MD = "md"
    CSV = "csv"
    ST = "st"
    SCL = "scl"
    OPCUA = "opcua"
    TIMING = "timing"
    SVG = "svg"


PRINTERS: dict[Format, Callable[[Size, str], str]] = {
    Format.MD: lambda size, _: as_markdown(size.base_address, size.event_slots),
    Format.CSV: lambda size, _: as_csv(size.base_address, size.event_slots),
    Format.ST: lambda size, _: as_st(size),
    Format.SCL: lambda size, _: as_scl(size),
    Format.OPCUA: lambda size, _: as_node_list(size.event_slots),
    Format.TIMING: lambda _, diagram: as_text(diagram),
    Format.SVG: lambda _, diagram: as_svg(diagram),
}
"""By format: what makes its text of the size and the diagram's name."""


@app.callback()
def _group() -> None:
    """What the integrator of a PLC needs."""


@app.command("export", help=EXPORT_HELP)
def export(
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.MD,
    base_address: Annotated[
        int, typer.Option(help="Holding register, counted from 0, at which the mailbox begins.")
    ] = Size.base_address,
    event_slots: Annotated[
        int, typer.Option(help="Slots of the event ring, a power of two.")
    ] = Size.event_slots,
    cells: Annotated[
        int, typer.Option(help=OF_PROGRAMS + "most pieces on the sorter at once.")
    ] = Size.cells,
    chutes: Annotated[int, typer.Option(help=OF_PROGRAMS + "highest chute number.")] = Size.chutes,
    backlog_slots: Annotated[
        int, typer.Option(help=OF_PROGRAMS + "event slots that may wait for room in the ring.")
    ] = Size.backlog_slots,
    diagram: Annotated[
        str,
        typer.Option(help=OF_DIAGRAMS + "answer, watchdog, takeover or restart; all if left out."),
    ] = "",
    output: Annotated[
        Path | None, typer.Option(help="File to write; standard output if left out.")
    ] = None,
) -> None:
    """Print one of the formats."""
    size = Size(base_address, event_slots, cells, chutes, backlog_slots)
    try:
        text = PRINTERS[form](size, diagram)
    except MapError as error:
        option = "--" + error.setting.replace("_", "-")
        raise typer.BadParameter(error.why, param_hint=option) from None
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnavailableError(
            f"--output {output}: can't be written ({error.strerror}); give another file"
        ) from None
