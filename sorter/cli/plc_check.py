"""``sorter plc check``: be the host of a PLC for a minute, and report what it does."""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from plc_adapters.commissioning import context
from plc_adapters.commissioning.context import Plan, Tell
from plc_adapters.commissioning.ear import Ear
from plc_adapters.commissioning.findings import Result, Verdict, Verdicts
from plc_adapters.commissioning.page import SIGNS, page
from plc_adapters.commissioning.run import HeldError, check_plc, leave_alone
from plc_adapters.commissioning.scanners import check_with_scanners
from plc_adapters.host.wire import LinkError
from plc_adapters.modbus.profiles import PROFILES
from plc_adapters.registry import connection
from sorter.config import AnyLine, Line, load_site
from sorter.errors import Exit, FencedError, UnavailableError
from sorter.plans.machine import load_chutes

CHECK_HELP = """Check a PLC before go-live: layout, orders, heartbeat, fencing, fallback, load.

The check takes a free seat and is the PLC's host for about a minute. Pieces of that time go to all
chutes in turn; while it falls silent on purpose they go to the default chute; inductions pause
while it keeps the ring full. It refuses while another host is alive, and leaves the seats clear.
Run pieces, or the PLC's test mode, meanwhile: without any, some things can't be checked.
Scanners beside the PLC are listened to meanwhile; with --scanners-only nothing else is done, which
disturbs nobody and needs no --yes.

Ends with 0 if nothing failed, 1 if something did, 4 if the PLC is not there, 5 if another host is.

Example: sorter plc check site.toml --line loop-1 --yes --report loop-1.html
"""
NOTICE = """\
{line} at {peer}: this check takes seat {seat} for about a minute.
  - pieces go to all chutes in turn, and inductions pause while the ring is kept full
  - while the host is silent on purpose, pieces go to the default chute
  - events of that time are acknowledged and recorded nowhere"""
LOAD_S_MAX = 600.0
"""Longest load, in seconds."""
LOAD_RATE_MAX = 1000.0
"""Most instructions a second of the load."""
PIECE_S_MAX = 600.0
"""Longest wait for a piece, in seconds."""
NAME_WIDTH = max(len(sign) for sign in SIGNS.values())


