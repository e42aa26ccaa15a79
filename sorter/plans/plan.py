"""A sort plan as the planner writes it: which chutes make a group, where exceptions go.

    name = "hub-night"
    centre = "LYG-HUB"
    routes = "network"          # or the path of a CSV: brand,service_class,prefix,group
    laps = 3                    # a piece may go round so often after its first pass; 0 for a
                                # sorter that it passes once
    spare = [59]                # chutes that no group uses on purpose; may be left out

    [groups.NODE-320722]
    policy = "balanced"         # or ordered, filling
    chutes = [4, 5]
    overflow = "OVERFLOW"       # tried next; may be left out

    [exceptions]                # a group for each; default for every other disposition
    no_read = "NO-READ"
    intercepted = "HELD"        # and the other holds; each may be left out
    ...

    [keep_free]                 # per cent of each chute's room a class leaves to more urgent ones
    economy = 20                # see below; each class may be left out

    [limits]                    # a piece beyond one is held; 0 or left out is no limit
    weight_g = 30000
    length_mm = 1200
    width_mm = 800
    height_mm = 800
    unknown_is_held = false     # whether a limited measure that is not known holds the piece

    [upstream]                  # ask the upstream host where pieces go that nothing else tells;
    waiting_laps = 1            # left out: never. So many laps a piece stays on for its answer

A chute belongs to one group only, so that what lies in it is known by its number. Chutes are shared
by sharing a group: several routes, exceptions and overflows may name the same one.

Where chutes run short, ``keep_free`` lets the more urgent pieces come first: a piece of a class is
not put into the last part of a chute's room, but tries the group's other chutes, its overflow, and
then the next lap. The part shrinks with every lap and is nothing on the last. A class that is left
out keeps :data:`KEEP_FREE_STEP` more than the one before it; the most urgent none. A piece of
unknown class counts as of the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from plc_adapters.contract import CHUTE_NUMBER_MAX, LAPS_MAX, Disposition
from routing_tables.errors import Problems
from routing_tables.files import read_toml
from routing_tables.schema import CLASSES_MAX, NAME
from sorter.errors import ConfigError

FROM_NETWORK = "network"
"""Value of ``routes``: they derive from the centre's place in the network."""
GROUPS_MAX = CHUTE_NUMBER_MAX
"""Groups of one plan: each has a chute of its own."""

UNCLEAR = (Disposition.AMBIGUOUS, Disposition.BAG)
"""Exceptions that a plan need not name: they then go where codes that are no waybills go."""
KEEP_FREE_STEP = 5
"""Per cent of room by which one class leaves more free than the next more urgent one."""
KEEP_FREE_MAX = 90
"""Most that a class can be told to leave free, in per cent."""
WEIGHT_MAX_G = 10_000_000
"""Highest limit of weight: ten tonnes."""
SIZE_MAX_MM = 32_767
"""Highest limit of a length; the PLC reports no longer one."""

GroupName = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
Share = Annotated[int, Field(strict=True, ge=0, le=KEEP_FREE_MAX)]
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
    """The group for each piece that is not sorted by its destination.

    A hold that is left out goes to the default group.
    """

    no_read: GroupName
    conflict: GroupName
    not_a_waybill: GroupName
    unknown_destination: GroupName
    no_route: GroupName
    lap_limit: GroupName
    ambiguous: GroupName | None = None
    """For manual coding; where it is left out, as ``not_a_waybill``."""
    bag: GroupName | None = None
    """For bags met alone; where it is left out, as ``not_a_waybill``."""
    host_late: GroupName | None = None
    """Where the upstream host gave no answer; where it is left out, as ``unknown_destination``."""
    scan_not_tied: GroupName | None = None
    """For a scan that may be a neighbour's; where it is left out, as ``conflict``."""
    quarantined: GroupName | None = None
    """For all pieces while the line is quarantined; where it is left out, the default group."""
    default: GroupName
    """For every other disposition."""
    intercepted: GroupName | None = None
    security_not_cleared: GroupName | None = None
    customs_not_released: GroupName | None = None
    cold_chain_broken: GroupName | None = None
    damaged: GroupName | None = None
    overweight: GroupName | None = None
    oversize: GroupName | None = None

    def of(self, disposition: Disposition) -> str:
        """Return the group for a disposition."""
        name = getattr(self, disposition.name.lower(), None)
        if name is None and disposition is Disposition.HOST_LATE:
            name = self.unknown_destination
        elif name is None and disposition == Disposition.SCAN_NOT_TIED:
            name = self.conflict
        elif name is None:
            name = self.not_a_waybill if disposition in UNCLEAR else self.default
        return str(name)


class Limits(_Section):
    """The heaviest and the largest piece that may be sorted; 0 is no limit.

    Each length is compared as it was measured, whichever way the piece lies.
    """

    weight_g: int = Field(default=0, strict=True, ge=0, le=WEIGHT_MAX_G)
    length_mm: int = Field(default=0, strict=True, ge=0, le=SIZE_MAX_MM)
    width_mm: int = Field(default=0, strict=True, ge=0, le=SIZE_MAX_MM)
    height_mm: int = Field(default=0, strict=True, ge=0, le=SIZE_MAX_MM)
    unknown_is_held: bool = Field(default=False, strict=True)
    """Whether a limited measure that is not known holds the piece, as if it were exceeded."""

    @model_validator(mode="after")
    def _unknown_needs_a_limit(self) -> Self:
        if self.unknown_is_held and not (
            self.weight_g or self.length_mm or self.width_mm or self.height_mm
        ):
            raise ValueError("unknown_is_held holds nothing without a limit; give one beside it")
        return self


class Upstream(_Section):
    """That the upstream host is asked where a piece goes that nothing else tells."""

    waiting_laps: int = Field(default=1, strict=True, ge=0, le=LAPS_MAX)
    """Laps that a piece stays on for the answer, from the one on which it was first asked for.

    With 0 it goes to the chute for a late host at once, and an answer on the way replaces that: for
    a line that passes a piece once.
    """


class _PlanFile(_Section):
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    centre: GroupName
    routes: Annotated[str, Field(min_length=1, max_length=1024)]
    laps: int = Field(strict=True, ge=0, le=LAPS_MAX)
    spare: list[Chute] = Field(default_factory=list, max_length=CHUTE_NUMBER_MAX)
    groups: dict[GroupName, Group] = Field(min_length=1, max_length=GROUPS_MAX)
    exceptions: Exceptions
    keep_free: dict[str, Share] = Field(default_factory=dict, max_length=CLASSES_MAX)
    limits: Limits = Limits()
    upstream: Upstream | None = None


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
    limits: Limits = field(default_factory=Limits)
    spare: tuple[int, ...] = ()
    """Chutes of the machine that no group uses on purpose."""
    host_laps: int | None = None
    """Laps that a piece waits for the upstream host; None where it is not asked."""
    keep_free: dict[str, int] = field(default_factory=dict)
    """Per cent of each chute's room that service classes leave to more urgent ones, as given."""

    def kept_free(self, service_classes: Sequence[str]) -> tuple[int, ...]:
        """Return what each class leaves free, most urgent first, in per cent."""
        return tuple(
            self.keep_free.get(name, min(rank * KEEP_FREE_STEP, KEEP_FREE_MAX))
            for rank, name in enumerate(service_classes)
        )


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
        limits=file.limits,
        spare=tuple(file.spare),
        host_laps=file.upstream.waiting_laps if file.upstream else None,
        keep_free=file.keep_free,
    )
