"""Versions that are kept are checked, proved, compared and tried by number, as files are."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from sorter.cli.main import app
from sorter.errors import Exit
from sorter.wiring.prepare import make_plan_version, prepare
from tests.integration.service.conftest import PLAN
from tests.unit.wiring.test_jobs import ROUTES, SCANS
from tests.unit.wiring.test_prepare import write_site


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site with versions 1 and 2, whose planner's files are gone."""
    site = write_site(tmp_path)
    (tmp_path / "routes.csv").write_text(ROUTES, "utf-8")
    prepare(site)
    new = PLAN.replace('"network"', '"routes.csv"').replace("[1, 2, 3, 4, 5, 6, 7]", "[1, 2]")
    (tmp_path / "new.toml").write_text(new, "utf-8")
    make_plan_version(site, site.lines[0], tmp_path / "new.toml", "ann", "fewer chutes")
    (tmp_path / "new.toml").unlink()
    (tmp_path / "routes.csv").unlink()
    (tmp_path / "scans.csv").write_text(SCANS, "utf-8")
    return tmp_path


def run(folder: Path, *arguments: str, code: int = Exit.OK) -> str:
    site = str(folder / "site.toml")
    result = CliRunner().invoke(app, ["plan", *arguments, "--config", site])
    assert result.exit_code == code, result.output
    return result.output


def test_versions_by_number(folder: Path) -> None:
    assert "version 2 of line loop: all right" in run(folder, "check", "2")
    assert orjson.loads(run(folder, "check", "1", "--json"))["chutes"] == 9
    proof = orjson.loads(run(folder, "prove", "2", "--json", code=Exit.CHECK_FAILED))
    assert "chute 3: no group uses it" in str(proof["failures"])
    assert "version 1 of line loop: holds" in run(folder, "prove", "1")
    told = run(folder, "diff", "1", "2", "--line", "loop")
    assert "small (version 1) -> small (version 2)" in told
    assert "ALL [1 2 3 4 5 6 7] -> ALL [1 2]" in told
    assert "do the same" in run(folder, "diff", "2", "2")
    scans = ("--scans", str(folder / "scans.csv"))
    told = run(folder, "whatif", "2", "--against", "1", *scans)
    assert "small (version 2) over 5 pieces, against small (version 1)" in told
    found = orjson.loads(run(folder, "whatif", "2", "--against", "1", *scans, "--json"))
    assert sum(chute["after"] for chute in found["chutes"] if chute["chute"] < 3) == 5


def test_versions_are_listed_page_by_page(folder: Path) -> None:
    (told,) = orjson.loads(run(folder, "list", "--limit", "1", "--json"))
    assert ([v["number"] for v in told["versions"]], told["next_before"]) == ([2], 2)
    assert "older ones: --before 2" in run(folder, "list", "--limit", "1")
    older = run(folder, "list", "--line", "loop", "--before", "2")
    assert "*    1" in older
    assert "older" not in older


def test_a_version_that_is_not_there_or_nobodys(folder: Path) -> None:
    site = str(folder / "site.toml")
    told = CliRunner().invoke(app, ["plan", "prove", "7", "--config", site])
    assert "no plan version 7; there are 1 to 2" in str(told.exception)
    lonely = CliRunner().invoke(app, ["plan", "prove", "2", "--chutes", str(folder / "chutes.csv")])
    assert lonely.exit_code == Exit.USAGE
    assert "--config" in lonely.output
    nothing = CliRunner().invoke(app, ["plan", "check", "plan.toml"])
    assert nothing.exit_code == Exit.USAGE
    assert "--chutes, --config" in nothing.output
