"""``sorter pre-advice``: waybills that the brands send ahead, loaded while the lines run."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from sorter.cli.plan_proof import progress_of
from sorter.config import load_site
from sorter.errors import ConfigError, Exit
from sorter.wiring.active import read_active
from sorter.wiring.advice import load_advice
from sorter.wiring.paths import StatePaths
from sorter.wiring.prepare import os_user

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

LOAD_HELP = """Load a file of pre-advised waybills (CSV, or NDJSON named .ndjson) for all lines.

It is added to what was loaded before, so that a day's files may come in parts; of a waybill loaded
before the newer word counts. With --replace it takes the place of all. Lines that run use it at
once, between two batches. Bad lines are named and the others load; ends with 1 if there are any.

Example: sorter pre-advice load today.csv --why "morning file" --config site.toml
"""
SHOW_HELP = """Show which pre-advice is in use, by whom and why.

Example: sorter pre-advice show --config site.toml
"""
PROBLEMS_SHOWN_MAX = 20
"""Bad lines shown to a person; --json has more."""

Config = Annotated[Path, typer.Option(help="The site file.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="In the place of all that was loaded before.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("load", help=LOAD_HELP)
def load(
    file: Annotated[Path, typer.Argument(help="The file.")],
    config: Config,
    why: Annotated[str, typer.Option(help="The reason, which is kept.")],
    who: Annotated[str, typer.Option(help="Who loads it; you, if left out.")] = "",
    expires: Annotated[
        str, typer.Option(help="Last day (YYYY-MM-DD, UTC) for lines that name none.")
    ] = "",
    replace: Replace = False,  # noqa: FBT002 - an option
    bad_lines: Annotated[
        Path | None, typer.Option(help="File to write every bad line to, with what is wrong.")
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Load a file."""
    site = load_site(config)
    with progress_of("loading") as step:
        found = load_advice(
            site, file, who or os_user(), why, replaces=replace, expires=expires,
            progress=(lambda _, share: step(share)) if step else None, bad_lines=bad_lines,
        )  # fmt: skip
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    else:
        for line in load_lines(found):
            typer.echo(line)
    if found["bad_lines"]:
        raise typer.Exit(Exit.CHECK_FAILED)


@app.command("show", help=SHOW_HELP)
def show(config: Config, as_json: AsJson = False) -> None:  # noqa: FBT002 - an option
    """Show what is in use."""
    state = StatePaths(load_site(config).site.state_dir)
    active = read_active(state.pre_advice)
    if active is None:
        raise ConfigError(f"{state.pre_advice}: none was loaded; use 'sorter pre-advice load'")
    told = {
        "version": active.version, "name": active.name, "image": active.image.name,
        "who": active.who, "why": active.why, "since": active.since,
    }  # fmt: skip
    if as_json:
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
        return
    typer.echo(
        f"version {active.version} of {active.name}, since {active.since}, by {active.who}: "
        f"{active.why}"
    )


def load_lines(found: dict[str, Any]) -> list[str]:
    """Return what a load found as lines a person reads."""
    lines = [str(problem) for problem in found["problems"][:PROBLEMS_SHOWN_MAX]]
    hidden = len(found["problems"]) - PROBLEMS_SHOWN_MAX
    if hidden > 0:
        lines.append(f"{hidden} more; --json lists them, --bad-lines writes all to a file")
    used = ", ".join(found["in_use_by"]) or "no line"
    lines.append(
        f"version {found['version']}: {found['waybills']} waybills, {found['waybills_in_file']} of "
        f"them in this file, {found['updated']} known before, {found['bad_lines']} bad lines; "
        f"{found['memory_bytes'] / 1e6:.0f} MB; in use by {used}"
    )
    if found["not_in_use"]:
        lines.append(f"warning: {found['not_in_use']}")
    return lines
