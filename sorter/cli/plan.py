"""``sorter plan``: look after sort plans."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer

from sorter.cli import plan_life
from sorter.cli.plan_sources import (
    ChutesOption,
    ConfigOption,
    LineName,
    NetworkOption,
    PlanArgument,
    PlanDesk,
)
from sorter.config import load_site
from sorter.errors import ConfigError, Exit
from sorter.plans.check import PlanReport, check_loaded
from sorter.wiring.prepare import prepare

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
plan_life.register(app)

CHECK_HELP = """Check a sort plan against its network and its sorter.

Every error is listed at once, with file, line or key, and what to do. Ends with 3 if there is one.

Example: sorter plan check plan.toml --chutes chutes.csv
A version that is kept: sorter plan check 4 --line loop-1 --config site.toml
"""
COMPILE_HELP = """Compile the plans of a site, and its pre-advice, where their files changed.

'sorter run' does this by itself; run it before the processes are started one by one.

Example: sorter plan compile --config site.toml
"""


@app.command("check", help=CHECK_HELP)
def check(
    plan: PlanArgument,
    chutes: ChutesOption = None,
    config: ConfigOption = None,
    line: LineName = "",
    network: NetworkOption = None,
    centre: Annotated[
        str | None, typer.Option(help="Centre it runs in; the site's, or the one it names.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Check one plan."""
    desk = PlanDesk(config, line, chutes, network)
    try:
        looked = desk.look(plan)
    except ConfigError as error:
        where, report = plan, PlanReport("", "", tuple(error.problems), ())
    else:
        where = looked.where
        report = check_loaded(
            looked.plan, looked.network, desk.machine, centre or desk.centre(looked.plan)
        )
    if as_json:
        typer.echo(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2))
        if report.problems:
            raise typer.Exit(Exit.CONFIG)
        return
    if report.problems:
        raise ConfigError(*report.problems)
    _tell(where, report)


def _tell(where: str, report: PlanReport) -> None:
    typer.echo(
        f"plan {report.name} of {report.centre}: {report.groups} groups on {report.chutes} chutes, "
        f"{report.places} places in {report.zones} zones"
    )
    for warning in report.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"{where}: all right")


@app.command("compile", help=COMPILE_HELP)
def compile_site(
    config: Annotated[Path, typer.Option(help="The site file.")],
) -> None:
    """Compile what a site needs."""
    site = load_site(config)
    for note in prepare(site):
        typer.echo(f"warning: {note}")
    typer.echo(f"{site.site.state_dir / 'plans'}: up to date")
