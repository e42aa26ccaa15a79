"""``sorter plan``: look after sort plans."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer

from routing_tables.load import load_network
from routing_tables.schema import lianyungang
from sorter.cli import plan_life
from sorter.config import load_site
from sorter.errors import ConfigError, Exit
from sorter.plans.check import PlanReport, check_plan
from sorter.plans.machine import load_chutes
from sorter.wiring.prepare import prepare

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
plan_life.register(app)

CHECK_HELP = """Check a sort plan against its network and its sorter.

Every error is listed at once, with file, line or key, and what to do. Ends with 3 if there is one.

Example: sorter plan check plan.toml --chutes chutes.csv
"""
COMPILE_HELP = """Compile the plans of a site, and its pre-advice, where their files changed.

'sorter run' does this by itself; run it before the processes are started one by one.

Example: sorter plan compile --config site.toml
"""
SPEED_MM_S = 2000
"""Speed assumed where only the plan is checked: it moves instants, not what exists."""


@app.command("check", help=CHECK_HELP)
def check(
    plan: Annotated[Path, typer.Argument(help="The plan's TOML file.")],
    chutes: Annotated[
        Path, typer.Option(help="The sorter's CSV: chute,position_mm,capacity_pieces.")
    ],
    network: Annotated[
        Path | None, typer.Option(help="Folder of the network; Lianyungang's if left out.")
    ] = None,
    centre: Annotated[
        str | None, typer.Option(help="Centre it runs in; the one it names if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Check one plan."""
    tables = load_network(network or lianyungang())
    report = check_plan(plan, tables, load_chutes(chutes, SPEED_MM_S), centre)
    if as_json:
        typer.echo(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2))
        if report.problems:
            raise typer.Exit(Exit.CONFIG)
        return
    if report.problems:
        raise ConfigError(*report.problems)
    _tell(plan, report)


def _tell(path: Path, report: PlanReport) -> None:
    typer.echo(
        f"plan {report.name} of {report.centre}: {report.groups} groups on {report.chutes} chutes, "
        f"{report.places} places in {report.zones} zones"
    )
    for warning in report.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"{path}: all right")


@app.command("compile", help=COMPILE_HELP)
def compile_site(
    config: Annotated[Path, typer.Option(help="The site file.")],
) -> None:
    """Compile what a site needs."""
    site = load_site(config)
    for note in prepare(site):
        typer.echo(f"warning: {note}")
    typer.echo(f"{site.site.state_dir / 'plans'}: up to date")
