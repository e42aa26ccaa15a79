"""Takes one safeguard away around the real code, to show that a promise then breaks."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from sorter.assignment.arrays import PreAdviceArrays
from sorter.assignment.decider import Decider
from sorter.assignment.warmup import mapped_pre_advice
from sorter.ports import JournalPort
from sorter.simulation.disk import ProcessDisk
from sorter.simulation.settings import Safeguard


class Safeguards:
    """Wraps the parts of a host so that what is left out is left out."""

    def __init__(self, without: Safeguard | None = None) -> None:
        self.without = without

    def journal(self, journal: JournalPort) -> Any:
        """Return the journal, or one that calls everything offered durable."""
        if self.without is not Safeguard.ACKNOWLEDGE_AFTER_JOURNAL:
            return journal
        return _HastyJournal(journal)

    def disk(self, disk: ProcessDisk) -> ProcessDisk:
        """Return the disk, or one that does not sync, or does not tell that it failed to."""
        if self.without is Safeguard.SYNC:
            return _NeverSynced(disk)
        if self.without is Safeguard.FAILED_SYNC:
            return _Believed(disk)
        return disk

    def decider(self, decider: Decider) -> Any:
        """Return the decider, or one that asks the active plan for every piece."""
        if self.without is not Safeguard.PIECE_VERSION:
            return decider
        return _OnePlan(decider)

    @property
    def recovers(self) -> bool:
        """Whether a line reads its journal at its start."""
        return self.without is not Safeguard.RECOVERY

    @property
    def checks_duplicates(self) -> bool:
        """Whether the store leaves a record that is there as it is."""
        return self.without is not Safeguard.DUPLICATE_CHECK

    def pre_advice(self, table: PreAdviceArrays) -> PreAdviceArrays:
        """Return the table, or one as a lookup by hash alone would see it.

        Where two waybills share a slot's hash, the one found first answers for both: every second
        row answers with its neighbour's word.
        """
        if self.without is Safeguard.HOLDS:
            return mapped_pre_advice(table._replace(holds=np.zeros_like(table.holds)))
        if self.without is not Safeguard.FULL_KEY:
            return table
        filled = np.flatnonzero(table.length)
        columns = {}
        for name in ("destination", "holds", "brand", "service_class"):
            column = getattr(table, name).copy()
            column[filled[1::2]] = column[filled[0::2][: len(filled[1::2])]]
            columns[name] = column
        return mapped_pre_advice(table._replace(**columns))

    def plc(self, sorter: Any) -> None:
        """Take the PLC's own safeguards away."""
        if self.without is Safeguard.EPOCH:
            sorter.program.seats.may_instruct = lambda _: True
        if self.without is not Safeguard.HELD_FIRST:
            return
        judge = sorter.program._judge  # noqa: SLF001 - what is taken away has no switch

        def judge_as_new(instruction: Any, piece: Any, now_us: int) -> Any:
            if piece is None:
                return judge(instruction, piece, now_us)
            held, piece.held = piece.held, None
            try:
                return judge(instruction, piece, now_us)
            finally:
                piece.held = held

        sorter.program._judge = judge_as_new  # noqa: SLF001 - as above


class _HastyJournal:
    """Calls durable whatever was offered."""

    def __init__(self, journal: JournalPort) -> None:
        self._journal = journal
        self._offered = 0

    def offer(self, batch: Any) -> bool:
        if len(batch.events):
            self._offered = int(batch.events["sequence"][-1])
        return self._journal.offer(batch)

    def durable(self, line: int) -> int:
        return self._offered or self._journal.durable(line)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(self._journal, name)
        return found


class _OnePlan:
    """Decides by the active plan alone, as a service would that swaps it under its pieces."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider

    def decide(self, events: Any, rows: Any, state: Any, now_ns: int) -> Any:
        state.pieces["plan_version"][rows[rows >= 0]] = self._decider.plan_version
        return self._decider.decide(events, rows, state, now_ns)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decider, name)


class _NeverSynced(ProcessDisk):
    """Calls everything synced and syncs nothing."""

    def __init__(self, disk: ProcessDisk) -> None:
        super().__init__(disk.disk)

    def sync(self, file: int) -> None:
        pass


class _Believed(ProcessDisk):
    """Takes a failed sync for a good one."""

    def __init__(self, disk: ProcessDisk) -> None:
        super().__init__(disk.disk)

    def sync(self, file: int) -> None:
        with suppress(OSError):
            super().sync(file)
