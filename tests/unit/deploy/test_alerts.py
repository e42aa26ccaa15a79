"""The shipped alerts: promtool judges them, and they speak of metrics that the service gives."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import sorter
from plc_adapters.autoid.tied_adapter import ScannerStatus
from sorter.outlets.board import RecorderBoardWriter
from sorter.outlets.metrics import Exposition
from sorter.outlets.reading import BoardReader, RecorderBoardReader
from sorter.outlets.shadows import Shadows
from tests.unit.outlets.conftest import Lab

DEPLOY = Path(sorter.__file__).parent.parent / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
RUNBOOKS = DEPLOY / "runbooks"
HEADINGS = {
    ".md": ("What it means", "What to look at", "What to do"),
    ".zh-CN.md": ("含义", "查看", "处理"),
}
ALERTS = dict(
    re.findall(
        r"- alert: (\w+)\n(.*?)(?=\n      #|\Z)",
        (PROMETHEUS / "sorter.alerts.yml").read_text(),
        re.DOTALL,
    )
)
EXPRESSIONS = "".join(
    line
    for name in ("sorter.rules.yml", "sorter.alerts.yml")
    for line in (PROMETHEUS / name).read_text().splitlines(keepends=True)
    if not line.lstrip().startswith("#")
)


def promtool(*words: str) -> None:
    """Run Debian's promtool (package prometheus); where it is missing, the test fails."""
    done = subprocess.run(
        ["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def samples(tmp_path: Path) -> list[Any]:
    lab = Lab(tmp_path / "run" / "line.board")
    recorder = lab.path.with_name("recorder.board")
    board = RecorderBoardWriter(recorder, lab.clock)
    board.update(rows=1, batches=1, lag_seconds=0.0, connected=True, problem="")
    lab.line.scanners = [("tunnel", ScannerStatus())]
    lab.publish()
    shadows = Shadows(lab.path.with_name("shadows"))
    boards = BoardReader(lab.path), RecorderBoardReader(recorder)
    text = Exposition("lyg", *boards, shadows).render("")[0]
    families = text_string_to_metric_families(text.decode())
    return [sample for family in families for sample in family.samples]


def test_promtool_takes_configuration_and_rules() -> None:
    promtool("check", "config", "prometheus.yml")
    promtool("check", "config", "--agent", "agent.yml")
    promtool("check", "rules", "sorter.rules.yml", "sorter.alerts.yml")


def test_every_alert_fires_and_stays_quiet_as_its_tests_say() -> None:
    promtool("test", "rules", *(str(path) for path in sorted(PROMETHEUS.glob("tests/*.yml"))))


def test_no_alert_is_without_its_files() -> None:
    written = (PROMETHEUS / "sorter.alerts.yml").read_text().count("- alert: ")
    assert len(ALERTS) == written > 0
    assert {path.stem for path in (PROMETHEUS / "tests").glob("*.yml")} == set(ALERTS)
    pages = {path.name for path in RUNBOOKS.iterdir()}
    assert pages == {f"{alert}{ending}" for alert in ALERTS for ending in HEADINGS}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_whole(alert: str) -> None:
    rule = ALERTS[alert]
    assert re.search(r"severity: (page|ticket)$", rule, re.MULTILINE)
    assert re.search(r"summary: '.+'", rule)
    assert re.search(r"description: '.+'", rule)
    assert f"runbook_url: deploy/runbooks/{alert}.md" in rule
    runbooks = [(RUNBOOKS / f"{alert}{ending}").read_text() for ending in HEADINGS]
    for runbook, headings in zip(runbooks, HEADINGS.values(), strict=True):
        for heading in headings:
            assert re.search(rf"## {heading}\n\n\S", runbook), heading
    spans = [set(re.findall("`([^`]+)`", runbook)) for runbook in runbooks]
    assert spans[0] == spans[1], "a command or a metric is in one language alone"
    tests = (PROMETHEUS / "tests" / f"{alert}.yml").read_text()
    assert len(re.findall(rf"alertname: {alert}\n +exp_alerts:\n +- exp_labels:", tests)) == 1
    assert len(re.findall(rf"alertname: {alert}\n +exp_alerts: \[\]", tests)) == 1


def test_the_rules_name_what_the_service_gives(samples: list[Any]) -> None:
    names = {sample.name for sample in samples}
    assert set(re.findall(r"\bsorter_[a-z0-9_]+", EXPRESSIONS)) <= names


def test_the_rules_select_values_that_there_are(samples: list[Any]) -> None:
    selectors = re.findall(r"\b(sorter_[a-z0-9_]+)\{(\w+)=~?\"([^\"]+)\"\}", EXPRESSIONS)
    assert selectors
    for name, label, values in selectors:
        given = {sample.labels.get(label) for sample in samples if sample.name == name}
        assert set(values.split("|")) <= given, (name, label)
