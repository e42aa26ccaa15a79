"""The audit log's form and its proof: a line of JSON an entry, sealed onto the line before it.

    state/audit/00000001.ndjson    named by the number of its first entry

A line is its fields, the hash of the line before among them (``previous``), and then ``hash``: the
SHA-256 of all that stands before it, with a brace in its place. A byte changed, a line taken out or
put in breaks the chain there; an end that was cut off shows only against a head noted elsewhere.
"""

import fcntl
import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from sorter.errors import ConfigError

LINE_BYTES_MAX = 16_384
"""Longest line; the writer shortens what would be longer."""
NOTHING_BEFORE = "0" * 64
"""``previous`` of the first entry."""
OPEN_TOLD_MAX = 100
"""Changes without an outcome that a proof names one by one."""
INTENT, OUTCOME = "intent", "outcome"
LOCK = ".lock"
"""File in the folder that whoever appends holds locked."""

_SEAL, _END = b',"hash":"', b'"}\n'
_SEAL_BYTES = len(_SEAL) + 64 + len(_END)


class Head(NamedTuple):
    """Where a chain stands: how many entries, and the hash of the last of them."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


EMPTY_HEAD = Head(0, NOTHING_BEFORE)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept of a change before it is made (intent), or of what came of it (outcome)."""

    number: int
    """From 1, without gaps."""
    at: str
    """ISO 8601, UTC."""
    host: str
    phase: str
    of: int
    """Of an outcome: its intent's number; else 0."""
    who: dict[str, Any]
    """name (as given), caller (``key:ann``), role, via (http, shell, service), uid, user."""
    line: str
    """Empty where it is about the whole site."""
    action: str
    why: str
    before: dict[str, Any]
    """What stood before; empty in an outcome."""
    after: dict[str, Any]
    """In an intent what was asked for, in an outcome what stands now."""
    outcome: str
    """done, refused, failed; empty in an intent."""
    problem: str
    previous: str
    """Hash of the line before."""


def sealed(entry: Entry) -> tuple[bytes, str]:
    """Return an entry's line, with its newline, and its hash."""
    body = orjson.dumps(asdict(entry))
    digest = hashlib.sha256(body).hexdigest()
    return body[:-1] + _SEAL + digest.encode() + _END, digest


def unsealed(line: bytes) -> tuple[Entry, str]:
    """Return a line's entry and hash; ValueError says what is wrong with it."""
    body, seal = line[:-_SEAL_BYTES] + b"}", line[-_SEAL_BYTES:]
    digest = hashlib.sha256(body).hexdigest()
    if seal != _SEAL + digest.encode() + _END:
        raise ValueError("its hash is not that of what it says")
    try:
        return Entry(**orjson.loads(body)), digest
    except (orjson.JSONDecodeError, TypeError):
        raise ValueError("it is no entry") from None


class BrokenChainError(ConfigError):
    """The chain does not hold; names the first line at which it doesn't."""


@dataclass(slots=True)
class Proof:
    """What a walk along the chain found."""

    head: Head
    """The last entry that holds."""
    files: int = 0
    torn: int = 0
    """Ends of lines that were kept aside after a kill."""
    open: dict[int, str] = field(default_factory=dict)
    """Changes without an outcome: number, then action and line."""
    problem: str = ""
    """The first that does not hold; empty where all does."""

    @property
    def holds(self) -> bool:
        """Return whether all of it holds."""
        return not self.problem


def segments(folder: Path) -> list[Path]:
    """Return the log's files, the oldest first."""
    return sorted(folder.glob("*.ndjson"))


def torn_ends(folder: Path) -> list[Path]:
    """Return the ends that were kept aside."""
    return sorted(folder.glob("torn-*"))


def entries(folder: Path, after: Head = EMPTY_HEAD) -> Iterator[tuple[Entry, str]]:
    """Yield entries with their hashes, each checked against the one before.

    What is appended meanwhile is left out.

    Args:
        folder: The log, or a copy of it.
        after: The last entry of files that were moved away.

    Raises:
        BrokenChainError: a line does not hold.
        ConfigError: a file can't be read.
    """
    head = after
    try:
        for path, size in _whole(folder):
            with path.open("rb") as file:
                for number, line in _lines(file, size):
                    entry, head = _checked(line, head, f"{path}:{number}")
                    if number == 1 and path.stem != f"{entry.number:08d}":
                        raise BrokenChainError(f"{path}:1: begins with entry {entry.number}")
                    yield entry, head.hash
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: can't be read: {error.strerror}") from None


def prove(folder: Path, after: Head = EMPTY_HEAD, expect: str = "") -> Proof:
    """Walk along the whole chain.

    Args:
        folder: The log, or a copy of it.
        after: The last entry of files that were moved away.
        expect: A head noted earlier, ``NUMBER:HASH`` or the hash alone, that must still be in it.

    Raises:
        ConfigError: a file can't be read.
    """
    proof = Proof(after, len(segments(folder)), len(torn_ends(folder)))
    found = not expect or expect in (after.hash, str(after))
    try:
        for entry, digest in entries(folder, after):
            proof.head = Head(entry.number, digest)
            found = found or expect in (digest, str(proof.head))
            if entry.phase == OUTCOME:
                proof.open.pop(entry.of, None)
            elif entry.phase == INTENT and len(proof.open) < OPEN_TOLD_MAX:
                proof.open[entry.number] = f"{entry.action} {entry.line}".strip()
    except BrokenChainError as error:
        proof.problem = str(error)
    else:
        if not found:
            proof.problem = (
                f"{folder}: the head {expect} that was noted is not in it, which ends at "
                f"{proof.head.number}: entries were taken away or written anew"
            )
    return proof


def _checked(line: bytes, head: Head, where: str) -> tuple[Entry, Head]:
    """Return a line's entry and where the chain stands with it; BrokenChainError if it is wrong."""
    if not line.endswith(b"\n"):
        raise BrokenChainError(
            f"{where}: ends within a line: its writer was killed (the next change keeps it aside), "
            "or its end was cut off"
            if len(line) <= LINE_BYTES_MAX
            else f"{where}: is longer than {LINE_BYTES_MAX} bytes, which no entry is"
        )
    try:
        entry, digest = unsealed(line)
    except ValueError as error:
        raise BrokenChainError(f"{where}: {error}: it was changed") from None
    if (entry.number, entry.previous) != (head.number + 1, head.hash):
        raise BrokenChainError(
            f"{where}: entry {entry.number} does not follow entry {head.number}: lines were taken "
            "out, put in or moved"
        )
    return entry, Head(entry.number, digest)


def _whole(folder: Path) -> list[tuple[Path, int]]:
    """Return the files with their sizes as no writer is at work."""
    lock = folder / LOCK
    if not lock.exists():  # a copy
        return [(path, path.stat().st_size) for path in segments(folder)]
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        return [(path, path.stat().st_size) for path in segments(folder)]


def _lines(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    number = 0
    while size > 0:
        number += 1
        line = file.readline(min(size, LINE_BYTES_MAX + 1))
        if not line:
            return
        size -= len(line)
        yield number, line
