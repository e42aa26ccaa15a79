"""The compiled decision with the arrays it stands on: the one object that a line asks."""

from collections.abc import Container
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import EventKind, Records
from sorter.assignment.answers import answer_batch
from sorter.assignment.arrays import SCALAR_VERSION, PlanArrays, PreAdviceArrays
from sorter.assignment.kernels import decide_batch
from sorter.assignment.quarantine import on_their_way, quarantined, withdraw
from sorter.ports import BATCH_MAX, DECISION

PLANS_HELD_MAX = 8
"""Plan versions that the pieces of one line can go by at once, the active one included."""


class State(Protocol):
    """What a decision needs of the line's tracking."""

    @property
    def pieces(self) -> Records:
        """PIECE[rows], in flight."""

    @property
    def chutes(self) -> Records:
        """CHUTE[CHUTE_NUMBER_MAX + 1], by number."""

    @property
    def quarantined(self) -> bool:
        """Whether no piece of the line may be sorted by its destination now."""


class Decider:
    """Decides each piece under the plan version it was inducted under.

    Changes of plan and of pre-advice happen between two batches. ``pre_advice`` may be replaced;
    it is the same for all versions.
    """

    def __init__(self, plan: PlanArrays, pre_advice: PreAdviceArrays) -> None:
        self.pre_advice = pre_advice
        self._plan = plan
        self._held = {version_of(plan): plan}
        self._quarantined = {version_of(plan): quarantined(plan)}
        self._has_withdrawn = False
        # A run of a batch is written after the one before and may itself be as long as a batch.
        self._decisions = np.zeros(2 * BATCH_MAX, DECISION)

    @property
    def plan(self) -> PlanArrays:
        """The active plan: pieces inducted now go by it."""
        return self._plan

    @property
    def plan_version(self) -> int:
        """Version of the active plan."""
        return version_of(self._plan)

    @property
    def held(self) -> tuple[int, ...]:
        """Versions that pieces can be decided under, in order."""
        return tuple(sorted(self._held))

    def has_room(self, version: int) -> bool:
        """Return whether this version is held or can be."""
        return version in self._held or len(self._held) < PLANS_HELD_MAX

    def hold(self, plan: PlanArrays) -> None:
        """Hold a further version, for pieces that were inducted under it.

        Raises:
            ValueError: PLANS_HELD_MAX others are held.
        """
        version = version_of(plan)
        if not self.has_room(version):
            raise ValueError(f"{PLANS_HELD_MAX} plan versions are in use: {self.held}")
        self._held[version] = plan
        self._quarantined[version] = quarantined(plan)

    def activate(self, plan: PlanArrays) -> None:
        """Make a version the active one; those before stay held until they are let go.

        Raises:
            ValueError: PLANS_HELD_MAX others are held.
        """
        self.hold(plan)
        self._plan = plan

    def let_go(self, in_use: Container[int]) -> None:
        """Let all versions go but the active one and those in use."""
        for version in self.held:
            if version != self.plan_version and version not in in_use:
                del self._held[version], self._quarantined[version]

    def decide(
        self, events: Records, rows: NDArray[np.int32], state: State, now_ns: int
    ) -> Records:
        """Return the DECISIONs for the scans in ``events``; a view, valid until the next call.

        A piece whose version is 0 or not held is decided under the active one and goes by that from
        then on.

        Args:
            events: EVENT, at most BATCH_MAX.
            rows: int32, each event's row in ``state.pieces``, −1 where it has none.
            state: The line's pieces and chutes.
            now_ns: The instant of deciding.
        """
        if not len(events):
            return self._decisions[:0]
        if len(self._held) == 1:
            made = self._decide_run(events, rows, state, self._plan, now_ns, 0)
        else:
            made = self._decide_mixed(events, rows, state, now_ns)
        return self._decisions[:made]

    def decide_answers(
        self, answers: Records, rows: NDArray[np.int32], state: State, now_ns: int, after: int
    ) -> tuple[Records, NDArray[np.uint8]]:
        """Decide pieces anew by what the upstream host said.

        Args:
            answers: HOST_ANSWER, at most BATCH_MAX.
            rows: int32, each answer's row in ``state.pieces``, −1 where it has none.
            state: The line's pieces and chutes.
            now_ns: The instant of deciding.
            after: DECISIONs made in this turn so far, at most BATCH_MAX.

        Returns:
            Those DECISIONs and the ones made here after them, as :meth:`decide` returns them; and
            uint8[n], what became of each answer (:mod:`sorter.assignment.answers`).
        """
        became = np.zeros(len(answers), np.uint8)
        made = after
        # Pieces of several versions are decided one by one: it is rare, and few answers come.
        step = max(len(answers), 1) if len(self._held) == 1 else 1
        for first in range(0, len(answers), step):
            some = slice(first, first + step)
            plan = self._plan
            if step == 1 and rows[first] >= 0:
                version = int(state.pieces["plan_version"][rows[first]])
                plan = self._held.get(version, plan)
            made += answer_batch(
                answers[some], len(answers[some]), state.pieces, rows[some], state.chutes,
                self._as_it_decides(plan, state), self.pre_advice, now_ns,
                self._decisions[made:], became[some],
            )  # fmt: skip
        return self._decisions[:made], became

    def withdraw(self, state: State, now_ns: int, after: int) -> Records:
        """Take the answers of pieces on their way back while the line is quarantined.

        Args:
            state: The line's pieces and chutes.
            now_ns: The instant of deciding.
            after: DECISIONs made in this turn so far, at most BATCH_MAX.

        Returns:
            Those DECISIONs and the ones made here after them, BATCH_MAX in all at most: for what is
            left, ask again in the next turn.
        """
        made = after
        if not state.quarantined or self._has_withdrawn:
            self._has_withdrawn = state.quarantined
            return self._decisions[:made]
        rows = on_their_way(state.pieces)
        self._has_withdrawn = len(rows) <= BATCH_MAX - after
        for row in rows[: BATCH_MAX - after].tolist():
            version = int(state.pieces["plan_version"][row])
            plan = self._as_it_decides(self._held.get(version, self._plan), state)
            one = slice(made, made + 1)
            withdraw(
                np.array([row]), state.pieces, state.chutes, plan, now_ns, self._decisions[one]
            )
            made += 1
        return self._decisions[:made]

    def _decide_mixed(
        self, events: Records, rows: NDArray[np.int32], state: State, now_ns: int
    ) -> int:
        """Decide run by run of the same version, so that scans are decided in their order."""
        scans = np.flatnonzero((events["kind"] == EventKind.SCANNED) & (rows >= 0))
        if not len(scans):
            return 0
        versions = state.pieces["plan_version"][rows[scans]]
        starts = np.flatnonzero(np.diff(versions.astype(np.int64), prepend=-1))
        firsts = scans[starts].tolist()
        made = 0
        for version, first, last in zip(
            versions[starts].tolist(), firsts, [*firsts[1:], len(events)], strict=True
        ):
            plan = self._held.get(version, self._plan)
            run = slice(first, last)
            made += self._decide_run(events[run], rows[run], state, plan, now_ns, made)
        return made

    def _decide_run(
        self,
        events: Records,
        rows: NDArray[np.int32],
        state: State,
        plan: PlanArrays,
        now_ns: int,
        made: int,
    ) -> int:
        """Decide a batch, or a run of one, under one plan; return how many were decided."""
        return decide_batch(
            events,
            len(events),
            state.pieces,
            rows,
            state.chutes,
            self._as_it_decides(plan, state),
            self.pre_advice,
            now_ns,
            self._decisions[made:],
        )

    def _as_it_decides(self, plan: PlanArrays, state: State) -> PlanArrays:
        """Return a plan that is held, or what it is while the line is quarantined."""
        return self._quarantined[version_of(plan)] if state.quarantined else plan


def version_of(plan: PlanArrays) -> int:
    """Return the number of a plan's version."""
    return int(plan.scalars[SCALAR_VERSION])
