"""Which chutes a piece is offered, as the plain-Python oracle tells it: lists, sorted."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

from bench.naive_world import Advice, Chute, Plan
from plc_adapters.contract import CHUTES_MAX, ChuteState, Disposition

OVERFLOW_GROUPS_MAX = 9
"""Groups tried for one piece, the first included: the rule says eight overflow groups."""
HAS_ROOM = (ChuteState.OPEN, ChuteState.EMPTIED)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a piece asks of chutes: when, what it has passed, and what it leaves to others."""

    now_ns: int
    gone_ns: int
    percent_free: Fraction = Fraction(0)


class Chooser:
    """Names the chutes of one line."""

    plan: Plan
    """Of the piece in hand."""
    chutes: dict[int, Chute]
    quarantined: bool

    def _claim(
        self, disposition: Disposition, facts: Advice, lap: int, now_ns: int, gone_ns: int
    ) -> Claim:
        """Return what a piece asks: a sorted one leaves room to more urgent ones while it can."""
        if disposition != Disposition.ROUTED:
            return Claim(now_ns, gone_ns)
        known = facts.service_class < len(self.plan.keep_free)
        whole = self.plan.keep_free[facts.service_class if known else 0]
        laps_left = Fraction(max(self.plan.lap_limit - lap, 0), max(self.plan.lap_limit, 1))
        return Claim(now_ns, gone_ns, whole * laps_left)

    def _chutes(
        self, disposition: Disposition, group: int, lap: int, claim: Claim
    ) -> tuple[Disposition, int, list[int]]:
        """Return the disposition as it comes out, its group, and the chutes named."""
        is_last = lap >= self.plan.lap_limit
        if self.quarantined and disposition in (Disposition.ROUTED, Disposition.AWAITING_HOST):
            disposition, claim = Disposition.QUARANTINED, replace(claim, percent_free=Fraction(0))
        elif disposition == Disposition.ROUTED:
            for hops, tried in enumerate(self._groups_from(group)):
                chutes = self._with_room(tried, claim)
                if chutes:
                    return (Disposition.OVERFLOW if hops else disposition), group, chutes
            if not is_last:
                return Disposition.RECIRCULATED, group, []
            disposition, claim = Disposition.LAP_LIMIT, replace(claim, percent_free=Fraction(0))
        reason = Disposition.QUARANTINED if self.quarantined else disposition
        group = self.plan.exceptions.get(reason, 0)
        for tried in self._groups_from(group):
            chutes = self._with_room(tried, claim)
            if chutes:
                return disposition, group, chutes
        return disposition, group, self._reachable(group, claim.gone_ns) if is_last else []

    def _groups_from(self, group: int) -> Iterator[int]:
        """Yield a group and its overflow groups, one after the other."""
        for _ in range(OVERFLOW_GROUPS_MAX):
            if not group:
                return
            yield group
            group = self.plan.groups[group].overflow

    def _with_room(self, number: int, claim: Claim) -> list[int]:
        """Return up to four chutes of a group that can take a piece, by the group's policy."""
        group = self.plan.groups[number]
        free = []
        for each in group.chutes:
            chute = self.chutes.get(each)
            if chute is None or chute.locked or chute.state not in HAS_ROOM:
                continue
            left_free = floor(chute.capacity * claim.percent_free / 100)
            if (
                chute.fill + chute.reserved + left_free < chute.capacity
                and chute.travel_ns > claim.gone_ns
                and chute.may_take(claim.now_ns)
            ):
                free.append(each)
        # Sorting is stable: equal loads keep the group's order.
        if group.policy == "balanced":
            free.sort(key=self._load)
        elif group.policy == "filling":
            free.sort(key=lambda each: -self._load(each))
        return free[:CHUTES_MAX]

    def _load(self, number: int) -> float:
        chute = self.chutes[number]
        return (chute.fill + chute.reserved) / chute.capacity

    def _reachable(self, group: int, gone_ns: int) -> list[int]:
        """Return chutes of a group that are not locked and not yet passed, room or not."""
        if not group:
            return []
        reachable = []
        for each in self.plan.groups[group].chutes:
            chute = self.chutes.get(each)
            if chute is not None and not chute.locked and chute.travel_ns > gone_ns:
                reachable.append(each)
        return reachable[:CHUTES_MAX]
