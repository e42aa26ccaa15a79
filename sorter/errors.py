"""Errors that a person reads: each names the culprit and what to do, and carries an exit code."""

from collections.abc import Sequence
from enum import IntEnum, StrEnum


class Exit(IntEnum):
    """Exit codes of every command. They are stable: scripts may rely on them."""

    OK = 0
    CHECK_FAILED = 1
    """The command ran and what it checked is not so (ledger, deadlines, a plan)."""
    USAGE = 2
    """Wrong arguments."""
    CONFIG = 3
    """A site file, plan or table is wrong; every error is listed."""
    UNAVAILABLE = 4
    """Something outside is missing: a port in use, a database that refuses, a full disk."""
    FENCED = 5
    """Another host holds a line that this one was to run."""
    INTERNAL = 70
    """A fault of this program; the log has the trace."""
    INTERRUPTED = 130
    """Ctrl-C."""


class SorterError(Exception):
    """A problem told in lines that need no trace: culprit, what is wrong, what to do."""

    exit_code = Exit.INTERNAL

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems: Sequence[str] = problems


class ConfigError(SorterError):
    """A file is wrong. Each problem names file, line or key, and what to do."""

    exit_code = Exit.CONFIG


class UnavailableError(SorterError):
    """Something outside this process is missing or refuses."""

    exit_code = Exit.UNAVAILABLE


class FencedError(SorterError):
    """The PLC has granted a line to another host."""

    exit_code = Exit.FENCED


class JournalError(SorterError):
    """The journal can't be written or read; says which file and what to do."""

    exit_code = Exit.UNAVAILABLE


class Refusal(StrEnum):
    """Why a running line did not do what it was told."""

    REFUSED = "refused"
    """It stands against something else: another activation, no room, nothing to go back to."""
    WRONG = "wrong"
    """The command itself is wrong."""
    UNKNOWN = "unknown"
    """It names a line, version or chute that does not exist."""
    FILE = "file"
    """A file it needs is damaged or missing."""
    UNAVAILABLE = "unavailable"
    """The line process does not run, or can't take it now."""


class CommandError(SorterError):
    """A running line did not do what it was told."""

    def __init__(self, refusal: Refusal, problem: str) -> None:
        super().__init__(problem)
        self.refusal = refusal
        self.exit_code = {
            Refusal.REFUSED: Exit.CHECK_FAILED,
            Refusal.WRONG: Exit.USAGE,
            Refusal.UNKNOWN: Exit.USAGE,
            Refusal.FILE: Exit.CONFIG,
            Refusal.UNAVAILABLE: Exit.UNAVAILABLE,
        }[refusal]
