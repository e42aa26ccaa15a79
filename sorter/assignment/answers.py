"""The decision made again as the upstream host answers, while the piece travels.

An answer counts at the instant it is applied: a chute that is passed by then, or can't be switched
for any more, is no candidate on this lap. Holds fail closed: one that the host gives also replaces
a route decided meanwhile. Any other answer is of use only to a piece that still waits for one.
"""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CHUTES_MAX, Disposition, Records
from sorter.assignment.arrays import SCALAR_LAP_LIMIT, SCALAR_MARGIN_NS, PlanArrays, PreAdviceArrays
from sorter.assignment.choice import choose, claim_of, name_chutes
from sorter.assignment.compiled import compiled
from sorter.assignment.holds import find_hold, is_hold
from sorter.assignment.identity import write_identity
from sorter.assignment.kernels import DAY_NS, find_group, write_decision
from sorter.assignment.reservation import hold, release, reserve
from sorter.assignment.tables import find_advice
from sorter.assignment.upstream import HOST_LATE, KNOWN, awaits_host
from sorter.ports import HOST_ANSWER

ON_ITS_WAY_NS = 200_000_000
"""From an answer's decision to the PLC's holding it, at most: a chute that is passed within it is
no candidate. A scan's decision has the whole way to the first chute for that; an answer comes at
any instant, often just before a chute. The bench of latency has 12 ms in the
middle and less than 50 at p99.9."""
UNUSED, IN_TIME, LATE = 0, 1, 2
"""What became of an answer: of no use; used while the piece waited; used after its wait was over,
while it travelled to the chute for that."""

CONFLICT = int(Disposition.CONFLICT)
ROUTED, OVERFLOW = int(Disposition.ROUTED), int(Disposition.OVERFLOW)
RECIRCULATED = int(Disposition.RECIRCULATED)
UNKNOWN_DESTINATION = int(Disposition.UNKNOWN_DESTINATION)


@compiled
def decide_answer(
    answer: np.void, piece: np.void, chutes: Records, plan: PlanArrays, pre: PreAdviceArrays,
    now_ns: int, decision: np.void,
) -> int:  # fmt: skip
    """Decide a piece anew by what the host said; write the decision, keep the room.

    A piece that has passed its group's open chutes stays on for a lap rather than overflow.
    On its last lap a piece for which nothing more can be reached keeps what was decided before,
    unless it is to be held.

    Returns:
        UNUSED, and what then stands in ``decision`` means nothing; IN_TIME or LATE.
    """
    decided = int(piece["disposition"])
    length = int(piece["waybill_length"])
    if length == 0 or is_hold(decided) or decided == CONFLICT:
        return UNUSED
    if not awaits_host(decided) and answer["holds"] == 0:
        return UNUSED
    waybill = piece["waybill"][:]
    slot = find_advice(waybill, length, pre, now_ns // DAY_NS)
    advised = int(pre.holds[slot]) if slot >= 0 else 0
    lap = int(piece["lap"])
    write_identity(decision, waybill, length)
    decision["brand"] = answer["brand"] if answer["brand"] != 0 else piece["brand"]
    known_class = piece["service_class"]
    decision["service_class"] = (
        answer["service_class"] if answer["service_class"] != 0 else known_class
    )
    decision["destination"] = answer["destination"]
    holds = int(answer["holds"]) | int(piece["host_holds"]) | advised
    disposition, group = find_hold(holds, piece, plan.scalars), 0
    if disposition == 0:
        disposition = ROUTED if int(answer["answer"]) == KNOWN else UNKNOWN_DESTINATION
    if disposition == ROUTED:
        disposition, group = find_group(decision, plan)
    kept = int(piece["reserved_chute"])
    release(piece, chutes)
    gone_ns = now_ns + int(plan.scalars[SCALAR_MARGIN_NS]) + ON_ITS_WAY_NS
    gone_ns -= int(piece["scanned_ns"])
    named = decision["chutes"]
    service_class = int(decision["service_class"])
    disposition, group = name_chutes(
        disposition, group, service_class, lap, chutes, plan, now_ns, gone_ns, named
    )
    is_last = lap >= int(plan.scalars[SCALAR_LAP_LIMIT])
    next_lap = claim_of(service_class, lap, plan, now_ns, 0)
    if disposition == OVERFLOW and not is_last and choose(group, chutes, plan, next_lap, named) > 0:
        disposition = RECIRCULATED
        for k in range(CHUTES_MAX):
            named[k] = 0
    if named[0] == 0 and is_last and not is_hold(disposition):
        reserve(piece, chutes, kept)
        return UNUSED
    write_decision(
        disposition, group, piece, piece, int(piece["scanned_ns"]), int(piece["scan_sequence"]),
        chutes, plan, now_ns, decision,
    )  # fmt: skip
    decision["host_answer"] = answer["answer"]
    decision["host_holds"] = answer["holds"]
    hold(decision, piece, chutes)
    return LATE if decided == HOST_LATE else IN_TIME


@compiled
def answer_batch(
    answers: Records, n: int, pieces: Records, rows: NDArray[np.int32], chutes: Records,
    plan: PlanArrays, pre: PreAdviceArrays, now_ns: int, decisions: Records,
    became: NDArray[np.uint8],
) -> int:  # fmt: skip
    """Decide the pieces of a batch of answers anew.

    Args:
        answers: HOST_ANSWER[>= n], of which the first ``n`` count.
        n: Number of answers.
        pieces: PIECE, the table of pieces in flight; what is decided is written to it.
        rows: int32[>= n], each answer's row in ``pieces``, −1 where its piece is not in flight.
        chutes: CHUTE by number; ``reserved`` is kept.
        plan: The sort plan.
        pre: The pre-advised waybills.
        now_ns: The instant of deciding, on the service's clock.
        decisions: DECISION[>= n], written from the front.
        became: uint8[>= n], gets what became of each answer: UNUSED, IN_TIME or LATE.

    Returns:
        Number of decisions.

    Raises:
        ValueError: an array is shorter than ``n``.
    """
    if n > len(answers) or n > len(rows) or n > len(decisions) or n > len(became):
        raise ValueError("answers, rows, decisions and became must hold n records each")
    made = 0
    for i in range(n):
        became[i] = UNUSED
        if rows[i] < 0:
            continue
        became[i] = decide_answer(
            answers[i], pieces[rows[i]], chutes, plan, pre, now_ns, decisions[made]
        )
        made += became[i] != UNUSED
    return made


def answers_behind(made: Records) -> Records:
    """Return the HOST_ANSWERs that led to these DECISIONs, which say of each all that counted."""
    answers = np.zeros(len(made), HOST_ANSWER)
    for name in ("boot_id", "piece_id", "brand", "service_class", "destination"):
        answers[name] = made[name]
    answers["answer"], answers["holds"] = made["host_answer"], made["host_holds"]
    return answers
