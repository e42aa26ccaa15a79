"""``sorter plan prove``, ``diff`` and ``whatif``: whether a plan can be trusted, before it runs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from plc_adapters.contract import Records
from sorter.cli.plan_sources import (
    SPEED_MM_S,
    ChutesOption,
    ConfigOption,
    LineName,
    NetworkOption,
    PlanArgument,
    PlanDesk,
    SpeedOption,
)
from sorter.errors import ConfigError, Exit
from sorter.plans.diff import Difference, Move, Target, diff
from sorter.plans.proof_report import Finding, Proof
from sorter.plans.prove import prove
from sorter.plans.scans import Span, load_scans
from sorter.plans.whatif import Model, Totals, WhatIf, whatif
from sorter.plans.whatif_picture import draw
from sorter.wiring.scans import gather, recorded_in

WHATIF_HELP = """Try a sort plan over recorded pieces: loads, laps, overflow, what goes elsewhere.

The recording is a day or span of what a line sorted (--config, --line; from the database or the
journal), one line's journal as a whole, or a file (CSV, or NDJSON named .ndjson) with
scanned_at,brand,service_class,destination,disposition,chute,laps. It is replayed in a model: the
decision answers at once, a piece goes into its first chute, a full chute is empty again after
--empty-seconds, a piece without a chute comes by again after --lap-seconds. Without --against the
plan is held against what was recorded.

Example: sorter plan whatif new.toml --day yesterday --against plan.toml --config site.toml
Versions that are kept: sorter plan whatif 4 --against 3 --day yesterday --config site.toml
"""
SHIFTS_SHOWN_MAX = 20
"""Shifts listed for a person; JSON has more."""
PROVE_HELP = """Prove a sort plan: ask the decision itself about everything that can come.

Every destination, brand and service class, with the machine whole and with each chute out; every
exception; the routes against each other. A fault is shown with a barcode, its pre-advice row and
the way of the decision. Ends with 1 if there is one.

Example: sorter plan prove plan.toml --chutes chutes.csv
A version that is kept: sorter plan prove 4 --line loop-1 --config site.toml
"""
DIFF_HELP = """Show what changes from one sort plan to another: places by prefix, groups, chutes.

Ends with 0 whether they differ or not.

Both are looked at with the network of the second.

