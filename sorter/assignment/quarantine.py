"""Pieces on their way when their line is quarantined: their answers are taken back.

What the PLC holds for them names chutes that they would miss as those before them did. They are
told to go to the chutes for the quarantine instead, in a higher revision.
"""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Disposition, Records
from sorter.assignment.answers import ON_ITS_WAY_NS
from sorter.assignment.arrays import SCALAR_MARGIN_NS, SCALAR_QUARANTINED, PlanArrays
from sorter.assignment.choice import name_chutes
from sorter.assignment.compiled import compiled
from sorter.assignment.identity import write_identity
from sorter.assignment.kernels import write_decision
from sorter.assignment.reservation import hold, release

ROUTED, OVERFLOW = int(Disposition.ROUTED), int(Disposition.OVERFLOW)


def quarantined(plan: PlanArrays) -> PlanArrays:
    """Return a plan as it decides while its line is quarantined; all but its numbers is shared."""
    scalars = plan.scalars.copy()
    scalars[SCALAR_QUARANTINED] = 1
    scalars.flags.writeable = plan.scalars.flags.writeable
    return plan._replace(scalars=scalars)


def on_their_way(pieces: Records) -> NDArray[np.intp]:
    """Return the rows of pieces that were told to leave by a chute for their destination."""
    told = (pieces["disposition"] == ROUTED) | (pieces["disposition"] == OVERFLOW)
    return np.flatnonzero(told & (pieces["scanned_ns"] != 0))


@compiled
def withdraw(
    rows: NDArray[np.intp], pieces: Records, chutes: Records, plan: PlanArrays, now_ns: int,
    decisions: Records,
) -> None:  # fmt: skip
    """Decide pieces on their way anew under a plan as quarantined.

    Args:
        rows: intp[n], of the pieces.
        pieces: PIECE, the table of pieces in flight; what is decided is written to it.
        chutes: CHUTE by number; ``reserved`` is kept.
        plan: The sort plan, as :func:`quarantined` gives it.
        now_ns: The instant of deciding, on the service's clock.
        decisions: DECISION[n], written.
    """
    for i in range(len(rows)):
        piece, decision = pieces[rows[i]], decisions[i]
        release(piece, chutes)
        gone_ns = now_ns + int(plan.scalars[SCALAR_MARGIN_NS]) + ON_ITS_WAY_NS
        gone_ns -= int(piece["scanned_ns"])
        write_identity(decision, piece["waybill"][:], int(piece["waybill_length"]))
        decision["brand"] = piece["brand"]
        decision["service_class"] = piece["service_class"]
        decision["destination"] = piece["destination"]
        disposition, group = name_chutes(
            ROUTED, 0, 0, int(piece["lap"]), chutes, plan, now_ns, gone_ns, decision["chutes"]
        )
        write_decision(
            disposition, group, piece, piece, int(piece["scanned_ns"]),
            int(piece["scan_sequence"]), chutes, plan, now_ns, decision,
        )  # fmt: skip
        hold(decision, piece, chutes)
