"""Compiles the patterns of all brands, of their labels and of other codes into one automaton.

A code may match patterns of several brands: bare digits look alike across companies, and a product
code of 13 digits looks like a waybill. So the automaton does not name a brand but a set: the brands
the code proves, the brands it may belong to, what else it may be, and whose route label, in each
of the forms that labels have. Check digits stay outside, as
sums of digits would multiply the states: each set tells which of its members hold only if the check
digit is right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routing_tables.errors import Problems
from routing_tables.patterns import BYTES, LABEL_BYTES, PatternError, Positions, read_pattern
from routing_tables.schema import (
    WAYBILL_BYTES_MAX,
    Brand,
    Check,
    CodeClass,
    CodePattern,
    Format,
    LabelForm,
)

DEAD = 0
"""State from which nothing is accepted any more."""
START = 1
STATES_MAX = 4096
"""States of the automaton, 512 bytes each; ten companies' patterns need some hundreds."""
LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
CERTAIN, POSSIBLE, CLASSES, LABELS = 0, 1, 2, 3
"""Last index of ``accept_sets``: brands proved, brands possible, classes of other codes, and from
here on the brands whose label it may be, by :class:`LabelForm`."""
KINDS = LABELS + len(LabelForm)


class CodeArrays(NamedTuple):
    """The automaton.

    ``dfa_next``: uint16[states, 256], the state after a byte. ``dfa_accept``: uint16[states], the
    set that a code which ends there has, 0 for none. ``accept_sets``: int64[sets + 1, 3, 6] — set;
    the check digit its members need (a :class:`Check`); bits of brands proved, bits of brands
    possible (bit n - 1 is brand n, numbered from 1 in the order given; the proved ones are among
    them), bits of :class:`CodeClass`, bits of the brands whose route label it is, for each
    :class:`LabelForm`.
    """

    dfa_next: NDArray[np.uint16]
    dfa_accept: NDArray[np.uint16]
    accept_sets: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A pattern that could be read, and what it adds to a set."""

    where: str
    text: str
    check: Check
    positions: Positions
    members: dict[int, int]
    """Bits by last index of ``accept_sets``."""


State = frozenset[tuple[int, int]]
"""Pattern and position, for every position that may have read the last byte."""


@dataclass(slots=True)
class _Automaton:
    """States as they are found, breadth first; ``shortest`` is the least length to reach each."""

    states: list[State] = field(default_factory=list)
    arrows: list[dict[int, int]] = field(default_factory=list)
    shortest: list[int] = field(default_factory=list)


def compile_codes(
    brands: Sequence[Brand], source: str = "network.toml", codes: Sequence[CodePattern] = ()
) -> CodeArrays:
    """Compile the patterns of brands 1, 2, ..., of their labels, and of other codes.

    Args:
        brands: The brands, in the order of their numbers.
        source: File to name in errors.
        codes: Patterns of codes that are no waybills.

    Raises:
        TableError: patterns that can't be read, patterns that no scanned code can match, more than
            STATES_MAX states; every error at once.
    """
    problems = Problems()
    patterns = [
        *_brand_patterns(brands, source, problems),
        *_code_patterns(codes, source, problems),
    ]
    automaton = _determinise(source, patterns, problems)
    accepted = [_accepted(state, patterns) for state in automaton.states]
    _check_reachable(automaton, accepted, patterns, problems)
    problems.raise_any()
    dfa_next = np.zeros((len(automaton.states) + 1, 256), np.uint16)
    dfa_accept = np.zeros(len(automaton.states) + 1, np.uint16)
    nothing = np.zeros((len(Check), KINDS), np.int64)
    sets = {nothing.tobytes(): nothing}
    numbers = {nothing.tobytes(): 0}
    for state, arrows in enumerate(automaton.arrows, START):
        for byte, following in arrows.items():
            dfa_next[state, byte] = following
        members = _set_of(accepted[state - START])
        key = members.tobytes()
        sets.setdefault(key, members)
        dfa_accept[state] = numbers.setdefault(key, len(numbers))
    return CodeArrays(dfa_next, dfa_accept, np.stack(list(sets.values())))


def _brand_patterns(brands: Sequence[Brand], source: str, problems: Problems) -> Iterable[_Pattern]:
    for number, brand in enumerate(brands, 1):
        bit = 1 << (number - 1)
        here = f"{source}: brands.{brand.code}"
        for place, text in enumerate(brand.waybills, 1):
            where = f"{here}.waybills[{place}]"
            positions = _read(text, where, problems)
            if positions is not None:
                certain = 0 if _may_lack_letters(positions) else bit
                members = {CERTAIN: certain, POSSIBLE: bit}
                yield _Pattern(where, text, Check.NONE, positions, members)
        for place, each in enumerate(brand.formats, 1):
            where = f"{here}.formats[{place}]"
            positions = _read(each.pattern, where, problems)
            if positions is not None:
                yield _format_pattern(where, each, bit, positions)
        for place, label in enumerate(brand.labels, 1):
            where = f"{here}.labels[{place}]"
            positions = _read(label.pattern, where, problems, LABEL_BYTES)
            if positions is not None:
                members = {CLASSES: int(CodeClass.LABEL), LABELS + label.form: bit}
                yield _Pattern(where, label.pattern, Check.NONE, positions, members)


def _format_pattern(where: str, each: Format, bit: int, positions: Positions) -> _Pattern:
    members = {CERTAIN: bit if each.certain else 0, POSSIBLE: bit}
    return _Pattern(where, each.pattern, each.check, positions, members)


def _code_patterns(
    codes: Sequence[CodePattern], source: str, problems: Problems
) -> Iterable[_Pattern]:
    for place, code in enumerate(codes, 1):
        where = f"{source}: codes[{place}].pattern"
        positions = _read(code.pattern, where, problems)
        if positions is not None:
            yield _Pattern(where, code.pattern, code.check, positions, {CLASSES: int(code.kind)})


def _read(text: str, where: str, problems: Problems, alphabet: range = BYTES) -> Positions | None:
    try:
        return read_pattern(text, alphabet)
    except PatternError as error:
        problems.add(where, f"{text!r:.80}: {error}")
        return None


def _may_lack_letters(positions: Positions) -> bool:
    """Return whether a code without any letter matches: it then proves no company."""
    bare = {p for p, readers in enumerate(positions.readers) if readers - LETTERS}
    reached: set[int] = set()
    ahead = set(positions.first) & bare
    while ahead:
        reached |= ahead
        ahead = {q for p in ahead for q in positions.following[p]} & bare - reached
    return not reached.isdisjoint(positions.last)


def _set_of(patterns: Iterable[_Pattern]) -> NDArray[np.int64]:
    """Return the row of ``accept_sets`` for a code that matches these patterns."""
    members = np.zeros((len(Check), KINDS), np.int64)
    for pattern in patterns:
        for kind, bits in pattern.members.items():
            members[pattern.check, kind] |= bits
    return members


def _determinise(source: str, patterns: list[_Pattern], problems: Problems) -> _Automaton:
    """Follow all patterns at once, from the start state (the empty set) on.

    The same patterns always give the same numbers: bytes are taken in order. Bytes that no position
    tells apart are followed as one.
    """
    alike = _alike(patterns)
    automaton = _Automaton([frozenset()], [], [0])
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
                        f"the patterns of all brands and codes need more than {STATES_MAX} "
                        "states; avoid optional parts and wide sets before a part that must be "
                        "recognised",
                    )
                    return _Automaton()
                known[state] = len(known) + START
                automaton.states.append(state)
                automaton.shortest.append(automaton.shortest[here] + 1)
            arrows.update(dict.fromkeys(alike[byte], known[state]))
        automaton.arrows.append(arrows)
    return automaton


def _alike(patterns: list[_Pattern]) -> dict[int, list[int]]:
    """Return the bytes that the same positions read, by the smallest of them."""
    sets = {readers for pattern in patterns for readers in pattern.positions.readers}
    groups: dict[frozenset[frozenset[int]], list[int]] = {}
    for byte in LABEL_BYTES:
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


def _check_reachable(
    automaton: _Automaton,
    accepted: list[list[_Pattern]],
    patterns: list[_Pattern],
    problems: Problems,
) -> None:
    if not automaton.states:
        return
    reached = {
        pattern.where
        for shortest, matching in zip(automaton.shortest, accepted, strict=True)
        if shortest <= WAYBILL_BYTES_MAX
        for pattern in matching
    }
    for pattern in patterns:
        if pattern.where not in reached:
            problems.add(
                pattern.where,
                f"{pattern.text!r:.80} matches only codes of more than {WAYBILL_BYTES_MAX} bytes, "
                "which no scan carries; shorten it",
            )
