"""What all metrics have in common: the prefix, and the site and line they are told of."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from sorter.outlets.reading import LineView

PREFIX = "sorter_"
Value = Callable[[LineView], float]
Children = Callable[[LineView], Mapping[str, float]]


class Families:
    """Makes metrics of one site."""

    def __init__(self, site: str) -> None:
        self.site = site

    def gauge(self, name: str, text: str, value: float) -> Metric:
        """Return a gauge of the site."""
        return self._site(GaugeMetricFamily, name, text, value)

    def counter(self, name: str, text: str, value: float) -> Metric:
        """Return a counter of the site."""
        return self._site(CounterMetricFamily, name, text, value)

    def line_gauge(self, name: str, text: str, lines: Iterable[LineView], value: Value) -> Metric:
        """Return a gauge with a child for each line."""
        return self._lines(GaugeMetricFamily, name, text, lines, value)

    def line_counter(self, name: str, text: str, lines: Iterable[LineView], value: Value) -> Metric:
        """Return a counter with a child for each line."""
        return self._lines(CounterMetricFamily, name, text, lines, value)

    def labelled_gauge(
        self, name: str, text: str, label: str, lines: Iterable[LineView], children: Children
    ) -> Metric:
        """Return a gauge with a child for each line and value of a label."""
        return self._labelled(GaugeMetricFamily, name, text, label, lines, children)

    def labelled_counter(
        self, name: str, text: str, label: str, lines: Iterable[LineView], children: Children
    ) -> Metric:
        """Return a counter with a child for each line and value of a label."""
        return self._labelled(CounterMetricFamily, name, text, label, lines, children)

    def _site(self, family: Any, name: str, text: str, value: float) -> Metric:
        metric: Metric = family(PREFIX + name, text, labels=["site"])
        metric.add_metric([self.site], value)  # type: ignore[attr-defined]
        return metric

    def _lines(
        self, family: Any, name: str, text: str, lines: Iterable[LineView], value: Value
    ) -> Metric:
        metric: Any = family(PREFIX + name, text, labels=["site", "line"])
        for line in lines:
            metric.add_metric([self.site, line.name], value(line))
        made: Metric = metric
        return made

    def _labelled(
        self,
        family: Any,
        name: str,
        text: str,
        label: str,
        lines: Iterable[LineView],
        children: Children,
    ) -> Metric:
        metric: Any = family(PREFIX + name, text, labels=["site", "line", label])
        for line in lines:
            for value, number in children(line).items():
                metric.add_metric([self.site, line.name, value], number)
        made: Metric = metric
        return made
