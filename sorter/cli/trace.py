"""``sorter trace``: the whole history of a piece, from the running service."""

import json
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

Example: sorter trace QH1234567890 --config site.toml
"""
TIMEOUT_S = 10.0


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
        http = load_site(config).http
        url = f"http://{http.host}:{http.port}"
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
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - http by config
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
    raise NotImplementedError
