"""What a plan would have made of recorded pieces: loads, laps, overflow, and what goes elsewhere.

The replay's model is told in :mod:`sorter.assignment.replay`. It is held against what was recorded,
or against another plan replayed in the same model, which is the fairer comparison: then nothing
differs but the plan.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CHUTE_NUMBER_MAX, DISPOSITIONS_MAX, Disposition, Records
from routing_tables.schema import Network
from sorter.assignment.replay import END, MINUTE_NS, ROUTED, replay
from sorter.assignment.warmup import mapped
from sorter.errors import ConfigError
from sorter.plans.compile import compile_plan
from sorter.plans.crosscheck import Findings, crosscheck
from sorter.plans.plan import Plan
from sorter.plans.prove import REACTION_MS
from sorter.plans.rules import Rules, rules_of

MINUTES_MAX = 20_160
"""Longest recording: two weeks, in minutes."""
SHIFTS_MAX = 1_000
"""Shifts told one by one, those of most pieces first; the rest are counted."""
SECOND_NS = 1_000_000_000
RECORDED = "recorded"


@dataclass(frozen=True, slots=True)
class Model:
    """What the replay assumes. ``lap_s`` once round; ``empty_s`` until a full chute is empty."""

    lap_s: float = 60.0
    empty_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of all pieces; shares are of all pieces, 0 to 1."""

    pieces: int
    recirculated_share: float
    """Pieces that stayed on for a lap or more."""
    laps: int
    """Laps that pieces stayed on, altogether."""
    overflow_share: float
    exception_share: float
    """Pieces that left as an exception, the lap limit among them."""
    unplaced: int
    """Pieces that ended in no chute known."""
    peak_minute: str
    """Instant at which the minute of most scans begins, UTC."""
    peak_scans: int


@dataclass(frozen=True, slots=True)
class ChuteLoad:
    """Pieces into one chute, before and after; ``emptied`` is how often the replay emptied it."""

    chute: int
    group: str
    """Its group in the plan tried; empty if it has none."""
    capacity: int
    before: int
    after: int
    emptied: int


@dataclass(frozen=True, slots=True)
class Shift:
    """Pieces that go to the chutes of another group: from this chute to that one, 0 for none."""

    what: str
    """Prefix of the route that holds for them; the disposition of what is no sorted piece."""
    before: int
    after: int
    pieces: int


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A plan tried over a recording."""

    plan: str
    against: str
    """The other plan's name, or ``recorded``."""
    model: Model
    decisions: int
    before: Totals
    after: Totals
    chutes: tuple[ChuteLoad, ...]
    shifted: int
    """Pieces that go to the chutes of another group."""
    shifts: tuple[Shift, ...]
    shifts_hidden: int


@dataclass(frozen=True, slots=True)
class _Run:
    """One replay, or the recording put in its form."""

    ends: Records
    emptied: NDArray[np.int32]
    minutes: NDArray[np.int64]
    decisions: int


def whatif(
    plan: Plan,
    network: Network,
    chutes: Records,
    scans: Records,
    against: Plan | None = None,
    model: Model = Model(),
    reaction_ms: int = REACTION_MS,
) -> WhatIf:
    """Try a plan over recorded pieces.

    Args:
        plan: The plan to try.
        network: The network it is for.
        chutes: CHUTE by number, the machine, open and empty.
        scans: SCAN[n], by instant, at least one.
        against: A plan to compare with; what was recorded if None.
        model: What the replay assumes.
        reaction_ms: What the PLC needs between holding an instruction and acting on it.

    Raises:
        ConfigError: a plan is wrong, every error in it; the recording is empty or too long.
        TableError: routes make more zones than a plan can hold.
    """
    minutes = _minutes(scans, plan.laps, model)
    findings = crosscheck(plan, network, chutes, plan.centre)
    after = _replayed(plan, network, chutes, scans, model, reaction_ms, minutes, findings)
    before = (
        _replayed(against, network, chutes, scans, model, reaction_ms, minutes)
        if against
        else _recorded(scans, len(chutes), model, minutes)
    )
    moved = _moved(plan, before.ends["chute"], after.ends["chute"], len(chutes))
    shifts = _shifts(rules_of(network, findings.routes), scans, before.ends, after.ends, moved)
    begin_ns = int(scans[0]["scanned_ns"])
    return WhatIf(
        plan=plan.name,
        against=against.name if against else RECORDED,
        model=model,
        decisions=after.decisions,
        before=_totals(before, begin_ns),
        after=_totals(after, begin_ns),
        chutes=_loads(plan, chutes, before, after),
        shifted=int(np.count_nonzero(moved)),
        shifts=tuple(shifts[:SHIFTS_MAX]),
        shifts_hidden=max(len(shifts) - SHIFTS_MAX, 0),
    )


