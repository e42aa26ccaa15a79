"""What a start compiles and activates, and what it leaves as a person set it."""

from pathlib import Path

import pytest

from sorter.config import SiteFile, load_site
from sorter.errors import ConfigError
from sorter.plans.versions import list_versions
from sorter.wiring.active import Active, read_active, write_active
from sorter.wiring.check import check_site
from sorter.wiring.paths import StatePaths
from sorter.wiring.prepare import is_current, make_plan_version, newest_of, prepare
from tests.integration.service.conftest import CHUTES, PLAN, ROUTES, SITE


@pytest.fixture
def site(tmp_path: Path) -> SiteFile:
    return write_site(tmp_path)


def write_site(tmp_path: Path) -> SiteFile:
    files = {
        "plan.toml": PLAN.replace('"network"', '"routes.csv"'),
        "other.toml": PLAN.replace('"network"', '"routes.csv"').replace("small", "other"),
        "routes.csv": ROUTES,
        "chutes.csv": CHUTES,
        "pre_advice.csv": "waybill,brand,service_class,destination\n",
        "site.toml": SITE.format(http_port=8080, plc_port=502),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return load_site(tmp_path / "site.toml")


def active_of(site: SiteFile) -> Active:
    active = read_active(StatePaths(site.site.state_dir).active_plan("loop"))
    assert active is not None
    return active


def test_changed_files_make_a_version_and_a_rollback_outlasts_a_start(
    site: SiteFile, tmp_path: Path
) -> None:
    state = StatePaths(site.site.state_dir)
    for _ in range(2):
        prepare(site)
        assert active_of(site).version == 1
    (tmp_path / "chutes.csv").write_text(CHUTES.replace("3200,40", "3200,41"))
    prepare(site)
    assert (active_of(site).version, active_of(site).previous) == (2, 1)
    first, second = list_versions(state.versions("loop"))
    assert (second.why, second.plan) == ("files changed", str(tmp_path / "plan.toml"))
    assert {"plan.toml", "chutes.csv", "routes.csv", "network/divisions.csv"} <= {*second.sources}
    assert "3200,41" in (second.sources_folder / "chutes.csv").read_text()
    write_active(state.active_plan("loop"), Active.of(first, "ann", "jams", "now", 2))
    prepare(site)
    assert active_of(site).version == 1
    (tmp_path / "chutes.csv").write_text(CHUTES)
    prepare(site)
    assert (active_of(site).version, active_of(site).previous) == (3, 1)


def test_another_plan_activated_by_hand_outlasts_a_start(site: SiteFile, tmp_path: Path) -> None:
    prepare(site)
    (line,) = site.lines
    other = make_plan_version(site, line, tmp_path / "other.toml", "ann", "night")
    assert (other.number, other.name, active_of(site).version) == (2, "other", 1)
    state = StatePaths(site.site.state_dir)
    write_active(state.active_plan("loop"), Active.of(other, "ann", "night", "now", 1))
    prepare(site)
    assert active_of(site).version == 2
    assert newest_of(state.versions("loop"), tmp_path / "other.toml") == other
    assert is_current(site, line, other)
    (tmp_path / "other.toml").write_text((tmp_path / "other.toml").read_text() + "# changed")
    assert not is_current(site, line, other)


def test_a_lost_image_is_compiled_again(site: SiteFile) -> None:
    prepare(site)
    active_of(site).image.unlink()
    prepare(site)
    assert active_of(site).version == 2
    assert active_of(site).image.exists()


def test_a_damaged_file_of_what_is_active_is_named(site: SiteFile) -> None:
    prepare(site)
    path = StatePaths(site.site.state_dir).active_plan("loop")
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"loop.active.json: damaged"):
        prepare(site)


def test_a_diverter_line_takes_no_plan_that_lets_pieces_go_round(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    assert write_site(tmp_path).lines[0].machine.kind == "loop"
    text = site.read_text().replace("machine = {", 'machine = { kind = "diverter",')
    site.write_text(text)
    words = r"plan.toml: laps: it is 2, but the sorter is a diverter line"
    with pytest.raises(ConfigError, match=words):
        prepare(load_site(site))
    with pytest.raises(ConfigError, match=words):
        check_site(load_site(site))
    plan = tmp_path / "plan.toml"
    plan.write_text(plan.read_text().replace("laps = 2", "laps = 0"))
    prepare(load_site(site))
    assert active_of(load_site(site)).version == 1
