"""Which chutes of a group a piece is offered, in which order, and what becomes of it without.

Where room runs short the more urgent pieces come first: a service class leaves a share of each
chute's room (``class_keep``, per cent) to those before it. The share shrinks with the laps a piece
has left and is nothing on its last one, so that what can wait goes round while it can, and takes
any room before it would leave as an exception:

    room left free = capacity * share * laps left / (100 * lap limit), rounded down
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CHUTES_MAX, ChuteState, Disposition, Records
from sorter.assignment.arrays import (
    POLICY_FILLING,
    POLICY_ORDERED,
    SCALAR_LAP_LIMIT,
    SCALAR_QUARANTINED,
    PlanArrays,
)
from sorter.assignment.compiled import compiled
from sorter.assignment.rates import may_take

OVERFLOW_HOPS_MAX = 8
"""Overflow groups tried one after the other; a chain that is longer ends there."""

ROUTED = int(Disposition.ROUTED)
OVERFLOW = int(Disposition.OVERFLOW)
RECIRCULATED = int(Disposition.RECIRCULATED)
LAP_LIMIT = int(Disposition.LAP_LIMIT)
QUARANTINED = int(Disposition.QUARANTINED)
AWAITING_HOST = int(Disposition.AWAITING_HOST)
OPEN = int(ChuteState.OPEN)
EMPTIED = int(ChuteState.EMPTIED)


class Claim(NamedTuple):
    """What a piece asks of chutes."""

    now_ns: int
    """The instant of deciding."""
    gone_ns: int
    """Travel time from the photo-eye that lies behind the piece already."""
    free: int
    """Room that it must leave free in each chute, in parts of ``free_of`` of the capacity."""
    free_of: int


@compiled
def claim_of(service_class: int, lap: int, plan: PlanArrays, now_ns: int, gone_ns: int) -> Claim:
    """Return what a sorted piece of a class may claim on a lap."""
    if service_class >= len(plan.class_keep):
        service_class = 0
    lap_limit = int(plan.scalars[SCALAR_LAP_LIMIT])
    share = int(np.int64(plan.class_keep[service_class]))
    return Claim(now_ns, gone_ns, share * max(lap_limit - lap, 0), 100 * max(lap_limit, 1))


@compiled
def takes(chute: np.void, claim: Claim) -> bool:
    """Return whether a chute is there, open, not locked, not passed, and has room and rate left."""
    state = int(chute["state"])
    if (
        chute["exists"] == 0
        or state not in (OPEN, EMPTIED)
        or chute["locked"] != 0
        or int(chute["travel_ns"]) <= claim.gone_ns
    ):
        return False
    room = int(chute["capacity"]) - int(chute["fill"]) - int(chute["reserved"])
    if claim.free != 0:
        room -= int(chute["capacity"]) * claim.free // claim.free_of
    return room > 0 and may_take(chute, claim.now_ns)


@compiled
def comes_before(left: np.void, right: np.void, policy: int) -> bool:
    """Return whether a chute is to be named before another; False for equal loads.

    Loads are shares of capacity, compared by cross-multiplying: no division, no rounding.
    """
    left_load = (int(left["fill"]) + int(left["reserved"])) * int(right["capacity"])
    right_load = (int(right["fill"]) + int(right["reserved"])) * int(left["capacity"])
    if policy == POLICY_FILLING:
        return left_load > right_load
    return left_load < right_load


@compiled
def choose(
    group: int, chutes: Records, plan: PlanArrays, claim: Claim, named: NDArray[np.uint16]
) -> int:
    """Name up to four chutes of a group that take the piece, by its policy.

    Equal ones are named in the group's order.

    Returns:
        How many were written to ``named``.
    """
    policy = int(plan.group_policy[group])
    count = 0
    for k in range(int(plan.group_first[group]), int(plan.group_first[group + 1])):
        number = plan.group_chutes[k]
        chute = chutes[number]
        if not takes(chute, claim):
            continue
        at = count
        if policy != POLICY_ORDERED:
            while at > 0 and comes_before(chute, chutes[named[at - 1]], policy):
                if at < CHUTES_MAX:
                    named[at] = named[at - 1]
                at -= 1
        if at < CHUTES_MAX:
            named[at] = number
        count = min(count + 1, CHUTES_MAX)
        if policy == POLICY_ORDERED and count == CHUTES_MAX:
            break
    return count


@compiled
def choose_or_overflow(
    group: int, chutes: Records, plan: PlanArrays, claim: Claim, named: NDArray[np.uint16]
) -> int:
    """Name chutes of the group, else of its overflow groups in turn.

    Returns:
        How many groups were tried before the one named from; −1 where none had a chute.
    """
    hops = 0
    while group != 0 and hops <= OVERFLOW_HOPS_MAX:
        if choose(group, chutes, plan, claim, named) > 0:
            return hops
        group = int(np.int64(plan.group_overflow[group]))
        hops += 1
    return -1


@compiled
def name_reachable(
    group: int, chutes: Records, plan: PlanArrays, gone_ns: int, named: NDArray[np.uint16]
) -> None:
    """Name chutes of the group that exist, are not locked and not passed, room or not."""
    count = 0
    for k in range(int(plan.group_first[group]), int(plan.group_first[group + 1])):
        number = plan.group_chutes[k]
        chute = chutes[number]
        if chute["exists"] != 0 and chute["locked"] == 0 and int(chute["travel_ns"]) > gone_ns:
            named[count] = number
            count += 1
            if count == CHUTES_MAX:
                return


@compiled
def name_chutes(
    disposition: int, group: int, service_class: int, lap: int, chutes: Records, plan: PlanArrays,
    now_ns: int, gone_ns: int, named: NDArray[np.uint16],
) -> tuple[int, int]:  # fmt: skip
    """Name the chutes for a route (disposition ROUTED) or for an exception (any other).

    While the line is quarantined its chutes for that are named, whatever the piece is; an exception
    keeps its own disposition.

    Args:
        disposition: What the piece is so far.
        group: The group of its route.
        service_class: Its class, 0 unknown; an exception's does not count.
        lap: The lap it is on.
        chutes: CHUTE by number.
        plan: The plan.
        now_ns: The instant of deciding.
        gone_ns: Travel time from the photo-eye that lies behind the piece already.
        named: uint16[CHUTES_MAX], gets the chutes.

    Returns:
        The disposition as it came out, and the group it stands for.
    """
    for k in range(CHUTES_MAX):
        named[k] = 0
    last_lap = lap >= int(plan.scalars[SCALAR_LAP_LIMIT])
    is_quarantined = plan.scalars[SCALAR_QUARANTINED] != 0
    if is_quarantined and (disposition in (ROUTED, AWAITING_HOST)):
        disposition = QUARANTINED
    elif disposition == ROUTED:
        claim = claim_of(service_class, lap, plan, now_ns, gone_ns)
        hops = choose_or_overflow(group, chutes, plan, claim, named)
        if hops == 0:
            return ROUTED, group
        if hops > 0:
            return OVERFLOW, group
        if not last_lap:
            return RECIRCULATED, group
        disposition = LAP_LIMIT
    reason = QUARANTINED if is_quarantined else disposition
    group = int(np.int64(plan.disposition_group[reason]))
    claim = Claim(now_ns, gone_ns, 0, 1)
    if choose_or_overflow(group, chutes, plan, claim, named) < 0 and last_lap:
        name_reachable(group, chutes, plan, gone_ns, named)
    return disposition, group
