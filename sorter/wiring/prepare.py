"""What is built before a line starts: compiled plans and pre-advice, as files the line maps."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import routing_tables
from routing_tables.load import load_network
from routing_tables.schema import Network, companies, lianyungang
from sorter.config import Line, SiteFile
from sorter.plans.compile import compile_plan
from sorter.plans.image import FORMAT, write_image
from sorter.plans.machine import load_chutes
from sorter.plans.plan import load_plan
from sorter.plans.pre_advice import load_pre_advice
from sorter.wiring.active import Active, read_active, write_active
from sorter.wiring.paths import StatePaths


def prepare(site: SiteFile) -> list[str]:
    """Compile every line's plan and the pre-advice where their inputs changed.

    Returns what a person should know (warnings, bad pre-advice lines), one line each.

    Raises:
        ConfigError: a table or plan is wrong; every error in it.
        TableError: likewise, for the network's tables.
    """
    state = StatePaths(site.site.state_dir)
    state.make()
    folder = site.network.path or lianyungang()
    notes: list[str] = []
    network: Network | None = None
    for line in site.lines:
        inputs = _hash_of(_plan_inputs(folder, line))
        active = read_active(state.active_plan(line.name))
        if active and active.inputs == inputs and active.image.exists():
            continue
        network = network or load_network(folder)
        version = active.version + 1 if active else 1
        chutes = load_chutes(line.machine.chutes, line.machine.speed_mm_s)
        plan = load_plan(line.plan)
        arrays, metadata = compile_plan(
            plan, network, chutes, version, site.network.centre, line.machine.reaction_ms
        )
        image = write_image("plan", arrays, state.plans, metadata)
        write_active(state.active_plan(line.name), Active(image, version, inputs, plan.name))
    if site.network.pre_advice is not None:
        notes += _prepare_pre_advice(site.network.pre_advice, folder, network, state)
    return notes


def _prepare_pre_advice(
    source: Path, folder: Path, network: Network | None, state: StatePaths
) -> list[str]:
    inputs = _hash_of([source, *sorted(folder.iterdir())])
    active = read_active(state.pre_advice)
    if active and active.inputs == inputs and active.image.exists():
        return []
    arrays, problems = load_pre_advice(source, network or load_network(folder))
    image = write_image("pre_advice", arrays, state.plans, {"source": str(source)})
    version = active.version + 1 if active else 1
    write_active(state.pre_advice, Active(image, version, inputs, source.name))
    return problems


def _plan_inputs(folder: Path, line: Line) -> list[Path]:
    plan = load_plan(line.plan)
    routes = [plan.routes] if isinstance(plan.routes, Path) else []
    return [line.plan, line.machine.chutes, *routes, companies(), *sorted(folder.iterdir())]


def _hash_of(paths: Iterable[Path]) -> str:
    # An image of another format is made anew, although its sources are the same.
    digest = hashlib.sha256(b"format %d\0" % FORMAT)
    digest.update(routing_tables.__doc__.encode() if routing_tables.__doc__ else b"")
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
