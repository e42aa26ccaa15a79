"""A whole site checked without running it."""

from dataclasses import dataclass

from routing_tables.load import load_network
from routing_tables.schema import lianyungang
from sorter.config import SiteFile
from sorter.errors import ConfigError
from sorter.plans.check import check_plan
from sorter.plans.machine import load_chutes
from sorter.plans.pre_advice import load_pre_advice


@dataclass(frozen=True, slots=True)
class LineReport:
    """What one line's plan amounts to."""

    name: str
    plan: str
    chutes: int
    groups: int
    places: int
    zones: int


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What a site amounts to, and what is worth a second look."""

    lines: list[LineReport]
    warnings: list[str]
