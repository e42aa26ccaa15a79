"""A line's journal decided once more: each decision compared with the one that was journaled.

Everything is done as the line did it: its state from the newest snapshot, the events of each turn
tracked, its scans decided, then what the upstream host said, then what a quarantine took back. All
of that happens on a copy; the line itself then takes the decisions that were journaled. So one
difference does not bring about others.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Records
from sorter.assignment.answers import answers_behind
from sorter.assignment.arrays import PlanArrays, PreAdviceArrays
from sorter.assignment.decider import Decider
from sorter.errors import ConfigError
from sorter.line.slip import SlipLimits
from sorter.line.tracking import Tracking
from sorter.ports import Batch, HostAnswer, Snapshot, Standing

DIFFERENCES_MAX = 1_000
"""Differences kept one by one; more are counted."""
REASONS_MAX = 20
"""Reasons kept why decisions could not be made again; more are counted under ELSE."""
ELSE = "other reasons"
NO_STATE = "the journal begins here without the line's state"
DECISION_KEY = ("boot_id", "piece_id", "event_sequence", "revision", "host_answer")
PIECE_KEY = ("boot_id", "piece_id")
"""Fields that tell a record from all others of its turn."""


class Difference(NamedTuple):
    """A decision or an ended piece that is another one when made again."""

    instant_ns: int
    """Of the decision, or of the piece's end."""
    boot_id: int
    piece_id: int
    waybill: str
    event_sequence: int
    """The scan that was decided; 0 for a piece that ended."""
    fields: tuple[tuple[str, str, str], ...]
    """Name of each field that differs, as it was journaled, as it is now; where one of the two
    does not exist its fields are empty."""


@dataclass(slots=True)
class Compared:
    """What was found."""

    decisions: int = 0
    """Compared."""
    pieces: int = 0
    """That ended, compared."""
    differ: int = 0
    """Of both."""
    differences: list[Difference] = field(default_factory=list)
    """The first DIFFERENCES_MAX of them."""
    not_judged: int = 0
    """Decisions that can't be made again."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Why, with how many decisions each."""


class Sources(NamedTuple):
    """Where plans and pre-advice come from; each raises ConfigError where it is not there."""

    plan: Callable[[int], PlanArrays]
    """By version."""
    pre_advice: Callable[[str], PreAdviceArrays]
    """By the name of its image, empty for none."""


