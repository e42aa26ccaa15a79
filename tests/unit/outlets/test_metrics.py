"""The exposition: its names, its children, its numbers."""

import gc
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from plc_adapters.autoid.tie import TieCounts
from plc_adapters.autoid.tied_adapter import ScannerStatus
from plc_adapters.contract import SCANNERS_MAX, DischargeStatus, Disposition, EventKind
from sorter.clock import SystemClock
from sorter.line.tracking import COUNTER_NAMES
from sorter.outlets.board import RecorderBoardWriter
from sorter.outlets.line_metrics import COVERED_COUNTERS, LABELLED_COUNTERS, PLAIN_COUNTERS
from sorter.outlets.metrics import Exposition
from sorter.outlets.pauses import GcWatch
from sorter.outlets.reading import BoardReader, RecorderBoardReader
from sorter.outlets.shadows import Shadows

Lab = Any
NOT_BASE_UNITS = ("_ms", "_us", "_ns", "milliseconds", "minutes", "_mm", "kilobytes", "percent")
LABELS = {
    *("site", "line", "chute", "state", "station", "result", "cause", "status", "outcome"),
    *("disposition", "brand", "service_class", "queue", "process", "term", "plan", "version", "le"),
    "scanner",
}
"""Every label has few values; no piece and no waybill among them."""


def exposition(lab: Lab) -> Exposition:
    recorder = RecorderBoardReader(lab.path.with_name("recorder.board"))
    return Exposition("lyg", BoardReader(lab.path), recorder, Shadows(lab.path.with_name("s")))


def scrape(lab: Lab) -> dict[str, Metric]:
    text = exposition(lab).render("")[0].decode()
    return {metric.name: metric for metric in text_string_to_metric_families(text)}


def value(metrics: dict[str, Metric], sample: str, **labels: str) -> float:
    """Return the one sample of that name that has these labels."""
    found = [
        s.value
        for metric in metrics.values()
        for s in metric.samples
        if s.name == sample and labels.items() <= s.labels.items()
    ]
    assert len(found) == 1, (sample, labels, found)
    return found[0]


@pytest.fixture
def running(lab: Lab) -> Lab:
    board = RecorderBoardWriter(lab.path.with_name("recorder.board"), SystemClock())
    board.update(rows=12, batches=3, lag_seconds=0.5, connected=True, problem="")
    lab.recorder = board
    lab.run_pieces([1, 2, 3])
    lab.turn(lab.events(EventKind.INDUCTED, [4], station=9))
    ties = TieCounts(tied=7, ambiguous=2, unanswered=1, late=3, strays=4)
    scanner = ScannerStatus(connected=True, problem="", results=12, no_reads=3, gaps=5, ties=ties)
    lab.line.scanners = [("tunnel", scanner)]
    lab.publish()
    lab.writer.set_ready()
    return lab


def test_names_follow_the_conventions(running: Lab) -> None:
    metrics = scrape(running)
    assert len(metrics) > 50
    for metric in metrics.values():
        assert re.fullmatch(r"sorter_[a-z0-9_]+", metric.name)
        assert metric.documentation.endswith("."), metric.name
        assert not any(unit in metric.name for unit in NOT_BASE_UNITS), metric.name
        assert metric.type in ("counter", "gauge", "histogram", "summary"), metric.name
        for sample in metric.samples:
            assert set(sample.labels) <= LABELS, sample
            assert sample.labels["site"] == "lyg"
            assert sample.name.endswith("_total") == (metric.type == "counter"), sample.name
        if metric.type == "histogram":
            assert metric.name.endswith("_seconds")


