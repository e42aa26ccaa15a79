"""What every bench returns, how it is printed, and how it is kept."""

import hashlib
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured distribution; ``unit`` is that of p50 to max."""

    name: str
    unit: str
    samples: int
    p50: float
    p99: float
    p999: float
    max: float
    reference: str = ""
    """Name of the figure this one is held against; empty for a reference."""
    ratio_p50: float = 1.0
    """This p50 divided by the reference's."""
    ratio_p99: float = 1.0
    notes: dict[str, float] = field(default_factory=dict)
    """Further counts of the same run: misses, rate reached."""


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one bench, and a hash over what it computed: no work can be skipped."""

    bench: str
    figures: list[Figure]
    output_hash: str
    machine: dict[str, str | int] = field(default_factory=dict)


def figure(name: str, unit: str, values: NDArray[np.float64]) -> Figure:
    """Return the distribution of ``values`` (at least one)."""
    p50, p99, p999 = np.percentile(values, [50, 99, 99.9])
    return Figure(name, unit, len(values), float(p50), float(p99), float(p999), float(values.max()))


def against(measured: Figure, reference: Figure, **notes: float) -> Figure:
    """Return ``measured`` with its ratios to ``reference``."""
    content = asdict(measured) | {
        "reference": reference.name,
        "ratio_p50": measured.p50 / reference.p50,
        "ratio_p99": measured.p99 / reference.p99,
        "notes": measured.notes | notes,
    }
    return Figure(**content)


def machine() -> dict[str, str | int]:
    """Return what the figures depend on and may be told."""
    return {
        "cpus": os.cpu_count() or 1,
        "python": platform.python_version(),
        "numba": version("numba"),
        "numpy": version("numpy"),
        "pymodbus": version("pymodbus"),
        "asyncua": version("asyncua"),
        "system": platform.system(),
    }


def hash_of(*parts: bytes) -> str:
    """Return the SHA-256 over the parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def render(report: Report) -> str:
    """Return the report as a table for a terminal."""
    head = f"{'':34} {'unit':>5} {'samples':>9} {'p50':>10} {'p99':>10} {'p99.9':>10} {'max':>10}"
    lines = [f"== {report.bench}", f"{head}  ratio p50/p99 to reference"]
    for f in report.figures:
        ratio = f"{f.ratio_p50:8.2f} {f.ratio_p99:8.2f}  {f.reference}" if f.reference else ""
        lines.append(
            f"{f.name:34} {f.unit:>5} {f.samples:9,} {f.p50:10,.1f} {f.p99:10,.1f} "
            f"{f.p999:10,.1f} {f.max:10,.1f}  {ratio}"
        )
        lines += [f"{'':36}{key}: {value:,.6g}" for key, value in f.notes.items()]
    told = ", ".join(f"{key} {value}" for key, value in report.machine.items())
    lines.append(f"{told}; output hash {report.output_hash}")
    return "\n".join(lines)


def save(reports: list[Report], path: Path) -> None:
    """Write the reports as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = [asdict(report) for report in reports]
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
