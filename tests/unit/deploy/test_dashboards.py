"""The shipped dashboards: made by what makes them, whole, in both languages."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sorter

ROOT = Path(sorter.__file__).parent.parent
GRAFANA = ROOT / "deploy" / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*/*.json"))
HEALTHY = {"en": "Healthy:", "zh": "正常："}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_the_files_are_what_their_source_makes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.grafana", "--to", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.glob("*/*.json")}
    kept = {path.relative_to(GRAFANA / "dashboards"): path.read_bytes() for path in FILES}
    assert made == kept, "run python -m deploy.grafana and commit what it writes"


def test_both_languages_have_the_same_boards_and_queries() -> None:
    by_language: dict[str, dict[str, list[Any]]] = {"en": {}, "zh": {}}
    for path in FILES:
        panels = json.loads(path.read_text())["panels"]
        by_language[path.parent.name][path.stem] = [
            [target["expr"] for target in panel["targets"]] for panel in panels
        ]
    assert by_language["en"] == by_language["zh"]
    assert set(by_language["en"]) == {
        "centre", "line", "chutes", "pieces", "plc", "store", "network", "peak",
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_board_is_whole(path: Path) -> None:
    board, language = json.loads(path.read_text()), path.parent.name
    assert board["uid"] == f"sorter-{path.stem}-{language}"
    assert board["editable"] is False
    assert [each["name"] for each in board["templating"]["list"]] == ["site", "line"]
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        assert HEALTHY[language] in panel["description"], panel["title"]
        assert bool(CHINESE.search(panel["title"] + panel["description"])) == (language == "zh")
        assert panel["targets"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "sorter-prometheus"}
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells


def test_the_overview_is_one_screen() -> None:
    board = json.loads((GRAFANA / "dashboards" / "en" / "centre.json").read_text())
    # A row of the grid is 38 px high with its gap: 20 rows are what 1080 px leave.
    assert max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board["panels"]) <= 20


def test_provisioning_finds_datasource_and_boards() -> None:
    datasource = (GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text()
    assert "uid: sorter-prometheus\n" in datasource
    folders = re.findall(
        r"allowUiUpdates: false\n    options:\n      path: \S+/(\w+)\n",
        (GRAFANA / "provisioning" / "dashboards" / "sorter.yml").read_text(),
    )
    assert folders == sorted({path.parent.name for path in FILES})
