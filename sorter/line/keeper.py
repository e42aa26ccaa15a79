"""Leaves in a line's journal what its decisions stand on, so that they can be made again."""

import numpy as np

from sorter.assignment.decider import Decider
from sorter.line.slip import SlipLimits
from sorter.line.tracking import Tracking
from sorter.ports import JournalPort, Standing


class Keeper:
    """One line's. Used between two batches only, as all that changes a line is."""

    def __init__(
        self,
        line: int,
        journal: JournalPort,
        tracking: Tracking,
        decider: Decider,
        slip: SlipLimits,
        begun_ns: int,
        pre_advice: str = "",
    ) -> None:
        """Keep nothing yet.

        Args:
            line: Number of the line in the journal.
            journal: Where it is left.
            tracking: The line's.
            decider: The line's.
            slip: When the line is quarantined.
            begun_ns: When this process began.
            pre_advice: Name of the image in use.
        """
        self.pre_advice = pre_advice
        self._line = line
        self._journal = journal
        self._tracking = tracking
        self._decider = decider
        self._slip = slip
        self._begun_ns = begun_ns

    def keep_state(self) -> None:
        """Begin a new segment with the line's state."""
        self._journal.offer_snapshot(self._line, self._tracking.snapshot())

    def keep_standing(self) -> None:
        """Keep what the decisions after this stand on."""
        locked = np.flatnonzero(self._tracking.chutes["locked"])
        self._journal.offer_standing(
            Standing(
                self._line,
                self._decider.plan_version,
                self.pre_advice,
                tuple(locked.tolist()),
                (self._slip.mismatches, self._slip.of),
                self._begun_ns,
            )
        )