def _minutes(scans: Records, laps: int, model: Model) -> int:
    """Return the minutes that a replay can take."""
    if not len(scans):
        raise ConfigError("no recorded pieces; give a recording that holds some")
    span_ns = int(scans[-1]["scanned_ns"]) - int(scans[0]["scanned_ns"])
    if span_ns > MINUTES_MAX * MINUTE_NS:
        raise ConfigError(
            f"the recording spans {span_ns // (1440 * MINUTE_NS)} days, at most "
            f"{MINUTES_MAX // 1440} can be replayed at once; take fewer"
        )
    return int((span_ns + laps * model.lap_s * SECOND_NS) // MINUTE_NS) + 1


def _replayed(
    plan: Plan, network: Network, chutes: Records, scans: Records, model: Model,
    reaction_ms: int, minutes: int, findings: Findings | None = None,
) -> _Run:  # fmt: skip
    arrays, _ = compile_plan(plan, network, chutes, 1, plan.centre, reaction_ms, findings)
    ends, emptied = np.zeros(len(scans), END), np.zeros(len(chutes), np.int32)
    counted = np.zeros(minutes, np.int32)
    decisions = replay(
        scans,
        chutes.copy(),
        mapped(arrays),
        int(model.lap_s * SECOND_NS),
        int(model.empty_s * SECOND_NS),
        ends,
        emptied,
        counted,
    )
    return _Run(ends, emptied, counted.astype(np.int64), decisions)


def _recorded(scans: Records, chutes: int, model: Model, minutes: int) -> _Run:
    """Return the recording in a replay's form; further laps are taken to last as the model says."""
    ends = np.zeros(len(scans), END)
    for field in ("disposition", "chute", "laps"):
        ends[field] = scans[field]
    counted = np.zeros(minutes, np.int64)
    passed_ns = scans["scanned_ns"] - scans[0]["scanned_ns"]
    for lap in range(int(scans["laps"].max()) + 1):
        here = passed_ns[scans["laps"] >= lap] + int(lap * model.lap_s * SECOND_NS)
        counted += np.bincount(np.minimum(here // MINUTE_NS, minutes - 1), minlength=minutes)
    return _Run(ends, np.zeros(chutes, np.int32), counted, 0)


def _moved(
    plan: Plan, before: NDArray[np.uint16], after: NDArray[np.uint16], chutes: int
) -> NDArray[np.bool_]:
    """Return which pieces go to chutes of another group, as the plan tried groups them."""
    owner = np.arange(chutes) + len(plan.groups)
    for number, group in enumerate(plan.groups.values()):
        owner[group.chutes] = number
    moved: NDArray[np.bool_] = owner[before] != owner[after]
    return moved


def _shifts(
    rules: Rules, scans: Records, before: Records, after: Records, moved: NDArray[np.bool_]
) -> list[Shift]:
    """Return the shifts, those of most pieces first."""
    of = scans[moved]
    rule = rules.holding_for(of["destination"], of["brand"], of["service_class"]).astype(np.int64)
    # A negative number is the disposition of a piece that no route holds for.
    exception = -after["disposition"][moved].astype(np.int64)
    rule = np.where((of["finding"] == ROUTED) & (rule > 0), rule, exception)
    # One number a piece: sorting numbers is far faster than sorting rows.
    into = (before["chute"][moved], after["chute"][moved])
    base = CHUTE_NUMBER_MAX + 1
    keys, counts = np.unique(
        ((rule + DISPOSITIONS_MAX) * base + into[0]) * base + into[1], return_counts=True
    )
    order = np.argsort(-counts, kind="stable")
    return [
        Shift(_what(rules, key // base**2 - DISPOSITIONS_MAX), key // base % base, key % base, n)
        for key, n in zip(keys[order].tolist(), counts[order].tolist(), strict=True)
    ]


def _what(rules: Rules, number: int) -> str:
    if number > 0:
        return rules.routes[number - 1].prefix
    return Disposition(-number).name.lower()


def _totals(run: _Run, begin_ns: int) -> Totals:
    ends, pieces = run.ends, len(run.ends)
    peak = int(run.minutes.argmax())
    begin_s = (begin_ns + peak * MINUTE_NS) // SECOND_NS
    return Totals(
        pieces=pieces,
        recirculated_share=int(np.count_nonzero(ends["laps"])) / pieces,
        laps=int(ends["laps"].sum(dtype=np.int64)),
        overflow_share=int(np.count_nonzero(ends["disposition"] == Disposition.OVERFLOW)) / pieces,
        exception_share=int(np.count_nonzero(ends["disposition"] >= Disposition.NO_READ)) / pieces,
        unplaced=int(np.count_nonzero(ends["chute"] == 0)),
        peak_minute=datetime.fromtimestamp(begin_s, UTC).isoformat(),
        peak_scans=int(run.minutes[peak]),
    )


def _loads(plan: Plan, chutes: Records, before: _Run, after: _Run) -> tuple[ChuteLoad, ...]:
    """Return the loads of all chutes that the machine has or the recording names."""
    owner = {chute: name for name, group in plan.groups.items() for chute in group.chutes}
    was = np.bincount(before.ends["chute"], minlength=len(chutes))
    now = np.bincount(after.ends["chute"], minlength=len(chutes))
    shown = (chutes["exists"] != 0) | (was > 0) | (now > 0)
    shown[0] = False
    return tuple(
        ChuteLoad(
            n, owner.get(n, ""), int(chutes[n]["capacity"]), int(was[n]), int(now[n]),
            int(after.emptied[n]),
        )
        for n in np.flatnonzero(shown).tolist()
    )  # fmt: skip
