"""``sorter sim``: the service among seeded faults, in virtual time."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sorter.errors import Exit
from sorter.simulation.settings import (
    DAY_S,
    PIECES_MAX,
    SEEDS_MAX,
    Rhythm,
    Safeguard,
    Settings,
)

if TYPE_CHECKING:
    from sorter.simulation.campaign import Campaign
    from sorter.simulation.world import Result

LAST_SHOWN = 20
"""Happenings of a failing seed that are printed."""


def sim(
    seeds: Annotated[int, typer.Option(min=1, max=SEEDS_MAX, help="How many runs.")] = 200,
    first: Annotated[int, typer.Option(min=0, help="Seed of the first run.")] = 0,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Run this one seed alone, and print its last events.")
    ] = None,
    without: Annotated[
        Safeguard | None, typer.Option(help="Leave a safeguard out: promises must then break.")
    ] = None,
    ablation: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--ablation", help="Leave each safeguard out in turn.")
    ] = False,
    day: Annotated[
        Rhythm | None, typer.Option(help="Let a whole day pass instead, without faults.")
    ] = None,
    pieces: Annotated[
        int, typer.Option(min=1, max=PIECES_MAX, help="Pieces of that day.")
    ] = 1_000_000,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 for one a processor.")] = 0,
    as_json: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--json", help="Print one JSON object.")
    ] = False,
) -> None:
    """Run the real loop, journal and recorder in virtual time among faults drawn from seeds.

    Every run checks the promises of the service against what the simulated PLC itself saw. Exit
    code 1 if one was broken, or if one was kept without a safeguard that it needs.

    A day (--day) comes in the rhythm of 57 Chinese centres, on regular days or on 11 November; all
    of its pieces must be decided in time and recorded once.

    Example: sorter sim --seeds 1000; sorter sim --seed 4711; sorter sim --ablation --seeds 300;
    sorter sim --day double-11 --pieces 1000000
    """
    if day is not None:
        raise typer.Exit(_show_day(day, pieces, first, as_json=as_json))
    if seed is not None:
        from sorter.simulation.world import simulate  # noqa: PLC0415 - takes a second to import

        raise typer.Exit(_show_one(simulate(seed, Settings(), without), as_json=as_json))
    if ablation:
        raise typer.Exit(_show_ablation(seeds, first, jobs, as_json=as_json))
    campaign = _run(seeds, first, jobs, without, quiet=as_json)
    if as_json:
        typer.echo(orjson.dumps(campaign.as_dict(), option=orjson.OPT_NON_STR_KEYS))
    else:
        _show(campaign)
    raise typer.Exit(Exit.CHECK_FAILED if campaign.violations else Exit.OK)


def _show_day(rhythm: Rhythm, pieces: int, seed: int, *, as_json: bool) -> int:
    from sorter.simulation.day import simulate_day  # noqa: PLC0415 - as above

    with Progress(console=Console(stderr=True, quiet=as_json), transient=True) as shown:
        task = shown.add_task(f"{rhythm} day", total=DAY_S)
        found = simulate_day(rhythm, pieces, seed, lambda s: shown.update(task, completed=s))
    if as_json:
        typer.echo(orjson.dumps(asdict(found)))
    else:
        typer.echo(
            f"{rhythm} day of {pieces} pieces in {found.wall_s:.0f} s: {found.events} events, "
            f"{found.decisions} decisions, peak hour {found.peak_per_hour} pieces, at most "
            f"{found.on_sorter_max} on the sorter, {found.further_laps} further laps, "
            f"{found.late} answers late"
        )
        typer.echo("\n".join(found.problems) or "every promise was kept")
    return Exit.CHECK_FAILED if found.problems else Exit.OK


def _run(
    seeds: int, first: int, jobs: int, without: Safeguard | None, *, quiet: bool
) -> "Campaign":
    from sorter.simulation.campaign import run_campaign  # noqa: PLC0415 - as above

    console = Console(stderr=True, quiet=quiet)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[broken]} broken"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as shown:
        what = f"without {without}" if without else "seeds"
        task = shown.add_task(what, total=seeds, broken=0)
        return run_campaign(
            seeds, first, jobs=jobs, without=without,
            progress=lambda c: shown.update(task, completed=c.seeds, broken=c.violations),
        )  # fmt: skip


def _show_one(result: "Result", *, as_json: bool) -> int:
    if as_json:
        typer.echo(orjson.dumps(asdict(result)))
    else:
        typer.echo("\n".join(result.last[-LAST_SHOWN:]))
        faults = ", ".join(result.faults) or "none"
        typer.echo(f"seed {result.seed}: faults: {faults}; trace {result.digest}")
        typer.echo(result.violation or "every promise was kept")
    return Exit.CHECK_FAILED if result.violation else Exit.OK


def _show(campaign: "Campaign") -> None:
    for found in campaign.findings:
        _show_one(found, as_json=False)
        typer.echo(f"again: sorter sim --seed {found.seed}"
                   + (f' --without "{campaign.without}"' if campaign.without else ""))  # fmt: skip
        typer.echo("")
    speed = campaign.virtual_s / max(campaign.wall_s, 1e-9)
    typer.echo(
        f"{campaign.seeds} seeds, {campaign.pieces} pieces, "
        f"{campaign.virtual_s / 3600:.2f} simulated hours in {campaign.wall_s:.0f} s "
        f"({speed:.0f} times as fast), {campaign.violations} broken promises"
    )


def _show_ablation(seeds: int, first: int, jobs: int, *, as_json: bool) -> int:
    campaigns = [_run(seeds, first, jobs, None, quiet=as_json)]
    campaigns += [_run(seeds, first, jobs, safeguard, quiet=as_json) for safeguard in Safeguard]
    if as_json:
        rows = [campaign.as_dict() for campaign in campaigns]
        typer.echo(orjson.dumps(rows, option=orjson.OPT_NON_STR_KEYS))
    else:
        table = Table("without", "broken", "per 10,000 seeds", "promises")
        for campaign in campaigns:
            rate = campaign.violations * 10_000 / campaign.seeds
            broken = ", ".join(f"{p} ({n})" for p, n in sorted(campaign.by_promise.items()))
            table.add_row(campaign.without or "nothing", str(campaign.violations), f"{rate:.0f}",
                          broken)  # fmt: skip
        Console().print(table)
    held = campaigns[0].violations == 0 and all(c.violations for c in campaigns[1:])
    return Exit.OK if held else Exit.CHECK_FAILED
