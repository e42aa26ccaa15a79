"""A whole site checked without running it."""

from dataclasses import dataclass

from routing_tables.errors import TableError
from routing_tables.load import load_network
from routing_tables.schema import Network, lianyungang
from sorter.api.certificate import check_pair
from sorter.api.keys import KeyRing
from sorter.config import Line, SiteFile
from sorter.config_http import Http
from sorter.errors import ConfigError
from sorter.plans.check import check_plan
from sorter.plans.machine import check_laps, load_chutes
from sorter.plans.plan import load_plan
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


def check_site(site: SiteFile) -> SiteReport:
    """Check every file a site names.

    Raises:
        ConfigError: all that is wrong in machines, plans and pre-advice.
        TableError: all that is wrong in the network's tables, without which no plan can be checked.
    """
    network = load_network(site.network.path or lianyungang())
    lines: list[LineReport] = []
    warnings: list[str] = []
    problems: list[str] = []
    for line in site.lines:
        try:
            lines.append(_check_line(line, site.network.centre, network, warnings))
        except ConfigError as error:
            problems.extend(error.problems)
    try:
        check_face(site.http)
    except ConfigError as error:
        problems.extend(error.problems)
    if site.network.pre_advice is not None:
        try:
            warnings.extend(load_pre_advice(site.network.pre_advice, network)[1])
        except (ConfigError, TableError) as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(*dict.fromkeys(problems))
    return SiteReport(lines, list(dict.fromkeys(warnings)))


def check_face(settings: Http) -> None:
    """Check what the face needs before it can let anybody in.

    Raises:
        ConfigError: its file of keys, its certificate or the key of it can't be used.
    """
    if settings.keys_file:
        KeyRing(settings.keys_file)
    if settings.tls:
        check_pair(settings.tls)


def _check_line(line: Line, centre: str, network: Network, warnings: list[str]) -> LineReport:
    chutes = load_chutes(line.machine.chutes, line.machine.speed_mm_s)
    check_laps(line.plan, load_plan(line.plan).laps, line.machine.kind)
    report = check_plan(line.plan, network, chutes, centre)
    if report.problems:
        raise ConfigError(*report.problems)
    warnings.extend(report.warnings)
    return LineReport(
        line.name, report.name, report.chutes, report.groups, report.places, report.zones
    )
