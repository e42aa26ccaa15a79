"""The metrics of the scanners beside the lines' PLCs; bounded by the scanners of the site file."""

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from plc_adapters.autoid.tied_adapter import ScannerStatus
from sorter.outlets.families import PREFIX, Families
from sorter.outlets.reading import LineView

COUNTERS = {
    "results": ("results", "Results that came from the scanner, no-reads included."),
    "no_reads": ("no_reads", "Of those, the ones without a code that counts."),
    "reconnects": ("reconnects", "Sessions made again after a break."),
    "gaps": ("gaps", "Times that results were lost on their way; their pieces go unread."),
    "malformed": ("results_malformed", "Results, or codes of them, that could not be read."),
    "untimed": (
        "results_untimed",
        "Results dropped because the scanner's clock was not known yet, or is wrong.",
    ),
    "left_out": ("codes_left_out", "Codes that the station's filter did not let through."),
}
"""Numbers of a ScannerStatus that only rise: metric and help."""
PIECES = ("tied", "ambiguous", "unanswered")
"""What became of a piece at the scanner."""
DROPPED = {"late": "late", "strays": "stray"}
"""Why a result was dropped."""
LABELS = ["site", "line", "scanner"]


def scanner_metrics(families: Families, lines: tuple[LineView, ...]) -> Iterator[Metric]:
    """Return every metric of the scanners."""
    found = [
        ([families.site, line.name, name], status)
        for line in lines
        for name, status in line.scanners.items()
    ]
    connected = GaugeMetricFamily(
        PREFIX + "scanner_connected", "1 while the scanner's results come.", labels=LABELS
    )
    for labels, status in found:
        connected.add_metric(labels, float(status.connected))
    yield connected
    for field, (name, text) in COUNTERS.items():
        counter = CounterMetricFamily(PREFIX + "scanner_" + name, text, labels=LABELS)
        for labels, status in found:
            counter.add_metric(labels, getattr(status, field))
        yield counter
    yield _ties(
        "scanner_pieces", "Pieces at the scanner, by whether a result was surely theirs.",
        "result", {name: name for name in PIECES}, found,
    )  # fmt: skip
    yield _ties(
        "scanner_results_dropped", "Results that were tied to no piece, by why.",
        "cause", DROPPED, found,
    )  # fmt: skip


def _ties(
    name: str,
    text: str,
    label: str,
    values: dict[str, str],
    found: list[tuple[list[str], ScannerStatus]],
) -> Metric:
    metric: Any = CounterMetricFamily(PREFIX + name, text, labels=[*LABELS, label])
    for labels, status in found:
        for field, value in values.items():
            metric.add_metric([*labels, value], getattr(status.ties, field))
    made: Metric = metric
    return made
