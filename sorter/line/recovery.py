"""What a line knows when it starts: its journal read again from the newest snapshot on."""

from collections.abc import Iterable

from plc_adapters.contract import Resume
from sorter.line.tracking import Tracking
from sorter.ports import Batch, Snapshot, Standing


def recover(
    trackings: list[Tracking], entries: Iterable[Batch | Snapshot | Standing]
) -> tuple[list[Resume], int]:
    """Bring each line's tracking to where the journal ends.

    Events are tracked and decisions adopted exactly as they were when they were journaled; nothing
    is sent. An event the journal lacks was never acknowledged, so the PLC still has it.

    Args:
        trackings: one for each line, fresh, by line number.
        entries: the journal from its newest snapshots on, in order.

    Returns:
        Where each line's link resumes, and how many batches were read.
    """
    batches = 0
    for entry in entries:
        tracking = trackings[entry.line]
        if isinstance(entry, Snapshot):
            tracking.restore(entry.content)
            continue
        if isinstance(entry, Standing):
            continue  # a line that starts has its own
        batches += 1
        tracking.apply(entry.events)
        tracking.adopt_decisions(entry.decisions)
    return [tracking.resume for tracking in trackings], batches
