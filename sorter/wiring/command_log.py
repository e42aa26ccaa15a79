"""What a line was told, kept for ever: a line of JSON for each command that was carried out.

    state/commands/<line>/00000001.ndjson    named by the number of its first command

The line process appends and loads no database library for it; the recorder follows the files into
PostgreSQL. A crash can leave half a line at the end of the newest file, which the next start cuts.
"""

import os
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from sorter.errors import ConfigError

COMMANDS_PER_FILE = 10_000
FILES_KEPT = 20
"""Files of one line that stay; the recorder removes older ones once the database has them."""
NEWEST_KEPT = 50
"""Newest commands that a line's state tells."""

ACTIVATE, ROLL_BACK, START = "activate", "rollback", "start"
"""How a version became the active one; the last is by a start that found it so."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command as it was carried out."""

    number: int
    """From 1, without gaps."""
    at: str
    """ISO 8601, UTC."""
    action: str
    """activate, rollback, start, wait, lock, unlock, pre_advice, shadow, switch,
    release (of a quarantine)."""
    who: str
    why: str
    version: int = 0
    """Of the plan or the pre-advice; 0 where it is about neither."""
    previous: int = 0
    """Version that was active before."""
    chute: int = 0
    name: str = ""
    """Of the plan or the pre-advice; what a waiting activation waits for."""


class CommandLog:
    """The log of one line. Its owner appends from one place at a time."""

    def __init__(self, folder: Path) -> None:
        """Go on where the files end.

        Raises:
            ConfigError: a file is damaged.
        """
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        files = log_files(folder)
        if files:
            _cut_torn_end(files[-1])
        known = [command for path in files[-2:] for command in read_file(path)]
        self.newest: deque[Command] = deque(known, NEWEST_KEPT)
        self._number = known[-1].number if known else 0
        self._file = files[-1] if files else folder / _name(1)
        became = [c for c in known if c.action in (ACTIVATE, ROLL_BACK, START)]
        self.active = (became[-1].version, became[-1].at) if became else (0, "")
        """Version that became active last, and when."""

    def append(self, at: str, action: str, who: str, why: str, **more: Any) -> Command:
        """Keep a command durably.

        Raises:
            OSError: it can't be written.
        """
        command = Command(self._number + 1, at, action, who, why, **more)
        if self._number and self._number % COMMANDS_PER_FILE == 0:
            self._file = self._folder / _name(command.number)
        end = self._file.stat().st_size if self._file.exists() else 0
        with self._file.open("ab") as file:
            try:
                file.write(orjson.dumps(asdict(command)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
        self._number = command.number
        self.newest.append(command)
        return command


def log_files(folder: Path) -> list[Path]:
    """Return a line's files, the oldest first."""
    return sorted(folder.glob("*.ndjson"))


def read_file(path: Path) -> list[Command]:
    """Return the whole commands of a file.

    Raises:
        ConfigError: a line of it is damaged.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
        return [Command(**orjson.loads(line)) for line in lines]
    except (OSError, orjson.JSONDecodeError, TypeError) as error:
        raise ConfigError(
            f"{path}: damaged ({error}); restore it from a backup, or move it away"
        ) from None


def _name(number: int) -> str:
    return f"{number:08d}.ndjson"


def _cut_torn_end(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
