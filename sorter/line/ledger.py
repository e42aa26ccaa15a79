"""The ledger: what was inducted is discharged, on the sorter, removed or lost, or unexplained."""

from dataclasses import dataclass

from sorter.line.books import Counter
from sorter.line.tracking import Tracking


@dataclass(frozen=True, slots=True)
class Ledger:
    """The terms of one line, each from a count of its own: none is the rest of the others."""

    inducted: int
    """Inductions heard, and pieces first heard of later."""
    discharged: int
    on_sorter: int
    """Rows in use in the table of pieces."""
    removed: int
    lost: int

    @property
    def unexplained(self) -> int:
        """Pieces that no term explains; anything but 0 is a fault."""
        return self.inducted - self.discharged - self.on_sorter - self.removed - self.lost

    @property
    def balanced(self) -> bool:
        """Whether every piece is explained."""
        return self.unexplained == 0

    def as_dict(self) -> dict[str, int]:
        """Return the terms by name, ``unexplained`` last."""
        return {
            "inducted": self.inducted,
            "discharged": self.discharged,
            "on_sorter": self.on_sorter,
            "removed": self.removed,
            "lost": self.lost,
            "unexplained": self.unexplained,
        }


def ledger_of(tracking: Tracking) -> Ledger:
    """Return the ledger of a line as it stands now."""
    counters = tracking.counters
    return Ledger(
        inducted=int(counters[Counter.INDUCTED] + counters[Counter.ADOPTED]),
        discharged=int(counters[Counter.DISCHARGED]),
        on_sorter=tracking.count_in_flight(),
        removed=int(counters[Counter.REMOVED]),
        lost=int(counters[Counter.LOST]),
    )
