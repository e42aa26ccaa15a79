"""Compiles the waybill patterns of all brands into one automaton over bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routing_tables.errors import Problems
from routing_tables.patterns import BYTES, PatternError, Positions, read_pattern
from routing_tables.schema import WAYBILL_BYTES_MAX, Brand

DEAD = 0
"""State from which nothing is accepted any more."""
START = 1
STATES_MAX = 4096
"""States of the automaton, 512 bytes each; ten companies' patterns need some hundreds."""


class CodeArrays(NamedTuple):
    """The automaton.

    ``dfa_next``: uint16[states, 256], the state after a byte. ``dfa_pattern``: uint16[states], the
    pattern a code that ends there matches, 0 for none. ``pattern_brand``: uint16[patterns + 1], the
    brand of a pattern; both numbered from 1, in the order given.
    """

    dfa_next: NDArray[np.uint16]
    dfa_pattern: NDArray[np.uint16]
    pattern_brand: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A pattern that could be read; ``number`` counts from 1 over all brands."""

    where: str
    text: str
    number: int
    brand: int
    positions: Positions


State = frozenset[tuple[int, int]]
"""Pattern and position, for every position that may have read the last byte."""


@dataclass(slots=True)
class _Automaton:
    """States as they are found, breadth first, so that each is reached by a shortest code."""

    states: list[State] = field(default_factory=list)
    arrows: list[dict[int, int]] = field(default_factory=list)
    shortest: list[bytes] = field(default_factory=list)


def compile_codes(brands: Sequence[Brand], source: str = "network.toml") -> CodeArrays:
    """Compile the patterns of brands 1, 2, ... into one automaton.

    Args:
        brands: The brands, in the order of their numbers.
        source: File to name in errors.

    Raises:
        TableError: patterns that can't be read, patterns of two brands that match the same code
            (each with such a code), more than STATES_MAX states; every error at once.
    """
    problems = Problems()
    patterns: list[_Pattern] = []
    owner = [0]
    for brand_number, brand in enumerate(brands, 1):
        for place, text in enumerate(brand.waybills, 1):
            owner.append(brand_number)
            where = f"{source}: brands.{brand.code}.waybills[{place}]"
            try:
                positions = read_pattern(text)
            except PatternError as error:
                problems.add(where, f"{text!r:.80}: {error}")
            else:
                number = len(owner) - 1
                patterns.append(_Pattern(where, text, number, brand_number, positions))
    automaton = _determinise(source, patterns, problems)
    accepted = [_accepted(state, patterns) for state in automaton.states]
    _check_overlaps(automaton, accepted, problems)
    _check_reachable(automaton, accepted, patterns, problems)
    problems.raise_any()
    dfa_next = np.zeros((len(automaton.states) + 1, 256), np.uint16)
    dfa_pattern = np.zeros(len(automaton.states) + 1, np.uint16)
    for state, arrows in enumerate(automaton.arrows, START):
        for byte, following in arrows.items():
            dfa_next[state, byte] = following
        dfa_pattern[state] = min((p.number for p in accepted[state - START]), default=0)
    return CodeArrays(dfa_next, dfa_pattern, np.array(owner, np.uint16))


def _determinise(source: str, patterns: list[_Pattern], problems: Problems) -> _Automaton:
    """Follow all patterns at once, from the start state (the empty set) on.

    The same patterns always give the same numbers: bytes are taken in order. Bytes that no position
    tells apart are followed as one.
    """
    alike = _alike(patterns)
    automaton = _Automaton([frozenset()], [], [b""])
    known: dict[State, int] = {frozenset(): START}
    while len(automaton.arrows) < len(automaton.states):
        here = len(automaton.arrows)
        arrows: dict[int, int] = {}
        for byte, following in sorted(_step(automaton.states[here], patterns, alike).items()):
            state = frozenset(following)
            if state not in known:
                if len(known) == STATES_MAX:
                    problems.add(
                        source,
                        f"brands: the waybill patterns need more than {STATES_MAX} states; avoid "
                        "optional parts and wide sets before a part that must be recognised",
                    )
                    return _Automaton()
                known[state] = len(known) + START
                automaton.states.append(state)
                automaton.shortest.append(automaton.shortest[here] + bytes((byte,)))
            arrows.update(dict.fromkeys(alike[byte], known[state]))
        automaton.arrows.append(arrows)
    return automaton


def _alike(patterns: list[_Pattern]) -> dict[int, list[int]]:
    """Return the bytes that the same positions read, by the smallest of them."""
    sets = {readers for pattern in patterns for readers in pattern.positions.readers}
    groups: dict[frozenset[frozenset[int]], list[int]] = {}
    for byte in BYTES:
        groups.setdefault(frozenset(s for s in sets if byte in s), []).append(byte)
    return {group[0]: group for group in groups.values()}


def _step(
    state: State, patterns: list[_Pattern], alike: dict[int, list[int]]
) -> dict[int, set[tuple[int, int]]]:
    """Return, for the first byte of each group that leads on, the positions that read it."""
    candidates: set[tuple[int, int]] = set()
    if state:
        for index, position in state:
            following = patterns[index].positions.following[position]
            candidates.update((index, next_position) for next_position in following)
    else:
        for index, pattern in enumerate(patterns):
            candidates.update((index, position) for position in pattern.positions.first)
    step: dict[int, set[tuple[int, int]]] = {}
    for index, position in candidates:
        for byte in patterns[index].positions.readers[position] & alike.keys():
            step.setdefault(byte, set()).add((index, position))
    return step


def _accepted(state: State, patterns: list[_Pattern]) -> list[_Pattern]:
    indices = {index for index, position in state if position in patterns[index].positions.last}
    return [patterns[index] for index in sorted(indices)]


def _check_overlaps(
    automaton: _Automaton, accepted: list[list[_Pattern]], problems: Problems
) -> None:
    told: set[tuple[int, int]] = set()
    for state, matching in enumerate(accepted):
        for k, first in enumerate(matching):
            for other in matching[k + 1 :]:
                pair = (first.number, other.number)
                if first.brand != other.brand and pair not in told:
                    told.add(pair)
                    problems.add(
                        other.where,
                        f"{other.text!r:.80} and {first.where.partition(': ')[2]} "
                        f"{first.text!r:.80} both match {automaton.shortest[state].decode()!r}; "
                        "no code may be a waybill of two brands: narrow one of them",
                    )


def _check_reachable(
    automaton: _Automaton,
    accepted: list[list[_Pattern]],
    patterns: list[_Pattern],
    problems: Problems,
) -> None:
    if not automaton.states:
        return
    reached = {
        pattern.number
        for shortest, matching in zip(automaton.shortest, accepted, strict=True)
        if len(shortest) <= WAYBILL_BYTES_MAX
        for pattern in matching
    }
    for pattern in patterns:
        if pattern.number not in reached:
            problems.add(
                pattern.where,
                f"{pattern.text!r:.80} matches only codes of more than {WAYBILL_BYTES_MAX} bytes, "
                "which no scan carries; shorten it",
            )
