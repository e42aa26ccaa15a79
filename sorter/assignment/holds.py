"""Whether a piece must not leave, whatever its destination: the holds of a decision.

They fail closed: a bit that has no name holds like the last one that has, a hold found on a further
scan of a lap replaces the route decided before, and what is held leaves no destination behind that
a later lap could route by.
"""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Disposition
from sorter.assignment.arrays import (
    SCALAR_HEIGHT_MM,
    SCALAR_LENGTH_MM,
    SCALAR_UNKNOWN_IS_HELD,
    SCALAR_WEIGHT_G,
    SCALAR_WIDTH_MM,
)
from sorter.assignment.compiled import compiled

NONE = int(Disposition.NONE)
HELD_FIRST, HELD_LAST = int(Disposition.INTERCEPTED), int(Disposition.OVERSIZE)
ADVISED_LAST = int(Disposition.DAMAGED)
OVERWEIGHT = int(Disposition.OVERWEIGHT)
OVERSIZE = int(Disposition.OVERSIZE)


@compiled
def is_hold(disposition: int) -> bool:
    """Return whether a disposition is one of the holds."""
    return HELD_FIRST <= disposition <= HELD_LAST


@compiled
def exceeds(measured: int, limit: int, unknown_is_held: int) -> bool:
    """Return whether a measure is beyond its limit; 0 is no limit, 0 and less not measured."""
    if limit == 0:
        return False
    if measured <= 0:
        return unknown_is_held != 0
    return measured > limit


@compiled
def find_hold(holds: int, piece: np.void, scalars: NDArray[np.int64]) -> int:
    """Return the first hold of a piece as a disposition, NONE where it may leave.

    ``holds`` are the bits that pre-advice gives its waybill. Weight and lengths are the last ones
    measured on this or an earlier lap; length, width and height are compared each with its own
    limit, as measured.
    """
    if holds != 0:
        for k in range(ADVISED_LAST - HELD_FIRST):
            if (holds >> k) & 1:
                return HELD_FIRST + k
        return ADVISED_LAST
    unknown = int(scalars[SCALAR_UNKNOWN_IS_HELD])
    if exceeds(int(piece["weight_g"]), int(scalars[SCALAR_WEIGHT_G]), unknown):
        return OVERWEIGHT
    if (
        exceeds(int(piece["length_mm"]), int(scalars[SCALAR_LENGTH_MM]), unknown)
        or exceeds(int(piece["width_mm"]), int(scalars[SCALAR_WIDTH_MM]), unknown)
        or exceeds(int(piece["height_mm"]), int(scalars[SCALAR_HEIGHT_MM]), unknown)
    ):
        return OVERSIZE
    return NONE
