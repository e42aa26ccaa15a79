"""``sorter plan prove``, ``diff`` and ``whatif``: whether a plan can be trusted, before it runs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from routing_tables.load import load_network
from routing_tables.schema import lianyungang
from sorter.cli.plan import SPEED_MM_S
from sorter.errors import Exit
from sorter.plans.diff import Difference, Move, Target, diff
from sorter.plans.machine import load_chutes
from sorter.plans.plan import load_plan
from sorter.plans.proof_report import Finding, Proof
from sorter.plans.prove import prove

PROVE_HELP = """Prove a sort plan: ask the decision itself about everything that can come.

Every destination, brand and service class, with the machine whole and with each chute out; every
exception; the routes against each other. A fault is shown with a barcode, its pre-advice row and
the way of the decision. Ends with 1 if there is one.

Example: sorter plan prove plan.toml --chutes chutes.csv
"""
DIFF_HELP = """Show what changes from one sort plan to another: places by prefix, groups, chutes.

Ends with 0 whether they differ or not.

Example: sorter plan diff plan.toml new.toml --chutes chutes.csv
"""
INDENT = orjson.OPT_INDENT_2
PREFIXES_SHOWN_MAX = 12
"""Prefixes of one change that are listed; the rest are counted. JSON has all."""

ChutesOption = Annotated[
    Path, typer.Option(help="The sorter's CSV: chute,position_mm,capacity_pieces.")
]
NetworkOption = Annotated[
    Path | None, typer.Option(help="Folder of the network; Lianyungang's if left out.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def prove_plan(
    plan: Annotated[Path, typer.Argument(help="The plan's TOML file.")],
    chutes: ChutesOption,
    network: NetworkOption = None,
    as_json: JsonOption = False,  # noqa: FBT002
) -> None:
    """Prove one plan."""
    loaded = load_plan(plan)
    tables = load_network(network or lianyungang())
    machine = load_chutes(chutes, SPEED_MM_S)
    with progress_of("asking the decision") as step:
        proof = prove(loaded, tables, machine, loaded.centre, progress=step)
    if as_json:
        typer.echo(orjson.dumps(asdict(proof) | {"holds": proof.holds}, option=INDENT))
    else:
        for line in proof_lines(plan, proof):
            typer.echo(line)
    if not proof.holds:
        raise typer.Exit(Exit.CHECK_FAILED)


def diff_plans(
    old: Annotated[Path, typer.Argument(help="The plan before.")],
    new: Annotated[Path, typer.Argument(help="The plan after.")],
    chutes: ChutesOption,
    network: NetworkOption = None,
    as_json: JsonOption = False,  # noqa: FBT002
) -> None:
    """Compare two plans."""
    tables = load_network(network or lianyungang())
    found = diff(load_plan(old), load_plan(new), tables, load_chutes(chutes, SPEED_MM_S))
    if as_json:
        typer.echo(orjson.dumps(asdict(found) | {"same": found.same}, option=INDENT))
        return
    for line in difference_lines(found):
        typer.echo(line)


def register(app: typer.Typer) -> None:
    """Add these commands to ``sorter plan``."""
    app.command("prove", help=PROVE_HELP)(prove_plan)
    app.command("diff", help=DIFF_HELP)(diff_plans)


@contextmanager
def progress_of(what: str) -> Iterator[Callable[[float], None] | None]:
    """Show how far something is, on a terminal; elsewhere there is nothing to call."""
    if not sys.stderr.isatty():
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def proof_lines(path: Path, proof: Proof) -> list[str]:
    """Return a proof as lines a person reads."""
    lines = [
        f"plan {proof.name} of {proof.centre}: {proof.destinations} destinations, "
        f"{proof.cases} cases, {proof.decisions} decisions asked; "
        f"{proof.deliberate} cases are without route on purpose"
    ]
    if proof.spare:
        lines.append(f"spare chutes: {', '.join(map(str, proof.spare))}")
    for finding in proof.warnings:
        lines += _finding_lines("warning", finding)
    for finding in proof.failures:
        lines += _finding_lines("FAILED", finding)
    verdict = "holds" if proof.holds else f"does not hold: {len(proof.failures)} faults"
    return [*lines, f"{path}: {verdict}"]


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