def test_scanners_are_told_by_name(running: Lab) -> None:
    metrics = scrape(running)
    of_tunnel = {"line": "loop-1", "scanner": "tunnel"}
    assert value(metrics, "sorter_scanner_connected", **of_tunnel) == 1
    assert value(metrics, "sorter_scanner_results_total", **of_tunnel) == 12
    assert value(metrics, "sorter_scanner_no_reads_total", **of_tunnel) == 3
    assert value(metrics, "sorter_scanner_gaps_total", **of_tunnel) == 5
    for result, count in (("tied", 7), ("ambiguous", 2), ("unanswered", 1)):
        assert value(metrics, "sorter_scanner_pieces_total", result=result, **of_tunnel) == count
    for cause, count in (("late", 3), ("stray", 4)):
        found = value(metrics, "sorter_scanner_results_dropped_total", cause=cause, **of_tunnel)
        assert found == count
    running.line.scanners = [("gone", ScannerStatus())] * (SCANNERS_MAX + 3)
    running.publish()
    (line, _) = BoardReader(running.path).read().lines
    assert line.scanners == {"gone": ScannerStatus()}
    assert int(line._row["scanner_count"]) == SCANNERS_MAX


def test_every_counter_of_a_line_is_told_once() -> None:
    labelled: Iterable[str] = [c for _, _, _, children in LABELLED_COUNTERS for c in children]
    told = [*PLAIN_COUNTERS, *labelled, *COVERED_COUNTERS]
    assert sorted(told) == sorted(COUNTER_NAMES)


def test_numbers_are_those_of_the_line(running: Lab) -> None:
    metrics = scrape(running)
    one = {"line": "loop-1"}
    assert value(metrics, "sorter_line_process_up") == 1
    assert value(metrics, "sorter_line_process_ready") == 1
    assert value(metrics, "sorter_pieces_inducted_total", **one) == 4
    assert value(metrics, "sorter_station_pieces_inducted_total", **one, station="9") == 1
    assert value(metrics, "sorter_scans_total", **one, result="read") == 3
    assert value(metrics, "sorter_pieces_ended_total", **one, outcome="sorted") == 3
    assert value(metrics, "sorter_ledger_pieces", **one, term="on_sorter") == 1
    assert value(metrics, "sorter_ledger_pieces", **one, term="unexplained") == 0
    assert value(metrics, "sorter_plc_connected", **one) == 1
    assert value(metrics, "sorter_chute_pieces", **one, chute="2") == 3
    assert value(metrics, "sorter_chute_available", **one, chute="2") == 1
    assert value(metrics, "sorter_chutes", **one, state="open") == 6
    assert value(metrics, "sorter_plan_info", **one) == 1
    assert value(metrics, "sorter_recorder_rows_total") == 12
    assert value(metrics, "sorter_recorder_lag_seconds") == 0.5
    assert value(metrics, "sorter_answer_slack_seconds_count", **one) == 3
    assert value(metrics, "sorter_answer_slack_seconds_sum", **one) == pytest.approx(4.5)
    assert value(metrics, "sorter_answer_slack_seconds_bucket", **one, le="1.25") == 0
    assert value(metrics, "sorter_answer_slack_seconds_bucket", **one, le="1.5") == 3
    assert value(metrics, "sorter_answer_slack_seconds_bucket", **one, le="+Inf") == 3
    assert value(metrics, "sorter_answer_seconds_sum", **one) == pytest.approx(0.006)


def test_ended_pieces_are_told_by_class_and_by_why_they_went_there(lab: Lab) -> None:
    lab.turn(lab.events(EventKind.INDUCTED, [1, 2], station=1))
    lab.tracking.pieces["service_class"][:2] = (1, 0)
    lab.tracking.pieces["disposition"][:2] = (Disposition.ROUTED, Disposition.NO_READ)
    lab.turn(lab.events(EventKind.DISCHARGED, [1, 2], status=DischargeStatus.SORTED, chute=2))
    lab.publish()
    metrics = scrape(lab)
    for service_class in ("next_day", "unknown"):
        labels = {"line": "loop-1", "service_class": service_class, "outcome": "sorted"}
        assert value(metrics, "sorter_class_pieces_ended_total", **labels) == 1
    for disposition, pieces in (("routed", 1), ("no_read", 1), ("overflow", 0)):
        labels = {"line": "loop-1", "disposition": disposition}
        assert value(metrics, "sorter_disposition_pieces_ended_total", **labels) == pieces


