"""``sorter config``: look at a site file without running it."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from sorter.config import load_site
from sorter.wiring.check import check_site

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

CHECK_HELP = """Check a site file and every file it names: plans, machines, network, pre-advice.

Every error is listed at once, with file, line or key, and what to do.

Example: sorter config check site.toml
"""


@app.command("check", help=CHECK_HELP)
def check(
    config: Annotated[Path, typer.Argument(help="The site file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Check a site."""
    report = check_site(load_site(config))
    if as_json:
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        return
    for line in report.lines:
        typer.echo(
            f"line {line.name}: plan {line.plan}, {line.chutes} chutes, {line.groups} groups, "
            f"{line.places} places in {line.zones} zones"
        )
    for warning in report.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"{config}: all right")
