"""A log is read by machines line by line, and tells an outage once."""

import json
import logging
from typing import Any

import pytest

from sorter.wiring.logs import PROBLEMS_MAX, JsonLines, Outages

LOGGER = logging.getLogger("sorter.test")


def told(message: str, *arguments: object, **more: Any) -> dict[str, str]:
    record = LOGGER.makeRecord(
        LOGGER.name, logging.WARNING, __file__, 1, message, arguments, None, **more
    )
    line = JsonLines("line").format(record)
    assert "\n" not in line
    found: dict[str, str] = json.loads(line)
    return found


def test_a_record_is_one_json_object() -> None:
    found = told('line %s: "%s"', "loop-1", "断开\n第二行", extra={"line": "loop-1"})
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "warning",
        "process": "line",
        "logger": "sorter.test",
        "message": 'line loop-1: "断开\n第二行"',
        "line": "loop-1",
    }


def test_what_is_about_no_line_names_none() -> None:
    assert "line" not in told("no line")


def test_an_exception_brings_its_trace_on_the_same_line() -> None:
    error = ValueError("a\nb")
    record = LOGGER.makeRecord(
        LOGGER.name, logging.ERROR, __file__, 1, "failed", (), (type(error), error, None)
    )
    line = JsonLines("face").format(record)
    assert "\n" not in line
    assert "ValueError: a\nb" in json.loads(line)["trace"]


def test_an_outage_is_told_once_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages(LOGGER, "line north", line="north")
    for problem in ("", "away", "away", "refused", "away", "refused", "", "", "away"):
        outages.note(problem)
    assert [record.getMessage() for record in caplog.records] == [
        "line north: away", "line north: refused", "line north: all well again",
        "line north: away",
    ]  # fmt: skip
    assert {record.__dict__["line"] for record in caplog.records} == {"north"}


def test_a_problem_that_is_known_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages(LOGGER, "", told="not connected yet")
    for problem in ("not connected yet", "", ""):
        outages.note(problem, "the database takes records")
    assert [record.getMessage() for record in caplog.records] == ["the database takes records"]


def test_an_outage_with_ever_new_problems_does_not_fill_the_disk(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outages = Outages(LOGGER, "")
    for number in range(1000):
        outages.note(f"problem {number}")
    assert len(caplog.records) == PROBLEMS_MAX
