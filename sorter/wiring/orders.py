"""What a line was told that outlasts its process: an activation that waits, chutes locked."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from plc_adapters.contract import CHUTE_NUMBER_MAX
from sorter.errors import CommandError, ConfigError, Refusal, UnavailableError
from sorter.plans.versions import write_whole
from sorter.wiring.active import read_json
from sorter.wiring.command_log import ACTIVATE

NOW, EMPTY = "now", "empty"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """An activation as it was asked for; it may have to wait."""

    version: int
    when: str
    """"now", "empty" (once no piece is on the sorter), or an instant in ISO 8601 with its zone."""
    who: str
    why: str
    action: str = ACTIVATE


def check_when(when: str, now_ns: int) -> None:
    """Check when an activation that is to wait is due.

    Raises:
        CommandError: it is no instant with its zone, or over.
    """
    if when == EMPTY:
        return
    try:
        due_ns = instant_ns(when)
    except ValueError:
        raise CommandError(
            Refusal.WRONG,
            f"when: {when!r}; give now, empty, or an instant with its zone such as "
            "2026-11-25T22:00:00+08:00",
        ) from None
    if due_ns <= now_ns:
        raise CommandError(Refusal.WRONG, f"when: {when} is over; give a later instant, or now")


def instant_ns(when: str) -> int:
    """Return an instant of ISO 8601; ValueError where it is none or has no zone."""
    instant = datetime.fromisoformat(when)
    if instant.tzinfo is None:
        raise ValueError("no zone")
    return int(instant.timestamp()) * 1_000_000_000


def read_order(path: Path) -> Order | None:
    """Read the activation that waits, if one does.

    Raises:
        ConfigError: the file is damaged.
    """
    raw = read_json(path)
    if not raw:
        return None
    try:
        return Order(**raw)
    except TypeError as error:
        raise ConfigError(f"{path}: damaged ({error}); delete it, then command it again") from None


def read_locks(path: Path) -> dict[str, dict[str, Any]]:
    """Read the chutes that are locked: number, then who, why and since when.

    Raises:
        ConfigError: the file is damaged.
    """
    locks = read_json(path) or {}
    if not isinstance(locks, dict) or not all(
        number.isdecimal() and int(number) <= CHUTE_NUMBER_MAX for number in locks
    ):
        raise ConfigError(f"{path}: damaged (no chute numbers); delete it, then command it again")
    return locks


def keep_file(path: Path, content: Any) -> None:
    """Write what a line was told, the whole file or the one before it.

    Raises:
        UnavailableError: the disk refuses.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        raise UnavailableError(f"{path}: can't be written: {error.strerror}; make room") from None


async def in_thread(work: Callable[[], T]) -> T:
    """Do what reads or writes files beside the loop; what is wrong with a file is a refusal."""
    try:
        return await asyncio.to_thread(work)
    except ConfigError as error:
        raise CommandError(Refusal.FILE, str(error)) from None
    except (UnavailableError, OSError) as error:
        raise CommandError(Refusal.UNAVAILABLE, str(error)) from None
