"""``sorter audit verify, list``: who changed what on this host, and that the record is whole."""

from collections import deque
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from sorter.config import load_site
from sorter.errors import Exit
from sorter.wiring.audit_chain import (
    EMPTY_HEAD,
    INTENT,
    OUTCOME,
    BrokenChainError,
    Entry,
    Head,
    Proof,
    entries,
    prove,
)
from sorter.wiring.paths import StatePaths

VERIFY_HELP = """Prove that the audit log is whole: no entry changed, taken out or put in.

Prints its head, NUMBER:HASH. Note it elsewhere, such as in the shift's report: that entries were
cut off the end, or all written anew, shows only with --expect. Ends with 1 if it does not hold, and
names the first line that does not.

Example: sorter audit verify --config site.toml --expect 42:0d5c... --json
"""
LIST_HELP = """List who changed what and why, the newest last; what came of it; "open" where the
process was ended in between.

Example: sorter audit list --config site.toml --line loop-1 --limit 20
"""
SHOWN_MAX = 10_000
"""Changes that are listed at once."""

Config = Annotated[Path | None, typer.Option(help="The site file of this host.")]
Folder = Annotated[Path | None, typer.Option(help="The log's folder, or a copy of it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("verify", help=VERIFY_HELP)
def verify(
    config: Config = None,
    folder: Folder = None,
    expect: Annotated[
        str, typer.Option(help="A head noted earlier, NUMBER:HASH or HASH, that must be in it.")
    ] = "",
    after: Annotated[
        str, typer.Option(help="Head of older files that were moved away, NUMBER:HASH.")
    ] = "",
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Prove the chain."""
    proof = prove(_folder(config, folder), _head(after), expect.lower())
    if as_json:
        typer.echo(orjson.dumps(_told(proof), option=orjson.OPT_INDENT_2))
    else:
        _show(proof)
    if not proof.holds:
        raise typer.Exit(Exit.CHECK_FAILED)


@app.command("list", help=LIST_HELP)
def list_changes(
    config: Config = None,
    folder: Folder = None,
    line: Annotated[str, typer.Option(help="Of one line; all if left out.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=SHOWN_MAX, help="Newest at most.")] = 50,
    after: Annotated[
        str, typer.Option(help="Head of older files that were moved away, NUMBER:HASH.")
    ] = "",
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """List changes."""
    kept: deque[dict[str, Any]] = deque(maxlen=limit)
    problem = ""
    try:
        for entry, _ in entries(_folder(config, folder), _head(after)):
            if not line or entry.line == line:
                _gather(kept, entry)
    except BrokenChainError as error:
        problem = str(error)
    if as_json:
        typer.echo(orjson.dumps(list(kept), option=orjson.OPT_INDENT_2))
    else:
        for change in kept:
            typer.echo(_row(change))
    if problem:
        typer.echo(f"sorter: {problem}", err=True)
        raise typer.Exit(Exit.CHECK_FAILED)


def _gather(kept: deque[dict[str, Any]], entry: Entry) -> None:
    """Add an entry to what is listed: an outcome goes to its intent."""
    told = {
        "number": entry.number, "at": entry.at, "host": entry.host, "line": entry.line,
        "action": entry.action, "who": entry.who, "why": entry.why, "before": entry.before,
        "asked": entry.after if entry.phase == INTENT else {}, "outcome": "open", "problem": "",
        "after": {},
    }  # fmt: skip
    if entry.phase == OUTCOME:
        found = next((each for each in reversed(kept) if each["number"] == entry.of), None)
        if found is None and entry.of:
            return  # its intent is older than what is listed
        if found is None:
            kept.append(told)
            found = told
        found.update(outcome=entry.outcome, problem=entry.problem, after=entry.after)
        return
    kept.append(told)


def _row(change: dict[str, Any]) -> str:
    who = change["who"]
    proved = who["caller"] or who["user"] or f"uid {who['uid']}"
    asked = " ".join(f"{name}={value}" for name, value in change["asked"].items())[:80]
    problem = f"  ({change['problem']})" if change["problem"] else ""
    return (
        f"{change['number']:6}  {change['at'][:19]}Z  {change['line'] or '-':12}  "
        f"{change['action']:18}  {change['outcome']:7}  {who['name']} [{proved}, {who['via']}]: "
        f"{change['why']}  {asked}{problem}"
    )


def _told(proof: Proof) -> dict[str, Any]:
    return {
        "holds": proof.holds,
        "entries": proof.head.number,
        "head": proof.head.hash,
        "files": proof.files,
        "torn_ends": proof.torn,
        "open": [{"number": number, "what": what} for number, what in proof.open.items()],
        "problem": proof.problem or None,
    }


def _show(proof: Proof) -> None:
    typer.echo(f"head {proof.head}")
    typer.echo(f"{proof.head.number} entries hold; {proof.files} files")
    if proof.torn:
        typer.echo(f"{proof.torn} half lines of killed writers are kept aside (torn-*)")
    for number, what in proof.open.items():
        typer.echo(f"entry {number} has no outcome: {what}; its process was ended, or is at it")
    if proof.problem:
        typer.echo(f"sorter: {proof.problem}", err=True)


def _folder(config: Path | None, folder: Path | None) -> Path:
    if folder is not None:
        if not folder.is_dir():
            raise typer.BadParameter(f"{folder} is no folder", param_hint="--folder")
        return folder
    if config is None:
        raise typer.BadParameter("give --config or --folder", param_hint="--config")
    return StatePaths(load_site(config).site.state_dir).audit


def _head(text: str) -> Head:
    if not text:
        return EMPTY_HEAD
    number, _, digest = text.partition(":")
    if not number.isdecimal() or len(digest) != len(EMPTY_HEAD.hash):
        raise typer.BadParameter("give NUMBER:HASH as 'verify' prints it", param_hint="--after")
    return Head(int(number), digest.lower())
