"""The metrics of each chute, and of chutes by state."""

from collections.abc import Iterator

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from plc_adapters.contract import ChuteState, Records
from sorter.outlets.families import PREFIX, Families
from sorter.outlets.reading import LineView, takes_pieces

LABELS = ("site", "line", "chute")
GAUGES = {
    "fill": ("chute_pieces", "Pieces in the chute since it was last emptied."),
    "reserved": ("chute_reserved_pieces", "Pieces on their way to the chute."),
    "capacity": ("chute_capacity_pieces", "Pieces the chute holds."),
    "state": ("chute_state", "State of the chute as its ChuteState code; 0 before the first."),
    "locked": ("chute_locked", "1 while an operator keeps the chute locked."),
}
"""Fields of a CHUTE: metric and help."""


def chute_metrics(families: Families, lines: tuple[LineView, ...]) -> Iterator[Metric]:
    """Return every metric of the lines' chutes."""
    gauges = {
        field: GaugeMetricFamily(PREFIX + name, text, labels=LABELS)
        for field, (name, text) in GAUGES.items()
    }
    takes = GaugeMetricFamily(
        PREFIX + "chute_available", "1 while the chute takes one more piece.", labels=LABELS
    )
    discharged = CounterMetricFamily(
        PREFIX + "chute_discharged", "Pieces discharged into the chute.", labels=LABELS
    )
    for line in lines:
        for number in np.flatnonzero(line.chutes["exists"]).tolist():
            chute = line.chutes[number]
            values = [families.site, line.name, str(number)]
            for field, gauge in gauges.items():
                gauge.add_metric(values, float(chute[field]))
            takes.add_metric(values, float(takes_pieces(chute)))
            discharged.add_metric(values, float(chute["discharged"]))
    yield from gauges.values()
    yield takes
    yield discharged
    yield families.labelled_gauge(
        "chutes", "Chutes by state.", "state", lines, lambda line: _by_state(line.chutes)
    )


def _by_state(chutes: Records) -> dict[str, float]:
    there = chutes[chutes["exists"] != 0]
    counts = {
        state.name.lower(): float(np.count_nonzero(there["state"] == state)) for state in ChuteState
    }
    return counts | {"locked_by_operator": float(np.count_nonzero(there["locked"]))}
