"""Starts the PLC that runs the printed Structured Text, with the arguments of the one in C."""

import argparse
import csv
from collections.abc import Iterator

import pytest

from tests.interop.libmodbus.conftest import CHUTES, StartPlc, database, new_host, postgres
from tests.interop.reference.plc import WATCHDOG_MS, Plc, Sorter

__all__ = ["database", "new_host", "postgres"]
"""Fixtures of other tests, used here as well."""


@pytest.fixture
def start_plc() -> Iterator[StartPlc]:
    """A function that starts a PLC for the given labels; all it started are ended."""
    started: list[Plc] = []
    parser = argparse.ArgumentParser()
    parser.add_argument("-r", type=float)
    parser.add_argument("-v", type=int, default=2000)
    parser.add_argument("-q", type=int, default=0)
    parser.add_argument("-f", default="")
    parser.add_argument("-w", type=int, default=WATCHDOG_MS)

    def start(labels: list[str], *options: str, chutes: str = CHUTES, default: int = 9) -> Plc:
        given = parser.parse_args(options)
        rows = csv.DictReader(chutes.splitlines())
        positions_mm = {int(row["chute"]): int(row["position_mm"]) for row in rows}
        full = [int(chute) for chute in given.f.split(",") if chute]
        sorter = Sorter(labels, given.r, positions_mm, default, given.v, full, given.q, given.w)
        started.append(Plc(sorter))
        return started[-1]

    yield start  # type: ignore[misc]  # its PLC is on a thread, that in C is a process
    for plc in started:
        plc.stop()
