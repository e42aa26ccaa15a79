"""What is built before a line starts: compiled plans and pre-advice, as files the line maps."""

import getpass
import hashlib
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import routing_tables
from routing_tables.load import load_network
from routing_tables.schema import Network, companies, lianyungang
from sorter.assignment.arrays import PlanArrays
from sorter.config import Line, SiteFile
from sorter.plans.compile import compile_plan
from sorter.plans.image import FORMAT
from sorter.plans.machine import check_laps, load_chutes
from sorter.plans.plan import load_plan
from sorter.plans.pre_advice import load_pre_advice
from sorter.plans.versions import (
    NETWORK_COPY,
    PLAN_COPY,
    ROUTES_COPY,
    Origin,
    PlanVersion,
    list_versions,
    make_version,
)
from sorter.wiring.active import Active, read_active, write_active
from sorter.wiring.advice import keep
from sorter.wiring.audit import AuditLog, Change, UnauditedError, who_runs
from sorter.wiring.paths import StatePaths


def prepare(site: SiteFile) -> list[str]:
    """Compile every line's plan and the pre-advice where their inputs changed, and activate them.

    Returns what a person should know (warnings, bad pre-advice lines), one line each. Where a
    change can't be audited, a line goes on by what is active.

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
        active = read_active(state.active_plan(line.name))
        newest = newest_of(state.versions(line.name), line.plan)
        # Not what is active is compared but what the files last were: a version activated or
        # rolled back to by hand stays until somebody changes the files.
        if active and active.image.exists() and newest and newest.inputs == _inputs(site, line):
            continue
        network = network or load_network(folder)
        try:
            _take_files(site, line, network, active)
        except UnauditedError as error:
            if active is None or not active.image.exists():
                raise
            notes.append(f"line {line.name} goes by version {active.version} still: {error}")
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
    tables = network or load_network(folder)
    arrays, problems = load_pre_advice(source, tables)
    change = Change(
        "pre_advice", who_runs(os_user()), "its file changed",
        before={"version": active.version if active else 0}, asked={"file": source.name},
    )  # fmt: skip
    try:
        with AuditLog(state.audit).of(change) as after:
            kept = keep(
                state, arrays, tables, active, os_user(), "its file changed", source.name, inputs
            )
            after.update(version=kept.version, image=kept.image.name)
    except UnauditedError as error:
        return [*problems, f"{source}: not loaded: {error}"]
    return problems


def _take_files(site: SiteFile, line: Line, network: Network, active: Active | None) -> None:
    """Make a line's next version of its plan's files, and the active one."""
    state, before = StatePaths(site.site.state_dir), active.version if active else 0
    version = make_plan_version(site, line, line.plan, os_user(), "files changed", network)
    change = Change(
        "activate", who_runs(version.who), version.why, line.name, {"version": before},
        {"version": version.number},
    )  # fmt: skip
    with AuditLog(state.audit).of(change) as after:
        write_active(
            state.active_plan(line.name),
            Active.of(version, version.who, version.why, version.made_at, before),
        )
        after.update(version=version.number)


def make_plan_version(
    site: SiteFile, line: Line, plan_file: Path, who: str, why: str,
    network: Network | None = None, called: Path | None = None, by: dict[str, str] | None = None,
) -> PlanVersion:  # fmt: skip
    """Compile a plan for a line as its next version, which is not active yet.

    Args:
        site: The site.
        line: Its line.
        plan_file: The plan, the line's own or another.
        who: Who makes it.
        why: What for.
        network: The site's, if it is loaded already.
        called: What the plan's file is called from then on, if not by its path.
        by: For whom a job of the face makes it.

    Raises:
        ConfigError: the plan or the machine is wrong; every error in it.
        TableError: likewise, for the network's tables.
        UnauditedError: it can't be audited, so it is not kept.
    """
    state = StatePaths(site.site.state_dir)
    folder = site.network.path or lianyungang()
    tables = network or load_network(folder)
    chutes = load_chutes(line.machine.chutes, line.machine.speed_mm_s)
    plan = load_plan(plan_file)
    check_laps(plan_file, plan.laps, line.machine.kind)

    def build(number: int) -> tuple[PlanArrays, dict[str, Any]]:
        return compile_plan(
            plan, tables, chutes, number, site.network.centre, line.machine.reaction_ms
        )

    active = read_active(state.active_plan(line.name))
    origin = Origin(
        plan=called or plan_file.resolve(),
        inputs=_inputs(site, line, plan_file),
        sources=_sources(folder, line, plan_file),
        who=who,
        why=why,
        made_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    above = active.version if active else 0
    change = Change("keep_plan", who_runs(who, by), why, line.name, {}, {"plan": str(origin.plan)})
    with AuditLog(state.audit).of(change) as after:
        version = make_version(state.versions(line.name), build, origin, above)
        after.update(version=version.number, name=version.name)
    return version


def newest_of(folder: Path, plan_file: Path) -> PlanVersion | None:
    """Return the newest version that was made of a plan's file, None where there is none yet."""
    path = str(plan_file.resolve())
    return next((v for v in reversed(list_versions(folder)) if v.plan == path), None)


def is_current(
    site: SiteFile, line: Line, version: PlanVersion, plan_file: Path | None = None
) -> bool:
    """Return whether a version was made of what its files hold now, or of another plan file."""
    return version.inputs == _inputs(site, line, plan_file or Path(version.plan))


def os_user() -> str:
    """Return the name of the user who runs this, or his number where he has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _sources(folder: Path, line: Line, plan_file: Path) -> dict[str, Path]:
    """Return the files a plan is compiled from, by the names they get among a version's files."""
    plan = load_plan(plan_file)
    files = {PLAN_COPY: plan_file, "chutes.csv": line.machine.chutes}
    if isinstance(plan.routes, Path):
        files[ROUTES_COPY] = plan.routes
    files["companies.toml"] = companies()
    return files | {f"{NETWORK_COPY}/{path.name}": path for path in sorted(folder.iterdir())}


def _inputs(site: SiteFile, line: Line, plan_file: Path | None = None) -> str:
    files = _sources(site.network.path or lianyungang(), line, plan_file or line.plan)
    metal = line.machine
    machine = f"{site.network.centre} {metal.kind} {metal.speed_mm_s} {metal.reaction_ms}"
    return _hash_of(files.values(), machine)


def _hash_of(paths: Iterable[Path], settings: str = "") -> str:
    # An image of another format is made anew, although its sources are the same.
    digest = hashlib.sha256(b"format %d\0" % FORMAT)
    digest.update(routing_tables.__doc__.encode() if routing_tables.__doc__ else b"")
    digest.update(settings.encode() + b"\0")
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
