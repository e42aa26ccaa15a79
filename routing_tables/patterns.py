"""Reads a waybill pattern into the positions of its automaton.

greenery parses the expression. Its own way to an automaton has no bound on the states that it
builds on the way: a mistyped pattern of 20 characters could take the machine down. So the parsed
expression is turned into a position automaton here, whose size is bounded before it is built;
:mod:`routing_tables.codes` makes all patterns deterministic at once, also bounded.
"""

from dataclasses import dataclass, field

import greenery
from greenery.parse import NoMatch
from greenery.rxelems import Conc, Mult

from routing_tables.schema import WAYBILL_BYTES_MAX

PATTERN_LENGTH_MAX = 200
"""Characters of one pattern."""
POSITIONS_MAX = 400
"""Characters of one pattern with every repetition written out."""
DEPTH_MAX = 16
"""Brackets within brackets."""
BYTES = range(0x21, 0x7F)
"""Bytes a waybill is made of: printable ASCII without the blank."""
LABEL_BYTES = range(0x20, 0x7F)
"""Bytes a route label is made of: a segment may hold a blank."""


class PatternError(ValueError):
    """A pattern can't be used; says why and what to do."""


@dataclass(slots=True)
class Positions:
    """A position automaton (Glushkov): each position reads one byte of a set.

    ``readers[p]`` are the bytes of position p, ``following[p]`` the positions that may come next,
    ``first`` those to begin with, ``last`` those to end with; ``alphabet`` is all they may read.
    """

    alphabet: range = BYTES
    readers: list[frozenset[int]] = field(default_factory=list)
    following: list[set[int]] = field(default_factory=list)
    first: frozenset[int] = frozenset()
    last: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of an expression: may it be empty, which positions begin it, which end it."""

    nullable: bool
    first: frozenset[int]
    last: frozenset[int]


EMPTY = _Part(nullable=True, first=frozenset(), last=frozenset())


def read_pattern(pattern: str, alphabet: range = BYTES) -> Positions:
    """Read a pattern: a regular expression over the whole code, in greenery's syntax.

    Args:
        pattern: The expression.
        alphabet: Bytes that a code may hold; others never match.

    Raises:
        PatternError: it is no such expression, too large, or matches nothing or the empty text.
    """
    if len(pattern) > PATTERN_LENGTH_MAX:
        raise PatternError(f"longer than {PATTERN_LENGTH_MAX} characters; shorten or split it")
    if not pattern.isascii() or not pattern.isprintable():
        raise PatternError("holds characters outside printable ASCII; no code has them")
    if pattern.startswith("^") or (pattern.endswith("$") and not pattern.endswith(r"\$")):
        raise PatternError("a pattern always means the whole code; remove ^ and $")
    if _depth(pattern) > DEPTH_MAX:
        raise PatternError(f"more than {DEPTH_MAX} brackets within brackets; simplify it")
    try:
        parsed = greenery.parse(pattern)
    except (NoMatch, ValueError, LookupError) as error:
        raise PatternError(f"no regular expression ({error}); correct it") from None
    positions = Positions(alphabet)
    whole = _any_of(parsed, positions)
    if whole.nullable:
        raise PatternError("matches an empty code; make at least one character mandatory")
    positions.first, positions.last = whole.first, whole.last
    return positions


def _depth(pattern: str) -> int:
    depth = deepest = 0
    for character in pattern:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest


def _any_of(pattern: greenery.Pattern, positions: Positions) -> _Part:
    parts = [_sequence(conc, positions) for conc in pattern.concs]
    return _Part(
        nullable=any(part.nullable for part in parts),
        first=frozenset().union(*(part.first for part in parts)),
        last=frozenset().union(*(part.last for part in parts)),
    )


def _sequence(conc: Conc, positions: Positions) -> _Part:
    whole = EMPTY
    for mult in conc.mults:
        whole = _join(whole, _repeated(mult, positions), positions)
    return whole


def _join(left: _Part, right: _Part, positions: Positions) -> _Part:
    for position in left.last:
        positions.following[position] |= right.first
    return _Part(
        nullable=left.nullable and right.nullable,
        first=left.first | right.first if left.nullable else left.first,
        last=left.last | right.last if right.nullable else right.last,
    )


def _repeated(mult: Mult, positions: Positions) -> _Part:
    """Write a repetition out: its mandatory copies, then optional ones or an endless one."""
    least, most = mult.multiplier.min.v, mult.multiplier.max.v
    if max(least, most or 0) > WAYBILL_BYTES_MAX:
        raise PatternError(
            f"repeats something {max(least, most or 0)} times; "
            f"a code has at most {WAYBILL_BYTES_MAX} bytes"
        )
    whole = EMPTY
    copies = most if most is not None else max(least, 1)
    for number in range(1, copies + 1):
        before = len(positions.readers)
        part = _one(mult, positions)
        if len(positions.readers) == before:
            # Nothing but the empty text: more copies add nothing, and nested ones would never end.
            break
        if most is None and number == copies:
            for position in part.last:
                positions.following[position] |= part.first
        if number > least:
            part = _Part(nullable=True, first=part.first, last=part.last)
        whole = _join(whole, part, positions)
    return whole


def _one(mult: Mult, positions: Positions) -> _Part:
    if isinstance(mult.multiplicand, greenery.Pattern):
        return _any_of(mult.multiplicand, positions)
    reads = frozenset(b for b in positions.alphabet if mult.multiplicand.accepts(chr(b)))
    if not reads:
        raise PatternError("holds a set that no character of a code is in; correct it")
    if len(positions.readers) == POSITIONS_MAX:
        raise PatternError(f"longer than {POSITIONS_MAX} characters when written out; shorten it")
    positions.readers.append(reads)
    positions.following.append(set())
    only = frozenset((len(positions.readers) - 1,))
    return _Part(nullable=False, first=only, last=only)
