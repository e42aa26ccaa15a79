"""A sort plan as the planner writes it: which chutes make a group, where exceptions go.

    name = "hub-night"
    centre = "LYG-HUB"
    routes = "network"          # or the path of a CSV: brand,service_class,prefix,group
    laps = 3                    # a piece may come by so often
    spare = [59]                # chutes that no group uses on purpose; may be left out

    [groups.NODE-320722]
    policy = "balanced"         # or ordered, filling
    chutes = [4, 5]
    overflow = "OVERFLOW"       # tried next; may be left out

    [exceptions]                # a group for each; default for every other disposition
    no_read = "NO-READ"
    ...

A chute belongs to one group only, so that what lies in it is known by its number. Chutes are shared
by sharing a group: several routes, exceptions and overflows may name the same one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from plc_adapters.contract import CHUTE_NUMBER_MAX, LAPS_MAX, Disposition
from routing_tables.errors import Problems
from routing_tables.files import read_toml
from routing_tables.schema import NAME
from sorter.errors import ConfigError

FROM_NETWORK = "network"
"""Value of ``routes``: they derive from the centre's place in the network."""
GROUPS_MAX = CHUTE_NUMBER_MAX
"""Groups of one plan: each has a chute of its own."""

GroupName = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
Chute = Annotated[int, Field(strict=True, ge=1, le=CHUTE_NUMBER_MAX)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Group(_Section):
    """Chutes that take the same pieces."""

    policy: Literal["ordered", "balanced", "filling"] = "ordered"
    chutes: list[Chute] = Field(min_length=1, max_length=CHUTE_NUMBER_MAX)
    """Numbers; their order counts for ``ordered``, and between equals."""
    overflow: GroupName | None = None


class Exceptions(_Section):
    """The group for each piece that is not sorted by its destination."""

    no_read: GroupName
    conflict: GroupName
    not_a_waybill: GroupName
    unknown_destination: GroupName
    no_route: GroupName
    lap_limit: GroupName
    default: GroupName
    """For every other disposition."""

    def of(self, disposition: Disposition) -> str:
        """Return the group for a disposition."""
        return str(getattr(self, disposition.name.lower(), self.default))


class _PlanFile(_Section):
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    centre: GroupName
    routes: Annotated[str, Field(min_length=1, max_length=1024)]
    laps: int = Field(strict=True, ge=1, le=LAPS_MAX)
    spare: list[Chute] = Field(default_factory=list, max_length=CHUTE_NUMBER_MAX)
    groups: dict[GroupName, Group] = Field(min_length=1, max_length=GROUPS_MAX)
    exceptions: Exceptions


@dataclass(frozen=True, slots=True)
class Plan:
    """A sort plan, each key checked by itself."""

    source: Path
    """The file it came from, to name in errors."""
    name: str
    centre: str
    routes: Path | None
    """A table of routes; None where they derive from the centre's place in the network."""
    laps: int
    groups: dict[str, Group]
    exceptions: Exceptions
    spare: tuple[int, ...] = ()
    """Chutes of the machine that no group uses on purpose."""


def load_plan(path: Path) -> Plan:
    """Load a plan; a path in it is relative to the plan's file.

    Raises:
        ConfigError: every wrong, missing or unknown key.
    """
    problems = Problems()
    file = read_toml(path, _PlanFile, problems)
    if file is None:
        raise ConfigError(*problems.lines())
    return Plan(
        source=path,
        name=file.name,
        centre=file.centre,
        routes=None if file.routes == FROM_NETWORK else path.resolve().parent / file.routes,
        laps=file.laps,
        groups=file.groups,
        exceptions=file.exceptions,
        spare=tuple(file.spare),
    )
