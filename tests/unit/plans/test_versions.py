"""Versions of a plan: numbered, complete, never changed."""

from pathlib import Path
from typing import Any

import pytest

from sorter.assignment.arrays import PlanArrays
from sorter.assignment.warmup import empty_plan
from sorter.errors import ConfigError
from sorter.plans import versions
from sorter.plans.image import map_image
from sorter.plans.versions import (
    Origin,
    find_version,
    list_versions,
    make_version,
    need_version,
    versions_page,
)


def build(number: int) -> tuple[PlanArrays, dict[str, Any]]:
    plan = empty_plan()
    plan.scalars[0] = number
    return plan, {"name": "hub", "version": number}


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    source = tmp_path / "night.toml"
    source.write_text("laps = 2")
    sources = {"plan.toml": source, "network/divisions.csv": source}
    return Origin(source, "abc", sources, "ann", "new chutes", "2026-01-02T03:04:05+00:00")


def test_a_version_is_all_that_it_was_made_of(tmp_path: Path, origin: Origin) -> None:
    folder = tmp_path / "loop"
    assert list_versions(folder) == []
    assert find_version(folder, 1) is None
    made = make_version(folder, build, origin)
    assert (made.number, made.label) == (1, f"0001-{made.digest}")
    assert list_versions(folder) == [made]
    assert find_version(folder, 1) == made
    assert find_version(folder, 2) is None
    assert need_version(folder, 1) == made
    with pytest.raises(ConfigError, match="no plan version 2; there are 1 to 1"):
        need_version(folder, 2)
    origin.plan.write_text("laps = 3")
    assert (made.sources_folder / "plan.toml").read_text() == "laps = 2"
    assert (made.sources_folder / "network" / "divisions.csv").read_text() == "laps = 2"
    assert map_image(made.image, PlanArrays)[0].scalars[0] == 1
    assert made.as_dict() == {
        "number": 1, "digest": made.digest, "name": "hub", "plan": str(origin.plan), "who": "ann",
        "why": "new chutes", "made_at": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip


def test_numbers_rise_above_all_there_are(tmp_path: Path, origin: Origin) -> None:
    numbers = [make_version(tmp_path, build, origin, above).number for above in (0, 0, 41, 7)]
    assert numbers == [1, 2, 42, 43]
    assert [version.number for version in list_versions(tmp_path)] == numbers
    assert len({version.digest for version in list_versions(tmp_path)}) == 4


def test_versions_are_told_page_by_page(tmp_path: Path, origin: Origin) -> None:
    assert versions_page(tmp_path) == ([], None)
    for above in (0, 0, 41, 0):
        make_version(tmp_path, build, origin, above)
    pages, before = [], None
    while True:
        page, before = versions_page(tmp_path, before, 2)
        pages.append([version.number for version in page])
        if before is None:
            break
    assert pages == [[42, 43], [1, 2]]
    assert versions_page(tmp_path, 42, 1)[1] == 2


def test_limits_are_kept(tmp_path: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="9999 versions; move the folder"):
        make_version(tmp_path, build, origin, versions.VERSIONS_MAX)
    monkeypatch.setattr(versions, "SOURCE_BYTES_MAX", 7)
    with pytest.raises(ConfigError, match=r"night.toml: 8 bytes, at most 7"):
        make_version(tmp_path, build, origin)
    monkeypatch.setattr(versions, "SOURCES_MAX", 1)
    with pytest.raises(ConfigError, match="made of 2 files, at most 1"):
        make_version(tmp_path, build, origin)
    assert list_versions(tmp_path) == []


def test_a_version_that_fails_to_compile_leaves_none(tmp_path: Path, origin: Origin) -> None:
    def fail(_: int) -> tuple[PlanArrays, dict[str, Any]]:
        raise ConfigError("night.toml: groups.A: no such chute")

    with pytest.raises(ConfigError, match="no such chute"):
        make_version(tmp_path, fail, origin)
    assert list_versions(tmp_path) == []
    assert make_version(tmp_path, build, origin).number == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"name": 1}'])
def test_a_damaged_version_is_named(tmp_path: Path, origin: Origin, content: str) -> None:
    made = make_version(tmp_path, build, origin)
    path = tmp_path / f"{made.label}.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=f"{made.label}.json: damaged"):
        find_version(tmp_path, 1)
