"""The simulated database: transactions that are whole or not at all, and answers that get lost."""

import asyncio
import random
from collections.abc import Sequence

from plc_adapters.contract import Records
from sorter.errors import UnavailableError
from sorter.ports import Batch
from sorter.simulation.trace import Trace, Violation

Key = tuple[int, int]
"""Boot and sequence, or boot and piece."""


class SimulatedStore:
    """Tables by their keys; see :class:`sorter.outlets.record.Store`."""

    def __init__(self, seed: int, trace: Trace, *, checks_duplicates: bool) -> None:
        self.events: dict[Key, Records] = {}
        self.pieces: dict[Key, Records] = {}
        self.decisions: dict[Key, Records] = {}
        self.doubled = 0
        """Rows that stand twice, for want of a check."""
        self.away = False
        self.stalled = False
        self.loses_answers = 0
        self._positions: dict[tuple[str, int], tuple[int, int]] = {}
        self._chance = random.Random(f"{seed}:store")  # noqa: S311 - a run must be repeatable
        self._trace = trace
        self._checks_duplicates = checks_duplicates

    async def position(self, line: str, seat: int) -> tuple[int, int]:
        """Return how far the journal of a line's host is written."""
        await self._reach()
        return self._positions.get((line, seat), (0, 0))

    async def write(
        self, line: str, batches: Sequence[Batch], position: tuple[int, int], seat: int
    ) -> int:
        """Commit batches and position together."""
        await self._reach()
        rows = 0
        for batch in batches:
            rows += self._insert(self.events, batch.events, "sequence")
            rows += self._insert(self.decisions, batch.decisions, "event_sequence")
            rows += self._insert(self.pieces, batch.pieces, "piece_id")
        self._positions[line, seat] = position
        self._trace.note("store", f"{rows} rows, up to {position}")
        if self.loses_answers:
            self.loses_answers -= 1
            raise UnavailableError("simulated store: connection lost after the commit")
        await asyncio.sleep(self._chance.uniform(0.0005, 0.004))
        return rows

    async def _reach(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.0005, 0.004))
        while self.stalled:  # noqa: ASYNC110 - a fault sets it, by name
            await asyncio.sleep(0.02)
        if self.away:
            raise UnavailableError("simulated store: no answer")

    def _insert(self, table: dict[Key, Records], records: Records, number: str) -> int:
        """Insert what is not there; the same key with another content is two records of one."""
        added = 0
        for record in records:
            key = (int(record["boot_id"]), int(record[number]))
            known = table.get(key)
            if known is None:
                table[key] = record.copy()
                added += 1
            elif not self._checks_duplicates:
                self.doubled += 1
            elif table is self.events and _essence(known) != _essence(record):
                raise Violation(2, f"two different events {key}: {known} and {record}")
        return added


def _essence(event: Records) -> tuple[int, ...]:
    """Return what the PLC said, without when this host heard of it."""
    return tuple(int(event[name]) for name in ("kind", "status", "piece_id", "chute", "lap"))
