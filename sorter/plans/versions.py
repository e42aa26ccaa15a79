"""The versions of a line's sort plan: a folder of files that are written once and never changed.

    0007-3f9c2d5e8b1a4c60.json     what it is: number, name, who, why, when, what it was made of
    0007-3f9c2d5e8b1a4c60/         copies of the files it was compiled from
    plan-3f9c2d5e8b1a4c60.image    the compiled arrays, which a line maps

Versions are numbered from 1 for each line; 3f9c… is the hash of the image, which holds the number,
so no two versions have the same. The JSON is written last: without it there is no version.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from sorter.assignment.arrays import PlanArrays
from sorter.errors import ConfigError, UnavailableError
from sorter.plans.image import write_image
from sorter.plans.plan import Plan, load_plan

VERSIONS_MAX = 9_999
"""Versions of one line's plan."""
PAGE_MAX = 100
"""Versions told at once."""
SOURCES_MAX = 64
"""Files that one version is made of."""
SOURCE_BYTES_MAX = 64 << 20
"""Size of one of them; the network of a province takes some 10 MB."""
PLAN_COPY, ROUTES_COPY, NETWORK_COPY = "plan.toml", "routes.csv", "network"
"""Names of a version's own copies: the plan, its routes if it has a table, the network's folder."""
_NAME = re.compile(r"(\d{4})-([0-9a-f]{16})\.json")
_FIELDS = ("name", "plan", "inputs", "who", "why", "made_at", "sources")

Build = Callable[[int], tuple[PlanArrays, dict[str, Any]]]
"""Compiles the plan as the version of this number."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a version comes from."""

    plan: Path
    """The planner's file; versions of one file follow one another."""
    inputs: str
    """SHA-256 over all that it was compiled from."""
    sources: Mapping[str, Path]
    """The files it is compiled from, by the name that the copy gets."""
    who: str
    why: str
    made_at: str
    """ISO 8601, UTC."""


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """One version, as its JSON tells it."""

    folder: Path
    number: int
    digest: str
    """16 hexadecimal digits of the hash of its image."""
    name: str
    """Of the plan."""
    plan: str
    inputs: str
    who: str
    why: str
    made_at: str
    sources: tuple[str, ...]

    @property
    def label(self) -> str:
        """Number and hash, as its files are named."""
        return f"{self.number:04d}-{self.digest}"

    @property
    def image(self) -> Path:
        """The compiled arrays."""
        return self.folder / f"plan-{self.digest}.image"

    @property
    def sources_folder(self) -> Path:
        """The copies of the files it was compiled from."""
        return self.folder / self.label

    def as_dict(self) -> dict[str, Any]:
        """Return what a person wants to know of it; plain data."""
        told = ("number", "digest", "name", "plan", "who", "why", "made_at")
        return {name: getattr(self, name) for name in told}


def list_versions(folder: Path) -> list[PlanVersion]:
    """Return all versions of a line's folder by number; none where there is no folder.

    Raises:
        ConfigError: one of them is damaged.
    """
    found = [path for path in folder.glob("*.json") if _NAME.fullmatch(path.name)]
    return [_read(path) for path in sorted(found)]


def versions_page(
    folder: Path, before: int | None = None, limit: int = PAGE_MAX
) -> tuple[list[PlanVersion], int | None]:
    """Return some of a line's versions, and where to go on.

    Args:
        folder: The line's versions.
        before: Those below this number; the newest if None.
        limit: At most so many.

    Returns:
        The versions by number, and ``before`` of the next older page; None if this is the last.

    Raises:
        ConfigError: one of them is damaged.
    """
    paths = sorted(
        path
        for path in folder.glob("*.json")
        if _NAME.fullmatch(path.name) and (before is None or int(path.name[:4]) < before)
    )
    page = [_read(path) for path in paths[-limit:]]
    return page, page[0].number if len(paths) > limit else None


def find_version(folder: Path, number: int) -> PlanVersion | None:
    """Return the version of this number, None where there is none.

    Raises:
        ConfigError: it is damaged.
    """
    for path in folder.glob(f"{number:04d}-*.json"):
        if _NAME.fullmatch(path.name):
            return _read(path)
    return None


