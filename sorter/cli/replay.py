"""``sorter replay``: a recorded day through the decision once more, compared."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer

from sorter.cli.plan_life import AsJson, Config, LineName, line_of
from sorter.cli.plan_proof import progress_of
from sorter.config import load_site
from sorter.errors import Exit
from sorter.line.again import DIFFERENCES_MAX, Compared, Difference
from sorter.plans.scans import Span
from sorter.wiring.replay import replay as replay_line

HELP = """Decide what a line's journal holds once more, and compare every field of every decision.

Each decision is made by the plan version, the pre-advice, the locks and the answers of the upstream
host that it was made by, on the line's state as it stood; the record of each piece that ended is
compared too. Ends with 1 if anything differs. May run beside the line.

Example: sorter replay --line loop-1 --day yesterday --config site.toml
"""
SHOWN_MAX = 20
"""Differences shown to a person, unless he asks for another number."""


def replay(
    config: Config,
    line: LineName = "",
    day: Annotated[str, typer.Option(help="yesterday, today or YYYY-MM-DD; else all.")] = "",
    begin: Annotated[str, typer.Option(help="Decisions from this instant on; with --end.")] = "",
    end: Annotated[str, typer.Option(help="Decisions before this instant.")] = "",
    shown: Annotated[
        int, typer.Option(min=0, max=DIFFERENCES_MAX, help="Differences shown one by one.")
    ] = SHOWN_MAX,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Replay one line."""
    site = load_site(config)
    name = line_of(site, line).name
    span = Span.of_day(day) if day else Span.of(begin, end) if begin or end else None
    with progress_of("deciding again") as step:
        found = replay_line(site, name, span, step)
    if as_json:
        typer.echo(orjson.dumps(asdict(found) | {"line": name}, option=orjson.OPT_INDENT_2))
    else:
        for text in told(name, found, shown):
            typer.echo(text)
    if found.differ or not found.decisions + found.pieces:
        raise typer.Exit(Exit.CHECK_FAILED)


def told(name: str, found: Compared, shown: int) -> list[str]:
    """Return what was found as lines a person reads."""
    lines = [
        f"line {name}: {found.decisions} decisions made again, {found.pieces} pieces that ended: "
        f"{found.differ} differ"
    ]
    lines += [f"not judged: {count} decisions: {why}" for why, count in found.reasons.items()]
    for each in found.differences[:shown]:
        lines += _difference(each)
    if found.differ > shown:
        lines.append(f"and {found.differ - shown} more (--shown, --json)")
    return lines


def _difference(each: Difference) -> list[str]:
    instant = datetime.fromtimestamp(each.instant_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    what = f"scan {each.event_sequence}" if each.event_sequence else "as it ended"
    piece = f"piece {each.boot_id}/{each.piece_id}  {each.waybill or 'no waybill'}"
    lines = [f"{instant}  {piece}  {what}"]
    for name, was, now in each.fields:
        lines.append(f"    {name}: journaled {was or 'not'}, now {now or 'not'}")
    return lines
