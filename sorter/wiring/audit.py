"""The audit log of a host: who changed what, why, and what stood before and after.

Kept durably before a change is made (its intent) and again before it is answered (its outcome), so
that a kill between the two is seen. A change whose intent can't be kept is refused. The line
process, the face's jobs and the commands of a shell append to one chain, one at a time.
:mod:`sorter.wiring.audit_chain` has its form.
"""

import fcntl
import hashlib
import logging
import os
import pwd
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from sorter.errors import SorterError, UnavailableError
from sorter.wiring.audit_chain import (
    EMPTY_HEAD,
    INTENT,
    LINE_BYTES_MAX,
    LOCK,
    OUTCOME,
    Entry,
    Head,
    sealed,
    segments,
    unsealed,
)

SEGMENT_BYTES_MAX = 8 << 20
"""Size of one file; the chain goes on in the next. None is ever removed here."""
TEXT_MAX = 200
"""Characters of a name or a reason."""
PROBLEM_MAX = 400
DETAIL_BYTES_MAX = 4096
"""Size of what stood before, or stands after; of more the hash is kept."""
LOCK_S = 10.0
"""Time that another writer has to end its entry."""
LOCK_PAUSE_S = 0.005
DONE, REFUSED, FAILED = "done", "refused", "failed"
HTTP, SHELL, SERVICE = "http", "shell", "service"
"""By which way a change came: the face, a command of a shell, the service by itself."""

_logger = logging.getLogger(__name__)


