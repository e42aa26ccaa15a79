"""A line's hours replayed in seconds: recorded pieces under a plan, in a model that feeds back.

The model, kept simple so that it can be told:

- A piece is what was recorded of it. Group and chutes are the decision's own work
  (:func:`~sorter.assignment.kernels.route`, :func:`~sorter.assignment.choice.name_chutes`), and the
  answer is there the instant it is scanned.
- A piece goes into the first chute named; nothing fails on the way. So room kept and room filled
  are one sum, and the piece may be counted in its chute at once.
- A chute that is full takes nothing. It is full once its last piece has come in, travel time after
  that piece's scan; it is empty again a fixed time after that. A chute that never fills is never
  emptied.
- A chute's rate and the room that classes leave each other count as in the decision.
- A piece without a chute comes by again one lap later, up to the plan's lap limit.
- A piece that comes to a full chute on its last lap is counted in it and leaves with what is there.
- What the upstream host said of a piece is known from its first scan on. Where it said nothing, a
  plan that waits for it lets the piece wait in vain.
- Chutes are open, empty and not locked at the first scan, and stay so.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CHUTES_MAX, Disposition, Records
from sorter.assignment.arrays import SCALAR_LAP_LIMIT, SCALAR_MARGIN_NS, PlanArrays
from sorter.assignment.choice import name_chutes
from sorter.assignment.compiled import compiled
from sorter.assignment.kernels import route
from sorter.assignment.rates import take
from sorter.assignment.upstream import wait_for_host

ROUTED = int(Disposition.ROUTED)
NO_ROUTE = int(Disposition.NO_ROUTE)
MINUTE_NS = 60_000_000_000
NEVER_NS = 0x7FFFFFFFFFFFFFFF

SCAN = np.dtype(
    [
        ("scanned_ns", "i8"),
        ("destination", "i8"),
        ("brand", "u2"),
        ("service_class", "u2"),
        ("finding", "u2"),
        ("disposition", "u2"),
        ("chute", "u2"),
        ("laps", "u2"),
    ],
    align=True,
)
"""A recorded piece at its first scan.

