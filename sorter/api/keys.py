"""API keys: random, shown once as they are made, and kept as hashes alone.

The file is TOML, a table ``[[keys]]`` each with ``name``, ``role``, ``sha256`` and ``made``. A key
has 256 random bits, so a plain SHA-256 of it can't be guessed back.
"""

import fcntl
import hashlib
import hmac
import logging
import os
import secrets
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from sorter.config_http import Role
from sorter.config_section import Name, Section
from sorter.errors import ConfigError

PREFIX = "sorter_"
"""Begins every key, so that one that leaked is found by a search."""
KEY_BYTES = 32
KEYS_MAX = 256
FILE_BYTES_MAX = 131_072
LOOK_S = 1.0
"""Least pause between two looks at whether the file has changed."""

_logger = logging.getLogger(__name__)


class KeyEntry(Section):
    """One key as it is kept."""

    name: Name
    role: Role
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    made: str = Field(max_length=40)
    """ISO 8601, UTC."""


class _File(Section):
    keys: list[KeyEntry] = Field(default=[], max_length=KEYS_MAX)


def hash_of(key: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def load_keys(path: Path) -> list[KeyEntry]:
    """Return the keys of a file.

    Raises:
        ConfigError: it can't be read, others may write it, or an entry is wrong or doubled.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: can't be read ({error.strerror}); make it with 'sorter key new --keys-file'"
        ) from None
    if mode & 0o002:
        raise ConfigError(f"{path}: every user of this machine may write it; chmod o-w")
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: has more than {FILE_BYTES_MAX} bytes; remove old keys")
    try:
        keys = _File.model_validate(tomllib.loads(content.decode())).keys
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except ValidationError as error:
        # What an entry holds is not told: somebody may have put the key itself there.
        wrong = [f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ConfigError(*wrong) from None
    for kind in ("name", "sha256"):
        values = [getattr(key, kind) for key in keys]
        doubled = sorted({value for value in values if values.count(value) > 1})
        if doubled:
            raise ConfigError(f"{path}: {kind} {doubled[0]!r} stands twice; remove one")
    return keys


def add_key(path: Path, name: str, role: Role) -> str:
    """Make a key, keep its hash, and return it; it is nowhere else.

    Raises:
        ConfigError: the file is wrong, or has that name already.
    """
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    with _alone(path):
        keys = load_keys(path) if path.exists() else []
        if any(known.name == name for known in keys):
            raise ConfigError(f"{path}: there is a key {name!r}; remove it, or name another")
        if len(keys) >= KEYS_MAX:
            raise ConfigError(f"{path}: has {KEYS_MAX} keys, the most there may be; remove some")
        try:
            entry = KeyEntry(name=name, role=role, sha256=hash_of(key), made=made)
        except ValidationError:
            raise ConfigError(
                f"--name: {name!r} is none; give 1 to 32 letters, digits, - or _"
            ) from None
        _write(path, [*keys, entry])
    return key


def remove_key(path: Path, name: str) -> KeyEntry:
    """Remove a key, which counts no more from then on, and return what was kept of it.

    Raises:
        ConfigError: the file is wrong, or has none of that name.
    """
    with _alone(path):
        keys = load_keys(path)
        found = next((key for key in keys if key.name == name), None)
        if found is None:
            names = ", ".join(key.name for key in keys) or "none"
            raise ConfigError(f"{path}: no key {name!r}; there are: {names}")
        _write(path, [key for key in keys if key is not found])
    return found


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time change the file."""
    try:
        with (path.parent / f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror}; see its folder") from None


def _write(path: Path, keys: list[KeyEntry]) -> None:
    # Names, roles, hashes and instants hold nothing that TOML would want escaped.
    tables = [
        f'[[keys]]\nname = "{key.name}"\nrole = "{key.role}"\nsha256 = "{key.sha256}"\n'
        f'made = "{key.made}"\n'
        for key in keys
    ]
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write("# API keys' hashes: sorter key new, list, remove.\n\n" + "\n".join(tables))
        file.flush()
        os.fsync(file.fileno())
    fresh.chmod(0o644)
    fresh.replace(path)


class KeyRing:
    """The keys of a file as it stands; looks after changes by itself, so none needs a restart."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file.

        Raises:
            ConfigError: it is wrong, or holds no key.
        """
        self._path = path
        self._clock = clock
        self._mark = _mark_of(path)  # before reading: what changes meanwhile is read again
        self._keys = load_keys(path)
        if not self._keys:
            raise ConfigError(f"{path}: holds no key; make one with 'sorter key new --keys-file'")
        self._looked_s = clock()

    def find(self, key: str) -> KeyEntry | None:
        """Return the entry of a key; every entry is compared, each in constant time."""
        given, found = hash_of(key), None
        for entry in self._current():
            if hmac.compare_digest(entry.sha256, given):
                found = entry
        return found

    def named(self, name: str, sha256: str) -> KeyEntry | None:
        """Return an entry if it is still there and of the same key."""
        return next((k for k in self._current() if (k.name, k.sha256) == (name, sha256)), None)

    def _current(self) -> list[KeyEntry]:
        now_s = self._clock()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            mark = _mark_of(self._path)
            if mark != self._mark:
                self._mark = mark
                self._read_again()
        return self._keys

    def _read_again(self) -> None:
        """Take the file as it is now; of one that is wrong nothing counts."""
        try:
            self._keys = load_keys(self._path)
            _logger.info("%s: read again, %d keys", self._path, len(self._keys))
        except ConfigError as error:
            self._keys = []
            _logger.error("no key counts until this is put right: %s", error)


def _mark_of(path: Path) -> tuple[int, int, int]:
    """Return what changes whenever the file is replaced or written; zeros where it is gone."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_ino, found.st_size)
