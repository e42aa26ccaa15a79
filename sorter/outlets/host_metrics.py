"""The metrics of the upstream host: what the lines count, and what the process that asks counts."""

from collections.abc import Callable, Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sorter.errors import UnavailableError
from sorter.outlets.reading import LineView, ProcessView
from sorter.ports import HostCount, HostStatus

PREFIX = "sorter_upstream_"

ANSWERS = {
    HostCount.IN_TIME: "in_time",
    HostCount.LATE: "late",
    HostCount.UNUSED: "unused",
    HostCount.REFUSED: "refused",
}
"""What became of an answer at its line, and its label."""
LINE_COUNTERS = {
    HostCount.QUESTIONS: ("line_questions", "Questions left by the line, repeated ones included."),
    HostCount.UNANSWERED: (
        "pieces_unanswered",
        "Pieces that left by the plan's chute for a late host.",
    ),
    HostCount.MISNAMED: (
        "answers_misnamed",
        "Brands and service classes in answers that the plan does not know.",
    ),
}
COUNTERS = {
    "asked": ("questions", "Pieces asked for."),
    "answered": ("questions_answered", "Pieces answered for."),
    "unanswered": ("questions_unanswered", "Questions given up."),
    "requests": ("requests", "Requests sent."),
    "overflow": ("questions_overflow", "Questions not asked because too many were open."),
    "stale": ("questions_stale", "Questions whose time was over before they were read."),
    "overwritten": ("questions_overwritten", "Questions lost because they were read too slowly."),
    "unasked": ("answers_unasked", "Answers to no open question."),
    "undelivered": ("answers_undelivered", "Answers that their line did not take in time."),
}
"""Numbers of a HostStatus that only rise: metric and help."""
GAUGES = {
    "in_flight": ("questions_in_flight", "Questions that are open."),
    "requests_now": ("requests_in_flight", "Requests under way."),
    "to_deliver": ("answers_in_flight", "Answers on their way to their lines."),
}


class LineBoards(Protocol):
    """Where the line process is read."""

    def read(self) -> ProcessView:
        """Return it as it stands; UnavailableError where there is nothing to read."""


class HostCollector(Collector):
    """Makes the metrics of one site's upstream host."""

    def __init__(self, site: str, lines: LineBoards, status: Callable[[], HostStatus]) -> None:
        self._site = site
        self._lines = lines
        self._status = status

    def describe(self) -> Iterator[Metric]:
        """Return nothing: the names are known at a scrape."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Return every metric."""
        status = self._status()
        up = GaugeMetricFamily(
            PREFIX + "up",
            "0 while the upstream host does not answer as it should.",
            labels=["site"],
        )
        up.add_metric([self._site], float(not status.problem))
        yield up
        for field, (name, text) in GAUGES.items():
            gauge = GaugeMetricFamily(PREFIX + name, text, labels=["site"])
            gauge.add_metric([self._site], getattr(status, field))
            yield gauge
        for field, (name, text) in COUNTERS.items():
            counter = CounterMetricFamily(PREFIX + name, text, labels=["site"])
            counter.add_metric([self._site], getattr(status, field))
            yield counter
        failures = CounterMetricFamily(
            PREFIX + "failures", "Requests that failed, and lines that are no answer, by cause.",
            labels=["site", "cause"],
        )  # fmt: skip
        for cause, count in status.failures.items():
            failures.add_metric([self._site, cause], count)
        yield failures
        try:
            view = self._lines.read()
        except UnavailableError:
            return
        if not view.problem:
            yield from self._by_line(view.lines)

    def _by_line(self, lines: tuple[LineView, ...]) -> Iterator[Metric]:
        for number, (name, text) in LINE_COUNTERS.items():
            counter = CounterMetricFamily(PREFIX + name, text, labels=["site", "line"])
            for line in lines:
                counter.add_metric([self._site, line.name], line.host(number))
            yield counter
        answers = CounterMetricFamily(
            PREFIX + "answers", "Answers at their line, by what became of them.",
            labels=["site", "line", "result"],
        )  # fmt: skip
        for line in lines:
            for number, result in ANSWERS.items():
                answers.add_metric([self._site, line.name, result], line.host(number))
        yield answers
