"""What a dashboard is made of, in both languages; :mod:`deploy.grafana.build` makes JSON of it.

In an expression ``{S}`` stands for the selector of the sites chosen, ``{L}`` for that of sites and
lines; ``{L,`` and ``{S,`` begin one with more in it.
"""

from typing import NamedTuple

SITE = 'site=~"$site"'
LINE = 'site=~"$site",line=~"$line"'


class Text(NamedTuple):
    """A text in both languages."""

    en: str
    zh: str


class Query(NamedTuple):
    """One expression of a panel."""

    expr: str
    legend: str = "{{line}}"

    @property
    def promql(self) -> str:
        """The expression with its selectors."""
        told = self.expr.replace("{S}", f"{{{SITE}}}").replace("{L}", f"{{{LINE}}}")
        return told.replace("{S,", f"{{{SITE},").replace("{L,", f"{{{LINE},")


class Panel(NamedTuple):
    """One panel: what it shows, and what a healthy value is."""

    title: Text
    healthy: Text
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"
    """timeseries, stat, named (a stat that shows its legend), heatmap (of a histogram's buckets),
    rows (a heat map of a line's series), states (a state timeline)."""
    width: int = 8
    height: int = 7
    bad_from: float | None = None
    """From here on the value is drawn as bad; None where no single number says so."""
    bad_below: float | None = None
    """Below this the value is drawn as bad."""
    states: tuple[tuple[int, Text, str], ...] = ()
    """Of a state timeline: value, word, colour."""


class Board(NamedTuple):
    """One dashboard."""

    name: str
    title: Text
    about: Text
    panels: tuple[Panel, ...]
    since: str = "now-1h"
    refresh: str = "10s"
