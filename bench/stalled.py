"""Answers while the database stands still, against answers of the same run while it does not.

Open loop: PLCs in C (``saturation_plc.c``) induct RATE pieces a second, the network's peak hour at
30 million a day, whatever their host does, and count from the instant a scan was due until they
hold the answer. Line and recorder are processes of their own and write to a real PostgreSQL. Spells
take turns: in every second one all processes of the database are stopped (SIGSTOP), so that what
the recorder asked stays unanswered. Afterwards every piece must be in the database, once.
"""

import asyncio
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np

from bench.report import Figure, Report, against, figure, hash_of, machine
from bench.saturation import EVENT_SLOTS, OFFSETS, Plcs
from bench.site import write_chutes, write_site
from plc_adapters.contract import EventKind
from sorter.store.embedded import EmbeddedPostgres
from tests.interop.compiler import compiled

RATE = 625
LINES = 4
PORT = 15_480
SPELL_S, SPELL_SMALL_S = 120.0, 2.0
SPELLS, SPELLS_SMALL = 4, 2
"""Every second one with the database standing still."""
WARM_UP, WARM_UP_S = 100.0, 1.0
"""Pieces a second and seconds of the steps until every line answers in time."""
START_S = 180.0
"""Longest wait for that; the service may have to compile."""
CATCH_UP_S = 600.0
"""Longest wait, after a spell, until all of it is in the database."""
KINDS = (EventKind.INDUCTED, EventKind.SCANNED, EventKind.INSTRUCTED, EventKind.DISCHARGED)
"""What each piece has one event of."""


@dataclass(slots=True)
class Spells:
    """What the PLCs saw of the spells of one kind."""

    latency_us: Counter[int] = field(default_factory=Counter)
    wrong: int = 0
    """Pieces late, unanswered or refused, and events that had no room."""

    def add(self, seen: dict[str, Any]) -> None:
        """Take in one spell."""
        self.latency_us.update(dict(seen["latency_us"]))
        self.wrong += wrong_of(seen)

    def as_figure(self, name: str) -> Figure:
        """Return how long answers took."""
        values = np.repeat(list(self.latency_us), list(self.latency_us.values()))
        return figure(name, "us", values.astype(float))


def wrong_of(seen: dict[str, Any]) -> int:
    """Return how much of a step went wrong."""
    return int(seen["late"] + seen["unanswered"] + seen["refused"] + seen["overflow"])


def run(*, small: bool) -> Report:
    """Measure; ``small`` for seconds instead of minutes."""
    seconds, spells = (SPELL_SMALL_S, SPELLS_SMALL) if small else (SPELL_S, SPELLS)
    with tempfile.TemporaryDirectory(prefix="sorter-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with EmbeddedPostgres(folder / "server") as server:
            binary = _write_files(folder, server.dsn)
            with _running(folder, binary) as plcs:
                seen, missing = _measure(plcs, server, seconds, spells)
    plain = seen[False].as_figure("database answers")
    stalled = seen[True].as_figure("database stands still")
    notes = {
        "ratio_p999": stalled.p999 / plain.p999,
        "wrong": float(seen[True].wrong + seen[False].wrong),
        "rows_missing": float(missing),
        "stalled_seconds": seconds * spells / 2,
    }
    counts = repr([sorted(each.latency_us.items()) for each in seen.values()])
    figures = [plain, against(stalled, plain, **notes)]
    return Report("stalled", figures, hash_of(counts.encode()), machine())


def _write_files(folder: Path, dsn: str) -> Path:
    """Write the site and the pieces' codes; return the PLCs' program."""
    write_chutes(folder / "chutes.csv", lambda position_mm: position_mm)
    write_site(folder, [PORT + number for number in range(LINES)], "chutes.csv", dsn)
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        codes = [row["codes"] for row in csv.DictReader(file)]
    (folder / "labels.txt").write_text("\n".join(codes) + "\n", encoding="utf-8")
    source = Path(__file__).parent / "saturation_plc.c"
    flags = (f"-DEVENT_SLOTS={EVENT_SLOTS}", f"-I{OFFSETS}", "-lm")
    return compiled(folder / "saturation_plc", [source], *flags)


@contextmanager
def _running(folder: Path, binary: Path) -> Iterator[Plcs]:
    """Start PLCs, line and recorder; end them."""
    plcs = Plcs(binary, folder, max(os.sched_getaffinity(0)), port=PORT, lines=LINES)
    log = folder / "service.log"
    parts = []
    try:
        with log.open("wb") as words:
            for part in ("line", "recorder"):
                command = ["-m", "sorter", "run", "--part", part, "--config"]
                parts.append(
                    subprocess.Popen(
                        [sys.executable, *command, str(folder / "site.toml")],
                        stdout=words, stderr=words,
                    )
                )  # fmt: skip
        yield plcs
    except RuntimeError as error:
        raise RuntimeError(f"{error}; the service's words:\n{log.read_text('utf-8')}") from None
    finally:
        plcs.end()
        for process in parts:
            process.kill()
            process.wait()


def _measure(
    plcs: Plcs, server: EmbeddedPostgres, seconds: float, spells: int
) -> tuple[dict[bool, Spells], int]:
    """Return what was seen by whether the database stood still, and the rows that are missing."""
    deadline = time.monotonic() + START_S
    pieces = 0
    while True:
        seen = plcs.step(WARM_UP, WARM_UP_S)
        pieces += seen["pieces"]
        if seen["drained"] and seen["lines"] == LINES and not wrong_of(seen):
            break
        if time.monotonic() > deadline:
            raise RuntimeError(f"bench: not all lines answer within {START_S:.0f} s: {seen}")
    both = {False: Spells(), True: Spells()}
    missing = 0
    for spell in range(spells):
        is_stalled = spell % 2 == 1
        if is_stalled:
            with _standing_still(server.pid):
                seen = plcs.step(RATE, seconds)
        else:
            seen = plcs.step(RATE, seconds)
        both[is_stalled].add(seen)
        pieces += seen["pieces"]
        missing = asyncio.run(_missing(server.dsn, pieces))
    return both, missing


@contextmanager
def _standing_still(server: int) -> Iterator[None]:
    """Stop a server and its children."""
    pids = [server, *_children(server)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _children(of: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text(encoding="utf-8")
        except OSError:
            continue
        if int(text.rpartition(")")[2].split()[1]) == of:
            found.append(int(stat.parent.name))
    return found


async def _missing(dsn: str, pieces: int) -> int:
    """Wait until the database has all rows of so many pieces; return how many it lacks."""
    connection = await asyncpg.connect(dsn)
    deadline = time.monotonic() + CATCH_UP_S
    wanted = pieces * (len(KINDS) + 2)
    try:
        while True:
            rows = await connection.fetchval(
                "SELECT (SELECT count(*) FROM event WHERE kind = ANY($1::int[])) "
                "+ (SELECT count(*) FROM decision) + (SELECT count(*) FROM piece)",
                [int(kind) for kind in KINDS],
            )
            if rows >= wanted or time.monotonic() > deadline:
                return int(wanted - rows)
            await asyncio.sleep(1)
    finally:
        await connection.close()