``finding`` is what the piece itself showed, whatever the plan: ROUTED for a known waybill, else the
disposition of an exception that lies in the piece (no-read, conflict, held back). ``destination``,
``brand`` and ``service_class`` are 0 where unknown. ``disposition``, ``chute`` and ``laps`` are
what became of it: its last disposition, the chute it went into (0 for none), the laps it stayed on.
"""

END = np.dtype([("disposition", "u2"), ("group", "u2"), ("chute", "u2"), ("laps", "u2")])
"""What becomes of a piece: ``chute`` 0 where none would take it, ``laps`` it stayed on."""


@compiled
def empty_due(
    now_ns: int, chutes: Records, due_ns: NDArray[np.int64], emptied: NDArray[np.int32]
) -> int:
    """Empty the chutes that are due; return when the next one is."""
    following = NEVER_NS
    for number in range(len(chutes)):
        if due_ns[number] <= now_ns:
            chutes[number]["fill"] = 0
            due_ns[number] = NEVER_NS
            emptied[number] += 1
        following = min(following, int(due_ns[number]))
    return following


@compiled
def decide_recorded(
    scan: np.void, lap: int, now_ns: int, chutes: Records, plan: PlanArrays,
    named: NDArray[np.uint16],
) -> tuple[int, int]:  # fmt: skip
    """Decide a recorded piece; return disposition and group, and write the chutes ``named``."""
    disposition, group = int(scan["finding"]), 0
    if disposition == ROUTED:
        destination = int(scan["destination"])
        if destination <= 0:
            disposition = wait_for_host(lap, lap, plan)
        else:
            group = route(destination, int(scan["brand"]), int(scan["service_class"]), plan)
            if group == 0:
                disposition = NO_ROUTE
    return name_chutes(
        disposition, group, int(scan["service_class"]), lap, chutes, plan, now_ns,
        int(plan.scalars[SCALAR_MARGIN_NS]), named,
    )  # fmt: skip


def replay(
    scans: Records, chutes: Records, plan: PlanArrays, lap_ns: int, empty_ns: int, ends: Records,
    emptied: NDArray[np.int32], minutes: NDArray[np.int32],
) -> int:  # fmt: skip
    """Replay recorded pieces under a plan.

    Args:
        scans: SCAN[n], by instant: each piece's first scan.
        chutes: CHUTE by number, as at the first scan; ``fill``, ``discharged`` and
            ``rate_due_ns`` are kept.
        plan: The plan.
        lap_ns: Once round the sorter.
        empty_ns: From a chute's last piece to its being empty again.
        ends: END[n], gets what becomes of each piece.
        emptied: int32, by chute number, gets how often each was emptied.
        minutes: int32[m], gets the scans of each minute from the first on, further laps included;
            what comes later counts in the last.

    Returns:
        Number of decisions.
    """
    scratch = Scratch(
        named=np.zeros(CHUTES_MAX, np.uint16),
        waiting=np.zeros(len(scans), np.int32),
        back_ns=np.zeros(len(scans), np.int64),
        due_ns=np.full(len(chutes), NEVER_NS, np.int64),
    )
    return int(replay_all(scans, chutes, plan, lap_ns, empty_ns, ends, emptied, minutes, scratch))


class Scratch(NamedTuple):
    """What a replay writes to on its way.

    ``named``: the chutes of a decision. ``waiting`` and ``back_ns``: a ring of the pieces on a
    further lap and when each comes by; all laps take the same time, so whoever stays on first comes
    by first, and a piece is on it once. ``due_ns``: when each chute is emptied.
    """

    named: NDArray[np.uint16]
    waiting: NDArray[np.int32]
    back_ns: NDArray[np.int64]
    due_ns: NDArray[np.int64]


@compiled
def replay_all(
    scans: Records, chutes: Records, plan: PlanArrays, lap_ns: int, empty_ns: int, ends: Records,
    emptied: NDArray[np.int32], minutes: NDArray[np.int32], scratch: Scratch,
) -> int:  # fmt: skip
    """Replay as :func:`replay` says."""
    count = len(scans)
    named, waiting, back_ns, due_ns = (
        scratch.named, scratch.waiting, scratch.back_ns, scratch.due_ns,
    )  # fmt: skip
    next_due_ns = NEVER_NS
    taken, put, scanned, decisions = 0, 0, 0, 0
    while scanned < count or taken < put:
        returns = taken < put and (
            scanned == count or back_ns[taken % count] < scans[scanned]["scanned_ns"]
        )
        if returns:
            piece, now_ns = int(waiting[taken % count]), int(back_ns[taken % count])
            taken += 1
        else:
            piece, now_ns = scanned, int(scans[scanned]["scanned_ns"])
            scanned += 1
            ends[piece]["laps"] = 0
        if now_ns >= next_due_ns:
            next_due_ns = empty_due(now_ns, chutes, due_ns, emptied)
        end = ends[piece]
        lap = int(end["laps"])
        disposition, group = decide_recorded(scans[piece], lap, now_ns, chutes, plan, named)
        decisions += 1
        minute = (now_ns - int(scans[0]["scanned_ns"])) // MINUTE_NS
        minutes[min(minute, len(minutes) - 1)] += 1
        end["disposition"], end["group"], end["chute"] = disposition, group, named[0]
        number = int(named[0])
        if number == 0:
            if lap < int(plan.scalars[SCALAR_LAP_LIMIT]):
                waiting[put % count], back_ns[put % count] = piece, now_ns + lap_ns
                put += 1
                end["laps"] = lap + 1
            continue
        chute = chutes[number]
        take(chute, now_ns)
        chute["fill"] = int(chute["fill"]) + 1
        chute["discharged"] = int(chute["discharged"]) + 1
        if int(chute["fill"]) >= int(chute["capacity"]) and due_ns[number] == NEVER_NS:
            due_ns[number] = now_ns + int(chute["travel_ns"]) + empty_ns
            next_due_ns = min(next_due_ns, int(due_ns[number]))
    return decisions
