"""Nanoseconds per scan of a what-if, against the bare decision over the same scans in the same run.

The scans are made up from one seed: the demo's plan and machine, villages of the network by rank
and size, so many an hour that chutes fill and are emptied. The bare decision gets each piece as the
line would have it on a further lap, identity known, in batches; it feeds nothing back, so its
chutes are emptied between batches by hand.
"""

from pathlib import Path
from time import perf_counter_ns

import numpy as np

import sorter.demo
from bench.report import Report, against, figure, hash_of, machine
from plc_adapters.contract import EVENT, Disposition, EventKind, Records
from routing_tables.load import load_network
from routing_tables.schema import Network, lianyungang
from sorter.assignment.arrays import no_pre_advice
from sorter.assignment.kernels import decide_batch
from sorter.assignment.replay import SCAN
from sorter.assignment.warmup import mapped, mapped_pre_advice
from sorter.plans.compile import compile_plan
from sorter.plans.machine import load_chutes
from sorter.plans.plan import Plan, load_plan
from sorter.plans.whatif import WhatIf, whatif
from sorter.ports import BATCH_MAX, DECISION, PIECE

SCANS, SCANS_SMALL = 1_000_000, 50_000
REPETITIONS, REPETITIONS_SMALL = 5, 2
SPACING_NS = 180_000_000
"""20,000 pieces an hour."""
SPEED_MM_S, REACTION_MS = 2000, 20
SLOPE = 0.7
"""Rank-size slope of destinations."""
SEED = 11
BEGIN_NS = 1_800_000_000_000_000_000


def run(*, small: bool = False) -> Report:
    """Measure.

    Args:
        small: A twentieth of the scans.
    """
    folder = next(Path(sorter.demo.__file__).parent.rglob("plan.toml")).parent
    network = load_network(lianyungang())
    plan = load_plan(folder / "plan.toml")
    chutes = load_chutes(folder / "chutes.csv", SPEED_MM_S)
    scans = make_scans(network, SCANS_SMALL if small else SCANS)
    bare = _Bare(plan, network, chutes, scans)
    found = whatif(plan, network, chutes, scans)  # Compiles all there is to compile.
    bare.decide()
    taken = np.zeros((2, REPETITIONS_SMALL if small else REPETITIONS))
    for repetition in range(taken.shape[1]):
        bare.reset()
        began = perf_counter_ns()
        bare.decide()
        between = perf_counter_ns()
        again = whatif(plan, network, chutes, scans)
        taken[:, repetition] = between - began, perf_counter_ns() - between
        if again != found:
            raise RuntimeError("a repetition of the what-if found something else")
    per_scan = taken / len(scans)
    kernel = figure("bare decision", "ns", per_scan[0])
    whole = figure("what-if", "ns", per_scan[1])
    rate = 1e9 / whole.p50
    return Report(
        "whatif",
        [kernel, against(whole, kernel, scans=len(scans), scans_per_second=rate)],
        hash_of(_told(found)),
        machine(),
    )


def make_scans(network: Network, count: int) -> Records:
    """Return SCAN[count]: pieces for the network's villages, recorded in no chute."""
    rng = np.random.default_rng(SEED)
    villages = np.array([int(d.code) for d in network.divisions if len(d.code) == 12], np.int64)
    weights = np.arange(1, len(villages) + 1) ** -SLOPE
    scans = np.zeros(count, SCAN)
    scans["scanned_ns"] = BEGIN_NS + np.arange(count) * SPACING_NS
    scans["destination"] = rng.permutation(villages)[
        rng.choice(len(villages), count, p=weights / weights.sum())
    ]
    scans["brand"] = rng.integers(1, len(network.brands) + 1, count)
    scans["service_class"] = rng.integers(1, len(network.service_classes) + 1, count)
    scans["finding"] = Disposition.ROUTED
    return scans


class _Bare:
    """The decision over the same scans, as records of the line."""

    def __init__(self, plan: Plan, network: Network, chutes: Records, scans: Records) -> None:
        arrays, _ = compile_plan(plan, network, chutes, 1, plan.centre, REACTION_MS)
        self._plan, self._pre = mapped(arrays), mapped_pre_advice(no_pre_advice())
        self._empty, self._chutes = chutes, chutes.copy()
        self._events = np.zeros(BATCH_MAX, EVENT)
        self._events["kind"], self._events["event_ns"] = EventKind.SCANNED, BEGIN_NS
        self._rows = np.arange(BATCH_MAX, dtype=np.int32)
        self._decisions = np.zeros(BATCH_MAX, DECISION)
        self._known = np.zeros(len(scans), PIECE)
        for name in ("destination", "brand", "service_class"):
            self._known[name] = scans[name]
        self._known["waybill"][:, 0] = ord("W")
        self._known["waybill_length"] = 1
        self._pieces = self._known.copy()

    def reset(self) -> None:
        """Forget what was decided; not measured."""
        self._pieces[:] = self._known

    def decide(self) -> None:
        """Decide all scans in batches."""
        for first in range(0, len(self._pieces), BATCH_MAX):
            pieces = self._pieces[first : first + BATCH_MAX]
            self._chutes[:] = self._empty
            decide_batch(
                self._events, len(pieces), pieces, self._rows, self._chutes, self._plan, self._pre,
                BEGIN_NS, self._decisions,
            )  # fmt: skip


def _told(found: WhatIf) -> bytes:
    return repr((found.after, found.chutes, found.shifts)).encode()
