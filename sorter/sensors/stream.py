"""The stream of sensor events: numbered, journaled, each once.

A line's events are numbered by its PLC; these by this service. The numbers go on for as long as a
process lives; each begins with a boot id higher than any before it, even for the host in seat 0 of
the lines' PLCs and odd for the one in seat 1, so that (stream, boot, sequence) names one event for
ever, whoever of them read it.
"""

import asyncio
import json
from collections.abc import Iterable

from plc_adapters.contract import Records
from sorter.errors import JournalError
from sorter.ports import Batch, JournalPort, Snapshot, Standing

RETRY_S = 0.05
"""Pause before a full journal queue is tried again."""
SEQUENCE_MAX = 0xFFFF_FFFF
SEATS = 2
NS_PER_S = 1_000_000_000


def last_boot(entries: Iterable[Batch | Snapshot | Standing]) -> int:
    """Return the highest boot id of a journal, 0 for an empty one.

    Raises:
        JournalError: a snapshot is damaged.
    """
    found = 0
    for entry in entries:
        if isinstance(entry, Batch):
            found = max(found, int(entry.events["boot_id"].max(initial=0)))
            continue
        assert isinstance(entry, Snapshot), "sensors stand on nothing but their own numbers"
        try:
            found = max(found, int(json.loads(entry.content)["boot_id"]))
        except (ValueError, KeyError, TypeError):
            raise JournalError(
                "the snapshot in the sensors' journal is damaged; move its newest segment away to "
                "go on from the one before"
            ) from None
    return found


class SensorStream:
    """Numbers events and offers them to the journal, in which this is line 0."""

    def __init__(self, journal: JournalPort, boot_before: int, now_ns: int, seat: int = 0) -> None:
        """Begin a boot: the second it begins in, or the next one free after the one before.

        Args:
            journal: Where events are kept.
            boot_before: The highest boot id that the journal holds.
            now_ns: Now.
            seat: Of this host at the lines' PLCs.
        """
        first = max(boot_before + 1, now_ns // NS_PER_S)
        self.boot_id = first + (first + seat) % SEATS
        self.sequence = 0
        """Of the newest event offered."""
        self._journal = journal
        self.keep_boot()

    def keep_boot(self) -> None:
        """Begin a segment of the journal with the boot id."""
        self._journal.offer_snapshot(0, json.dumps({"boot_id": self.boot_id}).encode())

    async def put(self, event: Records) -> None:
        """Journal an EVENT[1]; waits while the journal's queue is full."""
        while not self._offer(event):  # noqa: ASYNC110 - the journal's thread frees it
            await asyncio.sleep(RETRY_S)
        if self._journal.wants_snapshot(0):
            self.keep_boot()

    def _offer(self, event: Records) -> bool:
        if self.sequence == SEQUENCE_MAX:
            self.boot_id, self.sequence = self.boot_id + SEATS, 0
        event["boot_id"] = self.boot_id
        event["sequence"] = self.sequence + 1
        empty = Batch.empty(0)
        taken = self._journal.offer(Batch(0, event, empty.decisions, empty.pieces))
        self.sequence += taken
        return taken
