"""What the face's jobs do with plans: check, prove, compare, try, keep.

A plan is a version that is kept, a file beside the line's own, or a text; the machine is always the
line's as it stands. A version is looked at with the network it was compiled with, all others with
the site's.
"""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from plc_adapters.contract import Records
from routing_tables.load import load_network
from routing_tables.schema import Network, lianyungang
from sorter.config import Line, SiteFile
from sorter.errors import ConfigError
from sorter.plans.check import check_loaded
from sorter.plans.diff import diff
from sorter.plans.machine import check_laps, load_chutes
from sorter.plans.plan import Plan, load_plan
from sorter.plans.prove import prove as prove_plan
from sorter.plans.scans import Span, load_scans
from sorter.plans.versions import kept_plan, list_versions
from sorter.plans.whatif import Model, whatif
from sorter.plans.whatif_picture import draw
from sorter.wiring.paths import StatePaths
from sorter.wiring.prepare import is_current, make_plan_version
from sorter.wiring.scans import recorded_in

Progress = Callable[[str, float], None]
PICTURE = "loads.svg"
"""The picture of a what-if, beside its result."""


class _Table:
    """What a job works on: the line's machine, and plans with the network they are for."""

    def __init__(self, site: SiteFile, line: Line, folder: Path) -> None:
        self._site = site
        self._line = line
        self._folder = folder
        self.chutes: Records = load_chutes(line.machine.chutes, line.machine.speed_mm_s)

    def plan(self, source: dict[str, Any], name: str = "") -> tuple[Plan, Network]:
        """Return a plan and its network; a text is written to a folder of this name first."""
        if source["version"] is not None:
            state = StatePaths(self._site.site.state_dir)
            plan, tables = kept_plan(state.versions(self._line.name), source["version"])
        else:
            plan = load_plan(self.file(source, name))
            tables = self._site.network.path or lianyungang()
        check_laps(plan.source, plan.laps, self._line.machine.kind)
        return plan, load_network(tables)

    def file(self, source: dict[str, Any], name: str = "") -> Path:
        """Return the file of a plan that is no version.

        Raises:
            ConfigError: there is none, or it reaches for tables that did not come with it.
        """
        if source["file"] is not None:
            beside = self._line.plan.parent / str(source["file"])
            if not beside.is_file():
                raise ConfigError(f"{beside}: no such file; give one beside {self._line.plan.name}")
            return beside
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        for table, content in source["tables"].items():
            (folder / table).write_text(content, "utf-8")
        path = folder / "plan.toml"
        path.write_text(source["toml"], "utf-8")
        routes = load_plan(path).routes
        if routes is not None and routes not in [folder.resolve() / t for t in source["tables"]]:
            raise ConfigError(
                f"{path}: routes: {routes.name!r:.80} did not come with the plan; send it among "
                "the tables, or give \"network\""
            )  # fmt: skip
        return path


def check(
    site: SiteFile, line: Line, folder: Path, request: dict[str, Any], tell: Progress
) -> dict[str, Any]:
    """Check a plan."""
    table = _Table(site, line, folder)
    plan, network = table.plan(request["plan"])
    tell("checking", 0.0)
    report = check_loaded(plan, network, table.chutes, site.network.centre)
    if report.problems:
        raise ConfigError(*report.problems)
    return asdict(report)


def prove(
    site: SiteFile, line: Line, folder: Path, request: dict[str, Any], tell: Progress
) -> dict[str, Any]:
    """Prove a plan."""
    table = _Table(site, line, folder)
    plan, network = table.plan(request["plan"])
    proof = prove_plan(
        plan, network, table.chutes, site.network.centre, line.machine.reaction_ms,
        partial(tell, "asking the decision"),
    )  # fmt: skip
    return asdict(proof) | {"holds": proof.holds}


def compare(
    site: SiteFile, line: Line, folder: Path, request: dict[str, Any], tell: Progress
) -> dict[str, Any]:
    """Compare two plans, both with the network of the newer one."""
    table = _Table(site, line, folder)
    before, _ = table.plan(request["before"], "before")
    after, network = table.plan(request["after"], "after")
    found = diff(before, after, network, table.chutes, partial(tell, "comparing"))
    return asdict(found) | {"same": found.same}


def try_out(
    site: SiteFile, line: Line, folder: Path, request: dict[str, Any], tell: Progress
) -> dict[str, Any]:
    """Try a plan over recorded pieces, and draw the loads."""
    table = _Table(site, line, folder)
    plan, network = table.plan(request["plan"], "plan")
    against = table.plan(request["against"], "against")[0] if request["against"] else None
    scans = _recorded(site, line, folder, request["recorded"], network, tell)
    tell("replaying", 0.0)
    model = Model(request["lap_seconds"], request["empty_seconds"])
    found = whatif(plan, network, table.chutes, scans, against, model, line.machine.reaction_ms)
    (folder / PICTURE).write_text(draw(found), "utf-8")
    return asdict(found)


def keep(
    site: SiteFile, line: Line, folder: Path, request: dict[str, Any], tell: Progress
) -> dict[str, Any]:
    """Compile a plan and keep it as the line's next version, unless it is the newest already."""
    source = request["plan"]
    file = _Table(site, line, folder).file(source)
    tell("compiling", 0.0)
    newest = list_versions(StatePaths(site.site.state_dir).versions(line.name))[-1:]
    if newest and is_current(site, line, newest[0], file):
        return {"line": line.name, "kept": False, **newest[0].as_dict()}
    called = None if source["file"] else Path("sent") / f"{load_plan(file).name}.toml"
    made = make_plan_version(
        site, line, file, request["who"], request["why"], called=called, by=request["by"]
    )
    return {"line": line.name, "kept": True, **made.as_dict()}


def _recorded(
    site: SiteFile, line: Line, folder: Path, asked: dict[str, Any], network: Network,
    tell: Progress,
) -> Records:  # fmt: skip
    for ending in ("csv", "ndjson"):
        if asked[ending] is not None:
            path = folder / f"scans.{ending}"
            path.write_text(asked[ending], "utf-8")
            return load_scans(path, network)
    span = Span.of_day(asked["day"]) if asked["day"] else Span.of(asked["begin"], asked["end"])
    source = f"reading the {asked['source']}"
    return recorded_in(site, line.name, span, asked["source"], partial(tell, source))
