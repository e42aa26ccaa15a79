"""Waybills made up from a brand's own patterns: what a proof shows, a person can print and scan."""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES
from routing_tables.codes import DEAD, START, CodeArrays
from sorter.assignment.arrays import ACCEPT_CLASSES

WAYS_MAX = 1 << 40
"""Codes of one length that are told apart; more are as good as so many."""


def waybills_of(codes: CodeArrays, brand: int, count: int) -> NDArray[np.uint8]:
    """Return different waybills of a brand, shortest first, spread over all that are possible.

    Args:
        codes: The automaton of all brands.
        brand: Number of the brand, from 1.
        count: How many; fewer come back where the patterns accept fewer.

    Returns:
        uint8[n, CODE_BYTES], NUL-padded. The same arguments give the same waybills.
    """
    ways = _ways(codes, brand)
    found: list[NDArray[np.uint8]] = []
    missing = count
    for length in range(1, CODE_BYTES + 1):
        total = int(ways[length, START])
        taken = min(total, missing)
        if taken:
            ranks = np.arange(taken, dtype=np.int64) * (total // taken)
            found.append(_unrank(codes.dfa_next, ways, length, ranks))
            missing -= taken
    return np.concatenate(found) if found else np.zeros((0, CODE_BYTES), np.uint8)


def _ways(codes: CodeArrays, brand: int) -> NDArray[np.int64]:
    """Return int64[CODE_BYTES + 1, states]: codes of so many more bytes accepted from a state."""
    ways = np.zeros((CODE_BYTES + 1, len(codes.dfa_next)), np.int64)
    ways[0] = _ends(codes, brand)
    for length in range(1, CODE_BYTES + 1):
        ways[length] = np.minimum(ways[length - 1][codes.dfa_next].sum(axis=1), WAYS_MAX)
    return ways


def _ends(codes: CodeArrays, brand: int) -> NDArray[np.bool_]:
    """Return bool[states]: where a code may end that the brand's patterns accept.

    Check digits are not made right, and others may accept it as well: it is to be pre-advised.
    """
    bits = codes.accept_sets[..., :ACCEPT_CLASSES] >> (brand - 1) & 1
    of_brand = np.asarray(bits.any(axis=(1, 2)))
    ends: NDArray[np.bool_] = of_brand[codes.dfa_accept]
    ends[DEAD] = False
    return ends


def _unrank(
    following: NDArray[np.uint16],
    ways: NDArray[np.int64],
    length: int,
    ranks: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """Return the codes of these ranks among all of a length, in the order of their bytes.

    All step through the automaton together, by the states they stand in.
    """
    texts = np.zeros((len(ranks), CODE_BYTES), np.uint8)
    states = np.full(len(ranks), START, np.int64)
    rest = ranks.copy()
    for position in range(length):
        for state in np.unique(states):
            here = np.flatnonzero(states == state)
            upto = np.cumsum(ways[length - position - 1][following[state]])
            chosen = np.searchsorted(upto, rest[here], side="right")
            rest[here] -= np.where(chosen > 0, upto[chosen - 1], 0)
            texts[here, position] = chosen
        states = following[states, texts[:, position]].astype(np.int64)
    return texts
