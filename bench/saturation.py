"""The highest rate at which one core answers every piece of 16 lines in time, over Modbus TCP.

Open loop: PLCs in C (``saturation_plc.c``) induct by a schedule drawn beforehand, whatever their
host does, and count from the instant a scan was due until they hold the answer. A piece passes its
first chute DEADLINE_MS after its scan: what is left then is its slack. All lines are of one
process, pinned to one core with its journal and all; the PLCs have another. Rates double until a
piece is late or lost, then the gap is halved; the figure is the highest one that was then held for
HOLD_S with none, so it is the worst piece's slack that counts, and not that at p99.9. As one stall
of the machine is enough for that, a rate is too high only once TRIES hosts have failed at it. The
reference is the bare loop over the same 16 connections.

Whoever else uses the machine lowers both: what others took of the host's core is told beside.
"""

import csv
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.report import Figure, Report, against, figure, hash_of, machine
from bench.site import write_chutes, write_site
from tests.interop.compiler import compiled

LINES = 16
DEADLINE_MS = 300
"""From scan to first chute: 0.6 m at 2 m/s, shorter than any sorter that was surveyed."""
FIRST_MM = 600
"""The first chute's place on the service's machine, at the site's 2 m/s."""
TRIES = 2
FIRST_RATE = 400
"""Pieces a second over all lines, to begin with."""
HALVINGS = 4
"""Of the gap between the last doubling that was carried and the first that was not: to 4.4 %."""
FINE = 2 ** (1 / 2**HALVINGS)
FINE_MARGIN = 1.001
"""What rounding may add to it."""
STEP_S, STEP_SMALL_S, HOLD_S = 4.0, 1.0, 15.0
WARM_UP, WARM_UP_S = 100.0, 0.5
"""Pieces a second and seconds of the steps until every line answers in time."""
START_S = 180.0
"""Longest wait for that; the service may have to compile."""
EVENT_SLOTS = 1024
PORT = 15_440
HERE = Path(__file__).parent
OFFSETS = HERE.parent / "tests" / "interop" / "libmodbus"
"""Where the registers stand as C names them."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Step:
    """What PLCs and kernel saw of one step."""

    rate: float
    """Pieces a second that were due."""
    seen: dict[str, Any]
    own_share: float
    """CPU time that the host took of its core."""
    others_share: float
    """CPU time that others took of it."""

    @property
    def carried(self) -> bool:
        """Whether every piece was answered in time and nothing was lost or refused."""
        seen = self.seen
        wrong = seen["late"] + seen["unanswered"] + seen["overflow"] + seen["refused"]
        return bool(seen["drained"] and seen["lines"] == LINES and wrong == 0)

    def as_figure(self, name: str, **notes: float) -> Figure:
        """Return how long answers took; beside, the rate and what was left of their time."""
        seen = self.seen
        upper_us, counts = np.array(seen["latency_us"] or [[0, 1]]).T
        values = np.minimum(np.repeat(upper_us, counts), seen["longest_us"]).astype(float)
        took = figure(name, "us", values)
        told = {
            "rate": self.rate,
            "carried": float(self.carried),
            "events_per_piece": seen["events"] / max(seen["pieces"], 1),
            "slack_p999_ms": DEADLINE_MS - took.p999 / 1000,
            "slack_min_ms": DEADLINE_MS - took.max / 1000,
            "core_host": self.own_share,
            "core_others": self.others_share,
        }
        return replace(took, notes=told | notes)


class Plcs:
    """The PLCs of one climb."""

    def __init__(
        self, binary: Path, folder: Path, core: int, *, port: int = PORT, lines: int = LINES
    ) -> None:
        self._process = subprocess.Popen(
            [str(binary), str(port), str(lines), str(folder / "labels.txt"), str(DEADLINE_MS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        os.sched_setaffinity(self._process.pid, {core})
        self._said()

    def _said(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("saturation: the PLCs ended early; see their words above")
        said: dict[str, Any] = json.loads(line)
        return said

    def step(self, rate: float, seconds: float, *, stops: bool = False) -> dict[str, Any]:
        """Have so many pieces a second come for so long, and return what the PLCs saw.

        ``stops`` ends it with the first piece that is not answered in time.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{rate} {seconds} {int(stops)}\n")
        self._process.stdin.flush()
        return self._said()

    def end(self) -> None:
        """End them."""
        self._process.kill()
        self._process.communicate()


class Climb:
    """One host and its PLCs, started anew; steps are taken one after the other."""

    def __init__(self, plcs: Plcs, process: subprocess.Popen[bytes], core: int) -> None:
        self._plcs = plcs
        self._process = process
        self._core = core

    def wait_until_ready(self) -> None:
        """Return once every line answers in time."""
        deadline = time.monotonic() + START_S
        while not self.step(WARM_UP, WARM_UP_S).carried:
            if self._process.poll() is not None:
                raise RuntimeError("saturation: the host ended early; its words:")
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"saturation: no answer to all lines within {START_S:.0f} s; its words:"
                )

    def step(self, rate: float, seconds: float) -> Step:
        """Take one step."""
        before = self._ticks()
        began = time.monotonic()
        seen = self._plcs.step(rate, seconds, stops=True)
        ticks = (time.monotonic() - began) * TICKS
        own, busy = (after - early for early, after in zip(before, self._ticks(), strict=True))
        return Step(rate, seen, own / ticks, max(0.0, (busy - own) / ticks))

    def _ticks(self) -> tuple[int, int]:
        """Return the ticks that the host has taken, and those that its core was busy."""
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        except FileNotFoundError:
            raise RuntimeError("saturation: the host ended early; its words:") from None
        own = sum(map(int, stat.rpartition(")")[2].split()[11:13]))
        cores = Path("/proc/stat").read_text(encoding="ascii").splitlines()
        mine = next(line.split() for line in cores if line.startswith(f"cpu{self._core} "))
        user, nice, system, _, _, irq, softirq, steal, *_ = map(int, mine[1:])
        return own, user + nice + system + irq + softirq + steal


