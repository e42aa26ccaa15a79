"""Which acknowledgements may go to the PLC, across its restarts.

The line acknowledges by sequence alone, as its journal knows them, and a PLC that starts anew
counts from its beginning. So a sequence may still be meant for the boot before; taken for the new
one, it would free slots that no journal holds. Hence three rules: an event of a new boot is read
only once the journal holds all of the boot before; the last sequence of the boot before is not
taken until another one has been heard; no batch runs over that sequence before then.
"""

from plc_adapters.mailbox.sequences import distance


class AcknowledgementGate:
    """Takes the line's acknowledgements and keeps those that belong to the present boot."""

    def __init__(self) -> None:
        self.accepted = 0
        """Newest event of this boot that the host holds safely; 0 before the first."""
        self.delivered = 0
        """Newest event of this boot given to the line; ``accepted`` if there was none yet."""
        self._begun = 0
        """What ``delivered`` was when this boot began."""
        self._known = 0
        """Last event of any boot before that the line was given or its journal holds."""
        self._retired = 0
        """``_known`` while the line may still acknowledge it; else 0."""
        self._settled = True
        """Whether the journal holds all of the boots before."""
        self._heard = 0
        """The line's last word."""

    @property
    def is_untouched(self) -> bool:
        """Whether the line was given no event of this boot yet."""
        return self.delivered == self._begun

    @property
    def is_plain(self) -> bool:
        """Whether no acknowledgement can be meant for another boot, so that batches may grow."""
        return not self._retired

    def resume(self, accepted: int) -> None:
        """Go on with the boot that the journal left off in."""
        self.accepted = self.delivered = self._begun = self._known = accepted

    def restart(self, accepted: int, retired: int, *, journaled: bool) -> None:
        """Begin a new boot.

        Args:
            accepted: what the PLC has as acknowledged.
            retired: last event of the boot before that the line was given or its journal holds.
            journaled: whether the journal is known to hold that one.
        """
        # A boot that gave the line nothing leaves its last word, and what it owes, as they were.
        if journaled or self.delivered != self._begun:
            self._known = retired
            self._settled = journaled or retired in (0, self._heard)
        self._retired = self._known
        self.accepted = self.delivered = self._begun = accepted

    def follow(self, accepted: int, delivered: int) -> None:
        """Read on after ``delivered`` while another host acknowledges, by now ``accepted``."""
        self.accepted = accepted
        self.delivered = self._begun = self._known = delivered
        self._retired = 0
        self._settled = True

    def hear(self, sequence: int) -> None:
        """Take in the last word of a line that does not acknowledge now."""
        self._heard = sequence

    def take_over(self, accepted: int) -> None:
        """Acknowledge from here on, after what the PLC has as acknowledged.

        The line's last word is about what it journaled when it last had the line, maybe of another
        boot; so it is not taken until another one has been heard.
        """
        self.accepted = accepted
        self._retired = self._heard
        if distance(self.delivered, accepted) <= 0:
            # Other journals hold all that was delivered: this one owes nothing before a new boot.
            self._begun = self.delivered

    def offer(self, sequence: int) -> None:
        """Take in what the line acknowledges."""
        if sequence == 0:
            return
        self._heard = sequence
        if self._retired:
            self._settled |= sequence == self._retired
            if not self._settled or sequence == self._retired:
                return
            self._retired = 0
        if 0 < distance(sequence, self.accepted) <= distance(self.delivered, self.accepted):
            self.accepted = sequence

    def slots_free(self, expected: int, wanted: int) -> int:
        """Return how many of the ``wanted`` slots from ``expected`` on may be read now."""
        if not self._retired:
            return wanted
        if not self._settled:
            return 0
        ahead = distance(self._retired, expected)
        if ahead == 0 and self.delivered == self.accepted:
            return 1
        return wanted if ahead < 0 else min(ahead, wanted)
