"""What is active: small files that name the compiled image in use, for a line to read."""

from dataclasses import dataclass
from pathlib import Path

import orjson

from sorter.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Active:
    """What an ``*.active.json`` file says: the image in use and what it was made of."""

    image: Path
    version: int
    inputs: str
    """SHA-256 over the files it was compiled from."""
    name: str


def read_active(path: Path) -> Active | None:
    """Read an ``*.active.json``; None where there is none yet.

    Raises:
        ConfigError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        raw = orjson.loads(path.read_bytes())
        return Active(path.parent / raw["image"], raw["version"], raw["inputs"], raw["name"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: damaged ({error}); delete it and run 'sorter plan compile' again"
        ) from None


def write_active(path: Path, active: Active) -> None:
    """Make an image the active one: the whole file, or the one before it."""
    content = {
        "image": active.image.name,
        "version": active.version,
        "inputs": active.inputs,
        "name": active.name,
    }
    temporary = path.with_suffix(".new")
    temporary.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    temporary.replace(path)
