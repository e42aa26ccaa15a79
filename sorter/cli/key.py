"""``sorter key new, list, remove``: keys of the HTTP API, of which only hashes are kept."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from sorter.api.keys import KeyEntry, add_key, load_keys, remove_key
from sorter.config import load_site
from sorter.config_http import Role
from sorter.errors import ConfigError
from sorter.wiring.audit import AuditLog, Change, who_runs
from sorter.wiring.paths import StatePaths
from sorter.wiring.prepare import os_user

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
Why = Annotated[str, typer.Option(help="The reason, which the audit log keeps.")]
KeyName = Annotated[str, typer.Option(help="Whose key it is; stands in records of what it did.")]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("new", help=NEW_HELP)
def new(
    name: KeyName,
    role: Annotated[Role, typer.Option(help="What it may do.")],
    keys_file: KeysFile = None,
    config: Config = None,
    why: Why = "",
) -> None:
    """Make a key."""
    path = _file(keys_file, config)
    asked = {"name": name, "role": role.value, "file": str(path)}
    with _audited(config, "new_key", why, asked):
        key = add_key(path, name, role)
    typer.echo(key)
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
def remove(name: KeyName, keys_file: KeysFile = None, config: Config = None, why: Why = "") -> None:
    """Remove a key."""
    path = _file(keys_file, config)
    with _audited(config, "remove_key", why, {"name": name, "file": str(path)}) as after:
        gone = remove_key(path, name)
        after.update(removed=gone.name, role=gone.role.value, made=gone.made)
    typer.echo(f"{path}: {gone.name} ({gone.role}) is removed")


def _audited(
    config: Path | None, action: str, why: str, asked: dict[str, str]
) -> AbstractContextManager[dict[str, Any]]:
    """Keep a change of the keys in the site's audit log; without a site file there is none."""
    if config is None:
        typer.echo("not kept in an audit log: give --config to have it kept", err=True)
        return nullcontext({})
    log = AuditLog(StatePaths(load_site(config).site.state_dir).audit)
    return log.of(Change(action, who_runs(os_user()), why, asked=asked))


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
