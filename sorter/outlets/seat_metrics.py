"""How this host sits at its lines' PLCs: has the line, or stands by.

These are told of every line. What is counted of pieces is told only by the host that has the line:
its standby knows the same, and whoever adds the two up would count each piece twice.
"""

from collections.abc import Iterator
from functools import partial

from prometheus_client.core import Metric

from sorter.outlets.families import Families
from sorter.outlets.reading import LineView

Lines = tuple[LineView, ...]

COUNTERS = {
    "takeovers": ("line_takeovers", "Times that this host took the line over."),
    "relearnings": (
        "standby_relearnings",
        "Times that a standby missed events and began anew to know what is on the sorter.",
    ),
}
GAUGES = {
    "connected": ("plc_connected", "1 while the PLC answers."),
    "fenced": ("plc_fenced", "1 once another host was granted the line."),
    "paired": ("line_paired", "1 where the line has two hosts that stand by for each other."),
    "standby": ("line_standby", "1 while another host has the line and this one follows."),
}
SECONDS = {
    "takeover_ns": (
        "line_takeover_seconds",
        "Time the last takeover took, from seeing that the PLC calls its host silent to the last "
        "piece answered; 0 before the first.",
    ),
    "silence_seen_ns": (
        "line_silence_seen_timestamp_seconds",
        "When this host last saw, standing by, that the PLC calls its host silent; 0 for never.",
    ),
}


def seat_metrics(families: Families, lines: Lines) -> Iterator[Metric]:
    """Return how this host stands to each line."""
    for field, (name, text) in COUNTERS.items():
        yield families.line_counter(name, text, lines, partial(_of_link, field, 1.0))
    for field, (name, text) in GAUGES.items():
        yield families.line_gauge(name, text, lines, partial(_of_link, field, 1.0))
    for field, (name, text) in SECONDS.items():
        yield families.line_gauge(name, text, lines, partial(_of_link, field, 1e9))
    yield families.line_gauge(
        "line_peer_alive", "1 while the heartbeat of a host in the other seat moves.", lines,
        lambda line: float(line.link.has_peer(line.published_ns)),
    )  # fmt: skip


def with_pieces(lines: Lines) -> Lines:
    """Return the lines that this host has: those whose pieces it tells of."""
    return tuple(line for line in lines if not line.link.standby)


def _of_link(field: str, per_unit: float, line: LineView) -> float:
    return float(getattr(line.link, field)) / per_unit