Example: sorter plan diff plan.toml new.toml --chutes chutes.csv
Versions that are kept: sorter plan diff 3 4 --line loop-1 --config site.toml
"""
INDENT = orjson.OPT_INDENT_2
PREFIXES_SHOWN_MAX = 12
"""Prefixes of one change that are listed; the rest are counted. JSON has all."""


class Source(StrEnum):
    """Where a day or span of recorded pieces is read."""

    STORE = "store"
    JOURNAL = "journal"


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def prove_plan(
    plan: PlanArgument,
    chutes: ChutesOption = None,
    config: ConfigOption = None,
    line: LineName = "",
    network: NetworkOption = None,
    speed: SpeedOption = SPEED_MM_S,
    as_json: JsonOption = False,  # noqa: FBT002
) -> None:
    """Prove one plan."""
    desk = PlanDesk(config, line, chutes, network, speed)
    looked = desk.look(plan)
    centre = desk.centre(looked.plan)
    with progress_of("asking the decision") as step:
        proof = prove(
            looked.plan, looked.network, desk.machine, centre, desk.reaction_ms, progress=step
        )
    if as_json:
        typer.echo(orjson.dumps(asdict(proof) | {"holds": proof.holds}, option=INDENT))
    else:
        for text in proof_lines(looked.where, proof):
            typer.echo(text)
    if not proof.holds:
        raise typer.Exit(Exit.CHECK_FAILED)


def diff_plans(
    old: PlanArgument,
    new: PlanArgument,
    chutes: ChutesOption = None,
    config: ConfigOption = None,
    line: LineName = "",
    network: NetworkOption = None,
    as_json: JsonOption = False,  # noqa: FBT002
) -> None:
    """Compare two plans."""
    desk = PlanDesk(config, line, chutes, network)
    before, after = desk.look(old), desk.look(new)
    with progress_of("comparing") as step:
        found = diff(before.plan, after.plan, after.network, desk.machine, step)
    if as_json:
        typer.echo(orjson.dumps(asdict(found) | {"same": found.same}, option=INDENT))
        return
    for text in difference_lines(replace(found, before=before.label, after=after.label)):
        typer.echo(text)


def whatif_plan(
    plan: PlanArgument,
    chutes: ChutesOption = None,
    scans: Annotated[Path | None, typer.Option(help="Recorded pieces, CSV or NDJSON.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Folder of one line's journal.")] = None,
    config: ConfigOption = None,
    line: LineName = "",
    day: Annotated[str, typer.Option(help="yesterday, today or YYYY-MM-DD, of --config.")] = "",
    begin: Annotated[str, typer.Option(help="First scans from this instant on; with --end.")] = "",
    end: Annotated[str, typer.Option(help="First scans before this instant.")] = "",
    recorded: Annotated[Source, typer.Option(help="Where a day or span is read.")] = Source.STORE,
    against: Annotated[
        str, typer.Option(metavar="PLAN", help="A plan to compare with: a file or a number.")
    ] = "",
    network: NetworkOption = None,
    speed: SpeedOption = SPEED_MM_S,
    lap_seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="Once round the sorter.")
    ] = Model().lap_s,
    empty_seconds: Annotated[
        float, typer.Option(min=0, max=86_400, help="Until a full chute is empty again.")
    ] = Model().empty_s,
    picture: Annotated[
        Path | None, typer.Option(help="SVG file to write: pieces per chute, before and after.")
    ] = None,
    as_json: JsonOption = False,  # noqa: FBT002
) -> None:
    """Try one plan."""
    if sum((scans is not None, journal is not None, bool(day), bool(begin and end))) != 1:
        raise typer.BadParameter(
            "give one of them", param_hint="--scans, --journal, --day, --begin with --end"
        )
    desk = PlanDesk(config, line, chutes, network, speed)
    tried, other = desk.look(plan), desk.look(against) if against else None
    with progress_of("reading what was recorded") as step:
        if scans:
            pieces = load_scans(scans, tried.network)
        elif journal:
            pieces = gather(journal, step)
        else:
            span = Span.of_day(day) if day else Span.of(begin, end)
            pieces = _recorded(desk, span, recorded, step)
    found = whatif(
        tried.plan, tried.network, desk.machine, pieces, other.plan if other else None,
        Model(lap_seconds, empty_seconds), desk.reaction_ms,
    )  # fmt: skip
    if picture:
        write_picture(picture, found)
    if as_json:
        typer.echo(orjson.dumps(asdict(found), option=INDENT))
        return
    told = replace(found, plan=tried.label, against=other.label if other else found.against)
    for text in whatif_lines(told):
        typer.echo(text)


def _recorded(
    desk: PlanDesk, span: Span, source: Source, step: Callable[[float], None] | None
) -> Records:
    if desk.site is None or desk.line is None:
        raise typer.BadParameter("is missing", param_hint="--config")
    return recorded_in(desk.site, desk.line.name, span, source, step)


def register(app: typer.Typer) -> None:
    """Add these commands to ``sorter plan``."""
    app.command("prove", help=PROVE_HELP)(prove_plan)
    app.command("diff", help=DIFF_HELP)(diff_plans)
    app.command("whatif", help=WHATIF_HELP)(whatif_plan)


@contextmanager
def progress_of(what: str) -> Iterator[Callable[[float], None] | None]:
    """Show how far something is, on a terminal; elsewhere there is nothing to call."""
    if not sys.stderr.isatty():
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def proof_lines(where: str, proof: Proof) -> list[str]:
    """Return a proof as lines a person reads."""
    lines = [
        f"plan {proof.name} of {proof.centre}: {proof.destinations} destinations, "
        f"{proof.cases} cases, {proof.labels} labels, {proof.decisions} decisions asked; "
        f"{proof.deliberate} cases are without route on purpose"
    ]
    if proof.spare:
        lines.append(f"spare chutes: {', '.join(map(str, proof.spare))}")
    for finding in proof.warnings:
        lines += _finding_lines("warning", finding)
    for finding in proof.failures:
        lines += _finding_lines("FAILED", finding)
    verdict = "holds" if proof.holds else f"does not hold: {len(proof.failures)} faults"
    return [*lines, f"{where}: {verdict}"]


def _finding_lines(word: str, finding: Finding) -> list[str]:
    lines = [f"{word}: {finding.text}"]
    case = finding.example
    if case is None:
        return lines
    out = f", chute {case.closed_chute} out" if case.closed_chute else ""
    lines.append(f"  {finding.cases} cases; the first: barcode {case.barcode or 'none'}{out}")
    if case.pre_advice:
        lines.append(f"  pre-advice: {case.pre_advice}")
    lines.append(f"  {' > '.join(case.path)}")
    return lines


def difference_lines(found: Difference) -> list[str]:
    """Return a difference as lines a person reads."""
    if found.same:
        return [f"{found.before} and {found.after} do the same"]
    lines = [f"{found.before} -> {found.after}"]
    for change in found.changes:
        shown = ", ".join(change.prefixes[:PREFIXES_SHOWN_MAX])
        hidden = len(change.prefixes) - PREFIXES_SHOWN_MAX
        more = f" and {hidden} more" if hidden > 0 else ""
        lines.append(f"{shown}{more}  ({change.places} places)")
        lines += [f"  {_move_text(move)}" for move in change.moves]
    return [*lines, *found.parts]


def _move_text(move: Move) -> str:
    brands = ", ".join(move.brands) or "all brands"
    classes = ", ".join(move.service_classes) or "all classes"
    return f"{brands}; {classes}: {_target_text(move.before)} -> {_target_text(move.after)}"


def _target_text(target: Target) -> str:
    chutes = " ".join(map(str, target.chutes))
    return f"{target.group} [{chutes}]" if chutes else target.group


def write_picture(path: Path, found: WhatIf) -> None:
    """Write the picture of a what-if.

    Raises:
        ConfigError: the file can't be written.
    """
    try:
        path.write_text(draw(found), "utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: can't be written: {error.strerror}; correct the path or its rights"
        ) from None


def whatif_lines(found: WhatIf) -> list[str]:
    """Return a what-if as lines a person reads."""
    lines = [
        f"{found.plan} over {found.before.pieces} pieces, against {found.against}; "
        f"a lap takes {found.model.lap_s:g} s, emptying {found.model.empty_s:g} s",
        f"{'':24}{found.against[:24]:>26}{found.plan[:24]:>26}",
    ]
    rows = zip(_totals_rows(found.before), _totals_rows(found.after), strict=True)
    lines += [f"{name:24}{was:>26}{now:>26}" for (name, was), (_, now) in rows]
    lines += ["", f"{'chute':>5} {'group':24}{'takes':>7}{'before':>9}{'after':>9}{'emptied':>9}"]
    lines += [
        f"{c.chute:5} {c.group:24}{c.capacity:7}{c.before:9}{c.after:9}{c.emptied:9}"
        for c in found.chutes
    ]
    lines += ["", f"{found.shifted} pieces go to chutes of another group"]
    for shift in found.shifts[:SHIFTS_SHOWN_MAX]:
        was, now = (f"chute {n}" if n else "no chute" for n in (shift.before, shift.after))
        lines.append(f"{shift.pieces:9}  {shift.what}: {was} -> {now}")
    hidden = len(found.shifts) - SHIFTS_SHOWN_MAX + found.shifts_hidden
    return [*lines, f"{hidden} more shifts; --json lists them"] if hidden > 0 else lines


def _totals_rows(totals: Totals) -> list[tuple[str, str]]:
    """Return what became of all pieces, as names and texts."""
    return [
        ("recirculated", f"{totals.recirculated_share:.2%}"),
        ("laps stayed on", str(totals.laps)),
        ("overflow", f"{totals.overflow_share:.2%}"),
        ("exceptions", f"{totals.exception_share:.2%}"),
        ("in no chute", str(totals.unplaced)),
        ("peak minute", totals.peak_minute.removesuffix("+00:00")),
        ("scans in it", str(totals.peak_scans)),
    ]
