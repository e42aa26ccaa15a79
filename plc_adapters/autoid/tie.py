"""Which scanner result belongs to which piece: by trigger id, or by the photo-eye's window.

The PLC tells of each piece that passes a scanner (a *trigger*), the scanner tells what it read (a
*result*). A result may belong to a trigger if it bears the trigger's piece id or, where the scanner
knows no ids, if it was read within the trigger's window. A piece gets a result only if neither has
another candidate: two results for one trigger, or two triggers for one result, and none of them is
tied. As long as each result lies in the window of the piece it was read from, and the PLC tells of
that piece at all, no piece can get a neighbour's codes: the result would have two triggers.

So a trigger that goes by window stays open until no further candidate can come: until the results
of its window must have arrived, and the PLC is known to have told of all pieces up to its end.
Nothing here knows a clock.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

from plc_adapters.autoid.codes import Codes

NS_PER_MS = 1_000_000
RESULTS_MAX = 1024
"""Results kept of one scanner while their triggers may still come; the oldest goes first."""
TRIGGERS_MAX = 8192
"""Pieces of one station kept, twice what a line holds back for results; the oldest goes first."""
CANDIDATES_MAX = 2
"""Results that a piece keeps: a third one makes it no more ambiguous."""
LATE_KEEP_NS = 10_000_000_000
"""How long a closed trigger is remembered, so that a late result of it is not taken for another's.
Also the most by which the instants of a trigger and a result that bear the same id may differ:
after a restart of the PLC the ids begin anew."""


@dataclass(frozen=True, slots=True)
class Window:
    """How results of one scanner are tied."""

    offset_ms: int = 0
    """From the photo-eye's instant to the beginning of the window."""
    window_ms: int = 150
    """Length of the window, and how long a result with a trigger id is waited for."""
    delivery_ms: int = 150
    """How long after it was read a result may arrive."""
    by_trigger: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """One scan as the scanner told it."""

    codes: Codes
    read_ns: int
    """When it was read at the earliest, on the service's clock."""
    arrived_ns: int
    trigger: int = 0
    """The piece id it bears; 0 for none."""
    spread_ns: int = 0
    """It was read at most so long after ``read_ns``; it may belong to any window in between."""

    @property
    def last_ns(self) -> int:
        """The latest instant at which it was read."""
        return self.read_ns + self.spread_ns


class Outcome(IntEnum):
    """What became of a trigger."""

    OPEN = 0
    TIED = 1
    AMBIGUOUS = 2
    NOTHING = 3
    """No result came."""


@dataclass(slots=True, eq=False)
class Trigger:
    """A piece at a scanner. Its window, in ns, includes both ends."""

    piece_id: int
    event_ns: int
    first_ns: int
    last_ns: int
    outcome: Outcome = Outcome.OPEN
    candidates: "list[Candidate]" = field(default_factory=list)

    @property
    def codes(self) -> Codes:
        """What was read from a tied piece."""
        return self.candidates[0].result.codes


@dataclass(slots=True, eq=False)
class Candidate:
    """A result, and how many triggers it may belong to."""

    result: Result
    triggers: int = 0


@dataclass(slots=True)
class TieCounts:
    """Totals of one station."""

    tied: int = 0
    ambiguous: int = 0
    unanswered: int = 0
    """Triggers for which no result came."""
    late: int = 0
    """Results that came too long after they were read, or after their triggers were closed;
    dropped."""
    strays: int = 0
    """Results that belong to no trigger; dropped."""


