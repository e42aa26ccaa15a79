"""``sorter plan list, activate, rollback``: which version of a plan a line goes by."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from sorter.config import Line, SiteFile, load_site
from sorter.errors import CommandError, Refusal
from sorter.outlets.shadows import Shadows
from sorter.plans.versions import PAGE_MAX, versions_page
from sorter.wiring.active import read_active, read_json
from sorter.wiring.control_client import LineClient
from sorter.wiring.paths import StatePaths
from sorter.wiring.prepare import is_current, make_plan_version, newest_of, os_user

LIST_HELP = """List the newest versions of the plans of a site, the active one marked with *.

Older ones: --before the number that the last line names. Who activated what, and why, is in the
database: GET /lines/{line}/commands.

Example: sorter plan list --config site.toml --line loop-1 --before 101
"""
ACTIVATE_HELP = """Activate a version of a plan on a running line; a plan's file is compiled first.

Pieces on the sorter keep the version they were inducted under. Refused, with 1, if another version
was activated meanwhile, or if an activation waits and --replace is not given.

Example: sorter plan activate night.toml --line loop-1 --when 2026-11-25T22:00:00+08:00
--why "night shift" --config site.toml
"""
ROLLBACK_HELP = """Activate the version that was active before; once more, and it is as it was.

Example: sorter plan rollback --line loop-1 --why "chute 12 jams" --config site.toml
"""

SHADOW_HELP = """Have a version decide beside the active one, on live traffic; count what differs.

Pieces go where the active version sends them. Without a version: show what differs so far.

Example: sorter plan shadow 4 --line loop-1 --why "before the night shift" --config site.toml
"""
SHOWN_MAX = 20
"""Differences shown to a person; --json has more."""

Config = Annotated[Path, typer.Option(help="The site file.")]
LineName = Annotated[str, typer.Option(help="The line; may be left out if there is only one.")]
Why = Annotated[str, typer.Option(help="The reason, which is kept.")]
Expect = Annotated[
    int | None,
    typer.Option(help="Version that must be active; the one active as the command began if left "
                 "out."),
]  # fmt: skip
Replace = Annotated[bool, typer.Option("--replace", help="Put it in place of one that waits.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``sorter plan``."""
    app.command("list", help=LIST_HELP)(list_plans)
    app.command("activate", help=ACTIVATE_HELP)(activate)
    app.command("shadow", help=SHADOW_HELP)(shadow)
    app.command("rollback", help=ROLLBACK_HELP)(roll_back)


