"""Which chutes of a group a piece is offered, in which order, and what becomes of it without."""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CHUTES_MAX, ChuteState, Disposition, Records
from sorter.assignment.arrays import POLICY_FILLING, POLICY_ORDERED, SCALAR_LAP_LIMIT, PlanArrays
from sorter.assignment.compiled import compiled

OVERFLOW_HOPS_MAX = 8
"""Overflow groups tried one after the other; a chain that is longer ends there."""

ROUTED = int(Disposition.ROUTED)
OVERFLOW = int(Disposition.OVERFLOW)
RECIRCULATED = int(Disposition.RECIRCULATED)
LAP_LIMIT = int(Disposition.LAP_LIMIT)
OPEN = int(ChuteState.OPEN)
EMPTIED = int(ChuteState.EMPTIED)


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
    group: int, chutes: Records, plan: PlanArrays, gone_ns: int, named: NDArray[np.uint16]
) -> int:
    """Name up to four chutes of a group by its policy; equal ones in the group's order.

    A chute is named if it exists, is open, not locked, has room, and is not yet passed:
    ``gone_ns`` is the travel time from the photo-eye that lies behind the piece already.

    Returns:
        How many were written to ``named``.
    """
    policy = int(plan.group_policy[group])
    count = 0
    for k in range(int(plan.group_first[group]), int(plan.group_first[group + 1])):
        number = plan.group_chutes[k]
        chute = chutes[number]
        state = int(chute["state"])
        if (
            chute["exists"] == 0
            or state not in (OPEN, EMPTIED)
            or chute["locked"] != 0
            or int(chute["fill"]) + int(chute["reserved"]) >= int(chute["capacity"])
            or int(chute["travel_ns"]) <= gone_ns
        ):
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
    group: int, chutes: Records, plan: PlanArrays, gone_ns: int, named: NDArray[np.uint16]
) -> int:
    """Name chutes of the group, else of its overflow groups in turn.

    Returns:
        How many groups were tried before the one named from; −1 where none had a chute.
    """
    hops = 0
    while group != 0 and hops <= OVERFLOW_HOPS_MAX:
        if choose(group, chutes, plan, gone_ns, named) > 0:
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
def travel_to_answer_ns(chutes: Records, first: int) -> int:
    """Return the travel time that bounds an answer: to its first chute, else to the last one.

    A piece that is to stay on must be known to the PLC before the last chute, as that is the latest
    place where it would leave by default.
    """
    if first != 0:
        return int(chutes[first]["travel_ns"])
    farthest = 0
    for number in range(len(chutes)):
        chute = chutes[number]
        if chute["exists"] != 0:
            farthest = max(farthest, int(chute["travel_ns"]))
    return farthest


@compiled
def name_chutes(
    disposition: int, group: int, lap: int, chutes: Records, plan: PlanArrays, gone_ns: int,
    named: NDArray[np.uint16],
) -> tuple[int, int]:  # fmt: skip
    """Name the chutes for a route (disposition ROUTED) or for an exception (any other).

    Returns:
        The disposition as it came out, and the group it stands for.
    """
    for k in range(CHUTES_MAX):
        named[k] = 0
    last_lap = lap >= int(plan.scalars[SCALAR_LAP_LIMIT])
    if disposition == ROUTED:
        hops = choose_or_overflow(group, chutes, plan, gone_ns, named)
        if hops == 0:
            return ROUTED, group
        if hops > 0:
            return OVERFLOW, group
        if not last_lap:
            return RECIRCULATED, group
        disposition = LAP_LIMIT
    group = int(np.int64(plan.disposition_group[disposition]))
    if choose_or_overflow(group, chutes, plan, gone_ns, named) < 0 and last_lap:
        name_reachable(group, chutes, plan, gone_ns, named)
    return disposition, group
