"""``sorter line release, switch``: what an operator tells a running line."""

import orjson
import typer

from sorter.cli.plan_life import AsJson, Config, LineName, Why, line_of
from sorter.config import load_site
from sorter.wiring.control_client import LineClient
from sorter.wiring.paths import StatePaths
from sorter.wiring.prepare import os_user

RELEASE_HELP = """Release a line's quarantine: pieces are sorted by their destination again.

A line is quarantined when its pieces are found elsewhere than sent too often. Put the sorter right
first, or it will be again.

Example: sorter line release --line loop-1 --why "encoder wheel cleaned" --config site.toml
"""

SWITCH_HELP = """Hand a line over to the host that stands by, such as before an update of this one.

No piece is late for it: this host answers until the PLC has granted the line to the other one, and
stands by from then on. Refused, with 1, where no other host stands by.

Example: sorter line switch --line loop-1 --why "update" --config site.toml
"""

app = typer.Typer(no_args_is_help=True)


@app.command("release", help=RELEASE_HELP)
def release(config: Config, why: Why, line: LineName = "", as_json: AsJson = False) -> None:  # noqa: FBT002
    """Release a quarantine."""
    site = load_site(config)
    chosen = line_of(site, line)
    answer = LineClient(StatePaths(site.site.state_dir)).ask(
        {"command": "release_quarantine", "line": chosen.name, "who": os_user(), "why": why}
    )
    if as_json:
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))
        return
    told = "quarantine released" if answer["was_quarantined"] else "was not quarantined"
    typer.echo(f"line {chosen.name}: {told}")


@app.command("switch", help=SWITCH_HELP)
def switch(config: Config, why: Why, line: LineName = "", as_json: AsJson = False) -> None:  # noqa: FBT002
    """Hand a line over."""
    site = load_site(config)
    chosen = line_of(site, line)
    answer = LineClient(StatePaths(site.site.state_dir)).ask(
        {"command": "switch", "line": chosen.name, "who": os_user(), "why": why}
    )
    if as_json:
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))
        return
    typer.echo(f"line {chosen.name}: the other host has it, under epoch {answer['epoch']}")
