"""What a line tells the log about itself: its link, its quarantine, pieces that should not come."""

import logging
from collections.abc import Sequence

from plc_adapters.autoid.tied_adapter import ScannerStatus
from plc_adapters.contract import LinkStatus, MachineState, machine_word
from sorter.line.books import Counter
from sorter.line.tracking import Tracking
from sorter.wiring.logs import Outages

QUARANTINED = (
    "line %s: quarantined: its pieces are found elsewhere than sent; all go to the chutes for that "
    "until somebody puts the sorter right and runs 'sorter line release'"
)
OUTSIDE_EXECUTE = (
    "line %s: pieces are inducted though its PLC says that the sorter is %s; interlock the "
    "inductions with the machine's state, or correct machine_state in the PLC"
)
INDUCTING = (0, MachineState.EXECUTE, MachineState.PACKML_EXECUTE)
"""States in which inductions are expected; 0 before any was told."""

_logger = logging.getLogger(__name__)


class LineWords:
    """Says of one line what has changed since the last look, and each thing once."""

    def __init__(
        self,
        name: str,
        tracking: Tracking,
        status: LinkStatus,
        scanners: Sequence[tuple[str, ScannerStatus]] = (),
    ) -> None:
        """Have told nothing yet.

        Args:
            name: Of the line.
            tracking: Its pieces and counters.
            status: How its link stands.
            scanners: How each scanner beside its PLC stands, by name.
        """
        self._name = name
        self._scanners = scanners
        self._of_scanners = {
            n: Outages(_logger, f"line {name}: scanner {n}", name, ScannerStatus().problem)
            for n, _ in scanners
        }
        self._tracking = tracking
        self._status = status
        self._of_link = Outages(_logger, f"line {name}", name, LinkStatus().problem)
        self._quarantined = False
        self._outside = int(tracking.counters[Counter.INDUCTED_OUTSIDE_EXECUTE])
        self._outside_told = False
        self._outside_state = 0

    def tell(self) -> None:
        """Look at the line."""
        self._of_link.note(self._status.problem)
        for name, status in self._scanners:
            self._of_scanners[name].note(status.problem)
        if self._tracking.quarantined != self._quarantined:
            self._quarantined = self._tracking.quarantined
            if self._quarantined:
                _logger.error(QUARANTINED, self._name, extra={"line": self._name})
        self._tell_inductions()

    def _tell_inductions(self) -> None:
        """Warn of inductions outside of execute, once until the sorter is in execute again."""
        state = self._tracking.machine_state
        if state not in INDUCTING:
            self._outside_state = state
        outside = int(self._tracking.counters[Counter.INDUCTED_OUTSIDE_EXECUTE])
        if outside > self._outside and not self._outside_told:
            _logger.warning(
                OUTSIDE_EXECUTE, self._name, machine_word(self._outside_state),
                extra={"line": self._name},
            )  # fmt: skip
            self._outside_told = True
        self._outside = outside
        if state in INDUCTING:
            self._outside_told = False