class Again:
    """Takes a line's journal, entry by entry."""

    def __init__(self, sources: Sources, begin_ns: int = 0, end_ns: int = 1 << 62) -> None:
        """Know nothing of the line yet.

        Args:
            sources: Of plans and pre-advice.
            begin_ns: What was decided before it is followed and not compared.
            end_ns: Likewise from here on.
        """
        self.found = Compared()
        self._sources = sources
        self._begin_ns, self._end_ns = begin_ns, end_ns
        self._snapshot: bytes | None = None
        self._tracking: Tracking | None = None
        self._decider: Decider | None = None
        self._standing: Standing | None = None
        self._problem = NO_STATE

    def take(self, entry: Batch | Snapshot | Standing) -> None:
        """Take the next entry."""
        if isinstance(entry, Snapshot):
            self._snapshot, self._tracking = entry.content, None
        elif isinstance(entry, Standing):
            self._stand_on(entry)
        else:
            self._follow(entry)

    def _stand_on(self, standing: Standing) -> None:
        """Decide by other plans or pre-advice from here on."""
        before, self._standing = self._standing, standing
        if self._snapshot is not None:
            self._tracking = Tracking.of(self._snapshot, SlipLimits(*standing.slip))
            self._snapshot = None
        tracking = self._tracking
        if tracking is None:
            return
        tracking.lock_only(standing.locked)
        try:
            plan = self._sources.plan(standing.plan)
            advice = self._sources.pre_advice(standing.pre_advice)
            decider = self._decider
            if decider is None or before is None or before.begun_ns != standing.begun_ns:
                decider = Decider(plan, advice)
            decider.let_go(tracking.versions_in_flight())
            for version in tracking.versions_in_flight().keys() - {0, *decider.held}:
                decider.hold(self._sources.plan(version))
            decider.pre_advice = advice
            decider.activate(plan)
        except (ConfigError, ValueError) as error:
            self._decider, self._problem = None, str(error)
        else:
            self._decider = decider

    def _follow(self, batch: Batch) -> None:
        """Take one turn of the line."""
        if self._tracking is None:
            self._leave_out(len(batch.decisions))
            return
        rows, ended = self._tracking.apply(batch.events.copy())
        self.found.pieces += self._compare(ended, batch.pieces, "ended_ns")
        made = batch.decisions
        if self._decider is None:
            self._leave_out(len(self._within(made, "decided_ns")))
        else:
            again = self._decide(self._decider, self._tracking, batch, rows)
            self.found.decisions += self._compare(again, made, "decided_ns")
        self._tracking.adopt_decisions(made)

    @staticmethod
    def _decide(
        decider: Decider, tracking: Tracking, batch: Batch, rows: NDArray[np.int32]
    ) -> Records:
        """Return what this turn's decisions are now."""
        made = batch.decisions
        if len(made):
            now_ns = int(made["decided_ns"][0])
        else:  # nothing was decided: should something be now, when it was heard of is near enough
            now_ns = int(batch.events["host_receive_ns"].max(initial=0))
        state = tracking.copied()
        again = decider.decide(batch.events.copy(), rows, state, now_ns)
        said = answers_behind(made[made["host_answer"] != HostAnswer.NONE])
        if len(said):
            again, _ = decider.decide_answers(
                said, tracking.rows_of(said), state, now_ns, len(again)
            )
        return decider.withdraw(state, now_ns, len(again))

    def _within(self, records: Records, instant: str) -> Records:
        at = records[instant]
        within: Records = records[(at >= self._begin_ns) & (at < self._end_ns)]
        return within

    def _compare(self, again: Records, made: Records, instant: str) -> int:
        """Compare what is made now with what was journaled; return how many that was."""
        again, made = self._within(again, instant), self._within(made, instant)
        if again.tobytes() != made.tobytes():
            names = PIECE_KEY if instant == "ended_ns" else DECISION_KEY
            ours = {_key(each, names): each for each in again}
            theirs = {_key(each, names): each for each in made}
            for key in [*theirs, *(key for key in ours if key not in theirs)]:
                was, now = theirs.get(key), ours.get(key)
                fields = _differing(was, now)
                record = now if was is None else was
                if fields and record is not None:
                    self._note(record, fields, instant)
        return len(made)

    def _note(
        self, record: np.void, fields: tuple[tuple[str, str, str], ...], instant: str
    ) -> None:
        found = self.found
        found.differ += 1
        if len(found.differences) < DIFFERENCES_MAX:
            waybill = bytes(record["waybill"][: int(record["waybill_length"])])
            scan = 0 if instant == "ended_ns" else int(record["event_sequence"])
            who = (
                int(record["boot_id"]),
                int(record["piece_id"]),
                waybill.decode("ascii", "replace"),
            )
            found.differences.append(Difference(int(record[instant]), *who, scan, fields))

    def _leave_out(self, decisions: int) -> None:
        if not decisions:
            return
        found = self.found
        found.not_judged += decisions
        known = self._problem in found.reasons or len(found.reasons) < REASONS_MAX
        reason = self._problem if known else ELSE
        found.reasons[reason] = found.reasons.get(reason, 0) + decisions


def _key(record: np.void, names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(int(record[name]) for name in names)


def _differing(made: np.void | None, again: np.void | None) -> tuple[tuple[str, str, str], ...]:
    """Return the fields in which two records of one kind differ."""
    if made is None or again is None:
        return (("record", "" if made is None else "there", "" if again is None else "there"),)
    pairs = ((name, _text(made[name]), _text(again[name])) for name in made.dtype.names or ())
    return tuple(each for each in pairs if each[1] != each[2])


def _text(value: object) -> str:
    if isinstance(value, np.ndarray):
        if value.dtype == np.uint8:
            return value.tobytes().rstrip(b"\0").decode("ascii", "replace")
        return ",".join(map(str, value.tolist()))
    return str(value)
