"""``sorter plc profiles``: what families of PLCs can take, and how that is known."""

from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from plc_adapters.modbus.profiles import PROFILES, Profile, Setting

PROFILES_HELP = """Print the named profiles of PLCs: their settings, each with its source.

A link that names a profile takes from it what it does not give itself. What no document was found
for is set carefully; measure it with sorter plc check.

Example: sorter plc profiles
"""


def profiles(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Print all profiles."""
    if as_json:
        found = [asdict(profile) for profile in PROFILES.values()]
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    for profile in PROFILES.values():
        typer.echo("\n".join(profile_lines(profile)) + "\n")


def profile_lines(profile: Profile) -> list[str]:
    """Return a profile as lines a person reads."""
    lines = [f"{profile.name}: {profile.title}"]
    facts = {
        **profile.settings, "connections": profile.connections, "functions": profile.functions
    }  # fmt: skip
    lines += [_setting_line(name, setting) for name, setting in facts.items()]
    return [*lines, *(f"  - {note}" for note in profile.notes)]


def _setting_line(name: str, setting: Setting) -> str:
    most = "at most " if setting.limit else ""
    return f"  {name:18}{most + str(setting.value):>18}   {setting.source}"


def register(app: typer.Typer) -> None:
    """Add this command to ``sorter plc``."""
    app.command("profiles", help=PROFILES_HELP)(profiles)
