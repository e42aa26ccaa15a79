"""Moves what the journals hold into the store: each batch once, and with it how far it reaches."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sorter.journal.disk import SYSTEM_DISK, Disk
from sorter.journal.reader import Follower, Position
from sorter.ports import Batch


class Store(Protocol):
    """Where records go; every call may raise UnavailableError, and may then be made again."""

    async def position(self, line: str, seat: int) -> tuple[int, int]:
        """Return how far the journal of the host in a line's seat is written: segment, offset."""

    async def write(
        self, line: str, batches: Sequence[Batch], position: tuple[int, int], seat: int
    ) -> int:
        """Write batches and the position after them, all or nothing; return the rows added."""


@dataclass(slots=True)
class Followed:
    """One line's journal, and what was read of it but not written yet."""

    name: str
    seat: int
    follower: Follower
    recorded: Position
    batches: list[Batch] = field(default_factory=list)


class Recording:
    """Follows the journals of all lines into one store."""

    def __init__(
        self, folder: Path, seats: Mapping[str, int], store: Store, disk: Disk = SYSTEM_DISK
    ) -> None:
        """Read nothing yet.

        Args:
            folder: The journal; it has a folder a line.
            seats: The lines by name, in the order of their numbers, and in which seat of each
                line's PLC this host sits.
            store: Where their records go.
            disk: Where the folder lies.
        """
        self.rows = 0
        self.transactions = 0
        self.lines: list[Followed] = []
        self._folder = folder
        self._seats = list(seats.items())
        self._store = store
        self._disk = disk

    async def begin(self) -> None:
        """Find out from the store where each line's journal was left; once is enough.

        Raises:
            UnavailableError: the store is away.
        """
        if not self.lines:
            self.lines = [await self._follow(number) for number in range(len(self._seats))]

    async def step(self) -> int:
        """Read and write once for each line; return the batches written.

        Raises:
            UnavailableError: the store is away; what was read is written by a later step.
            JournalError: a journal is of another version.
        """
        wrote = 0
        for line in self.lines:
            if not line.batches:
                line.batches = await asyncio.to_thread(line.follower.read)
            position = line.follower.position
            if not line.batches:
                continue
            self.rows += await self._store.write(line.name, line.batches, position, line.seat)
            self.transactions += 1
            wrote += len(line.batches)
            line.recorded = position
            line.batches = []
        return wrote

    async def _follow(self, number: int) -> Followed:
        name, seat = self._seats[number]
        position = Position(*await self._store.position(name, seat))
        follower = Follower(self._folder / name, number, position, self._disk)
        return Followed(name, seat, follower, position)
