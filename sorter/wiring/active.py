"""What is active: small files that name the compiled image in use, for a line to read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sorter.errors import ConfigError, UnavailableError
from sorter.plans.versions import PlanVersion, write_whole


@dataclass(frozen=True, slots=True)
class Active:
    """What an ``*.active.json`` file says: the image in use and what it was made of."""

    image: Path
    version: int
    inputs: str
    """SHA-256 over the files it was compiled from."""
    name: str
    who: str = ""
    """Who activated it."""
    why: str = ""
    since: str = ""
    """ISO 8601, UTC."""
    previous: int = 0
    """Version that was active before, to which a roll-back returns; 0 for none."""

    @classmethod
    def of(cls, version: PlanVersion, who: str, why: str, since: str, previous: int) -> "Active":
        """Return what makes a version of a plan the active one."""
        return cls(
            version.image, version.number, version.inputs, version.name, who, why, since, previous
        )


def read_active(path: Path) -> Active | None:
    """Read an ``*.active.json``; None where there is none yet.

    Raises:
        ConfigError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        raw = orjson.loads(path.read_bytes())
        image = path.parent / raw["image"]
        more = {name: raw[name] for name in ("who", "why", "since", "previous") if name in raw}
        return Active(image, raw["version"], raw["inputs"], raw["name"], **more)
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: damaged ({error}); delete it and run 'sorter plan compile' again"
        ) from None


def read_json(path: Path) -> Any:
    """Read a small file of what a line was told; None where there is none.

    Raises:
        ConfigError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{path}: damaged ({error}); delete it, then command it again") from None


def write_active(path: Path, active: Active) -> None:
    """Make an image the active one: the whole file, or the one before it.

    Raises:
        UnavailableError: the file can't be written.
    """
    content = {
        "image": str(active.image.relative_to(path.parent)),
        "version": active.version,
        "inputs": active.inputs,
        "name": active.name,
        "who": active.who,
        "why": active.why,
        "since": active.since,
        "previous": active.previous,
    }
    try:
        write_whole(path, content)
    except OSError as error:
        raise UnavailableError(
            f"{path}: can't be written: {error.strerror}; make room or correct the folder's rights"
        ) from None