def test_other_classes_of_a_plan_count_anew(lab: Lab) -> None:
    lab.run_pieces([1])
    lab.line.set_plan("hub", 5, ["", "HX", "QY"], ["", "same_day"], {})
    lab.publish()
    metrics = scrape(lab)
    ended = {"line": "loop-1", "outcome": "sorted"}
    labels = {**ended, "service_class": "unknown"}
    assert value(metrics, "sorter_class_pieces_ended_total", **labels) == 0
    assert value(metrics, "sorter_class_pieces_ended_total", **ended, service_class="same_day") == 0
    assert value(metrics, "sorter_brand_pieces_ended_total", **ended, brand="unknown") == 1


def test_queues_and_what_the_plc_still_holds_are_told(lab: Lab) -> None:
    lab.line.queues = lambda: ((2, 64), (3, 1024))
    lab.turn(lab.events(EventKind.INDUCTED, [1, 2], station=1))
    lab.link.head_sequence = 7
    lab.publish()
    metrics = scrape(lab)
    assert value(metrics, "sorter_queue_length", line="loop-1", queue="commands") == 2
    assert value(metrics, "sorter_queue_length_max", line="loop-1", queue="host_answers") == 1024
    assert value(metrics, "sorter_plc_events_unread", line="loop-1") == 5
    lab.link.head_sequence = 1  # Read before what came since.
    lab.publish()
    assert value(scrape(lab), "sorter_plc_events_unread", line="loop-1") == 0


def test_pauses_of_the_collector_are_told_by_process(running: Lab) -> None:
    watch = GcWatch().start()
    try:
        running.writer.set_gc(watch.pauses)
        gc.collect()
        running.writer.beat()
    finally:
        watch.stop()
    metrics = scrape(running)
    for process, pauses in (("line", watch.pauses.count), ("recorder", 0), ("face", 0)):
        labels = {"process": process}
        assert value(metrics, "sorter_gc_pause_seconds_count", **labels) == pauses
    assert value(metrics, "sorter_gc_pause_max_seconds", process="line") > 0


def test_promtool_finds_no_fault_with_the_metrics(running: Lab) -> None:
    text = exposition(running).render("")[0]
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_every_child_is_there_before_the_first_piece(lab: Lab) -> None:
    lab.publish()
    metrics = scrape(lab)
    for disposition in Disposition:
        labels = {"line": "loop-1", "disposition": disposition.name.lower()}
        assert value(metrics, "sorter_dispositions_total", **labels) == 0
    for name, _, label, children in LABELLED_COUNTERS:
        for child in children.values():
            labels = {"line": "loop-1", label: child}
            assert value(metrics, f"sorter_{name}_total", **labels) == 0
    for brand in ("unknown", "HX", "QY"):
        labels = {"line": "loop-1", "brand": brand, "outcome": "sorted"}
        assert value(metrics, "sorter_brand_pieces_ended_total", **labels) == 0
    assert value(metrics, "sorter_answer_seconds_count", line="loop-1") == 0
    assert value(metrics, "sorter_station_pieces_inducted_total", line="loop-1", station="1") == 0


def test_without_processes_only_their_absence_is_told(tmp_path: Path) -> None:
    lines = BoardReader(tmp_path / "line.board")
    recorder = RecorderBoardReader(tmp_path / "recorder.board")
    text = Exposition("lyg", lines, recorder, Shadows(Path("none"))).render("")[0].decode()
    metrics = {metric.name: metric for metric in text_string_to_metric_families(text)}
    own = {"sorter_gc_pause_seconds", "sorter_gc_pause_max_seconds"}
    assert set(metrics) == {"sorter_line_process_up", "sorter_recorder_up"} | own
    assert {s.labels["process"] for name in own for s in metrics[name].samples} == {"face"}
    assert value(metrics, "sorter_line_process_up") == 0
    assert value(metrics, "sorter_recorder_up") == 0


def test_openmetrics_is_given_to_who_asks_for_it(running: Lab) -> None:
    text, content_type = exposition(running).render("application/openmetrics-text")
    assert content_type.startswith("application/openmetrics-text")
    families = list(parse_openmetrics(text.decode()))  # type: ignore[no-untyped-call]
    assert {m.name for m in families} >= {"sorter_plan"}
