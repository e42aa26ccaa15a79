"""The demo's live summary in a terminal, and its closing table."""

from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

LINE_EVERY_S = 5.0
"""Pause between lines where the output is not a terminal."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo shows while it runs, and returns when it ends."""

    seconds: float = 0.0
    inducted: int = 0
    inducted_by_plc: int = 0
    """The same as the PLC counts it, at its own instant."""
    discharged: int = 0
    on_sorter: int = 0
    removed: int = 0
    lost: int = 0
    unexplained: int = 0
    pieces_per_hour: float = 0.0
    read_rate: float = 0.0
    recirculation: float = 0.0
    slack_p50_ms: float = 0.0
    slack_p99_ms: float = 0.0
    """The slack that 99 % of answers had at least."""
    deadline_misses: int = 0
    two_instructions: int = 0
    """Pieces to which the PLC accepted two instructions of one revision on one lap."""
    recorded: int = 0
    """Pieces whose record is in PostgreSQL."""
    ready_s: float = 0.0
    """Seconds from the start until the first piece could be answered."""

    @property
    def balanced(self) -> bool:
        """Whether every piece the PLC inducted is explained and recorded, and none was late."""
        return (
            self.inducted == self.inducted_by_plc
            and self.unexplained == 0
            and self.deadline_misses == 0
            and self.two_instructions == 0
            and self.recorded == self.inducted - self.on_sorter
        )

    def as_dict(self) -> dict[str, float | int | bool]:
        """Return the summary for JSON."""
        return {**asdict(self), "balanced": self.balanced}


def table(summary: Summary, url: str, note: str) -> Table:
    """Return the summary as a table; ``note`` is its caption."""
    view = Table(
        title=f"sorting centre demo   {url}", caption=note, show_header=False, min_width=60
    )
    view.add_column("what", style="cyan")
    view.add_column("value", justify="right")
    rows: list[tuple[str, str]] = [
        ("ready after", f"{summary.ready_s:.1f} s"),
        ("pieces inducted", f"{summary.inducted:,}"),
        ("rate", f"{summary.pieces_per_hour:,.0f} pieces/h"),
        ("read rate", f"{summary.read_rate:.2%}"),
        ("recirculated", f"{summary.recirculation:.2%}"),
        ("slack, half of answers", f"{summary.slack_p50_ms:,.0f} ms or more"),
        ("slack, 99 % of answers", f"{summary.slack_p99_ms:,.0f} ms or more"),
        ("deadlines missed", f"{summary.deadline_misses:,}"),
        (
            "ledger",
            f"{summary.inducted:,} = {summary.discharged:,} discharged + "
            f"{summary.on_sorter:,} on the sorter + {summary.removed:,} removed + "
            f"{summary.lost:,} lost",
        ),
        ("unexplained", f"{summary.unexplained:,}"),
        ("recorded in PostgreSQL", f"{summary.recorded:,}"),
    ]
    for what, value in rows:
        view.add_row(what, value)
    return view


def line(summary: Summary) -> str:
    """Return the summary as one line, for output that is not a terminal."""
    return (
        f"{summary.seconds:6.0f} s  inducted {summary.inducted}  "
        f"rate {summary.pieces_per_hour:.0f}/h  read {summary.read_rate:.1%}  "
        f"recirculated {summary.recirculation:.1%}  slack p50/p99 "
        f"{summary.slack_p50_ms:.0f}/{summary.slack_p99_ms:.0f} ms  "
        f"missed {summary.deadline_misses}  on sorter {summary.on_sorter}  "
        f"unexplained {summary.unexplained}"
    )


class Watcher:
    """Shows summaries as they come: a live table in a terminal, else a line now and then."""

    def __init__(self, url: str, *, quiet: bool, live: bool) -> None:
        self._url = url
        self._quiet = quiet
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False) if live and not quiet else None
        self._last = Summary()
        self._shown_s = -LINE_EVERY_S

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()
        elif not self._quiet and error is None:
            self._console.print(table(self._last, self._url, "ended"))

    def show(self, summary: Summary, note: str) -> None:
        """Show a summary; ``note`` says what is going on."""
        self._last = summary
        if self._live:
            self._live.update(table(summary, self._url, note), refresh=True)
        elif not self._quiet and summary.seconds - self._shown_s >= LINE_EVERY_S:
            self._shown_s = summary.seconds
            self._console.print(f"{note}: {line(summary)}", soft_wrap=True)
