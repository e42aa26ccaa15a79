"""The metrics of the processes: whether they beat, the journal, recording, garbage collection."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric, SummaryMetricFamily

from sorter.outlets.families import PREFIX, Families
from sorter.outlets.pauses import GcPauses
from sorter.outlets.reading import ProcessView, RecorderView


def line_process(families: Families, view: ProcessView | None) -> Iterator[Metric]:
    """Return how the line process and its journal stand; None or a problem: it is not up."""
    up = view is not None and not view.problem
    yield families.gauge("line_process_up", "1 while the line process beats.", float(up))
    if view is None or not up:
        return
    yield families.gauge(
        "line_process_ready", "1 once kernels and lines are ready.", float(view.ready)
    )
    yield families.gauge(
        "line_process_start_time_seconds", "Unix time of its start.", view.started_ns / 1e9
    )
    yield from _journal(families, view)


def _journal(families: Families, view: ProcessView) -> Iterator[Metric]:
    journal = view.journal
    commits = SummaryMetricFamily(
        PREFIX + "journal_commit_seconds", "Commits of the journal.", labels=["site"]
    )
    commits.add_metric([families.site], journal.commits, journal.commit_ns / 1e9)
    yield commits
    for name, text, value in (
        ("commit_max_seconds", "The slowest commit so far.", journal.commit_max_ns / 1e9),
        ("waiting_batches", "Batches not durable yet.", journal.waiting_batches),
        ("waiting_batches_max", "Batches that may wait.", journal.waiting_batches_max),
        ("lag_seconds", "Age of the oldest batch not durable.", journal.lag_ns / 1e9),
        ("healthy", "0 while the journal has a problem.", float(not journal.problem)),
    ):
        yield families.gauge(f"journal_{name}", text, value)
    for name, text, value in (
        ("refused_batches", "Offers that found its queue full.", journal.refused_batches),
        ("written_bytes", "Bytes written to the journal.", journal.written_bytes),
        ("failures", "Writes or syncs of the journal that failed.", journal.failures),
    ):
        yield families.counter(f"journal_{name}", text, value)


def recording(families: Families, view: RecorderView | None) -> Iterator[Metric]:
    """Return how the recorder stands; None or not alive: it is not up."""
    up = view is not None and view.alive
    yield families.gauge("recorder_up", "1 while the recorder beats.", float(up))
    if view is None or not up:
        return
    for name, text, value in (
        ("connected", "1 while the database answers it.", float(view.connected)),
        ("lag_seconds", "Age of the oldest record not in the database.", view.lag_seconds),
        ("start_time_seconds", "Unix time of its start.", view.started_ns / 1e9),
    ):
        yield families.gauge(f"recorder_{name}", text, value)
    yield families.counter("recorder_rows", "Rows recorded since its start.", view.rows)
    yield families.counter("recorder_batches", "Transactions they took.", view.batches)


def collections(families: Families, processes: Mapping[str, GcPauses]) -> Iterator[Metric]:
    """Return what garbage collection cost each process that is up."""
    labels = ["site", "process"]
    pauses = SummaryMetricFamily(
        PREFIX + "gc_pause_seconds", "Pauses of a process's garbage collector.", labels=labels
    )
    longest = GaugeMetricFamily(
        PREFIX + "gc_pause_max_seconds", "The longest of them since its start.", labels=labels
    )
    for process, told in processes.items():
        pauses.add_metric([families.site, process], told.count, told.total_ns / 1e9)
        longest.add_metric([families.site, process], told.longest_ns / 1e9)
    yield pauses
    yield longest
