"""Run seeds of the simulation for hours: ``python -m tests.campaigns.seeds --minutes 60``.

Goes on behind the last seed that its file holds, with all safeguards or each left out in turn, and
keeps the file up to date after every few seeds: a campaign that is ended from outside has run what
its file says. A seed that breaks a promise is kept with its last happenings, and the exit code is 1
then. ``sorter sim --seed N`` runs it again.

Example: python -m tests.campaigns.seeds --minutes 60; python -m tests.campaigns.seeds --ablation
--seeds 1000
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sorter.simulation.campaign import Campaign, run_campaign
from sorter.simulation.settings import Safeguard

KEPT = Path("bench/results/seeds.json")
AT_ONCE = 1_000
"""Seeds between two writes of the file."""
PER = 10_000
"""Seeds for which the table gives failures."""
SOURCES = ("sorter", "plc_adapters", "routing_tables")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit() -> str:
    """Return the commit that runs; a dirty tree is refused, as nobody could run it again."""
    if _git("status", "--porcelain", "--", *SOURCES):
        raise SystemExit(f"campaign: commit the changes under {', '.join(SOURCES)} first")
    return _git("rev-parse", "HEAD")


class Kept:
    """The file: runs of seeds, each of one commit and one safeguard left out or none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.runs: list[dict[str, Any]] = []
        if path.exists():
            self.runs = json.loads(path.read_text(encoding="utf-8"))["runs"]

    def next_seed(self, without: str) -> int:
        """Return the first seed that was not run yet."""
        ends = [run["first_seed"] + run["seeds"] for run in self.runs if run["without"] == without]
        return max(ends, default=0)

    def add(self, campaign: Campaign, of: str) -> None:
        """Add a campaign that begins where the last one of the same kind and commit ended."""
        seeds = campaign.first_seed
        for run in self.runs:
            same = (run["commit"], run["without"]) == (of, campaign.without)
            if same and run["first_seed"] + run["seeds"] == seeds:
                break
        else:
            run = {
                "commit": of, "without": campaign.without, "first_seed": seeds, "seeds": 0,
                "pieces": 0, "simulated_hours": 0.0, "wall_seconds": 0.0, "violations": 0,
                "by_promise": {}, "by_fault": {}, "findings": [],
                "machine": f"{os.cpu_count()} processors, shared", "python": _python(),
            }  # fmt: skip
            self.runs.append(run)
        run["seeds"] += campaign.seeds
        run["pieces"] += campaign.pieces
        run["simulated_hours"] = round(run["simulated_hours"] + campaign.virtual_s / 3600, 3)
        run["wall_seconds"] = round(run["wall_seconds"] + campaign.wall_s, 1)
        run["violations"] += campaign.violations
        for name in ("by_promise", "by_fault"):
            for key, count in getattr(campaign, name).items():
                run[name][str(key)] = run[name].get(str(key), 0) + count
        if not campaign.without:
            run["findings"] += [asdict(found) for found in campaign.findings]
        self._write()

    def _write(self) -> None:
        whole = [run for run in self.runs if not run["without"]]
        told = {
            "what": "python -m tests.campaigns.seeds",
            "seeds": sum(run["seeds"] for run in whole),
            "simulated_hours": round(sum(run["simulated_hours"] for run in whole), 1),
            "violations": sum(run["violations"] for run in whole),
            f"failures_per_{PER}_seeds_without": self._ablation(),
            "runs": self.runs,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        temporary.replace(self._path)

    def _ablation(self) -> dict[str, float]:
        table = {}
        for safeguard in Safeguard:
            runs = [run for run in self.runs if run["without"] == safeguard]
            seeds = sum(run["seeds"] for run in runs)
            if seeds:
                broken = sum(run["violations"] for run in runs)
                table[str(safeguard)] = round(broken * PER / seeds, 1)
        return table


def _python() -> str:
    return platform.python_version()


def main() -> None:
    """Run seeds until the time is up, or so many without each safeguard."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.seeds", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=10.0, help="with all safeguards")
    parser.add_argument("--ablation", action="store_true", help="without each one instead")
    parser.add_argument("--seeds", type=int, default=1_000, help="without each one")
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0: one a processor")
    parser.add_argument("--keep", type=Path, default=KEPT)
    options = parser.parse_args()
    kept, of, until = Kept(options.keep), commit(), time.monotonic() + options.minutes * 60
    broken = 0
    if options.ablation:
        for safeguard in Safeguard:
            first = kept.next_seed(safeguard)
            campaign = run_campaign(options.seeds, first, jobs=options.jobs, without=safeguard)
            kept.add(campaign, of)
            sys.stderr.write(f"without {safeguard}: {campaign.violations} of {options.seeds}\n")
            broken += campaign.violations == 0
    while not options.ablation and time.monotonic() < until:
        campaign = run_campaign(AT_ONCE, kept.next_seed(""), jobs=options.jobs)
        kept.add(campaign, of)
        broken += campaign.violations
        sys.stderr.write(f"{kept.next_seed('')} seeds, {broken} broken promises in this run\n")
    raise SystemExit(1 if broken else 0)


if __name__ == "__main__":
    main()
