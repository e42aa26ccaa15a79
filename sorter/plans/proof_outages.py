"""Asks again, with each single chute out, what could have gone there.

With a chute out, a case is asked again only if its group, or a group it overflows to, has that
chute: a decision reads no other chute but to bound its deadline. And of a group's cases one is
asked for each brand and service class, which stands for all of them: a decision names chutes by
group and class, and by nothing else of the piece (:func:`sorter.assignment.choice.name_chutes`).
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Disposition, Records
from sorter.plans.proof_bench import FIRST_LAP, Bench
from sorter.plans.proof_cases import Cases


class _Asked(NamedTuple):
    """Cases that stand for others; the arrays are beside them."""

    cases: Cases
    key: NDArray[np.int64]
    rule: NDArray[np.uint32]
    group: NDArray[np.uint16]


class Outages:
    """The cases to ask with a chute out: the first of each group, brand and service class."""

    def __init__(self, bench: Bench) -> None:
        """Start without any."""
        self._bench = bench
        self._asked: list[_Asked] = []
        self._stands_for: dict[int, int] = {}
        """Cases, by key."""

    def add(self, cases: Cases, rule: NDArray[np.uint32], whole: Records) -> None:
        """Add cases as they were decided with the machine whole; only those routed count."""
        routed = np.flatnonzero(whole["disposition"] == Disposition.ROUTED)
        # One number a case: sorting numbers is far faster than sorting rows.
        key = whole["group"][routed].astype(np.int64) << 32
        key |= cases.brand[routed].astype(np.int64) << 16
        key |= cases.service_class[routed]
        keys, first, counts = np.unique(key, return_index=True, return_counts=True)
        fresh = [at for at, one in zip(first.tolist(), keys.tolist(), strict=True)
                 if one not in self._stands_for]  # fmt: skip
        for one, count in zip(keys.tolist(), counts.tolist(), strict=True):
            self._stands_for[one] = self._stands_for.get(one, 0) + count
        if fresh:
            at = np.sort(fresh)
            which = routed[at]
            self._asked.append(
                _Asked(cases.pick(which), key[at], rule[which], whole["group"][which])
            )

    def check(self) -> None:
        """Check that with each chute of the machine out another one takes its pieces."""
        for chute in np.flatnonzero(self._bench.chutes["exists"]).tolist():
            machine = self._bench.with_out(chute)
            for asked in self._asked:
                which = np.flatnonzero(self._bench.in_reach[asked.group, chute])
                if len(which):
                    self._check_some(asked, which, chute, machine)

    def _check_some(
        self, asked: _Asked, which: NDArray[np.intp], chute: int, machine: Records
    ) -> None:
        bench = self._bench
        after = asked.cases.ask(which, machine, bench.arrays, FIRST_LAP)
        bench.decisions += len(which)
        into = after["chutes"][:, 0]
        sorted_still = (after["disposition"] == Disposition.ROUTED) | (
            after["disposition"] == Disposition.OVERFLOW
        )
        for k in np.flatnonzero((into == 0) | (into == chute) | ~sorted_still).tolist():
            number = int(which[k])
            name = bench.group_names[int(asked.group[number])]
            bench.verdicts.fail(
                "chute-out", (name, chute),
                f"{bench.plan.source}: groups.{name}: with chute {chute} out, no chute takes its "
                "pieces; give the group another chute or an overflow",
                partial(bench.case, asked.cases, number, int(asked.rule[number]), after[k], chute),
                self._stands_for[int(asked.key[number])],
            )  # fmt: skip
