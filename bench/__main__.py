"""``python -m bench``: run the benches, print their tables, keep their figures.

Example: python -m bench --small --json build/bench.json
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from bench import (
    assignment,
    failover,
    latency,
    metrics,
    protocols,
    recorder,
    saturation,
    swaps,
    whatif,
)
from bench.report import Report, render, save

BENCHES: dict[str, Callable[..., Report]] = {
    "assignment": assignment.run,
    "failover": failover.run,
    "latency": latency.run,
    "metrics": metrics.run,
    "protocols": protocols.run,
    "recorder": recorder.run,
    "saturation": saturation.run,
    "swaps": swaps.run,
    "whatif": whatif.run,
}


def main() -> None:
    """Run the benches named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="all if none")
    parser.add_argument("--small", action="store_true", help="small inputs: does it still run")
    parser.add_argument("--json", type=Path, default=None, help="file for the figures")
    arguments = parser.parse_args()
    reports = []
    for name in arguments.names or BENCHES:
        reports.append(BENCHES[name](small=arguments.small))
        print(render(reports[-1]), flush=True)
    if arguments.json:
        save(reports, arguments.json)


if __name__ == "__main__":
    main()
