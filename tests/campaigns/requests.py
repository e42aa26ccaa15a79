"""Ask the running service what nobody would: ``python -m tests.campaigns.requests --cases 100000``.

schemathesis makes requests from the service's own description, valid ones and wrong ones, until
there were enough; the service sorts meanwhile. No answer may be a fault of the service (5xx, but
for what is away), each has to be as it is described, and a valid request is answered afterwards.
Runs take turns: with an existing line's name in every address, and with any.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sorter.store.embedded import EmbeddedPostgres
from tests.campaigns.seeds import commit
from tests.integration.service.conftest import Centre, make_database

PIECES = 500_000
"""More than any campaign sees end."""
LOAD = "arrivals.pieces_per_hour=3600"
RATE = "requests_per_second = 100000"
"""Here the service is to answer, not to say 429."""
LINE = "loop"
EXAMPLES = 100
"""Requests made up for an operation in one run, beside those of its description's own bounds."""
LEFT_OUT = (
    # Of this machine's own user, as in the campaign, no key is asked; roles have a test of their
    # own that asks every operation as each of them.
    "ignored_auth",
    # What is described can still be a line, a version or a job's end that is not as asked for.
    "positive_data_acceptance",
)
SETTINGS = """
# Waybills are judged by the job that loads them, line by line, and not before it is begun.
[[operations]]
include-path = "/pre-advice"
checks.negative_data_rejection.enabled = false
"""
MADE = re.compile(r"(\d+) generated")


class FoundError(Exception):
    """What schemathesis found, as it tells it."""


def start(folder: Path, server: EmbeddedPostgres) -> Centre:
    """Start a centre that sorts and answers however often it is asked."""
    centre = Centre(folder, make_database(server), PIECES)
    site = folder / "site.toml"
    site.write_text(site.read_text("utf-8").replace("[http]\n", f"[http]\n{RATE}\n"), "utf-8")
    centre.start_plc(LOAD)
    centre.start_service()
    centre.wait_ready()
    return centre


def ask(centre: Centre, seed: int, examples: int = EXAMPLES) -> int:
    """Make one run of requests; return how many there were.

    Raises:
        FoundError: an answer was wrong, or a valid request got none afterwards.
    """
    settings = centre.folder / "schemathesis.toml"
    named = f'[parameters]\nline = "{LINE}"\n' if seed % 2 else ""
    settings.write_text(named + SETTINGS, "utf-8")
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(settings),
        "run", f"http://127.0.0.1:{centre.http_port}/openapi.json",
        "--seed", str(seed), "--max-examples", str(examples), "--continue-on-failure",
        "--exclude-checks", ",".join(LEFT_OUT), "--warnings", "off",
        "--suppress-health-check", "all", "--no-color",
    ]  # fmt: skip
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=centre.folder,
        env={"PATH": "/usr/bin:/bin", "SCHEMATHESIS_HOOKS": "tests.campaigns.request_bodies",
             "PYTHONPATH": str(Path(__file__).parents[2]), "HOME": str(centre.folder)},
    )  # fmt: skip
    made = MADE.search(run.stdout)
    if run.returncode or made is None:
        raise FoundError(f"seed {seed}:\n{run.stdout}\n{run.stderr}")
    for path in ("/lines", f"/lines/{LINE}/plans", "/ledger"):
        status, _ = centre.get(path)
        if status != 200:
            raise FoundError(f"seed {seed}: afterwards GET {path} gives {status}")
    return int(made[1])


def main() -> None:
    """Make runs until there were enough requests."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.requests", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="an operation and run")
    parser.add_argument("--keep", type=Path, help="JSON file, written after each run")
    options = parser.parse_args()
    began, cases, seed = time.monotonic(), 0, options.seed
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="sorter-requests-") as name:
        Path(name).chmod(0o711)
        with EmbeddedPostgres(Path(name) / "postgres") as server:
            folder = Path(name) / "centre"
            folder.mkdir()
            centre = start(folder, server)
            try:
                while cases < options.cases:
                    cases += ask(centre, seed, options.examples)
                    seed += 1
                    found = {
                        "what": "python -m tests.campaigns.requests",
                        "commit": commit(),
                        "seeds": [options.seed, seed - 1],
                        "cases": cases,
                        "wrong_answers": 0,
                        "wall_seconds": round(time.monotonic() - began, 1),
                    }
                    sys.stderr.write(f"{cases} requests\n")
                    if options.keep:
                        options.keep.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
            finally:
                centre.stop()
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
