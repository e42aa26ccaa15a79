"""Fuzz one target, guided by coverage: ``python -m tests.fuzz codec --runs 100000 --seed 1``.

The last line on standard output is JSON: inputs, seed, inputs a second, answered, peak memory. A
crash ends with another exit code and leaves the input in the working folder.
"""

import argparse
import json
import logging
import os
import resource
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["plc_adapters"],
    # Compiled to machine code, where counters of Python's bytecode have no place.
    exclude=["plc_adapters.mailbox.slot_kernels", "plc_adapters.mailbox.clock_map"],
):
    # First, so that nothing else loads it without its counters.
    import_module("plc_adapters.mailbox.proof")
    import_module("plc_adapters.autoid.client")
    import_module("plc_adapters.autoid.tied_adapter")

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import SLOT_BYTES, SLOTS_MAX, targets

INPUT_MAX = 2 + SLOT_BYTES * SLOTS_MAX
MEMORY_MIB = 1024
"""Resident memory at which the fuzzer calls it a leak."""
SECONDS_EACH = 10
"""What one input may take, as the fuzzer's own time limit."""


def main() -> None:
    """Run one target until its inputs are used up; libFuzzer ends the process itself."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(targets()))
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable()  # Each wrong message of a scanner is told once a session.
    target = targets()[options.target]
    # Kernels are compiled here, not within an input's time limit.
    for data in seeds().values():
        target(data)
    runs, before, began = 0, target.answered, time.monotonic()

    def one(data: bytes) -> None:
        nonlocal runs
        target(data)
        runs += 1
        if runs == options.runs:
            seconds = time.monotonic() - began
            found = {
                "target": options.target,
                "inputs": runs,
                "seed": options.seed,
                "seconds": round(seconds, 1),
                "inputs_per_second": round(runs / seconds),
                "answered": target.answered - before,
                "peak_kib": peak_kib(),
                "crashes": 0,
            }
            print(json.dumps(found), flush=True)  # noqa: T201
            os._exit(0)

    with tempfile.TemporaryDirectory() as folder:
        for name, data in seeds().items():
            (Path(folder) / name).write_bytes(data)
        limits = [
            f"-seed={options.seed}", f"-max_len={INPUT_MAX}", f"-rss_limit_mb={MEMORY_MIB}",
            f"-timeout={SECONDS_EACH}", "-print_final_stats=1", f"-runs={options.runs * 2}",
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], *limits, folder], one)
        atheris.Fuzz()


def peak_kib() -> int:
    """Return the most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
