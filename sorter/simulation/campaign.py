"""Many seeds over several processes, and what came of them."""

import gc
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from sorter.simulation.settings import Safeguard, Settings
from sorter.simulation.world import Result, simulate

FINDINGS_MAX = 20
"""Failing seeds that are kept with their last happenings; the others are only counted."""
CHUNK = 10
"""Seeds a process takes at once."""
GARBAGE_AFTER = 20_000
"""Objects made before a process of many seeds looks for garbage; what it imported stays out."""


@dataclass(slots=True)
class Campaign:
    """What some seeds showed."""

    first_seed: int
    seeds: int = 0
    pieces: int = 0
    happenings: int = 0
    virtual_s: float = 0.0
    wall_s: float = 0.0
    violations: int = 0
    by_promise: dict[int, int] = field(default_factory=dict)
    by_fault: dict[str, int] = field(default_factory=dict)
    """Runs in which a fault came about at least once."""
    findings: list[Result] = field(default_factory=list)
    without: str = ""

    def add(self, result: Result) -> None:
        """Count a run."""
        self.seeds += 1
        self.pieces += result.pieces
        self.happenings += result.happenings
        self.virtual_s += result.virtual_s
        for fault in set(result.faults):
            self.by_fault[fault] = self.by_fault.get(fault, 0) + 1
        if result.violation:
            self.violations += 1
            self.by_promise[result.promise] = self.by_promise.get(result.promise, 0) + 1
            if len(self.findings) < FINDINGS_MAX:
                self.findings.append(result)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return {
            **asdict(self),
            "simulated_hours": round(self.virtual_s / 3600, 3),
            "by_promise": dict(sorted(self.by_promise.items())),
            "by_fault": dict(sorted(self.by_fault.items())),
        }


def run_campaign(
    seeds: int,
    first: int = 0,
    *,
    jobs: int = 0,
    without: Safeguard | None = None,
    settings: Settings | None = None,
    progress: Callable[[Campaign], None] = lambda _: None,
) -> Campaign:
    """Run seeds ``first`` to ``first + seeds - 1``.

    Args:
        seeds: How many.
        first: The first one.
        jobs: Processes; 0 for one a processor.
        without: A safeguard to leave out.
        settings: The scale of each run.
        progress: Called after each seed.
    """
    settings = settings or Settings()
    campaign = Campaign(first, without=str(without or ""))
    began = time.monotonic()
    jobs = min(jobs or os.cpu_count() or 1, seeds)
    work = [(seed, settings, without) for seed in range(first, first + seeds)]
    for result in _results(work, jobs):
        campaign.add(result)
        campaign.wall_s = time.monotonic() - began
        progress(campaign)
    return campaign


def _results(work: list[tuple[int, Settings, Safeguard | None]], jobs: int) -> Iterator[Result]:
    if jobs <= 1:
        logger = logging.getLogger("sorter")
        level = logger.level
        _be_quiet()
        try:
            yield from map(_one, work)
        finally:
            logger.setLevel(level)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, _begin) as pool:
        yield from pool.imap_unordered(_one, work, CHUNK)


def _one(work: tuple[int, Settings, Safeguard | None]) -> Result:
    return simulate(*work)


def _begin() -> None:
    """Prepare a process that runs many seeds and ends with them."""
    _be_quiet()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)


def _be_quiet() -> None:
    """Say nothing of the outages that the seeds bring about on purpose."""
    logging.getLogger("sorter").setLevel(logging.CRITICAL)
