"""The metrics: read from the boards at every scrape, so that counting costs the line nothing.

Names, units and labels follow https://prometheus.io/docs/practices/naming: one prefix, base units,
``_total`` on counters, ratios from 0 to 1, and labels with few values (never a piece or a waybill).
Every child is there from the first scrape on, at 0. Counters that the line recovers from its
journal go on after a restart; histograms and those by brand start anew, as Prometheus expects.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from plc_adapters.contract import ChuteState, DischargeStatus, Disposition
from sorter.errors import UnavailableError
from sorter.outlets.host_metrics import HostCollector
from sorter.outlets.layout import HISTOGRAMS
from sorter.outlets.reading import LineView, ProcessView, RecorderView, takes_pieces
from sorter.outlets.shadows import Shadows, shadow_metrics
from sorter.ports import HostStatus

PREFIX = "sorter_"

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
}

CHUTE_GAUGES = {
    "fill": ("chute_pieces", "Pieces in the chute since it was last emptied."),
    "reserved": ("chute_reserved_pieces", "Pieces on their way to the chute."),
    "capacity": ("chute_capacity_pieces", "Pieces the chute holds."),
}


class LineBoards(Protocol):
    """Where the line process is read."""

    def read(self) -> ProcessView:
        """Return it as it stands; UnavailableError where there is nothing to read."""


class RecorderBoards(Protocol):
    """Where the recorder is read."""

    def read(self) -> RecorderView:
        """Return it as it stands; UnavailableError where there is nothing to read."""


class BoardCollector(Collector):
    """Makes the metrics of one site out of its boards."""

    def __init__(
        self, site: str, lines: LineBoards, recorder: RecorderBoards, shadows: Shadows
    ) -> None:
        self._shadows = shadows
        self._site = site
        self._lines = lines
        self._recorder = recorder

    def describe(self) -> Iterator[Metric]:
        """Return nothing: the names are known at a scrape, boards or not."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read the boards once and return every metric."""
        try:
            view = self._lines.read()
            up = not view.problem
        except UnavailableError:
            view, up = None, False
        yield self._gauge("line_process_up", "1 while the line process beats.", float(up))
        if view is not None and up:
            yield self._gauge(
                "line_process_ready", "1 once kernels and lines are ready.", float(view.ready)
            )
            yield self._gauge(
                "line_process_start_time_seconds", "Unix time of its start.", view.started_ns / 1e9
            )
            yield from self._journal(view)
            yield from self._line_counters(view.lines)
            yield from self._line_gauges(view.lines)
            yield from self._links(view.lines)
            yield from self._chutes(view.lines)
            yield from self._histograms(view.lines)
        yield from self._recording()
        yield from shadow_metrics(self._site, self._shadows.read())

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        metric = GaugeMetricFamily(PREFIX + name, text, labels=["site"])
        metric.add_metric([self._site], value)
        return metric

    def _counter(self, name: str, text: str, value: float) -> Metric:
        metric = CounterMetricFamily(PREFIX + name, text, labels=["site"])
        metric.add_metric([self._site], value)
        return metric

    def _line_counters(self, lines: tuple[LineView, ...]) -> Iterator[Metric]:
        for counter, (name, text) in PLAIN_COUNTERS.items():
            plain = CounterMetricFamily(PREFIX + name, text, labels=["site", "line"])
            for line in lines:
                if counter in line.counters:
                    plain.add_metric([self._site, line.name], line.counters[counter])
            yield plain
        for name, text, label, children in LABELLED_COUNTERS:
            labelled = CounterMetricFamily(PREFIX + name, text, labels=["site", "line", label])
            for line in lines:
                for counter, value in children.items():
                    if counter in line.counters:
                        labelled.add_metric([self._site, line.name, value], line.counters[counter])
            yield labelled
        yield from self._by_station(lines)
        decided = CounterMetricFamily(
            PREFIX + "dispositions",
            "Instructions the PLC accepted, by why the piece goes there.",
            labels=["site", "line", "disposition"],
        )
        ended = CounterMetricFamily(
            PREFIX + "brand_pieces_ended",
            "Pieces that left the sorter since the process began, by brand and how.",
            labels=["site", "line", "brand", "outcome"],
        )
        for line in lines:
            for disposition in Disposition:
                labels = [self._site, line.name, disposition.name.lower()]
                decided.add_metric(labels, float(line.dispositions[disposition]))
            for number, brand in enumerate(line.brands):
                for outcome in DischargeStatus:
                    labels = [self._site, line.name, brand or "unknown", outcome.name.lower()]
                    ended.add_metric(labels, float(line.outcomes[number, outcome]))
        yield decided
        yield ended

    def _by_station(self, lines: tuple[LineView, ...]) -> Iterator[Metric]:
        metric = CounterMetricFamily(
            PREFIX + "station_pieces_inducted",
            "Pieces inducted by induction station; a station appears with its first piece.",
            labels=["site", "line", "station"],
        )
        for line in lines:
            for station in np.flatnonzero(line.stations).tolist():
                metric.add_metric([self._site, line.name, str(station)], line.stations[station])
        yield metric

    def _line_gauges(self, lines: tuple[LineView, ...]) -> Iterator[Metric]:
        flight = GaugeMetricFamily(
            PREFIX + "pieces_in_flight", "Pieces on the sorter.", labels=["site", "line"]
        )
        ledger = GaugeMetricFamily(
            PREFIX + "ledger_pieces",
            "Terms of the ledger; unexplained must stay 0.",
            labels=["site", "line", "term"],
        )
        quarantine = GaugeMetricFamily(
            PREFIX + "line_quarantined",
            "1 while pieces go to the quarantine's chutes until somebody has looked; alarm on it.",
            labels=["site", "line"],
        )
        plan = InfoMetricFamily(PREFIX + "plan", "Sort plan that decides.", labels=["site", "line"])
        for line in lines:
            flight.add_metric([self._site, line.name], line.in_flight)
            quarantine.add_metric([self._site, line.name], float(line.quarantined))
            for term, pieces in line.ledger.items():
                ledger.add_metric([self._site, line.name, term], pieces)
            plan.add_metric(
                [self._site, line.name],
                {"plan": line.plan_name, "version": str(line.plan_version)},
            )
        yield flight
        yield quarantine
        yield ledger
        yield plan

    def _links(self, lines: tuple[LineView, ...]) -> Iterator[Metric]:
        for field, (name, text) in LINK_COUNTERS.items():
            metric = CounterMetricFamily(PREFIX + name, text, labels=["site", "line"])
            for line in lines:
                metric.add_metric([self._site, line.name], getattr(line.link, field))
            yield metric
        gauges = {
            "connected": ("plc_connected", "1 while the PLC answers."),
            "fenced": ("plc_fenced", "1 once another host was granted the line."),
            "epoch": ("plc_epoch", "Epoch under which this host instructs."),
            "machine_state": ("machine_state", "State of the sorter as its MachineState code."),
        }
        for field, (name, text) in gauges.items():
            gauge = GaugeMetricFamily(PREFIX + name, text, labels=["site", "line"])
            for line in lines:
                gauge.add_metric([self._site, line.name], float(getattr(line.link, field)))
            yield gauge

    def _chutes(self, lines: tuple[LineView, ...]) -> Iterator[Metric]:
        labels = ["site", "line", "chute"]
        gauges = {
            field: GaugeMetricFamily(PREFIX + name, text, labels=labels)
            for field, (name, text) in CHUTE_GAUGES.items()
        }
        takes = GaugeMetricFamily(
            PREFIX + "chute_available", "1 while the chute takes one more piece.", labels=labels
        )
        discharged = CounterMetricFamily(
            PREFIX + "chute_discharged", "Pieces discharged into the chute.", labels=labels
        )
        states = GaugeMetricFamily(
            PREFIX + "chutes", "Chutes by state.", labels=["site", "line", "state"]
        )
        for line in lines:
            for number in np.flatnonzero(line.chutes["exists"]).tolist():
                chute = line.chutes[number]
                values = [self._site, line.name, str(number)]
                for field, gauge in gauges.items():
                    gauge.add_metric(values, float(chute[field]))
                takes.add_metric(values, float(takes_pieces(chute)))
                discharged.add_metric(values, float(chute["discharged"]))
            there = line.chutes[line.chutes["exists"] != 0]
            for state in ChuteState:
                count = float(np.count_nonzero(there["state"] == state))
                states.add_metric([self._site, line.name, state.name.lower()], count)
            locked = float(np.count_nonzero(there["locked"]))
            states.add_metric([self._site, line.name, "locked_by_operator"], locked)
        yield from gauges.values()
        yield takes
        yield discharged
        yield states

    def _histograms(self, lines: tuple[LineView, ...]) -> Iterator[Metric]:
        for name, (metric_name, text) in HISTOGRAM_HELP.items():
            bounds = HISTOGRAMS[name]
            ends = [repr(value / bounds.per_unit) for value in bounds.values] + ["+Inf"]
            metric = HistogramMetricFamily(PREFIX + metric_name, text, labels=["site", "line"])
            for line in lines:
                counts, total = line.histogram(name)
                buckets = list(zip(ends, np.cumsum(counts).tolist(), strict=True))
                metric.add_metric([self._site, line.name], buckets, total / bounds.per_unit)
            yield metric

    def _journal(self, view: ProcessView) -> Iterator[Metric]:
        journal = view.journal
        commits = SummaryMetricFamily(
            PREFIX + "journal_commit_seconds", "Commits of the journal.", labels=["site"]
        )
        commits.add_metric([self._site], journal.commits, journal.commit_ns / 1e9)
        yield commits
        yield self._gauge(
            "journal_commit_max_seconds", "The slowest commit so far.", journal.commit_max_ns / 1e9
        )
        yield self._gauge(
            "journal_waiting_batches", "Batches not durable yet.", journal.waiting_batches
        )
        yield self._gauge(
            "journal_waiting_batches_max", "Batches that may wait.", journal.waiting_batches_max
        )
        yield self._gauge(
            "journal_lag_seconds", "Age of the oldest batch not durable.", journal.lag_ns / 1e9
        )
        yield self._gauge(
            "journal_healthy", "0 while the journal has a problem.", float(not journal.problem)
        )
        yield self._counter(
            "journal_refused_batches", "Offers that found its queue full.", journal.refused_batches
        )
        yield self._counter(
            "journal_written_bytes", "Bytes written to the journal.", journal.written_bytes
        )
        yield self._counter(
            "journal_failures", "Writes or syncs of the journal that failed.", journal.failures
        )

    def _recording(self) -> Iterator[Metric]:
        try:
            view = self._recorder.read()
            up = view.alive
        except UnavailableError:
            view, up = None, False
        yield self._gauge("recorder_up", "1 while the recorder beats.", float(up))
        if view is None or not up:
            return
        yield self._gauge(
            "recorder_connected", "1 while the database answers it.", float(view.connected)
        )
        yield self._gauge(
            "recorder_lag_seconds",
            "Age of the oldest record not in the database.",
            view.lag_seconds,
        )
        yield self._gauge(
            "recorder_start_time_seconds", "Unix time of its start.", view.started_ns / 1e9
        )
        yield self._counter("recorder_rows", "Rows recorded since its start.", view.rows)
        yield self._counter("recorder_batches", "Transactions they took.", view.batches)


class Exposition:
    """What a scrape gets."""

    def __init__(
        self,
        site: str,
        lines: LineBoards,
        recorder: RecorderBoards,
        shadows: Shadows,
        host: Callable[[], HostStatus] | None = None,
    ) -> None:
        """Expose a site's boards, and how it stands with its upstream host if it has one."""
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(BoardCollector(site, lines, recorder, shadows))
        if host is not None:
            self._registry.register(HostCollector(site, lines, host))

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics in the format that an Accept header asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
