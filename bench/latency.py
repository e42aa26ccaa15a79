"""Event to instruction over Modbus TCP: the service against a bare read-then-write loop.

Open loop: the emulated sorters induct at their own pace, whatever the host does, and each measures
from the instant a piece is due at its scanner until the PLC holds the accepted answer. Both hosts
use the same client library, poll period and sorters, and take turns. The pieces of the whole
network's peak are spread over several sorters, as they are in a network.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.report import Figure, Report, against, figure, hash_of, machine
from bench.site import SPEED_MM_S, write_chutes, write_site

LOADS = ((9, 1), (208, 4), (625, 4))
"""Pieces a second in all, and the sorters they are spread over: a centre of 100,000 a day, the city
network's peak hour at 10 million a day, and at 30 million."""
SECONDS, SECONDS_SMALL = 40, 4
ROUNDS, ROUNDS_SMALL = 2, 1
PORT = 15_400
START_S = 120.0
"""Longest wait until a host answers; the service may have to compile."""
END_S = 60.0
"""Longest wait, after the last piece was due, until the loops are empty."""

EMULATOR = """
chutes = "chutes.csv"
labels = "labels.csv"
repeat_labels = true
seed = 1
[listen]
port = {port}
[plc]
default_chute = 60
cycle_ms = 5
event_slots = 1024
wait_for_host = true
[loop]
length_mm = 120000
speed_mm_s = {speed}
cell_pitch_mm = 100
scanner = 11
[arrivals]
pieces_per_hour = {pieces_per_hour}
pieces_max = {pieces_max}
queue_max = 1000
[[stations]]
number = 1
position_mm = 102000
[[stations]]
number = 2
position_mm = 108000
"""


@dataclass(slots=True)
class Outcome:
    """What all sorters of one run counted."""

    latency_us: Counter[int] = field(default_factory=Counter)
    """Answers by latency, to within 1/256."""
    longest_us: int = 0
    deadline_misses: int = 0
    counts: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, final: dict[str, Any]) -> None:
        """Take in the last word of one sorter."""
        for upper_us, count in final["latency_spectrum_us"]:
            self.latency_us[upper_us] += count
        self.longest_us = max(self.longest_us, final["latency_us"]["max"])
        self.deadline_misses += final["deadline_misses"]
        kept = {name: final[name] for name in ("inducted", "no_reads", "lost", "removed")}
        self.counts.append(json.dumps(kept, sort_keys=True))

    def values(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return every latency in us."""
        values = np.repeat(list(self.latency_us), list(self.latency_us.values()))
        return values.astype(np.float64)


class Sorters:
    """The emulated sorters of one run."""

    def __init__(self, folder: Path, lines: int) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "plc_adapters.emulator", "--json", "--config",
                 str(folder / f"emulator-{number}.toml")],
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(lines)
        ]  # fmt: skip
        for number in range(lines):
            self._next(number)

    def _next(self, number: int) -> dict[str, Any]:
        output = self._processes[number].stdout
        assert output is not None
        line = output.readline()
        if not line:
            raise RuntimeError(f"bench: emulated sorter {number} ended early; see its words above")
        status: dict[str, Any] = json.loads(line)
        return status

    def wait(self, pieces: int, seconds: float) -> None:
        """Return when every sorter has inducted its pieces and is empty."""
        deadline = time.monotonic() + START_S + seconds + END_S
        for number in range(len(self._processes)):
            status = self._next(number)
            while status["inducted"] < pieces or status["on_sorter"]:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"bench: sorter {number} never became empty: {status}")
                status = self._next(number)

    def end(self) -> Outcome:
        """End them and return what they counted."""
        outcome = Outcome()
        for number, process in enumerate(self._processes):
            process.send_signal(signal.SIGTERM)
            status = self._next(number)
            while not status["final"]:
                status = self._next(number)
            process.wait()
            outcome.add(status)
        return outcome


def run(*, small: bool) -> Report:
    """Measure all loads; ``small`` for seconds instead of minutes."""
    seconds = SECONDS_SMALL if small else SECONDS
    figures: list[Figure] = []
    counts: list[str] = []
    for rate, lines in LOADS:
        with tempfile.TemporaryDirectory(prefix="sorter-bench-") as name:
            folder = Path(name)
            pieces = _write_files(folder, rate, lines, seconds)
            outcomes: dict[str, list[Outcome]] = {"bare": [], "service": []}
            for _ in range(ROUNDS_SMALL if small else ROUNDS):
                for host, of_host in outcomes.items():
                    of_host.append(_run_once(folder, host, lines, pieces, seconds))
            figures += _figures(outcomes, rate, lines)
            counts += [c for host in outcomes.values() for outcome in host for c in outcome.counts]
    return Report("latency", figures, hash_of(*(c.encode() for c in counts)), machine())


def _figures(outcomes: dict[str, list[Outcome]], rate: int, lines: int) -> list[Figure]:
    both: dict[str, Figure] = {}
    for host, of_host in outcomes.items():
        values = np.concatenate([outcome.values() for outcome in of_host])
        both[host] = figure(f"{host}, {rate}/s over {lines} PLCs", "us", values)
    misses = {h: float(sum(o.deadline_misses for o in of)) for h, of in outcomes.items()}
    return [both["bare"], against(both["service"], both["bare"], late=misses["service"])]


def _write_files(folder: Path, rate: int, lines: int, seconds: int) -> int:
    """Write site and sorters; return the pieces each sorter inducts."""
    each = rate / lines
    pieces = int(each * seconds)
    speed = max(SPEED_MM_S, int(each * 100 * 1.3))
    scale = SPEED_MM_S / speed
    write_chutes(folder / "chutes.csv", lambda position_mm: position_mm)
    # A belt this fast is beyond what a site file allows; the same travel times on a slow one.
    write_chutes(folder / "slow_chutes.csv", lambda position_mm: round(position_mm * scale))
    ports = [PORT + number for number in range(lines)]
    for number, port in enumerate(ports):
        text = EMULATOR.format(
            port=port, speed=speed, pieces_per_hour=each * 3600, pieces_max=pieces
        )
        (folder / f"emulator-{number}.toml").write_text(text, encoding="utf-8")
    write_site(folder, ports, "slow_chutes.csv")
    return pieces


def _run_once(folder: Path, host: str, lines: int, pieces: int, seconds: int) -> Outcome:
    """Have one host answer all pieces of all sorters."""
    shutil.rmtree(folder / "state" / "journal", ignore_errors=True)
    if host == "bare":
        command = ["-m", "bench.bare_loop", *(str(PORT + number) for number in range(lines))]
    else:
        command = ["-m", "sorter", "run", "--part", "line", "--config", str(folder / "site.toml")]
    sorters = Sorters(folder, lines)
    began = time.monotonic()
    with (folder / f"{host}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *command], stdout=log, stderr=log)
        try:
            sorters.wait(pieces, seconds)
        finally:
            outcome = sorters.end()
            process.terminate()
            process.wait()
    outcome.seconds = time.monotonic() - began
    return outcome
