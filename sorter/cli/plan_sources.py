"""What ``sorter plan check, prove, diff, whatif`` look at: plans by file or number, a machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from plc_adapters.contract import Records
from routing_tables.load import load_network
from routing_tables.schema import Network, lianyungang
from sorter.cli.plan_life import LineName, line_of
from sorter.config import load_site
from sorter.plans.machine import check_laps, load_chutes
from sorter.plans.plan import Plan, load_plan
from sorter.plans.prove import REACTION_MS
from sorter.plans.versions import kept_plan
from sorter.wiring.paths import StatePaths

SPEED_MM_S = 2000
"""Speed assumed where no line is named: it moves instants, not what exists."""
PLAN_HELP = "A plan's TOML file; or the number of a version that is kept (with --config)."

PlanArgument = Annotated[str, typer.Argument(metavar="PLAN", help=PLAN_HELP)]
ChutesOption = Annotated[
    Path | None,
    typer.Option(help="The sorter's CSV: chute,position_mm,capacity_pieces; that of --line if "
                 "left out."),
]  # fmt: skip
NetworkOption = Annotated[
    Path | None,
    typer.Option(help="Folder of the network; if left out a version's own, the site's, or "
                 "Lianyungang's."),
]  # fmt: skip
ConfigOption = Annotated[
    Path | None, typer.Option(help="The site file: its line's machine, versions and network.")
]
SpeedOption = Annotated[
    int, typer.Option("--speed", min=100, max=5000, help="Speed in mm/s, with --chutes.")
]
__all__ = ["ChutesOption", "ConfigOption", "LineName", "NetworkOption", "PlanArgument", "PlanDesk",
           "SpeedOption"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Looked:
    """A plan that a command was given."""

    plan: Plan
    network: Network
    """What it is for."""
    where: str
    """What a person knows it by: its file, or number and line."""
    label: str
    """Its name, with its number if it is a version."""


class PlanDesk:
    """A command's machine, and the plans it is given."""

    def __init__(
        self,
        config: Path | None,
        line: str,
        chutes: Path | None,
        network: Path | None,
        speed_mm_s: int = SPEED_MM_S,
    ) -> None:
        """Load site and machine; BadParameter if neither is named, ConfigError if one is wrong."""
        self.site = load_site(config) if config else None
        self.line = line_of(self.site, line) if self.site else None
        self._network = network
        self._loaded: dict[Path, Network] = {}
        if chutes:
            self.machine: Records = load_chutes(chutes, speed_mm_s)
        elif self.line:
            metal = self.line.machine
            self.machine = load_chutes(metal.chutes, metal.speed_mm_s)
        else:
            raise typer.BadParameter("give one of them", param_hint="--chutes, --config")
        self.reaction_ms = self.line.machine.reaction_ms if self.line else REACTION_MS

    def centre(self, plan: Plan) -> str:
        """Return the centre that a plan is to run in: the site's, or the one it names."""
        return self.site.network.centre if self.site else plan.centre

    def look(self, name: str) -> Looked:
        """Return a plan by its file or its number.

        Raises:
            typer.BadParameter: it is a number, but no site is named.
            ConfigError: there is none, or it is wrong; every error in it.
        """
        if not name.isdecimal():
            plan = load_plan(Path(name))
            looked = Looked(plan, self.tables(), name, plan.name)
        elif self.site and self.line:
            folder = StatePaths(self.site.site.state_dir).versions(self.line.name)
            plan, network = kept_plan(folder, int(name))
            where = f"version {int(name)} of line {self.line.name}"
            looked = Looked(plan, self.tables(network), where, f"{plan.name} (version {int(name)})")
        else:
            raise typer.BadParameter(
                f"{name} is the number of a version; say whose", param_hint="--config"
            )
        if self.line:
            check_laps(plan.source, plan.laps, self.line.machine.kind)
        return looked

    def tables(self, own: Path | None = None) -> Network:
        """Return the network of --network, else this one, the site's, or Lianyungang's."""
        path = self._network or own or (self.site and self.site.network.path) or lianyungang()
        if path not in self._loaded:
            self._loaded[path] = load_network(path)
        return self._loaded[path]
