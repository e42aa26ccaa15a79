"""The decision, compiled: codes, waybill, destination, group, chutes, and the reason.

Nothing here allocates, waits or asks the clock. One piece is decided in the order of the stages
below, the first that matches ends it:

1. Identity. The AIM prefix (']', letter, modifier) is stripped. A code is a waybill if it is
   pre-advised, or if brands' patterns accept it; pre-advice proves more than a pattern (facts of
   the field: bare digits of several brands look alike), so its brand wins where the two contradict.
   Patterns that name no single brand, or a product code as well, leave a code ambiguous
   (:mod:`sorter.assignment.classify`). Codes of other classes count for nothing beside a waybill;
   alone they make a bag, or no waybill at all. The same waybill twice is one; two different ones
   are a conflict, and the piece stays a conflict on later laps. A scan that can't be tied to this
   piece alone reads nothing, and says so. A lap that reads no waybill keeps the one an earlier lap
   read.
2. Holds: intercepted, security not cleared, customs not released, cold chain broken, damaged, all
   from pre-advice; overweight and oversize, by what was measured against the plan's limits. A hold
   found on a further scan of a lap replaces what was decided before.
3. Destination: from pre-advice; else what an earlier lap knew, unless the piece was held then; else
   from a route label of the waybill's brand (:mod:`sorter.assignment.labels`), which a piece that
   was held may show only once pre-advice releases it; else what the upstream host said of it; else
   it stays on for as many laps as the plan waits for the host, and then goes to the plan's chute
   for a late one (:mod:`sorter.assignment.upstream`); else, where the plan asks no host, unknown.
   Service class: from pre-advice, else what an earlier lap knew. So the brand, else by its pattern.
4. Group: the zone of the longest known prefix, with the brand and class. A brand or class beyond
   the plan's is taken as unknown (0).
5. Chutes: by the group's policy, else its overflow groups'. Else the piece stays on for a lap, and
   at the plan's lap limit goes to the exception group for that. A chute is passed over whose rate
   is used up (:mod:`sorter.assignment.rates`), or whose room is kept for more urgent classes
   (:mod:`sorter.assignment.choice`); neither counts for a chute named in spite of having no room.

An expired row of pre-advice is as if it were not there.

An exception (no-read, a hold and their like) keeps its own disposition through its group's
overflow, and also where no chute is named because none has room: below the lap limit it stays on,
from the limit on the group's chutes are named that can still be reached, room or not, and the PLC
decides at the chute. An operator's lock is kept in every case.
"""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Disposition, EventKind, Records
from sorter.assignment.arrays import (
    SCALAR_MARGIN_NS,
    SCALAR_VERSION,
    PlanArrays,
    PreAdviceArrays,
)
from sorter.assignment.choice import name_chutes
from sorter.assignment.compiled import compiled
from sorter.assignment.holds import find_hold, is_hold
from sorter.assignment.identity import settle_identity
from sorter.assignment.reservation import hold, release
from sorter.assignment.tables import find_place
from sorter.assignment.upstream import without_advice

NONE = int(Disposition.NONE)
ROUTED = int(Disposition.ROUTED)
NO_READ = int(Disposition.NO_READ)
CONFLICT = int(Disposition.CONFLICT)
NOT_A_WAYBILL = int(Disposition.NOT_A_WAYBILL)
AMBIGUOUS = int(Disposition.AMBIGUOUS)
BAG = int(Disposition.BAG)
SCAN_NOT_TIED = int(Disposition.SCAN_NOT_TIED)
NO_ROUTE = int(Disposition.NO_ROUTE)
SCANNED = int(EventKind.SCANNED)
DAY_NS = 86_400_000_000_000


@compiled
def route(destination: int, brand: int, service_class: int, plan: PlanArrays) -> int:
    """Return the chute group for a destination, 0 where the plan has none."""
    zone = find_place(destination, plan.place_keys, plan.place_zone)
    if zone < 0:
        return 0
    if brand >= plan.zone_group.shape[1]:
        brand = 0
    if service_class >= plan.zone_group.shape[2]:
        service_class = 0
    return int(plan.zone_group[zone, brand, service_class])


@compiled
def find_group(decision: np.void, plan: PlanArrays) -> tuple[int, int]:
    """Return ROUTED and the group for where a decision's piece is bound, or NO_ROUTE and 0."""
    group = route(
        int(decision["destination"]), int(decision["brand"]), int(decision["service_class"]), plan
    )
    return (ROUTED if group != 0 else NO_ROUTE), group


