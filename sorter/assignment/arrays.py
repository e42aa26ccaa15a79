"""The arrays a decision reads: a compiled sort plan and the pre-advised waybills.

Both are immutable once built. They are built outside the line, kept as files, mapped into it, and
swapped whole between two batches.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES

DFA_DEAD = 0
"""State of the code automaton from which nothing is accepted any more."""
DFA_START = 1
ACCEPT_CERTAIN, ACCEPT_POSSIBLE, ACCEPT_CLASSES = 0, 1, 2
ACCEPT_OPAQUE, ACCEPT_SEGMENTS, ACCEPT_KEYED = 3, 4, 5
"""Last index of ``accept_sets``; the last three are of route labels, by their form."""
ACCEPT_KINDS = 6
CHECK_NONE, CHECK_S10, CHECK_GS1 = 0, 1, 2
"""Middle index of ``accept_sets``: the check digit that its members need."""
CLASS_BAG = 1
"""Bit of a bag among the classes of codes that are no waybills."""
POLICY_ORDERED = 1
"""First chute of the group that has room."""
POLICY_BALANCED = 2
"""Chute of the group with the least load against its capacity."""
POLICY_FILLING = 3
"""Fullest chute of the group that still has room: closes bags early, keeps others free."""
PLACE_LEVELS = (12, 9, 6, 4, 2)
"""Digits of a division code (village, street, area, city, province), longest prefix first."""
SCALARS = 12
"""Length of ``PlanArrays.scalars``; these are the indices that are used, the others are 0."""
SCALAR_VERSION, SCALAR_LAP_LIMIT, SCALAR_MARGIN_NS = 0, 1, 2
SCALAR_QUARANTINED = 3
"""1 while the line is quarantined; set in the line and never in a plan's file."""
SCALAR_WEIGHT_G, SCALAR_LENGTH_MM, SCALAR_WIDTH_MM, SCALAR_HEIGHT_MM = 4, 5, 6, 7
"""Heaviest and largest piece that may be sorted; 0 is no limit."""
SCALAR_UNKNOWN_IS_HELD = 8
"""1 where a piece is held for a limited measure that is not known."""
SCALAR_HOST_LAPS = 11
"""1 more than the laps that a piece waits for the upstream host; 0 where the plan asks none."""


class PlanArrays(NamedTuple):
    """A sort plan as the kernels read it.

    ``scalars``: int64[SCALARS], by the indices above: plan version, lap limit, PLC margin in ns,
    limits of weight (g), length, width and height (mm), what an unknown measure means, the wait
    for the upstream host.
    ``dfa_next``: uint16[states, 256]; ``dfa_accept``: uint16[states], 0 where nothing is accepted,
    else an index into ``accept_sets``: int64[sets + 1, 3, ACCEPT_KINDS], by set and by the check
    digit needed (``CHECK_``): bits of the brands proved, bits of the brands possible (bit n - 1 is
    brand n), bits of other classes of codes, bits of the brands whose route label it is, opaque,
    in segments, and keyed (``ACCEPT_``).
    ``place_keys``: int64[2**k], division codes as numbers, 0 where empty, open addressing;
    ``place_zone``: int32 beside it; ``zone_group``: uint16[zones, brands + 1, classes + 1], the
    chute group for a zone, brand and service class, 0 where there is no route.
    ``label_length``: uint16[2**k], bytes of a route label or of its leading segments, 0 where
    empty, open addressing; beside it ``label_brand``: uint16, ``label_text``: uint8[2**k, 40],
    ``label_place``: int64, the division code it stands for.
    ``group_first``: int32[groups + 2] and ``group_chutes``: uint16, the chutes of group g at
    ``group_first[g]:group_first[g + 1]``; ``group_policy``: uint16[groups + 1];
    ``group_overflow``: uint16[groups + 1], the group to try next, 0 for none. Group 0 is none.
    ``class_keep``: uint16[classes + 1], per cent of a chute's room that a service class leaves to
    more urgent ones; class 0 is unknown.
    ``disposition_group``: uint16[DISPOSITIONS_MAX], where each exception goes.
    """

    scalars: NDArray[np.int64]
    dfa_next: NDArray[np.uint16]
    dfa_accept: NDArray[np.uint16]
    accept_sets: NDArray[np.int64]
    place_keys: NDArray[np.int64]
    place_zone: NDArray[np.int32]
    zone_group: NDArray[np.uint16]
    label_length: NDArray[np.uint16]
    label_brand: NDArray[np.uint16]
    label_text: NDArray[np.uint8]
    label_place: NDArray[np.int64]
    group_first: NDArray[np.int32]
    group_chutes: NDArray[np.uint16]
    group_policy: NDArray[np.uint16]
    group_overflow: NDArray[np.uint16]
    class_keep: NDArray[np.uint16]
    disposition_group: NDArray[np.uint16]


class PreAdviceArrays(NamedTuple):
    """Pre-advised waybills, open addressing, the full key compared.

    ``length``: uint16[2**k], bytes of the waybill, 0 where empty; ``waybill``: uint8[2**k, 40];
    ``brand``, ``service_class``: uint16; ``destination``: int64 division code, 0 unknown;
    ``holds``: uint16 bits of HoldKind; ``expires_day``: int32, the last day on which the row
    counts, in days since 1970 (UTC), 0 for ever. An expired row is as if it were not there.
    """

    length: NDArray[np.uint16]
    waybill: NDArray[np.uint8]
    brand: NDArray[np.uint16]
    service_class: NDArray[np.uint16]
    destination: NDArray[np.int64]
    holds: NDArray[np.uint16]
    expires_day: NDArray[np.int32]


def blank_pre_advice(slots: int) -> PreAdviceArrays:
    """Return a table of so many free slots."""
    return PreAdviceArrays(
        length=np.zeros(slots, np.uint16),
        waybill=np.zeros((slots, CODE_BYTES), np.uint8),
        brand=np.zeros(slots, np.uint16),
        service_class=np.zeros(slots, np.uint16),
        destination=np.zeros(slots, np.int64),
        holds=np.zeros(slots, np.uint16),
        expires_day=np.zeros(slots, np.int32),
    )


def no_pre_advice() -> PreAdviceArrays:
    """Return an empty table (two free slots, so that a probe always ends)."""
    return blank_pre_advice(2)
