"""What a line knows when it starts: its journal read again from the newest snapshot on."""

from collections.abc import Iterable

from plc_adapters.contract import EventKind, Resume
from sorter.line.tracking import Tracking
from sorter.ports import Batch, Snapshot


def recover(
    trackings: list[Tracking], entries: Iterable[Batch | Snapshot]
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
    resumes = [Resume() for _ in trackings]
    batches = 0
    for entry in entries:
        tracking = trackings[entry.line]
        if isinstance(entry, Snapshot):
            resumes[entry.line] = tracking.restore(entry.content)
            continue
        batches += 1
        tracking.apply(entry.events)
        tracking.adopt_decisions(entry.decisions)
        resumes[entry.line] = _after(resumes[entry.line], entry)
    return resumes, batches


def _after(resume: Resume, batch: Batch) -> Resume:
    """Return where to resume once this batch is known to be journaled."""
    if not len(batch.events):
        return resume
    last = batch.events[-1]
    answered = batch.events[batch.events["kind"] == EventKind.INSTRUCTED]
    epoch = max(resume.epoch, int(answered["epoch"].max(initial=0)))
    return Resume(int(last["boot_id"]), int(last["sequence"]), epoch)
