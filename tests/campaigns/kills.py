"""Kill the service under load again and again: ``python -m tests.campaigns.kills --kills 1000``.

Each round is a centre of its own: an emulated sorter over Modbus, the service as its user runs it,
a real PostgreSQL. Processes are killed (SIGKILL) at instants drawn from the seed until all pieces
have left; then the PLC's books, the line's and the database's are held against each other, as the
service's own tests do. A difference ends the campaign with its traceback; the last line on standard
output is JSON, and with --keep a file says after each round what was done so far.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg

from sorter.store.embedded import EmbeddedPostgres
from tests.campaigns.seeds import commit
from tests.integration.service.conftest import Centre, make_database, until
from tests.integration.service.test_sorting import (
    assert_nothing_is_lost_or_doubled,
    is_alive,
    pid_of,
    until_another_lives,
)

TARGETS = ("line", "recorder", "face", "service", "database")
"""What is killed; ``service`` is the supervisor, with which all its processes end."""
WEIGHTS = (4, 2, 1, 1, 2)
PIECES = 400
LOAD = (
    "arrivals.pieces_per_hour=36000",
    "plc.event_slots=1024",
)
"""Ten pieces a second; and what the PLC tells while nobody listens for half a minute."""
PAUSE_S = (0.05, 3.0)
"""From what was killed last being back to the next kill."""


def has_sorted_all(centre: Centre) -> bool:
    status = centre.newest()
    return bool(status["inducted"] >= centre.pieces and status["on_sorter"] == 0)


def has_database(centre: Centre) -> bool:
    """Return whether the database answers: a server that was killed recovers before it does."""
    try:
        centre.query("SELECT 1")
    except (OSError, asyncpg.PostgresError):
        return False
    return True


def kill(centre: Centre, target: str, server: EmbeddedPostgres) -> None:
    """Kill one target, and wait until it is back."""
    if target == "database":
        before = server.pid
        os.kill(before, signal.SIGKILL)
        until(
            lambda: server.pid not in (0, before) and has_database(centre),
            "the database is back",
        )
        return
    if target == "service":
        assert centre.service is not None
        pids = [pid_of(centre, part) for part in ("line", "recorder", "face")]
        centre.service.kill()
        centre.service.wait()
        until(lambda: not any(map(is_alive, pids)), "its processes ended with it")
        centre.start_service()
        until_another_lives(centre, pids[0])
        return
    pid = pid_of(centre, target)
    os.kill(pid, signal.SIGKILL)
    if target == "line":
        until_another_lives(centre, pid)
    else:
        until(lambda: not is_alive(pid), f"the {target} is gone")
        until(lambda: pid_of(centre, target) != pid, f"another {target} lives")


def play(
    folder: Path, server: EmbeddedPostgres, chance: random.Random, kills: int
) -> tuple[Counter[str], dict[str, Any]]:
    """Play one round of at most so many kills; return them by target, and the PLC's last word."""
    centre = Centre(folder, make_database(server), PIECES)
    done: Counter[str] = Counter()
    try:
        centre.start_plc(*LOAD)
        centre.start_service()
        centre.wait_ready()
        while not has_sorted_all(centre):
            time.sleep(chance.uniform(*PAUSE_S))
            if centre.newest()["inducted"] < centre.pieces and done.total() < kills:
                (target,) = chance.choices(TARGETS, WEIGHTS)
                kill(centre, target, server)
                done[target] += 1
        centre.wait_recorded()
        assert_nothing_is_lost_or_doubled(centre)
    finally:
        centre.stop()
    return done, centre.status


def main() -> None:
    """Play rounds until there were enough kills."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="JSON file of runs, written after each round")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    began = time.monotonic()
    done, discharged, told = Counter[str](), Counter[str](), Counter[str]()
    of = commit()
    with tempfile.TemporaryDirectory(prefix="sorter-kills-") as name:
        Path(name).chmod(0o711)
        with EmbeddedPostgres(Path(name) / "postgres") as server:
            while done.total() < options.kills:
                told["rounds"] += 1
                folder = Path(name) / f"round-{told['rounds']}"
                folder.mkdir()
                killed, status = play(folder, server, chance, options.kills - done.total())
                done += killed
                discharged += Counter(status["discharged"])
                for count in ("inducted", "two_instructions", "overflow"):
                    told[count] += status[count]
                sys.stderr.write(f"{done.total()} kills, {dict(told)}\n")
                found = {
                    "commit": of,
                    "seed": options.seed,
                    "kills": done.total(),
                    "by_target": dict(done),
                    **told,
                    "discharged": dict(discharged),
                    "wall_seconds": round(time.monotonic() - began, 1),
                }
                if options.keep:
                    keep(options.keep, found)
    sys.stdout.write(f"{json.dumps(found)}\n")


def keep(path: Path, found: dict[str, Any]) -> None:
    """Put this run, as far as it is, among those of the file."""
    runs: list[dict[str, Any]] = []
    if path.exists():
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    key = (found["commit"], found["seed"])
    runs = [*(run for run in runs if (run["commit"], run["seed"]) != key), found]
    told = {
        "what": "python -m tests.campaigns.kills",
        "kills": sum(run["kills"] for run in runs),
        "runs": runs,
    }
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    main()