class StationTie:
    """Ties the results of one scanner to the triggers of one station."""

    def __init__(self, window: Window) -> None:
        self.counts = TieCounts()
        self._by_trigger = window.by_trigger
        self._offset_ns = window.offset_ms * NS_PER_MS
        self._window_ns = window.window_ms * NS_PER_MS
        self._delivery_ns = window.delivery_ms * NS_PER_MS
        self._triggers: deque[Trigger] = deque()
        """Open ones, and closed ones that a late result may still be of."""
        self._results: deque[Candidate] = deque()
        """Results whose triggers may still come."""
        self._since_ns = 0

    def trigger(self, piece_id: int, event_ns: int) -> Trigger:
        """Take in a piece at the scanner; its outcome is set by :meth:`settle`."""
        first_ns = event_ns + self._offset_ns
        trigger = Trigger(piece_id, event_ns, first_ns, first_ns + self._window_ns)
        for candidate in self._results:
            self._link(trigger, candidate)
        self._triggers.append(trigger)
        if len(self._triggers) > TRIGGERS_MAX:
            oldest = self._triggers.popleft()
            if oldest.outcome is Outcome.OPEN:
                self.close(oldest)
        return trigger

    def result(self, result: Result) -> None:
        """Take in what the scanner read."""
        if result.read_ns < self._since_ns:
            self.counts.strays += 1
            return
        # So old by its own clock: it was held up, or that clock was set. Neither may be believed.
        if not self._by_trigger and result.arrived_ns - result.read_ns > self._delivery_ns:
            self.counts.late += 1
            return
        candidate = Candidate(result)
        is_late = True
        for trigger in self._triggers:
            if self._link(trigger, candidate) and trigger.outcome is Outcome.OPEN:
                is_late = False
        if candidate.triggers and is_late:
            self.counts.late += 1
        self._results.append(candidate)
        if len(self._results) > RESULTS_MAX:
            self._let_go(self._results.popleft())

    def settle(self, now_ns: int, known_ns: int) -> None:
        """Close the triggers that no further candidate can come for.

        Args:
            now_ns: the instant; all results that had arrived by then are taken in.
            known_ns: the PLC has told of all pieces that passed until then.
        """
        for trigger in self._triggers:
            if trigger.outcome is Outcome.OPEN and self._is_complete(trigger, now_ns, known_ns):
                self.close(trigger)
        while self._triggers and self._is_past(self._triggers[0], now_ns):
            self._triggers.popleft()
        while self._results and self._has_all_triggers(self._results[0], now_ns, known_ns):
            self._let_go(self._results.popleft())

    def close(self, trigger: Trigger) -> None:
        """Settle an open trigger by the candidates it has now."""
        candidates = trigger.candidates
        if not candidates:
            trigger.outcome = Outcome.NOTHING
            self.counts.unanswered += 1
        elif len(candidates) == 1 and candidates[0].triggers == 1:
            trigger.outcome = Outcome.TIED
            self.counts.tied += 1
        else:
            trigger.outcome = Outcome.AMBIGUOUS
            self.counts.ambiguous += 1

    def begin_anew(self, since_ns: int) -> None:
        """Close all triggers and forget all results: the PLC gives piece ids from the start.

        Results read before ``since_ns`` are of pieces that the PLC has forgotten.
        """
        for trigger in self._triggers:
            if trigger.outcome is Outcome.OPEN:
                self.close(trigger)
        self._triggers.clear()
        self._since_ns = since_ns
        while self._results:
            self._let_go(self._results.popleft())

    def _link(self, trigger: Trigger, candidate: Candidate) -> bool:
        result = candidate.result
        if self._by_trigger:
            belongs = (
                result.trigger == trigger.piece_id
                and abs(result.read_ns - trigger.first_ns) <= LATE_KEEP_NS
            )
        else:
            belongs = trigger.first_ns <= result.last_ns and result.read_ns <= trigger.last_ns
        if belongs:
            candidate.triggers += 1
            if len(trigger.candidates) < CANDIDATES_MAX:
                trigger.candidates.append(candidate)
        return belongs

    def _is_complete(self, trigger: Trigger, now_ns: int, known_ns: int) -> bool:
        if self._by_trigger and trigger.candidates:
            return True
        if now_ns <= trigger.last_ns + self._delivery_ns:
            return False
        if self._by_trigger:
            return True
        return known_ns > trigger.event_ns + self._window_ns and all(
            self._has_all_triggers(one, now_ns, known_ns) for one in trigger.candidates
        )

    def _is_past(self, trigger: Trigger, now_ns: int) -> bool:
        return trigger.outcome is not Outcome.OPEN and now_ns > trigger.last_ns + LATE_KEEP_NS

    def _has_all_triggers(self, candidate: Candidate, now_ns: int, known_ns: int) -> bool:
        last_ns = candidate.result.last_ns
        if self._by_trigger:
            return now_ns > last_ns + LATE_KEEP_NS
        return known_ns > last_ns - self._offset_ns

    def _let_go(self, candidate: Candidate) -> None:
        if not candidate.triggers:
            self.counts.strays += 1
