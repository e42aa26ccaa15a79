"""The compiled decision and the plain one on as many pieces as are asked for.

Hypothesis draws the worlds, as in ``test_decision``; thousands of pieces of each come from a seed,
a hundred times faster than it could draw them. ``DECISION_PIECES`` says how many there are in all:
DECISION_PIECES=2000000 python -m pytest tests/unit/assignment/test_millions.py
"""

import os
import random
from collections.abc import Iterator
from copy import deepcopy

import numba
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench import naive
from plc_adapters.contract import CODE_BYTES, ChuteState, ScanStatus
from tests.unit.assignment.cases import (
    DESTINATIONS,
    LABEL_TEXTS,
    MEASURES,
    NO_WAYBILLS,
    SECOND,
    START_NS,
    WAYBILLS,
    World,
    prefixed,
    worlds,
)
from tests.unit.assignment.driver import Compiled
from tests.unit.assignment.test_decision import assert_same_memory

FEW = "1000" if numba.config.DISABLE_JIT else "8000"  # type: ignore[attr-defined]
PIECES = int(os.environ.get("DECISION_PIECES", FEW))
PIECES_OF_WORLD = 1_000
AT_ONCE = 24
"""Pieces that come by in turn until the next ones do, so that each is scanned on several laps."""
TURNS_OF_SOME = 6
TEXTS = [WAYBILLS, WAYBILLS[:4], NO_WAYBILLS, LABEL_TEXTS, LABEL_TEXTS]
PREFIXES = [b"", b"", b"]C1", b"]d2", b"]Q\0", b"]zz"]
STATUSES = [0, 0, 0, ScanStatus.CODE_CUT, ScanStatus.MORE_CODES]
OPEN_OR_NOT = [ChuteState.OPEN, ChuteState.OPEN, *ChuteState]


def code(rng: random.Random) -> bytes:
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(CODE_BYTES + 1))
    return prefixed(rng.choice(rng.choice(TEXTS)), rng.choice(PREFIXES))


def scan(rng: random.Random, first: int, now_ns: int) -> naive.Scan:
    return naive.Scan(
        piece_id=first + rng.randrange(AT_ONCE),
        lap=rng.choice([0, 0, 0, 1, 1, 2, 3, 4]),
        event_ns=now_ns - rng.choice([-1, 0, 1, 1, 2, 4, 8, 40]) * SECOND // 4,
        codes=[code(rng) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3, 4]))],
        status=rng.choice(STATUSES),
        weight_g=rng.choice(MEASURES),
        sizes_mm=(rng.choice(MEASURES), rng.choice(MEASURES), rng.choice(MEASURES)),
    )


def answer(rng: random.Random, first: int) -> naive.Answer:
    """What the upstream host says of a piece; now and then that it does not know it."""
    facts = None
    if rng.random() < 0.8:
        holds = frozenset(h for h in naive.HOLDS[:5] if rng.random() < 0.04)
        destination = rng.choice(DESTINATIONS[1:])
        facts = naive.Advice(rng.randrange(4), rng.randrange(4), destination, holds)
    return naive.Answer(first + rng.randrange(AT_ONCE), facts)


def turns(rng: random.Random) -> Iterator[tuple[int, int]]:
    """First piece and instant of each turn."""
    now_ns = START_NS
    for first in range(1, PIECES_OF_WORLD, AT_ONCE):
        for _ in range(TURNS_OF_SOME):
            now_ns += rng.randrange(20) * SECOND // 4
            yield first, now_ns


@given(worlds(), st.integers(0, 2**63))
@settings(
    max_examples=max(PIECES // PIECES_OF_WORLD, 1),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
def test_millions_of_pieces(world: World, seed: int) -> None:
    rng = random.Random(seed)
    line = naive.Line(world.plan, world.pre_advice, deepcopy(world.chutes))
    compiled = Compiled(world.plan, world.pre_advice, world.chutes, rows=2 * PIECES_OF_WORLD)
    for first, now_ns in turns(rng):
        for number in rng.sample(sorted(line.chutes), min(len(line.chutes), 2)):
            chute = line.chutes[number]
            chute.state, chute.locked = rng.choice(OPEN_OR_NOT), rng.random() < 0.1
            chute.fill = rng.randrange(chute.capacity + 1)
            compiled.change(number, chute.state, locked=chute.locked, fill=chute.fill)
        scans = [scan(rng, first, now_ns) for _ in range(rng.randrange(2 * AT_ONCE))]
        assert compiled.batch(scans, now_ns) == line.batch(scans, now_ns)
        answers = [answer(rng, first) for _ in range(rng.randrange(AT_ONCE // 2))]
        assert compiled.answers(answers, now_ns) == line.answers(answers, now_ns)
    assert_same_memory(line, compiled.tracking)
