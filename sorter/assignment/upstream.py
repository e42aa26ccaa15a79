"""A piece whose destination nothing on hand tells: what the upstream host said, or its wait for it.

A plan that asks the host gives a number of laps to wait, which may be none, as on a line that
passes a piece once. Until they are over the piece stays on without a chute (AWAITING_HOST); then it
goes to the plan's chute for that (HOST_LATE), and an answer that still comes replaces this on the
way. What the host said of a piece holds to its end.
"""

import numpy as np

from plc_adapters.contract import Disposition
from sorter.assignment.arrays import SCALAR_HOST_LAPS, SCALAR_LAP_LIMIT, PlanArrays
from sorter.assignment.compiled import compiled
from sorter.ports import HostAnswer

ROUTED = int(Disposition.ROUTED)
AWAITING_HOST = int(Disposition.AWAITING_HOST)
HOST_LATE = int(Disposition.HOST_LATE)
UNKNOWN_DESTINATION = int(Disposition.UNKNOWN_DESTINATION)
KNOWN, UNKNOWN = int(HostAnswer.KNOWN), int(HostAnswer.UNKNOWN)


@compiled
def awaits_host(disposition: int) -> bool:
    """Return whether an answer of the host is of use to a piece that was decided so."""
    return disposition in (AWAITING_HOST, HOST_LATE)


@compiled
def wait_for_host(waited: int, lap: int, plan: PlanArrays) -> int:
    """Return the disposition of a piece that waited so many laps for the host already."""
    laps = int(plan.scalars[SCALAR_HOST_LAPS]) - 1
    if laps < 0:
        return UNKNOWN_DESTINATION
    if waited < laps and lap < int(plan.scalars[SCALAR_LAP_LIMIT]):
        return AWAITING_HOST
    return HOST_LATE


@compiled
def without_advice(piece: np.void, lap: int, plan: PlanArrays, decision: np.void) -> int:
    """Tell what becomes of a piece with a waybill that pre-advice names no destination for.

    What the host told of it on an earlier lap is written to the decision and comes first; else what
    stands there already counts: what an earlier lap knew, or a label says.

    Returns:
        ROUTED where the decision has a destination now; else AWAITING_HOST, HOST_LATE, or
        UNKNOWN_DESTINATION.
    """
    said = int(piece["host_answer"])
    if said == KNOWN and piece["destination"] > 0:
        decision["brand"] = piece["brand"]
        decision["service_class"] = piece["service_class"]
        decision["destination"] = piece["destination"]
    if decision["destination"] > 0:
        return ROUTED
    if said != 0:
        return UNKNOWN_DESTINATION
    asked_lap = int(piece["asked_lap"])
    waited = lap + 1 - asked_lap if asked_lap != 0 else 0
    return wait_for_host(waited, lap, plan)
