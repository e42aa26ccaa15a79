"""Nanoseconds per decision, batched and one at a time, against references in the same run.

The contenders take turns at every batch, forward and back, so that whatever changes on the machine
hits them all, and none always finds the tables in the cache that another has just probed.
Each sample is one batch of 512 scans, or one scan, divided by its scans. All contenders begin each
repetition with the same pieces and empty chutes; resetting them is not measured.

What they decide is compared: the oracle has to say the same as the service, the rules engine the
same disposition and group, and every repetition the same as the first.
"""

import gc
from collections.abc import Sequence
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from bench.assignment_contenders import (
    Contender,
    Plain,
    Probe,
    Rules,
    Service,
    questions_of,
)
from bench.assignment_inputs import Inputs, make_inputs
from bench.naive_arrays import columns_of, decision_of
from bench.report import Figure, Report, against, figure, hash_of, machine
from plc_adapters.contract import Records
from sorter.ports import BATCH_MAX, DECISION

SCANS = 64 * BATCH_MAX
ADVISED, ADVISED_SMALL = 1_000_000, 100_000
ADVISED_FEW = 10_000
"""A pre-advice so small that the caches hold it: what growth is measured from."""
REPETITIONS, REPETITIONS_SMALL = 20, 2
"""Of all batches: 1,280 samples, so that the 99.9th percentile is not the maximum."""
SINGLES, SINGLES_SMALL = 16_384, 2_048
"""Scans decided one at a time."""


def run(*, small: bool = False) -> Report:
    """Measure.

    Args:
        small: A tenth of the pre-advice and of the repetitions.

    Raises:
        RuntimeError: a contender decided something else than the service; names the first scan.
    """
    inputs = make_inputs(ADVISED_SMALL if small else ADVISED, SCANS)
    service = Service(inputs)
    decisions = _prove(inputs, service)
    questions, answers = questions_of(inputs, [decision_of(record) for record in decisions])
    rules = Rules(questions, inputs.plan)
    _prove_rules(rules, answers)
    inputs_few = make_inputs(ADVISED_FEW, SCANS)
    few = Service(inputs_few)
    _prove(inputs_few, few)
    contenders: list[Contender] = [Probe(service), service, Plain(inputs), rules]
    gc.collect()
    gc.freeze()  # The tables of the plain one are a million objects: no contender shall pay.
    try:
        repetitions = REPETITIONS_SMALL if small else REPETITIONS
        batched = _measure(contenders, SCANS, BATCH_MAX, repetitions)
        growth = _measure([few, service], SCANS, BATCH_MAX, repetitions)
        single = _measure(contenders, SINGLES_SMALL if small else SINGLES, 1, 1)
    finally:
        gc.unfreeze()
    figures = [
        *_figures(contenders, batched, f"batches of {BATCH_MAX}"),
        *_growth(growth, len(inputs.pre_advice)),
        *_figures(contenders, single, "one at a time"),
    ]
    return Report("assignment", figures, _hash(decisions), machine() | {"places": inputs.source})


def _prove(inputs: Inputs, service: Service) -> Records:
    """Return the service's decisions on all scans, which the oracle has to share, scan by scan."""
    plain = Plain(inputs)
    service.reset()
    decisions = np.zeros(len(inputs.scans), DECISION)
    for start in range(0, len(decisions), BATCH_MAX):
        made = service.decide(start, start + BATCH_MAX)
        if len(made) != BATCH_MAX:
            raise RuntimeError(f"{len(made)} decisions for scans {start} to {start + BATCH_MAX}")
        decisions[start : start + BATCH_MAX] = made
        for record, expected in zip(made, plain.decide(start, start + BATCH_MAX), strict=True):
            if decision_of(record) != expected:
                raise RuntimeError(f"decided {decision_of(record)}; the oracle says {expected}")
    service.decisions = decisions
    return decisions


def _prove_rules(rules: Rules, answers: list[dict[str, object]]) -> None:
    for scan, (given, expected) in enumerate(
        zip(rules.decide(0, len(answers)), answers, strict=True)
    ):
        if given["result"] != expected:
            raise RuntimeError(f"scan {scan}: zen-engine says {given['result']}, not {expected}")


def _measure(
    contenders: Sequence[Contender], scans: int, batch: int, repetitions: int
) -> NDArray[np.float64]:
    """Return nanoseconds per scan, float64[contenders, samples], all contenders batch by batch."""
    starts = range(0, scans, batch)
    there = range(len(contenders))
    taken = np.zeros((len(contenders), repetitions, len(starts)))
    for repetition in range(-1, repetitions):
        for contender in contenders:
            contender.reset()
        # The repetition before the first warms up: a few batches, thrown away.
        for k, start in enumerate(starts if repetition >= 0 else starts[:4]):
            # Forward and back in turn: each finds the caches as its neighbour left them as often
            # as it leaves them so.
            for number in there if (k + repetition) % 2 else there[::-1]:
                began = perf_counter_ns()
                contenders[number].decide(start, start + batch)
                taken[number, max(repetition, 0), k] = (perf_counter_ns() - began) / batch
        if repetition >= 0:
            _check_repetition(contenders, scans)
    return taken.reshape(len(contenders), -1)


def _check_repetition(contenders: Sequence[Contender], scans: int) -> None:
    """Check that the pieces of the service hold what was decided the first time."""
    for contender in contenders:
        if isinstance(contender, Service):
            pieces, decisions = contender.pieces[:scans], contender.decisions[:scans]
            for field in ("disposition", "group", "chutes", "waybill"):
                if not np.array_equal(pieces[field], decisions[field]):
                    raise RuntimeError(f"{field}: a repetition decided something else")


def _figures(contenders: Sequence[Contender], taken: NDArray[np.float64], how: str) -> list[Figure]:
    """Return the figures: the decision against the bare probe, the others against the decision."""
    made = {
        contender.name: figure(f"{contender.name}, {how}", "ns", samples)
        for contender, samples in zip(contenders, taken, strict=True)
    }
    references = {Service.name: Probe.name, Plain.name: Service.name, Rules.name: Service.name}
    return [
        against(each, made[references[name]]) if name in references else each
        for name, each in made.items()
    ]


def _growth(taken: NDArray[np.float64], advised: int) -> list[Figure]:
    """Return the decision over few waybills, and over many against it, in batches.

    The two take turns with each other alone: nobody has touched the tables for either of them.
    """
    few = figure(f"decision, {ADVISED_FEW:,} waybills", "ns", taken[0])
    return [few, against(figure(f"decision, {advised:,} waybills", "ns", taken[1]), few)]


def _hash(decisions: Records) -> str:
    """Return the hash of all decisions, the same on every machine."""
    parts: list[bytes] = []
    for name, column in sorted(columns_of(decisions).items()):
        parts += [name.encode(), column.astype(column.dtype.newbyteorder("<")).tobytes()]
    return hash_of(*parts)
