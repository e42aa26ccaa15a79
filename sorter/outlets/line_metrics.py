"""The metrics of each line, out of its place on the board.

Counters that the line recovers from its journal go on after a restart; histograms and what is told
of ended pieces by brand, service class and disposition start anew, as Prometheus expects.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from plc_adapters.contract import MACHINE_WORDS, DischargeStatus, Disposition, machine_word
from sorter.outlets.families import PREFIX, Families
from sorter.outlets.layout import HISTOGRAMS
from sorter.outlets.reading import LineView

Lines = tuple[LineView, ...]

PLAIN_COUNTERS = {
    "events": ("events", "Events taken from the PLC."),
    "malformed": ("events_malformed", "Events with an unknown kind, status or number."),
    "strays": ("stray_answers", "Answers of the PLC for pieces that are not in flight."),
    "inducted": ("pieces_inducted", "Pieces inducted."),
    "duplicate_inductions": ("duplicate_inductions", "Inductions of a piece already in flight."),
    "adopted": ("pieces_adopted", "Pieces first heard of after their induction."),
    "adopted_at_end": ("pieces_adopted_at_end", "Pieces first heard of as they left."),
    "table_full": ("pieces_untracked", "Pieces not tracked because the table was full."),
    "recirculated": ("laps_recirculated", "Laps begun after a piece's first."),
    "answers_contradicted": (
        "answers_contradicted",
        "Two different instructions of one revision held by the PLC; must stay 0.",
    ),
    "deadline_misses": ("deadline_misses", "Answers too late, and pieces never answered in time."),
    "settled": ("pieces_settled", "Pieces taken for lost because the PLC started anew."),
    "sorted_elsewhere": (
        "pieces_sorted_elsewhere",
        "Pieces sorted into a chute that no decision named; must stay 0.",
    ),
    "confirmed": ("pieces_confirmed", "Answered pieces that a sensor saw fall into a chute."),
    "mismatches": (
        "confirmation_mismatches",
        "Of those, the ones found elsewhere than sent: mis-sorts, or a sorter that has slipped.",
    ),
    "inducted_outside_execute": (
        "inductions_outside_execute",
        "Pieces inducted while the PLC said that the sorter was not in execute.",
    ),
    "quarantines": ("quarantines", "Times that the line was quarantined."),
    "into_closed": ("discharges_into_closed", "Discharges into a chute known as not open."),
    "into_full": ("discharges_into_full", "Discharges into a chute known as without room."),
}
"""Counters of a line with no label of their own: name of the counter, metric and help."""

LABELLED_COUNTERS = (
    (
        "scans",
        "Scans by result; stale is a scan of a lap that the piece had left.",
        "result",
        {"scans_read": "read", "scans_unread": "no_read", "scans_stale": "stale"},
    ),
    (
        "aborts",
        "Discharges that did not happen, by cause; the piece stayed on.",
        "cause",
        {
            "aborted_full": "full",
            "aborted_closed": "closed",
            "aborted_mechanical": "mechanical",
        },
    ),
    (
        "answers",
        "Instructions by what the PLC did with them.",
        "status",
        {
            "answers_accepted": "accepted",
            "answers_refused_epoch": "refused_epoch",
            "answers_refused_held": "refused_held",
            "answers_unknown_piece": "unknown_piece",
            "answers_too_late": "too_late",
            "answers_malformed": "malformed",
        },
    ),
    (
        "pieces_ended",
        "Pieces that left the sorter, by how.",
        "outcome",
        {
            "sorted": "sorted",
            "defaulted_no_instruction": "default_no_instruction",
            "defaulted_host_silent": "default_host_silent",
            "defaulted_lap_limit": "default_lap_limit",
            "removed": "removed",
            "lost": "lost",
            "missed": "missed",
        },
    ),
    (
        "missorts",
        "Pieces that went elsewhere than first assigned, by cause.",
        "cause",
        {
            "missorts_read": "read",
            "missorts_decision": "decision",
            "missorts_timing": "timing",
            "missorts_mechanical": "mechanical",
            "missorts_manual": "manual",
        },
    ),
)
"""Counters of a line that are children of one metric: metric, help, label, counter to label."""

COVERED_COUNTERS = frozenset({"scans", "discharged"})
"""Counters that are the sums of others here."""

HISTOGRAM_HELP = {
    "slack": (
        "answer_slack_seconds",
        "Deadline minus the instant the PLC held the instruction; up to 0 is late.",
    ),
    "answer": ("answer_seconds", "From a scan's arrival to the PLC's receipt of the answer."),
    "write": ("instruction_write_seconds", "From the decision to the PLC's receipt of it."),
}

LINK_COUNTERS = {
    "overflow_count": ("plc_events_lost", "Events the PLC lost because its ring was full."),
    "refused_count": ("plc_epoch_refusals", "Instructions refused for their epoch."),
    "inducted_count": ("plc_pieces_inducted", "Inductions as the PLC itself counts them."),
    "ended_count": ("plc_pieces_ended", "Pieces ended as the PLC itself counts them."),
    "defaulted_count": ("plc_pieces_defaulted", "Pieces the PLC sent to its default chute."),
    "reconnects": ("plc_reconnects", "Connections made again after a break."),
    "polls": ("plc_polls", "Reads of the PLC."),
    "resent": ("plc_instructions_resent", "Instructions written again after a break."),
    "malformed_count": ("plc_slots_malformed", "Event slots that broke a rule of the layout."),
    "missed_count": ("plc_events_missed", "Events overwritten in the PLC before they were read."),
    "dropped_count": (
        "plc_instructions_dropped",
        "Instructions never given to the PLC: it had started anew, was fenced, or too slow.",
    ),
}
LINK_GAUGES = {
    "epoch": ("plc_epoch", "Epoch under which this host instructs."),
}


def line_metrics(families: Families, lines: Lines) -> Iterator[Metric]:
    """Return every metric of the lines but those of their chutes."""
    yield from _counters(families, lines)
    yield from _ended(families, lines)
    yield from _gauges(families, lines)
    yield from _link(families, lines)
    yield from _histograms(families, lines)


def _counters(families: Families, lines: Lines) -> Iterator[Metric]:
    for counter, (name, text) in PLAIN_COUNTERS.items():
        yield families.line_counter(name, text, lines, partial(_counted, counter))
    for name, text, label, children in LABELLED_COUNTERS:
        of_line = partial(_children, children)
        yield families.labelled_counter(name, text, label, lines, of_line)
    yield families.labelled_counter(
        "station_pieces_inducted",
        "Pieces inducted by induction station; one that the site file does not name appears with "
        "its first piece.",
        "station", lines, _stations,
    )  # fmt: skip
    yield families.labelled_counter(
        "dispositions", "Instructions the PLC accepted, by why the piece goes there.",
        "disposition", lines, lambda line: _dispositions(line.dispositions),
    )  # fmt: skip


def _counted(counter: str, line: LineView) -> float:
    return float(line.counters.get(counter, 0))


def _children(children: Mapping[str, str], line: LineView) -> dict[str, float]:
    return {value: _counted(counter, line) for counter, value in children.items()}


def _stations(line: LineView) -> dict[str, float]:
    known = np.flatnonzero(line.known_stations | (line.stations > 0))
    return {str(station): float(line.stations[station]) for station in known.tolist()}


def _dispositions(counts: NDArray[np.int64]) -> dict[str, float]:
    return {each.name.lower(): float(counts[each]) for each in Disposition}


def _ended(families: Families, lines: Lines) -> Iterator[Metric]:
    """Return what is told of pieces that left, since the process began."""
    yield families.labelled_counter(
        "disposition_pieces_ended",
        "Pieces that left the sorter since the process began, by why they went where they did.",
        "disposition", lines, lambda line: _dispositions(line.ended_by),
    )  # fmt: skip
    yield _by_outcome(
        families,
        "brand_pieces_ended",
        "brand",
        [(line, line.brands, line.outcomes) for line in lines],
    )
    yield _by_outcome(
        families, "class_pieces_ended", "service_class",
        [(line, line.classes, line.class_outcomes) for line in lines],
    )  # fmt: skip


def _by_outcome(
    families: Families,
    name: str,
    label: str,
    told: list[tuple[LineView, list[str], NDArray[np.int64]]],
) -> Metric:
    """Return a counter by what stands at each number of a label, and by outcome."""
    metric = CounterMetricFamily(
        PREFIX + name,
        f"Pieces that left the sorter since the process began, by {label} and how.",
        labels=["site", "line", label, "outcome"],
    )
    for line, values, counts in told:
        for number, value in enumerate(values):
            for outcome in DischargeStatus:
                labels = [families.site, line.name, value or "unknown", outcome.name.lower()]
                metric.add_metric(labels, float(counts[number, outcome]))
    return metric


def _gauges(families: Families, lines: Lines) -> Iterator[Metric]:
    yield families.line_gauge(
        "pieces_in_flight", "Pieces on the sorter.", lines, lambda line: line.in_flight
    )
    yield families.line_gauge(
        "line_quarantined",
        "1 while pieces go to the quarantine's chutes until somebody has looked; alarm on it.",
        lines,
        lambda line: float(line.quarantined),
    )
    yield families.labelled_gauge(
        "ledger_pieces", "Terms of the ledger; unexplained must stay 0.", "term", lines,
        lambda line: line.ledger,
    )  # fmt: skip
    yield families.labelled_gauge(
        "queue_length", "What waits at the line for its next turn.", "queue", lines,
        lambda line: {name: waiting for name, (waiting, _) in line.queues.items()},
    )  # fmt: skip
    yield families.labelled_gauge(
        "queue_length_max", "How much may wait; what comes beyond is refused.", "queue", lines,
        lambda line: {name: limit for name, (_, limit) in line.queues.items()},
    )  # fmt: skip
    plan = InfoMetricFamily(PREFIX + "plan", "Sort plan that decides.", labels=["site", "line"])
    for line in lines:
        told = {"plan": line.plan_name, "version": str(line.plan_version)}
        plan.add_metric([families.site, line.name], told)
    yield plan


def _link(families: Families, lines: Lines) -> Iterator[Metric]:
    for field, (name, text) in LINK_COUNTERS.items():
        yield families.line_counter(name, text, lines, partial(_of_link, field))
    for field, (name, text) in LINK_GAUGES.items():
        yield families.line_gauge(name, text, lines, partial(_of_link, field))
    yield families.labelled_gauge(
        "machine_state", "1 for the state in which the PLC says the sorter is, in PackML's words.",
        "state", lines, _machine,
    )  # fmt: skip
    yield families.line_gauge(
        "plc_events_unread", "Events in the PLC's ring not read when its header was.", lines,
        lambda line: line.unread,
    )  # fmt: skip


def _machine(line: LineView) -> dict[str, float]:
    now = machine_word(line.link.machine_state)
    return {word: float(word == now) for word in MACHINE_WORDS}


def _of_link(field: str, line: LineView) -> float:
    return float(getattr(line.link, field))


def _histograms(families: Families, lines: Lines) -> Iterator[Metric]:
    for name, (metric_name, text) in HISTOGRAM_HELP.items():
        bounds = HISTOGRAMS[name]
        ends = [repr(value / bounds.per_unit) for value in bounds.values] + ["+Inf"]
        metric = HistogramMetricFamily(PREFIX + metric_name, text, labels=["site", "line"])
        for line in lines:
            counts, total = line.histogram(name)
            buckets = list(zip(ends, np.cumsum(counts).tolist(), strict=True))
            metric.add_metric([families.site, line.name], buckets, total / bounds.per_unit)
        yield metric
