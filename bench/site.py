"""The site that the benches over real links run the service on: the demo's plan, roomy chutes."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import sorter
from routing_tables.load import load_network
from routing_tables.schema import lianyungang
from sorter.config import load_site
from sorter.demo.manifest import write_manifest
from sorter.wiring.prepare import prepare

LABELS = 5_000
"""Pieces that differ; they come again when all have been."""
SPEED_MM_S = 2_000
FILES = Path(sorter.__file__).parent / "demo"
SITE = """
[site]
name = "bench"
[network]
centre = "LYG-HUB"
pre_advice = "pre_advice.csv"
[store]
dsn = "{dsn}"
"""
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
"""For a bench whose recorder does not run."""
LINE = """
[[lines]]
name = "line-{number}"
plan = "plan.toml"
machine = {{ chutes = "{chutes}", speed_mm_s = {speed} }}
link = {{ port = {port} }}
"""


def write_site(folder: Path, ports: Sequence[int], chutes: str, dsn: str = NOWHERE) -> None:
    """Write ``site.toml`` with a line for each port, all that it names, and compile its plans.

    ``labels.csv`` has the codes of the pieces; ``chutes`` is the file of the machines, written
    before.
    """
    write_manifest(folder, load_network(lianyungang()), seed=1, pieces=LABELS)
    shutil.copyfile(FILES / "plan.toml", folder / "plan.toml")
    lines = [
        LINE.format(number=number, chutes=chutes, speed=SPEED_MM_S, port=port)
        for number, port in enumerate(ports)
    ]
    (folder / "site.toml").write_text(SITE.format(dsn=dsn) + "".join(lines), encoding="utf-8")
    prepare(load_site(folder / "site.toml"))


def write_chutes(path: Path, place: Callable[[int], int]) -> None:
    """Write the demo's chutes, too large to become full; ``place`` moves each position (mm)."""
    head, *rows = (FILES / "chutes.csv").read_text(encoding="utf-8").splitlines()
    wide = [head]
    for row in rows:
        chute, position, _ = row.split(",")
        wide.append(f"{chute},{place(int(position))},100000")
    path.write_text("\n".join(wide) + "\n", encoding="utf-8")