class Bench:
    """What all climbs of one run share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "host.log"
        cores = sorted(os.sched_getaffinity(0))
        self._host_core, self._plc_core = cores[0], cores[-1]
        flags = (f"-DEVENT_SLOTS={EVENT_SLOTS}", f"-I{OFFSETS}", "-lm")
        source = HERE / "saturation_plc.c"
        self._binary = compiled(folder / "saturation_plc", [source], *flags)
        write_chutes(folder / "chutes.csv", lambda position_mm: FIRST_MM + position_mm // 100)
        write_site(folder, [PORT + number for number in range(LINES)], "chutes.csv")
        with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
            codes = [row["codes"] for row in csv.DictReader(file)]
        (folder / "labels.txt").write_text("\n".join(codes) + "\n", encoding="utf-8")

    @contextmanager
    def climb(self, host: str) -> Iterator[Climb]:
        """Start a host ("bare" or "service") and its PLCs; end both."""
        shutil.rmtree(self._folder / "state" / "journal", ignore_errors=True)
        plcs = Plcs(self._binary, self._folder, self._plc_core)
        try:
            with self._log.open("wb") as log:
                command = [sys.executable, *self._command(host)]
                process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                os.sched_setaffinity(process.pid, {self._host_core})
                climb = Climb(plcs, process, self._host_core)
                climb.wait_until_ready()
                yield climb
            except RuntimeError as error:
                raise RuntimeError(f"{error}\n{self._log.read_text(encoding='utf-8')}") from None
            finally:
                process.kill()
                process.wait()
        finally:
            plcs.end()

    def _command(self, host: str) -> list[str]:
        if host == "bare":
            return ["-m", "bench.bare_loop", *(str(PORT + number) for number in range(LINES))]
        site = str(self._folder / "site.toml")
        return ["-m", "sorter", "run", "--part", "line", "--config", site]

    def highest(self, host: str) -> tuple[Step, float]:
        """Return the highest step that was held, and the rate of the lowest that was not."""
        carried, failed = 0.0, 0.0
        tried: Counter[float] = Counter()
        while not failed or failed / carried > FINE * FINE_MARGIN:
            carried, too_many = self._narrow(host, carried, failed)
            tried[too_many] += 1
            if tried[too_many] == TRIES:
                failed = too_many
        while True:
            for _ in range(TRIES):
                with self.climb(host) as climb:
                    held = climb.step(carried, HOLD_S)
                self._tell(host, held)
                if held.carried:
                    return held, failed
            carried, failed = carried / FINE, carried

    def _narrow(self, host: str, carried: float, failed: float) -> tuple[float, float]:
        """Take steps up to one that fails, after which host and PLCs start anew.

        Args:
            host: "bare" or "service".
            carried: highest rate known to be carried; 0 for none.
            failed: lowest one known not to be; 0 for none.

        Raises:
            RuntimeError: not even FIRST_RATE is carried.
        """
        with self.climb(host) as climb:
            while not failed or failed / carried > FINE * FINE_MARGIN:
                rate = math.sqrt(carried * failed) if failed else 2 * carried or FIRST_RATE
                step = climb.step(rate, STEP_S)
                self._tell(host, step)
                if step.carried:
                    carried = rate
                    continue
                if not carried:
                    raise RuntimeError(
                        f"saturation: {FIRST_RATE} a second are too many; its words:"
                    )
                return carried, rate
        return carried, failed

    @staticmethod
    def _tell(host: str, step: Step) -> None:
        """Say how far the climb is; it takes minutes."""
        what = "carried" if step.carried else "too many"
        print(f"saturation: {host}: {step.rate:.0f}/s {what}", file=sys.stderr, flush=True)

    def short(self, host: str) -> tuple[Step, float]:
        """Take one short step, far below the limit; no step is known to fail."""
        with self.climb(host) as climb:
            return climb.step(FIRST_RATE, STEP_SMALL_S), 0.0


def run(*, small: bool) -> Report:
    """Find the limit of both hosts; ``small`` takes a step far below it."""
    with tempfile.TemporaryDirectory(prefix="sorter-bench-") as name:
        bench = Bench(Path(name))
        find = bench.short if small else bench.highest
        steps = {host: find(host) for host in ("bare", "service")}
    counts = [{**step.seen, "latency_us": []} for step, _ in steps.values()]
    figures = _figures(*steps["bare"], *steps["service"])
    return Report("saturation", figures, hash_of(json.dumps(counts).encode()), machine())


def _figures(bare: Step, bare_failed: float, service: Step, service_failed: float) -> list[Figure]:
    """Return the limits as distributions of how long answers took, with their rates beside."""
    name = f"{{}}, {LINES} PLCs on one core"
    reference = bare.as_figure(name.format("bare"), failed=bare_failed)
    measured = service.as_figure(
        name.format("service"), failed=service_failed, rate_ratio=service.rate / bare.rate
    )
    return [reference, against(measured, reference)]
