"""The shipped examples say what the service takes: all of it, with its defaults."""

import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import sorter
from sorter.config import (
    JournalSettings,
    Line,
    Link,
    LinkOpcua,
    Machine,
    Network,
    Nodes,
    Site,
    Store,
    Upstream,
    load_site,
)
from sorter.config_http import Http
from sorter.config_push import Push
from sorter.config_scanners import Scanner, ScannerCodes, ScannerLink, Tie
from sorter.config_sensors import ModbusSensor, ModbusSensors, SensorGateway
from sorter.errors import Exit

DEPLOY = Path(sorter.__file__).parent.parent / "deploy"
SECTIONS: list[tuple[type[BaseModel], tuple[str, ...]]] = [
    (Site, ("site",)),
    (Network, ("network",)),
    (Store, ("store",)),
    (Http, ("http",)),
    (Push, ("push",)),
    (JournalSettings, ("journal",)),
    (Upstream, ("upstream",)),
    (Line, ("lines",)),
    (Machine, ("lines", "machine")),
    (Link, ("lines", "link")),
    (LinkOpcua, ("lines", "1", "link")),
    (Nodes, ("lines", "1", "link", "nodes")),
    (Scanner, ("lines", "scanners")),
    (ScannerLink, ("lines", "scanners", "link")),
    (Tie, ("lines", "scanners", "tie")),
    (ScannerCodes, ("lines", "scanners", "codes")),
    (ModbusSensors, ("sensor_links",)),
    (SensorGateway, ("sensor_links", "link")),
    (ModbusSensor, ("sensor_links", "sensors")),
]


def section(raw: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    """The table at that place; of several lines the first, or the one whose number follows."""
    keys = list(place)
    while keys:
        part = raw[keys.pop(0)]
        if isinstance(part, list):
            part = part[int(keys.pop(0)) if keys[:1] == ["1"] else 0]
        raw = part
    return raw


@pytest.mark.parametrize(("model", "place"), SECTIONS)
def test_the_site_file_has_every_setting_with_its_default(
    model: type[BaseModel], place: tuple[str, ...]
) -> None:
    text = (DEPLOY / "site.toml").read_text(encoding="utf-8")
    found = section(tomllib.loads(text), place)
    for name, field in model.model_fields.items():
        assert f"\n{name} = " in text or f"\n# {name} = " in text or name in found, name
        plain = isinstance(field.default, int | str)
        if plain and name in found and name not in ("host", "centre", "url"):
            assert found[name] == field.default, name


def test_the_site_file_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SORTER_DATABASE_DSN", raising=False)
    site = load_site(DEPLOY / "site.toml")
    assert site.lines[0].machine.chutes == DEPLOY / "chutes.csv"
    assert site.site.state_dir == Path("/var/lib/sorter")


def test_systemd_leaves_alone_what_a_restart_can_not_cure() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "systemd" / "sorter.service", encoding="utf-8")
    told = {int(code) for code in unit["Service"]["RestartPreventExitStatus"].split()}
    assert told == {Exit.USAGE, Exit.CONFIG, Exit.FENCED}
    assert "sorter run --config" in unit["Service"]["ExecStart"]