@compiled
def write_decision(
    disposition: int, group: int, of: np.void, piece: np.void, event_ns: int, sequence: int,
    chutes: Records, plan: PlanArrays, now_ns: int, decision: np.void,
) -> None:  # fmt: skip
    """Write what was decided for a piece, but for its waybill and facts; its chutes are named.

    ``of`` is the event or the piece whose line, boot, piece id and lap it bears; ``event_ns`` and
    ``sequence`` are those of the scan that is answered.
    """
    decided = int(piece["disposition"])
    margin_ns = int(plan.scalars[SCALAR_MARGIN_NS])
    named = decision["chutes"]
    decision["disposition"] = disposition
    decision["group"] = group
    decision["line"] = of["line"]
    decision["lap"] = of["lap"]
    decision["revision"] = 0 if decided == NONE else int(piece["revision"]) + 1
    decision["boot_id"] = of["boot_id"]
    decision["event_sequence"] = sequence
    decision["piece_id"] = of["piece_id"]
    decision["plan_version"] = plan.scalars[SCALAR_VERSION]
    decision["host_answer"] = 0
    decision["host_holds"] = 0
    decision["decided_ns"] = now_ns
    decision["deadline_ns"] = event_ns + int(chutes[int(named[0])]["travel_ns"]) - margin_ns


@compiled
def changes_answer(finding: int, decided: int) -> bool:
    """Return whether a further scan of a lap that is decided changes the answer.

    It does if it names the waybill that the first one did not, if it shows a second waybill, or if
    the piece is held by now and was not. Anything else on a decided lap is a repetition.
    """
    if is_hold(finding):
        return not is_hold(decided) and decided != CONFLICT
    if finding == ROUTED:
        return decided in (NO_READ, NOT_A_WAYBILL, AMBIGUOUS, BAG, SCAN_NOT_TIED)
    return finding == CONFLICT and decided != CONFLICT


@compiled
def decide(
    event: np.void, piece: np.void, chutes: Records, plan: PlanArrays, pre: PreAdviceArrays,
    now_ns: int, decision: np.void,
) -> bool:  # fmt: skip
    """Decide one scan of a piece in flight, keep the room, write the decision.

    Returns:
        False where the scan changes nothing; what then stands in ``decision`` means nothing.
    """
    disposition, slot = settle_identity(event, piece, plan, pre, now_ns // DAY_NS, decision)
    if disposition == ROUTED:
        advised = int(pre.holds[slot]) if slot >= 0 else 0
        held = find_hold(advised | int(piece["host_holds"]), piece, plan.scalars)
        if held != NONE:
            disposition = held
    decided = int(piece["disposition"])
    if decided != NONE and not changes_answer(disposition, decided):
        return False
    group = 0
    lap = int(event["lap"])
    if disposition == ROUTED and (slot < 0 or pre.destination[slot] == 0):
        disposition = without_advice(piece, lap, plan, decision)
    if disposition == ROUTED:
        disposition, group = find_group(decision, plan)
    # The room that is kept for this very piece must not stand in its own way.
    release(piece, chutes)
    margin_ns = int(plan.scalars[SCALAR_MARGIN_NS])
    event_ns = int(event["event_ns"])
    named = decision["chutes"]
    gone_ns = now_ns + margin_ns - event_ns
    disposition, group = name_chutes(
        disposition, group, int(decision["service_class"]), lap, chutes, plan, now_ns, gone_ns,
        named,
    )  # fmt: skip
    write_decision(
        disposition, group, event, piece, event_ns, int(event["sequence"]), chutes, plan, now_ns,
        decision,
    )  # fmt: skip
    hold(decision, piece, chutes)
    return True


@compiled
def decide_batch(
    events: Records, n: int, pieces: Records, rows: NDArray[np.int32], chutes: Records,
    plan: PlanArrays, pre: PreAdviceArrays, now_ns: int, decisions: Records,
) -> int:  # fmt: skip
    """Decide the scans of a batch of events.

    Scans of a lap that the piece has left already are passed over, as are repetitions.

    Args:
        events: EVENT[>= n], of which the first ``n`` count.
        n: Number of events.
        pieces: PIECE, the table of pieces in flight; what is decided is written to it.
        rows: int32[>= n], each event's row in ``pieces``, −1 where its piece is not in flight.
        chutes: CHUTE by number; ``reserved`` and ``rate_due_ns`` are kept.
        plan: The sort plan.
        pre: The pre-advised waybills.
        now_ns: The instant of deciding, on the service's clock.
        decisions: DECISION[>= n], written from the front.

    Returns:
        Number of decisions.

    Raises:
        ValueError: an array is shorter than ``n``.
    """
    if n > len(events) or n > len(rows) or n > len(decisions):
        raise ValueError("events, rows and decisions must hold n records each")
    made = 0
    for i in range(n):
        row = rows[i]
        event = events[i]
        if row < 0 or int(event["kind"]) != SCANNED:
            continue
        piece = pieces[row]
        if int(event["lap"]) != int(piece["lap"]):
            continue
        if decide(event, piece, chutes, plan, pre, now_ns, decisions[made]):
            made += 1
    return made
