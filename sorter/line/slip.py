"""The slip detector: notices when pieces are no longer found where they were sent.

A sorter whose encoder slipped, or whose program gave one piece's place to the next, goes on to sort
every piece wrongly. Each piece that a sensor saw fall into a chute confirms its answer or
contradicts it, by the piece's own identity. Too many contradictions among the newest confirmations
quarantine the line: no piece is sorted by its destination until somebody has looked and releases
it. What is counted comes with events alone, so that a recovered line stands as it stood.
"""

from typing import NamedTuple

from sorter.assignment.compiled import compiled
from sorter.line.books import Counter, Register, TrackArrays

QUARANTINED, CONFIRMATIONS = int(Register.QUARANTINED), int(Register.CONFIRMATIONS)
SLIP_MISMATCHES, SLIP_OF = int(Register.SLIP_MISMATCHES), int(Register.SLIP_OF)


class SlipLimits(NamedTuple):
    """So many ``mismatches`` among the newest ``of`` confirmations quarantine the line; 0 never."""

    mismatches: int = 0
    of: int = 1


@compiled
def confirm(is_mismatch: bool, t: TrackArrays) -> None:  # noqa: FBT001 - kernels take no keywords
    """Count a confirmation; quarantine the line if it is one mismatch too many."""
    t.counters[Counter.CONFIRMED] += 1
    t.counters[Counter.MISMATCHES] += is_mismatch
    at = t.registers
    if at[SLIP_MISMATCHES] == 0 or at[QUARANTINED] != 0:
        return
    at[CONFIRMATIONS] = (at[CONFIRMATIONS] * 2 + is_mismatch) % (1 << at[SLIP_OF])
    if not is_mismatch:
        return
    rest = int(at[CONFIRMATIONS])
    mismatches = 0
    while rest != 0:
        mismatches += rest & 1
        rest >>= 1
    if mismatches >= at[SLIP_MISMATCHES]:
        at[QUARANTINED] = 1
        t.counters[Counter.QUARANTINES] += 1
