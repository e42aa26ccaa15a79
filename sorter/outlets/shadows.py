"""Reads what the shadow process found, for the face and its metrics."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from prometheus_client.core import CounterMetricFamily, Metric


class Shadows:
    """The file of the shadow process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Any]:
        """Return what was found by line; nothing where no line is shadowed."""
        try:
            found: dict[str, Any] = orjson.loads(self._path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return found


def shadow_metrics(site: str, found: dict[str, Any]) -> Iterator[Metric]:
    """Return what shadows found as counters; each begins at 0 with its shadow."""
    labels = ["site", "line", "version"]
    asked = CounterMetricFamily(
        "sorter_shadow_decisions", "Decisions made once more by a candidate plan.", labels=labels
    )
    differ = CounterMetricFamily(
        "sorter_shadow_differences", "Those in which the candidate decided otherwise.",
        labels=[*labels, "result"],
    )  # fmt: skip
    for line, told in found.items():
        names = [site, line, str(told["version"])]
        asked.add_metric(names, told.get("decisions", 0))
        for kind in ("chute", "disposition"):
            differ.add_metric([*names, kind], told.get(f"{kind}_differs", 0))
    if found:
        yield asked
        yield differ
