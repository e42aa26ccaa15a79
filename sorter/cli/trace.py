"""``sorter trace``: the whole history of a piece, from the running service."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer

from sorter.config import load_site
from sorter.errors import Exit, UnavailableError

HELP = """Show the whole history of a piece: every event, decision, and its end.

CODE is a waybill, a piece id, or line/boot/piece. Ends with 1 where no such piece is known.
A service that asks for keys takes one from the environment: SORTER_API_KEY.

Example: sorter trace QH1234567890 --config site.toml
"""
TIMEOUT_S = 10.0
KEY_VARIABLE = "SORTER_API_KEY"
"""Holds the key for a service that asks for one."""
MISSORT_CAUSES = {
    "read": "a later scan read what the first answer did not know of",
    "decision": "the answer was revised: by the upstream host, a hold, a quarantine, or for room",
    "timing": "the PLC held no answer when it was needed",
    "mechanical": "the sorter did not carry out the answer it held",
    "manual": "a person took it off",
}
"""In words, by name of the MissortCause."""


def trace(
    code: Annotated[str, typer.Argument(help="Waybill, piece id, or line/boot/piece.")],
    config: Annotated[Path | None, typer.Option(help="The site file of the service.")] = None,
    url: Annotated[str, typer.Option(help="The service, instead of --config.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Ask the service for a piece and print what it knows."""
    if not url:
        if config is None:
            raise typer.BadParameter("give --config or --url", param_hint="--config")
        url = load_site(config).http.url
    history = fetch(f"{url}/pieces/{urllib.parse.quote(code, safe='')}")
    if history is None:
        typer.echo(f"sorter: no piece known by {code!r}", err=True)
        raise typer.Exit(Exit.CHECK_FAILED)
    if as_json:
        typer.echo(json.dumps(history, ensure_ascii=False, indent=2))
    else:
        for line in render(history):
            typer.echo(line)


def fetch(url: str) -> dict[str, Any] | None:
    """Get a JSON object; None for 404; UnavailableError with what the service said otherwise."""
    key = os.environ.get(KEY_VARIABLE, "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http by config
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            content: dict[str, Any] = json.load(answer)
            return content
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        detail = error.read().decode(errors="replace")
        raise UnavailableError(f"{url}: the service answered {error.code}: {detail}") from None
    except (urllib.error.URLError, OSError) as error:
        raise UnavailableError(
            f"{url}: no service there ({error}); start it, or give its --url"
        ) from None


def render(history: dict[str, Any]) -> list[str]:
    """Return the history as lines a person reads, in order of time."""
    lines: list[str] = []
    for piece in history["pieces"]:
        lines += _head(piece)
        records = [
            (event["event_at"] or event["received_at"], _event(event)) for event in piece["events"]
        ]
        records += [
            (decision["decided_at"], _decision(decision)) for decision in piece["decisions"]
        ]
        lines += [f"  {instant[11:23]}  {text}" for instant, text in sorted(records)]
        lines.append("")
    return lines[:-1]


def _head(piece: dict[str, Any]) -> list[str]:
    """Return what identifies a piece and how it ended."""
    name = f"{piece['line']}/{piece['boot_id']}/{piece['piece_id']}"
    head = [f"piece {name}  waybill {piece['waybill'] or 'not known'}"]
    if piece["upstream"]:
        head.append(f"  {_upstream(piece['upstream'])}")
    if piece["in_flight"]:
        return [*head, "  still on the sorter"]
    chute = f" into chute {piece['chute']}" if piece["chute"] else ""
    slack = "" if piece["slack_ms"] is None else f", least slack {piece['slack_ms']} ms"
    head.append(
        f"  {piece['outcome']}{chute} at {piece['ended_at']}: {piece['disposition']}, "
        f"lap {piece['lap']}, plan version {piece['plan_version'] or 'none'}{slack}"
    )
    cause = piece["missort_cause"]
    if cause:
        first = f"chute {piece['first_chute']}" if piece["first_chute"] else "no chute"
        head.append(f"  first assigned to {first}; {cause}: {MISSORT_CAUSES.get(cause, '')}")
    return head


def _upstream(told: dict[str, Any]) -> str:
    """Return what became of asking the upstream host."""
    times = f", {told['asked']} times" if told["asked"] > 1 else ""
    asked = f"upstream host asked at {told['asked_at']}{times}"
    if not told["answers"]:
        return f"{asked}: no answer{' in time' if told['late'] else ' yet'}"
    late = ", late" if told["late"] else ""
    after = "" if told["answered_after_ms"] is None else f" after {told['answered_after_ms']} ms"
    return f"{asked}: answered{after}{late}: {_said(told['answers'][0])}"


def _said(host: dict[str, Any]) -> str:
    """Return what the upstream host said, in words."""
    if host["said"] == "unknown":
        return "it does not know the piece"
    parts = [f"destination {host['destination']}"] if host["destination"] else []
    parts += [f"holds {','.join(host['holds'])}"] if host["holds"] else []
    return ", ".join(parts)


def _event(event: dict[str, Any]) -> str:
    """Return an event in words, what is not known left out."""
    parts = [f"{event['kind']:11}"]
    for name in ("status", "station", "chute", "cell", "lap", "weight_g", "slack_ms"):
        value = event.get(name)
        if value is not None:
            parts.append(f"{name} {value}")
    if event.get("flags"):
        parts.append("flags " + ",".join(event["flags"]))
    if event["kind"] == "scanned":
        parts.append("codes " + (" ".join(event["codes"]) or "none"))
    if event.get("chutes"):
        parts.append("chutes " + ",".join(map(str, event["chutes"])))
    return "  ".join(parts)


def _decision(decision: dict[str, Any]) -> str:
    """Return a decision in words."""
    chutes = ",".join(map(str, decision["chutes"])) or "none: another lap"
    parts = [f"{'decided':11}", decision["disposition"], f"chutes {chutes}"]
    facts = ("destination", "group", "brand", "service_class", "plan_version", "revision")
    parts += [f"{name} {decision[name]}" for name in facts if decision[name]]
    if decision["host"]:
        parts.append(f"as the upstream host said: {_said(decision['host'])}")
    return "  ".join(parts)