class UnauditedError(UnavailableError):
    """A change can't be audited and was not made; says which file and what to do."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who changes something: what he says he is, and what he was found to be."""

    name: str
    via: str
    uid: int
    """User of the process that asks, by the kernel: the face's own where it came over HTTP."""
    caller: str = ""
    """Over HTTP who proved himself: ``key:ann``, or ``local:local``."""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is about to be made."""

    action: str
    who: Who
    why: str
    line: str = ""
    before: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)


def who_runs(name: str, by: dict[str, str] | None = None) -> Who:
    """Return who has this process change something.

    Args:
        name: Whom he calls himself.
        by: For whom a job of the face works: ``caller`` and ``role``.
    """
    if by is None:
        return Who(name, SHELL, os.getuid())
    return Who(name, HTTP, os.getuid(), by["caller"], by["role"])


class AuditLog:
    """Appends to the log of a state folder. May be used by several threads and processes."""

    def __init__(self, folder: Path, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._folder = folder
        self._now_ns = now_ns

    def begin(self, change: Change) -> int:
        """Keep that a change is about to be made; return the entry's number.

        Raises:
            UnauditedError: it can't be kept, so the change must not be made.
        """
        try:
            return self._append(self._entry(change, INTENT, after=change.asked)).number
        except OSError as error:
            raise UnauditedError(
                f"{error.filename or self._folder}: the audit log can't be written "
                f"({error.strerror or error}), so nothing was changed; make room, or correct its "
                "rights"
            ) from None

    def end(
        self,
        number: int,
        change: Change,
        after: dict[str, Any] | None = None,
        problem: BaseException | None = None,
    ) -> None:
        """Keep what came of a change. One that was made is not taken back where that fails."""
        outcome = DONE
        if problem is not None:
            outcome = REFUSED if isinstance(problem, SorterError) else FAILED
        entry = replace(
            self._entry(change, OUTCOME, after=after or {}),
            of=number, before={} if number else change.before, outcome=outcome,
            problem=_said(problem),
        )  # fmt: skip
        try:
            self._append(entry)
        except (OSError, UnavailableError) as error:
            _logger.error("the audit log lacks the outcome (%s) of entry %d, %s: %s",
                          outcome, number, change.action, error)  # fmt: skip

    def note(self, change: Change, after: dict[str, Any]) -> None:
        """Keep what the service did by itself in one entry; where that fails the log tells it."""
        self.end(0, change, after)

    @contextmanager
    def of(self, change: Change) -> Iterator[dict[str, Any]]:
        """Keep a change around what makes it, which fills in what stands after.

        Raises:
            UnauditedError: it can't be kept; it was not made.
        """
        number = self.begin(change)
        after: dict[str, Any] = {}
        try:
            yield after
        except BaseException as error:
            self.end(number, change, problem=error)
            raise
        self.end(number, change, after)

    def mend(self) -> None:
        """Keep aside the half line that a killed writer left, if one did, and tell of it.

        Raises:
            UnavailableError: the log is damaged or can't be written.
        """
        try:
            if segments(self._folder):
                with self._alone():
                    self._mend()
        except OSError as error:
            raise UnavailableError(
                f"{error.filename or self._folder}: the audit log can't be written "
                f"({error.strerror or error}); changes are refused until it can"
            ) from None

    def _entry(self, change: Change, phase: str, after: dict[str, Any]) -> Entry:
        who = {name: _text(value) for name, value in asdict(change.who).items()}
        return Entry(
            number=0,
            at="",
            host=socket.gethostname()[:64],
            phase=phase,
            of=0,
            who={**who, "user": _user(change.who.uid)},
            line=_text(change.line),
            action=change.action,
            why=_text(change.why),
            before=_bounded(change.before),
            after=_bounded(after),
            outcome="",
            problem="",
            previous="",
        )

    def _append(self, entry: Entry) -> Entry:
        with self._alone():
            self._mend()
            return self._write(entry)

    def _write(self, entry: Entry) -> Entry:
        """Seal an entry onto the chain and keep it durably, or leave the file as it was."""
        path, head = self._tail()
        instant = datetime.fromtimestamp(self._now_ns() / 1e9, UTC)
        entry = replace(
            entry, number=head.number + 1, previous=head.hash,
            at=instant.isoformat(timespec="milliseconds"),
        )  # fmt: skip
        line, _ = sealed(entry)
        end = path.stat().st_size if path else 0
        if path is None or (end and end + len(line) > SEGMENT_BYTES_MAX):
            path, end = self._folder / f"{entry.number:08d}.ndjson", 0
        with _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as file:
            try:
                _write_durably(file, line)
                if not end:
                    _sync_folder(self._folder)
            except OSError:
                os.ftruncate(file, end)
                raise
        return entry

    def _tail(self) -> tuple[Path | None, Head]:
        """Return the file that is written, if there is one, and where the chain stands."""
        files = segments(self._folder)
        for path in reversed(files):
            size = path.stat().st_size
            if not size:
                continue  # begun by one that was killed
            with path.open("rb") as file:
                file.seek(max(0, size - LINE_BYTES_MAX - 1))
                last = file.read()[:-1].rpartition(b"\n")[2] + b"\n"
            try:
                entry, digest = unsealed(last)
            except ValueError as error:
                raise UnauditedError(
                    f"{path}: the audit log's last line is damaged ({error}), so nothing is "
                    "changed; see 'sorter audit verify', then move the folder away: a new log "
                    "begins"
                ) from None
            return files[-1], Head(entry.number, digest)
        return (files[-1] if files else None), EMPTY_HEAD

    def _mend(self) -> None:
        files = segments(self._folder)
        if not files:
            return
        path = files[-1]
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LINE_BYTES_MAX - 1))
            content = file.read()
            torn = content[content.rfind(b"\n") + 1 :]
            if not torn:
                return
            if len(torn) > LINE_BYTES_MAX:
                raise UnauditedError(
                    f"{path}: the audit log ends with more than {LINE_BYTES_MAX} bytes that are no "
                    "line, so nothing is changed; move its folder away: a new log begins"
                )
            aside = self._folder / f"torn-{self._now_ns()}-{path.stem}"
            with _opened(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as kept:
                _write_durably(kept, torn)
            file.truncate(size - len(torn))
            os.fsync(file.fileno())
        _logger.warning("%s: %d bytes of a line that was never whole were moved to %s",
                        path, len(torn), aside.name)  # fmt: skip
        self._note_torn(aside, torn)

    def _note_torn(self, aside: Path, torn: bytes) -> None:
        found = {
            "file": aside.name,
            "bytes": len(torn),
            "sha256": hashlib.sha256(torn).hexdigest(),
        }
        change = Change("torn_end", Who("sorter", SERVICE, os.getuid()), "a writer was killed")
        self._write(replace(self._entry(change, OUTCOME, after=found), outcome=DONE))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one writer at a time append.

        Raises:
            OSError: the folder can't be used, or another writer does not end.
        """
        if not self._folder.exists():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _give_to_owner_of(self._folder.parent, self._folder)
        path = self._folder / LOCK
        with _opened(path, os.O_RDWR | os.O_CREAT) as lock:
            until = time.monotonic() + LOCK_S
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        busy = f"another process has held it for {LOCK_S:.0f} s"
                        raise OSError(None, busy, str(path)) from None
                    time.sleep(LOCK_PAUSE_S)
            yield


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Open a file for its owner alone."""
    file = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        if flags & os.O_CREAT:
            _give_to_owner_of(path.parent, file)
        yield file
    finally:
        os.close(file)


def _give_to_owner_of(folder: Path, made: int | Path) -> None:
    """Leave what root's commands make to whom the state folder belongs, so that he can go on."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(made, owner.st_uid, owner.st_gid)


def _write_durably(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]
    os.fsync(file)


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _text(value: Any, longest: int = TEXT_MAX) -> Any:
    """Return a text as it is kept: bounded, and without what is no Unicode."""
    if not isinstance(value, str):
        return value
    return value[:longest].encode("utf-8", "replace").decode()


def _said(problem: BaseException | None) -> str:
    if problem is None:
        return ""
    return str(_text(str(problem) or type(problem).__name__, PROBLEM_MAX))


def _bounded(detail: dict[str, Any]) -> dict[str, Any]:
    content = orjson.dumps(detail)
    if len(content) <= DETAIL_BYTES_MAX:
        return detail
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
