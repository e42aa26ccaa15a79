"""``sorter plc``: what the integrator of a PLC needs."""

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from plc_adapters.mailbox.register_map import EVENT_SLOTS, MapError, as_csv, as_markdown
from sorter.errors import UnavailableError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

EXPORT_HELP = """Print what a PLC's side of the mailbox is built from.

md: every register, and the rules, in words. csv: the registers alone.

All is made from the table that the service itself is made from. Ends with 2 if there can be no such
mailbox, with 4 if the file can't be written.

Example: sorter plc export --format md --base-address 4096 --event-slots 512 --output REGISTERS.md
"""


class Format(StrEnum):
    """What can be printed."""

    MD = "md"
    CSV = "csv"


PRINTERS: dict[Format, Callable[[int, int], str]] = {
    Format.MD: as_markdown,
    Format.CSV: as_csv,
}
"""By format: what makes its text of base address and event slots."""


@app.callback()
def _group() -> None:
    """What the integrator of a PLC needs."""


@app.command("export", help=EXPORT_HELP)
def export(
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.MD,
    base_address: Annotated[
        int, typer.Option(help="Holding register, counted from 0, at which the mailbox begins.")
    ] = 0,
    event_slots: Annotated[
        int, typer.Option(help="Slots of the event ring, a power of two.")
    ] = EVENT_SLOTS,
    output: Annotated[
        Path | None, typer.Option(help="File to write; standard output if left out.")
    ] = None,
) -> None:
    """Print one of the formats."""
    try:
        text = PRINTERS[form](base_address, event_slots)
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
