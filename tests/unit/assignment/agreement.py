"""Hold the compiled decision against the plain one on as many generated pieces as are asked for.

Hypothesis draws the worlds (plan, pre-advice, chutes), as in ``test_decision``; a thousand pieces
of each come from a seed, a hundred times faster than it could draw them: most with a waybill of
their own on all laps, some with anything; a few at once, until they leave and the next ones come.
Every decision, every answer of the upstream host, and what both remember must be the same.
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
from copy import deepcopy
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from bench import naive
from plc_adapters.contract import CODE_BYTES, ChuteState, Disposition, ScanStatus
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
"""Pieces that come by in turn until they leave, each scanned on several laps."""
TURNS_OF_SOME = 6
ODD_SCANS = 0.2
"""Share of scans with any codes instead of the piece's own."""
TEXTS = [WAYBILLS, WAYBILLS[:4], NO_WAYBILLS, LABEL_TEXTS, LABEL_TEXTS]
PREFIXES = [b"", b"", b"]C1", b"]d2", b"]Q\0", b"]zz"]
STATUSES = [0] * 16 + [ScanStatus.CODE_CUT] * 2 + [ScanStatus.MORE_CODES, ScanStatus.TIE_AMBIGUOUS]
OPEN_OR_NOT = [ChuteState.OPEN] * 8 + [*ChuteState]


@dataclass(slots=True)
class Compared:
    """What was the same in both."""

    worlds: int = 0
    pieces: int = 0
    scans: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    """By disposition; those that answers of the host led to among them."""
    answers: int = 0


@dataclass(frozen=True, slots=True)
class Some:
    """The pieces that come by at the same time, with the waybill of each."""

    first: int
    waybills: list[bytes]

    def any_one(self, rng: random.Random) -> int:
        """Return the number of one of them."""
        return self.first + rng.randrange(len(self.waybills))


def compare(world: World, seed: int, compared: Compared) -> None:
    """Hold both against each other on a world's pieces; AssertionError at the first difference."""
    rng = random.Random(seed)
    plan, advised = world.plan, _less_known(rng, world.pre_advice)
    plan.host_laps = rng.choice([None, 0, 1, 2])
    plan.exceptions[Disposition.HOST_LATE] = rng.randrange(len(plan.groups)) + 1
    line = naive.Line(plan, advised, deepcopy(world.chutes))
    compiled = Compiled(plan, advised, world.chutes)
    now_ns = START_NS
    for first in range(1, PIECES_OF_WORLD, AT_ONCE):
        some = Some(first, [_waybill(rng, line) for _ in range(AT_ONCE)])
        for turn in range(TURNS_OF_SOME):
            now_ns += rng.randrange(20) * SECOND // 4
            _change(rng, line, compiled)
            scans = [_scan(rng, some, turn // 2, now_ns) for _ in range(rng.randrange(2 * AT_ONCE))]
            decisions = line.batch(scans, now_ns)
            assert compiled.batch(scans, now_ns) == decisions
            answers = [_answer(rng, some) for _ in range(rng.randrange(AT_ONCE // 2))]
            anew = line.answers(answers, now_ns)
            assert compiled.answers(answers, now_ns) == anew
            compared.scans += len(scans)
            compared.answers += len(answers)
            compared.decisions.update(each.disposition.name.lower() for each in decisions + anew)
        assert_same_memory(line, compiled.tracking)
        compared.pieces += len(line.pieces)
        compiled.leave(list(line.pieces))
        for piece in list(line.pieces):
            line.leave(piece)
    assert_same_memory(line, compiled.tracking)
    compared.worlds += 1


def _waybill(rng: random.Random, line: naive.Line) -> bytes:
    """Draw a piece's waybill; one that surely is none, in this world, is mostly drawn again."""
    for _ in range(4):
        drawn = rng.choice(WAYBILLS)
        if line.is_waybill(drawn):
            break
    return drawn


def _less_known(
    rng: random.Random, pre_advice: dict[bytes, naive.Advice]
) -> dict[bytes, naive.Advice]:
    """Let pre-advice leave the destination of some waybills to labels and the upstream host."""
    return {
        waybill: replace(advice, destination=0) if rng.random() < 0.3 else advice
        for waybill, advice in pre_advice.items()
    }


def _change(rng: random.Random, line: naive.Line, compiled: Compiled) -> None:
    """Let something happen to two chutes, and now and then to the line."""
    for number in rng.sample(sorted(line.chutes), min(len(line.chutes), 2)):
        chute = line.chutes[number]
        chute.state, chute.locked = rng.choice(OPEN_OR_NOT), rng.random() < 0.05
        chute.fill = min(rng.randrange(chute.capacity + 1), rng.randrange(chute.capacity + 1))
        compiled.change(number, chute.state, locked=chute.locked, fill=chute.fill)
    line.quarantined = compiled.quarantined = rng.random() < 0.03


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


def _codes(rng: random.Random, waybill: bytes) -> list[bytes]:
    """Return what a scanner reads of a piece: mostly its waybill, perhaps labels beside it."""
    if rng.random() < ODD_SCANS:
        return [_odd_code(rng) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3, 4]))]
    labels = [rng.choice(LABEL_TEXTS) for _ in range(rng.choice([0, 0, 1, 2]))]
    codes = [prefixed(code, rng.choice(PREFIXES)) for code in [waybill, *labels]]
    rng.shuffle(codes)
    return codes


def _odd_code(rng: random.Random) -> bytes:
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(CODE_BYTES + 1))
    return prefixed(rng.choice(rng.choice(TEXTS)), rng.choice(PREFIXES))


def _scan(rng: random.Random, some: Some, lap: int, now_ns: int) -> naive.Scan:
    piece = some.any_one(rng)
    return naive.Scan(
        piece_id=piece,
        lap=max(lap + rng.choice([0, 0, 0, 0, 1, -1]), 0),
        event_ns=now_ns - rng.choice([-1, 0, 1, 1, 2, 4, 8, 40]) * SECOND // 4,
        codes=_codes(rng, some.waybills[piece - some.first]),
        status=rng.choice(STATUSES),
        weight_g=rng.choice(MEASURES),
        sizes_mm=(rng.choice(MEASURES), rng.choice(MEASURES), rng.choice(MEASURES)),
    )


def _answer(rng: random.Random, some: Some) -> naive.Answer:
    """What the upstream host says of a piece; now and then that it does not know it."""
    facts = None
    if rng.random() < 0.8:
        holds = frozenset(h for h in naive.HOLDS[:5] if rng.random() < 0.04)
        destination = rng.choice(DESTINATIONS[1:])
        facts = naive.Advice(rng.randrange(4), rng.randrange(4), destination, holds)
    return naive.Answer(some.any_one(rng), facts)


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
