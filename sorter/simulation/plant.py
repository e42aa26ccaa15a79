"""The simulated machine of a run: chutes, two plans, waybills, and what is known of each.

Everything is compiled once a process and shared by its runs, as nothing of it changes.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from plc_adapters.contract import CODE_BYTES, Records
from routing_tables.load import load_network
from routing_tables.schema import lianyungang
from sorter.assignment.arrays import PlanArrays, PreAdviceArrays
from sorter.assignment.tables import build_pre_advice
from sorter.assignment.warmup import mapped, mapped_pre_advice
from sorter.plans.compile import compile_plan
from sorter.plans.machine import load_chutes
from sorter.plans.plan import load_plan
from sorter.ports import HoldKind

FOLDER = Path(__file__).parent / "machine"
CENTRE = "LYG-HUB"
JOURNAL = Path("/journal")
LINE = "line"
WAYBILLS = 64
"""Different labels; a run with more pieces begins anew."""
HELD_EVERY, UNKNOWN_EVERY, BARE_EVERY = 9, 11, 13
"""Every so many-th label is held, not pre-advised, not there at all."""
DESTINATIONS = (320707, 320722, 320723)
OUTBOUND_CHUTES = frozenset(range(1, 7))
"""Chutes of the groups that sorted pieces leave by; held ones must never."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What all runs share."""

    chutes: Records
    rows: tuple[tuple[int, int, int], ...]
    """Number, position in mm, capacity of each chute."""
    plans: tuple[PlanArrays, PlanArrays]
    """Versions 1 and 2 of the plan."""
    pre_advice: PreAdviceArrays


def waybill(number: int) -> bytes:
    """Return the waybill of a label."""
    return b"SIM%010d" % number


def is_held(number: int) -> bool:
    """Return whether a label's piece must not leave."""
    return number % HELD_EVERY == 0


@cache
def machine(speed_mm_s: int) -> Machine:
    """Compile the machine for a speed."""
    network = load_network(lianyungang())
    chutes = load_chutes(FOLDER / "chutes.csv", speed_mm_s)
    plans = [
        mapped(compile_plan(load_plan(FOLDER / name), network, chutes, version, CENTRE, 20)[0])
        for version, name in enumerate(("first.toml", "second.toml"), 1)
    ]
    text = (FOLDER / "chutes.csv").read_text(encoding="utf-8").split()[1:]
    rows = tuple((int(n), int(mm), int(room)) for n, mm, room in (r.split(",") for r in text))
    return Machine(chutes, rows, (plans[0], plans[1]), mapped_pre_advice(_pre_advice()))


def _pre_advice() -> PreAdviceArrays:
    numbers = [n for n in range(1, WAYBILLS + 1) if n % UNKNOWN_EVERY]
    codes = np.zeros((len(numbers), CODE_BYTES), np.uint8)
    for row, number in enumerate(numbers):
        text = waybill(number)
        codes[row, : len(text)] = np.frombuffer(text, np.uint8)
    count = len(numbers)
    holds = [int(HoldKind.INTERCEPTED) if is_held(n) else 0 for n in numbers]
    return build_pre_advice(
        codes,
        np.full(count, len(waybill(1)), np.uint16),
        np.zeros(count, np.uint16),
        np.zeros(count, np.uint16),
        np.array([DESTINATIONS[n % len(DESTINATIONS)] for n in numbers], np.int64),
        np.array(holds, np.uint16),
    )