def need_version(folder: Path, number: int) -> PlanVersion:
    """Return the version of this number.

    Raises:
        ConfigError: there is none, or it is damaged.
    """
    version = find_version(folder, number)
    if version is None:
        numbers = [each.number for each in list_versions(folder)]
        there = f"there are {numbers[0]} to {numbers[-1]}" if numbers else "there are none"
        raise ConfigError(f"{folder}: no plan version {number}; {there}")
    return version


def plan_of(version: PlanVersion) -> Plan:
    """Return the plan that a version was made of, its routes from the version's own copy.

    Raises:
        ConfigError: the copy is damaged or missing.
    """
    plan = load_plan(version.sources_folder / PLAN_COPY)
    return replace(plan, routes=version.sources_folder / ROUTES_COPY if plan.routes else None)


def kept_plan(folder: Path, number: int) -> tuple[Plan, Path]:
    """Return the plan of a version, and the folder of the network that it was compiled with.

    Raises:
        ConfigError: there is no such version, or it is damaged.
    """
    version = need_version(folder, number)
    return plan_of(version), version.sources_folder / NETWORK_COPY


def make_version(folder: Path, build: Build, origin: Origin, above: int = 0) -> PlanVersion:
    """Compile a plan as the next version of its line.

    Args:
        folder: The line's versions; made if missing.
        build: Compiles the plan.
        origin: What it is made of, by whom and why.
        above: The number is higher than this too.

    Raises:
        ConfigError: the plan is wrong, or there are too many versions or sources.
        UnavailableError: the files can't be written.
    """
    _check(origin)
    try:
        with _only_writer(folder):
            numbers = [int(p.name[:4]) for p in folder.glob("*.json") if _NAME.fullmatch(p.name)]
            number = max([above, *numbers]) + 1
            if number > VERSIONS_MAX:
                raise ConfigError(
                    f"{folder}: {VERSIONS_MAX} versions; move the folder and its line's "
                    ".active.json away to begin anew at 1"
                )
            arrays, metadata = build(number)
            image = write_image("plan", arrays, folder, metadata)
            version = PlanVersion(
                folder=folder,
                number=number,
                digest=image.stem.removeprefix("plan-"),
                name=metadata["name"],
                plan=str(origin.plan),
                inputs=origin.inputs,
                who=origin.who,
                why=origin.why,
                made_at=origin.made_at,
                sources=tuple(origin.sources),
            )
            for name, path in origin.sources.items():
                copy = version.sources_folder / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
            content = {name: getattr(version, name) for name in _FIELDS}
            write_whole(folder / f"{version.label}.json", content)
    except OSError as error:
        raise UnavailableError(
            f"{error.filename or folder}: {error.strerror}; make room or correct its rights"
        ) from None
    return version


def write_whole(path: Path, content: Any) -> None:
    """Write JSON durably: after a crash the whole file is there, or the one before it.

    Raises:
        OSError: it can't be written.
    """
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Let one process at a time number a version."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check(origin: Origin) -> None:
    if len(origin.sources) > SOURCES_MAX:
        raise ConfigError(
            f"{origin.plan}: made of {len(origin.sources)} files, at most {SOURCES_MAX}; remove "
            "from the network's folder what does not belong to it"
        )
    for path in origin.sources.values():
        size = path.stat().st_size
        if size > SOURCE_BYTES_MAX:
            raise ConfigError(f"{path}: {size} bytes, at most {SOURCE_BYTES_MAX}; shorten it")


def _read(path: Path) -> PlanVersion:
    try:
        raw = orjson.loads(path.read_bytes())
        fields = {name: raw[name] for name in _FIELDS}
        sources = tuple(fields.pop("sources"))
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: damaged ({error}); restore it from a backup, or delete it to lose the version"
        ) from None
    return PlanVersion(
        folder=path.parent, number=int(path.name[:4]), digest=path.stem[5:], sources=sources,
        **fields,
    )  # fmt: skip