def list_plans(
    config: Config,
    line: Annotated[str, typer.Option(help="One line; all if left out.")] = "",
    before: Annotated[int | None, typer.Option(min=1, help="Versions below this number.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=PAGE_MAX, help="Versions of each line at most.")
    ] = PAGE_MAX,
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """List versions."""
    site = load_site(config)
    state = StatePaths(site.site.state_dir)
    told: list[dict[str, Any]] = []
    for listed in [line_of(site, line)] if line else site.lines:
        versions, next_before = versions_page(state.versions(listed.name), before, limit)
        active = read_active(state.active_plan(listed.name))
        told.append({
            "line": listed.name,
            "active": active.version if active else None,
            "pending": read_json(state.pending_plan(listed.name)),
            "versions": [each.as_dict() for each in versions],
            "next_before": next_before,
        })  # fmt: skip
    if as_json:
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
        return
    for line_told in told:
        typer.echo(f"line {line_told['line']}")
        for version in line_told["versions"]:
            mark = "*" if version["number"] == line_told["active"] else " "
            typer.echo(
                f"{mark} {version['number']:4}  {version['name']:24}  {version['made_at'][:19]}Z  "
                f"{version['who']}: {version['why']}"
            )
        if line_told["pending"]:
            waits = line_told["pending"]
            typer.echo(f"  version {waits['version']} waits for {waits['when']}, by {waits['who']}")
        if line_told["next_before"]:
            typer.echo(f"  older ones: --before {line_told['next_before']}")


def activate(
    version: Annotated[str, typer.Argument(help="Number of a version, or a plan's TOML file.")],
    config: Config,
    why: Why,
    line: LineName = "",
    when: Annotated[str, typer.Option(help="now, empty, or an instant with its zone.")] = "now",
    expect: Expect = None,
    replace: Replace = False,  # noqa: FBT002 - an option
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Activate a version."""
    site = load_site(config)
    client, chosen = LineClient(StatePaths(site.site.state_dir)), line_of(site, line)
    if expect is None:
        expect = _active(client, chosen)
    number = int(version) if version.isdecimal() else _compiled(site, chosen, Path(version), why)
    answer = client.ask({
        "command": "activate", "line": chosen.name, "version": number, "when": when,
        "who": os_user(), "why": why, "expect": expect, "replace": replace,
    })  # fmt: skip
    _tell(answer, as_json=as_json)


def roll_back(
    config: Config,
    why: Why,
    line: LineName = "",
    expect: Expect = None,
    replace: Replace = False,  # noqa: FBT002 - an option
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Roll back."""
    site = load_site(config)
    client, chosen = LineClient(StatePaths(site.site.state_dir)), line_of(site, line)
    if expect is None:
        expect = _active(client, chosen)
    answer = client.ask({
        "command": "rollback", "line": chosen.name, "who": os_user(), "why": why,
        "expect": expect, "replace": replace,
    })  # fmt: skip
    _tell(answer, as_json=as_json)


def shadow(
    config: Config,
    version: Annotated[
        int | None, typer.Argument(help="Number of the version; left out to look.")
    ] = None,
    line: LineName = "",
    why: Annotated[str, typer.Option(help="The reason, which is kept.")] = "",
    stop: Annotated[bool, typer.Option("--stop", help="End it.")] = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Begin, end or show a shadow."""
    site = load_site(config)
    state, chosen = StatePaths(site.site.state_dir), line_of(site, line)
    if stop or version is not None:
        if not why:
            raise typer.BadParameter("is missing", param_hint="--why")
        answer = LineClient(state).ask({
            "command": "shadow", "line": chosen.name, "version": 0 if stop else version,
            "who": os_user(), "why": why,
        })  # fmt: skip
        told = "no version" if stop else f"version {version}"
        typer.echo(
            orjson.dumps(answer, option=orjson.OPT_INDENT_2)
            if as_json
            else f"line {chosen.name}: {told} decides beside the active one"
        )
        return
    found = Shadows(state.shadows).read().get(chosen.name)
    if found is None:
        raise CommandError(Refusal.UNKNOWN, f"line {chosen.name}: no version shadows it")
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    for text in _shadow_lines(found):
        typer.echo(text)


def _shadow_lines(found: dict[str, Any]) -> list[str]:
    head = f"version {found['version']} since {found['since']}, by {found['who']}: {found['why']}"
    if found["problem"]:
        return [head, found["problem"]]
    lines = [
        head,
        f"{found['decisions']} decisions, {found['differ']} differ: {found['chute_differs']} in "
        f"their chute, {found['disposition_differs']} in their disposition",
    ]
    for each in found["differences"][:SHOWN_MAX]:
        was, now = (f"chute {n}" if n else "no chute" for n in
                    (each["chute"], each["candidate_chute"]))  # fmt: skip
        lines.append(
            f"{each['pieces']:9}  {each['destination'] or 'unknown'}: {was} "
            f"({each['disposition']}) -> {now} ({each['candidate_disposition']})"
        )
    return lines


def line_of(site: SiteFile, name: str) -> Line:
    """Return the line of that name, or the only one; raises CommandError if there is none."""
    for line in site.lines:
        if line.name == name or (not name and len(site.lines) == 1):
            return line
    names = ", ".join(line.name for line in site.lines)
    raise CommandError(Refusal.UNKNOWN, f"--line: no line {name!r} here; there are: {names}")


def _active(client: LineClient, line: Line) -> int:
    """Return the active version: no other may come between this and the command."""
    state = client.ask({"command": "state", "line": line.name})
    return int(state["active"]["version"])


def _compiled(site: SiteFile, line: Line, plan: Path, why: str) -> int:
    """Return the version that a plan file is; compiled only if it has changed since the last."""
    state = StatePaths(site.site.state_dir)
    newest = newest_of(state.versions(line.name), plan)
    if newest and is_current(site, line, newest):
        return newest.number
    return make_plan_version(site, line, plan, os_user(), why).number


def _tell(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))
        return
    active, waits = answer["active"], answer["pending"]
    typer.echo(
        f"line {answer['line']}: plan {active['name']} version {active['version']} is active"
    )
    if waits:
        typer.echo(f"version {waits['version']} waits for {waits['when']}")
