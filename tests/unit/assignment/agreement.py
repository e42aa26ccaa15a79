"""Hold the compiled decision against the plain one on as many generated pieces as are asked for.

Hypothesis draws the worlds (plan, pre-advice, chutes), as in ``test_decision``; a thousand pieces
of each come from a seed, a hundred times faster than it could draw them. Every decision, every
answer of the upstream host, and in the end what both remember must be the same.
NUMBA_DISABLE_JIT=1 runs the kernels as plain Python. Ends with a trace, and keeps nothing, at the
first difference.

Example: python -m tests.unit.assignment.agreement --pieces 2000000 --keep build/oracle.json
"""

import argparse
import json
import os
import platform
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
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

WITH_JIT = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]
PIECES_OF_WORLD = 1_000
WORLDS_OF_ROUND = 50
"""Worlds that one seed of hypothesis draws; a round that fails is repeated by its seed alone."""
AT_ONCE = 24
"""Pieces that come by in turn until the next ones do, so that each is scanned on several laps."""
TURNS_OF_SOME = 6
TEXTS = [WAYBILLS, WAYBILLS[:4], NO_WAYBILLS, LABEL_TEXTS, LABEL_TEXTS]
PREFIXES = [b"", b"", b"]C1", b"]d2", b"]Q\0", b"]zz"]
STATUSES = [0, 0, 0, ScanStatus.CODE_CUT, ScanStatus.MORE_CODES]
OPEN_OR_NOT = [ChuteState.OPEN, ChuteState.OPEN, *ChuteState]


@dataclass(slots=True)
class Compared:
    """What was the same in both."""

    worlds: int = 0
    pieces: int = 0
    scans: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    """By disposition; those that answers of the host led to among them."""
    answers: int = 0


def compare(world: World, seed: int, compared: Compared) -> None:
    """Hold both against each other on a world's pieces; AssertionError at the first difference."""
    rng = random.Random(seed)
    line = naive.Line(world.plan, world.pre_advice, deepcopy(world.chutes))
    compiled = Compiled(world.plan, world.pre_advice, world.chutes, rows=2 * PIECES_OF_WORLD)
    for first, now_ns in _turns(rng):
        for number in rng.sample(sorted(line.chutes), min(len(line.chutes), 2)):
            chute = line.chutes[number]
            chute.state, chute.locked = rng.choice(OPEN_OR_NOT), rng.random() < 0.1
            chute.fill = rng.randrange(chute.capacity + 1)
            compiled.change(number, chute.state, locked=chute.locked, fill=chute.fill)
        scans = [_scan(rng, first, now_ns) for _ in range(rng.randrange(2 * AT_ONCE))]
        decisions = line.batch(scans, now_ns)
        assert compiled.batch(scans, now_ns) == decisions
        answers = [_answer(rng, first) for _ in range(rng.randrange(AT_ONCE // 2))]
        anew = line.answers(answers, now_ns)
        assert compiled.answers(answers, now_ns) == anew
        compared.scans += len(scans)
        compared.answers += len(answers)
        compared.decisions.update(each.disposition.name.lower() for each in decisions + anew)
    assert_same_memory(line, compiled.tracking)
    compared.worlds += 1
    compared.pieces += len(line.pieces)


def compare_round(seed: int, worlds_max: int, compared: Compared) -> None:
    """Compare on the worlds that a seed draws."""

    @seeded(seed)
    @settings(
        max_examples=worlds_max,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(worlds(), st.integers(0, 2**63))
    def drawn(world: World, pieces_seed: int) -> None:
        compare(world, pieces_seed, compared)

    drawn()


def _code(rng: random.Random) -> bytes:
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(CODE_BYTES + 1))
    return prefixed(rng.choice(rng.choice(TEXTS)), rng.choice(PREFIXES))


def _scan(rng: random.Random, first: int, now_ns: int) -> naive.Scan:
    return naive.Scan(
        piece_id=first + rng.randrange(AT_ONCE),
        lap=rng.choice([0, 0, 0, 1, 1, 2, 3, 4]),
        event_ns=now_ns - rng.choice([-1, 0, 1, 1, 2, 4, 8, 40]) * SECOND // 4,
        codes=[_code(rng) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3, 4]))],
        status=rng.choice(STATUSES),
        weight_g=rng.choice(MEASURES),
        sizes_mm=(rng.choice(MEASURES), rng.choice(MEASURES), rng.choice(MEASURES)),
    )


def _answer(rng: random.Random, first: int) -> naive.Answer:
    """What the upstream host says of a piece; now and then that it does not know it."""
    facts = None
    if rng.random() < 0.8:
        holds = frozenset(h for h in naive.HOLDS[:5] if rng.random() < 0.04)
        destination = rng.choice(DESTINATIONS[1:])
        facts = naive.Advice(rng.randrange(4), rng.randrange(4), destination, holds)
    return naive.Answer(first + rng.randrange(AT_ONCE), facts)


def _turns(rng: random.Random) -> Iterator[tuple[int, int]]:
    """First piece and instant of each turn."""
    now_ns = START_NS
    for first in range(1, PIECES_OF_WORLD, AT_ONCE):
        for _ in range(TURNS_OF_SOME):
            now_ns += rng.randrange(20) * SECOND // 4
            yield first, now_ns


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _told(compared: Compared, first_seed: int, rounds: int, seconds: float) -> dict[str, Any]:
    return {
        "jit": WITH_JIT,
        "pieces": compared.pieces,
        "scans": compared.scans,
        "host_answers": compared.answers,
        "decisions": compared.decisions.total(),
        "by_disposition": dict(compared.decisions.most_common()),
        "differences": 0,
        "worlds": compared.worlds,
        "seeds": [first_seed, first_seed + rounds - 1],
        "wall_seconds": round(seconds, 1),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", "sorter", "plc_adapters",
                                         "routing_tables", "bench/*.py", "tests")),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "numba": version("numba"),
        "hypothesis": version("hypothesis"),
    }  # fmt: skip


def main() -> None:
    """Compare on so many pieces, tell what was compared, and keep it if wanted."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.unit.assignment.agreement", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--pieces", type=int, default=100_000, help="at least so many")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--keep", type=Path, help="JSON file to which this run is added")
    options = parser.parse_args()
    compared, rounds, began = Compared(), 0, time.monotonic()
    while compared.pieces < options.pieces:
        left = (options.pieces - compared.pieces) // PIECES_OF_WORLD + 1
        compare_round(options.seed + rounds, min(left, WORLDS_OF_ROUND), compared)
        rounds += 1
    told = _told(compared, options.seed, rounds, time.monotonic() - began)
    print(json.dumps(told), flush=True)  # noqa: T201
    if options.keep:
        kept = json.loads(options.keep.read_text()) if options.keep.exists() else {"runs": []}
        kept["runs"].append(told)
        options.keep.parent.mkdir(parents=True, exist_ok=True)
        options.keep.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