def check(
    site: Annotated[Path, typer.Argument(help="The site file.")],
    line: Annotated[str, typer.Option(help="Name of the line; needed if there are several.")] = "",
    report: Annotated[
        Path | None, typer.Option(help="HTML file to write: the report to hand over.")
    ] = None,
    load_seconds: Annotated[
        float, typer.Option(min=1, max=LOAD_S_MAX, help="How long the load lasts.")
    ] = context.LOAD_S,
    load_rate: Annotated[
        float, typer.Option(min=1, max=LOAD_RATE_MAX, help="Instructions a second of the load.")
    ] = context.LOAD_RATE,
    piece_seconds: Annotated[
        float, typer.Option(min=1, max=PIECE_S_MAX, help="Longest wait for a piece.")
    ] = context.PIECE_S,
    read_only: Annotated[bool, typer.Option(help="Write no register: look only.")] = False,  # noqa: FBT002
    scanners_only: Annotated[bool, typer.Option(help="Leave the PLC alone.")] = False,  # noqa: FBT002
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it begins.")] = False,  # noqa: FBT002
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Check the PLC of one line, and the scanners beside it."""
    loaded = load_site(site)
    chosen = _line(loaded.lines, line)
    plan = _plan(chosen, piece_seconds, load_seconds, load_rate, read_only=read_only)
    link, make_wire = connection(chosen.adapter, chosen.link)
    ears = _ears(chosen, scanners_only=scanners_only)
    if not (read_only or scanners_only or yes):
        _ask(NOTICE.format(line=chosen.name, peer=link.peer, seat=link.seat))
    if report is not None:
        _write(report, "")
    at = datetime.now(UTC)
    try:
        with _progress() as tell:
            result = asyncio.run(
                check_with_scanners(
                    lambda: (
                        leave_alone(chosen.name, link.peer)
                        if scanners_only
                        else check_plc(chosen.name, link, make_wire, plan, time.monotonic_ns, tell)
                    ),
                    ears,
                    piece_seconds,
                    tell,
                )
            )
    except LinkError as error:
        raise UnavailableError(str(error)) from None
    except HeldError as error:
        raise FencedError(str(error)) from None
    profile = PROFILES.get(getattr(chosen.link, "profile", None) or "")
    result.notes = profile.notes if profile else ()
    if report is not None:
        _write(report, page(result, loaded.site.name, at))
    if as_json:
        typer.echo(orjson.dumps(as_data(result, at), option=orjson.OPT_INDENT_2))
    else:
        typer.echo("\n".join(result_lines(result)))
    if not result.all_passed:
        raise typer.Exit(Exit.CHECK_FAILED)


def _line(lines: Sequence[AnyLine], name: str) -> AnyLine:
    """Return the line that is meant."""
    if not name and len(lines) == 1:
        return lines[0]
    for line in lines:
        if line.name == name:
            return line
    known = ", ".join(line.name for line in lines)
    said = f"there is no line {name!r}" if name else "the site has several lines"
    raise typer.BadParameter(f"{said}; name one of: {known}", param_hint="--line")


def _ears(line: AnyLine, *, scanners_only: bool) -> list[Ear]:
    """Return what listens to each scanner beside the line's PLC."""
    if scanners_only and not line.scanners:
        raise typer.BadParameter(
            f"{line.name} has no [[lines.scanners]]; leave it out", param_hint="--scanners-only"
        )
    return [Ear(one.settings(), time.monotonic_ns, time.time_ns) for one in line.scanners]


def _plan(line: Line, piece_s: float, load_s: float, load_rate: float, *, read_only: bool) -> Plan:
    """Return how that line's PLC is to be checked."""
    chutes = load_chutes(line.machine.chutes, line.machine.speed_mm_s)
    numbers = [int(n) for n in chutes["exists"].nonzero()[0]]
    numbers.sort(key=lambda number: int(chutes["travel_ns"][number]))
    first_ms = int(chutes["travel_ns"][numbers[0]]) // 1_000_000 - line.machine.reaction_ms
    return Plan(tuple(numbers), max(1, first_ms), piece_s, load_s, load_rate, read_only)


def _ask(notice: str) -> None:
    """Have a person agree; a script must say --yes."""
    typer.echo(notice, err=True)
    if not sys.stdin.isatty():
        raise typer.BadParameter("give it to agree to the above", param_hint="--yes")
    if not typer.confirm("Begin?", err=True):
        raise typer.Exit(Exit.USAGE)


def _write(path: Path, text: str) -> None:
    """Write the report; before the check once empty, so that a minute is not spent for nothing."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnavailableError(
            f"--report {path}: can't be written ({error.strerror}); give another file"
        ) from None


@contextmanager
def _progress() -> Iterator[Tell]:
    """Show what is being done: a bar on a terminal, else a line for each part."""
    if sys.stderr.isatty():
        columns = BarColumn(), TextColumn("{task.percentage:>3.0f}%  {task.description}")
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("connecting", total=1.0)
            yield lambda what, share: bar.update(task, completed=share, description=what)
        return
    told: list[str] = []

    def tell(what: str, share: float) -> None:
        part = what.split(":", maxsplit=1)[0]
        if part not in told[-1:]:
            told.append(part)
            typer.echo(f"{share:4.0%} {what}", err=True)

    yield tell


def result_lines(result: Result) -> list[str]:
    """Return a result as lines a person reads."""
    lines = [f"{result.line} at {result.peer}", *_finding_lines(result)]
    for scanner in result.scanners:
        lines.append(f"scanner {scanner.name} at {scanner.peer}")
        lines += _finding_lines(scanner)
    lines += [f"note: {note}" for note in result.notes]
    findings = [f for device in result.devices for f in device.findings]
    counts = [sum(f.verdict is v for f in findings) for v in Verdict]
    word = "passed" if result.all_passed else "NOT passed"
    return [*lines, f"{word}: {counts[0]} ok, {counts[1]} failed, {counts[2]} not checked"]


def _finding_lines(device: Verdicts) -> Iterator[str]:
    for finding in device.in_order():
        yield f"{SIGNS[finding.verdict]:{NAME_WIDTH}}  {finding.title}: {finding.seen}"
        if finding.advice:
            yield f"{'':{NAME_WIDTH}}  -> {finding.advice}"


def as_data(result: Result, at: datetime) -> dict[str, Any]:
    """Return a result for JSON; durations as quantiles and counts, not one by one."""
    found = asdict(result)
    for place, device in zip((found, *found["scanners"]), result.devices, strict=True):
        place["findings"] = [asdict(f) | {"title": f.title} for f in device.in_order()]
        place["passed"] = device.passed
    found["measured"]["at_scanners"] = len(result.measured.at_scanners)
    for name in ("request_us", "answer_us"):
        found["measured"][name] = _quantiles(found["measured"][name])
    return found | {"passed": result.all_passed, "at": at.isoformat()}


def _quantiles(times: list[int]) -> dict[str, int]:
    if not times:
        return {"count": 0}
    ordered = sorted(times)
    last = len(ordered) - 1
    shares = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999}
    found = {name: ordered[min(last, int(last * share + 0.5))] for name, share in shares.items()}
    return {"count": len(ordered), **found, "max": ordered[-1]}


def register(app: typer.Typer) -> None:
    """Add this command to ``sorter plc``."""
    app.command("check", help=CHECK_HELP)(check)
