"""``sorter key new, list, remove``: keys of the HTTP API, of which only hashes are kept."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from sorter.api.keys import KeyEntry, add_key, load_keys, remove_key
from sorter.config import load_site
from sorter.config_http import Role
from sorter.errors import ConfigError

NEW_HELP = """Make a key, and print it, this once: only its hash is kept.

Roles: viewer looks; operator also locks chutes, releases quarantines, rolls back, adds pre-advice;
engineer also changes plans. The service takes new keys at once, without a restart.

Example: sorter key new --name grafana --role viewer --keys-file keys.toml > grafana.key
"""
LIST_HELP = """List the keys: name, role, when they were made.

Example: sorter key list --config site.toml
"""
REMOVE_HELP = """Remove a key; it counts no more from then on.

Example: sorter key remove --name grafana --config site.toml
"""

KeysFile = Annotated[Path | None, typer.Option(help="The file of keys; made if it is missing.")]
Config = Annotated[Path | None, typer.Option(help="The site file, which names it.")]
KeyName = Annotated[str, typer.Option(help="Whose key it is; stands in records of what it did.")]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("new", help=NEW_HELP)
def new(
    name: KeyName,
    role: Annotated[Role, typer.Option(help="What it may do.")],
    keys_file: KeysFile = None,
    config: Config = None,
) -> None:
    """Make a key."""
    path = _file(keys_file, config)
    typer.echo(add_key(path, name, role))
    typer.echo(f"{path}: {name} is {role}; the key is printed this once", err=True)


@app.command("list", help=LIST_HELP)
def list_keys(
    keys_file: KeysFile = None,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """List keys."""
    keys = load_keys(_file(keys_file, config))
    if as_json:
        typer.echo(orjson.dumps([_told(key) for key in keys], option=orjson.OPT_INDENT_2))
        return
    for key in keys:
        typer.echo(f"{key.name:32}  {key.role:8}  {key.made}")


@app.command("remove", help=REMOVE_HELP)
def remove(name: KeyName, keys_file: KeysFile = None, config: Config = None) -> None:
    """Remove a key."""
    path = _file(keys_file, config)
    gone = remove_key(path, name)
    typer.echo(f"{path}: {gone.name} ({gone.role}) is removed")


def _told(key: KeyEntry) -> dict[str, str]:
    return {"name": key.name, "role": key.role, "made": key.made}


def _file(keys_file: Path | None, config: Path | None) -> Path:
    if keys_file is not None:
        return keys_file
    if config is None:
        raise typer.BadParameter("give --keys-file or --config", param_hint="--keys-file")
    found = load_site(config).http.keys_file
    if found is None:
        raise ConfigError(f"{config}: http.keys_file: missing; name the file of keys there")
    return found
