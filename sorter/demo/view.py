"""The demo's live summary in a terminal, and its closing table."""

from collections.abc import Callable
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
    """What the demo shows of a line while it runs, and returns when it ends."""

    line: str = ""
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


def table(summaries: tuple[Summary, ...], url: str, note: str) -> Table:
    """Return the lines as a table, a column each; ``note`` is its caption."""
    view = Table(title=f"sorting centre demo   {url}", caption=note, min_width=60)
    view.add_column("", style="cyan")
    for each in summaries:
        view.add_column(each.line, justify="right")
    rows: list[tuple[str, Callable[[Summary], str]]] = [
        ("ready after", lambda s: f"{s.ready_s:.1f} s"),
        ("pieces inducted", lambda s: f"{s.inducted:,}"),
        ("rate", lambda s: f"{s.pieces_per_hour:,.0f} pieces/h"),
        ("read rate", lambda s: f"{s.read_rate:.2%}"),
        ("recirculated", lambda s: f"{s.recirculation:.2%}"),
        ("slack, half of answers", lambda s: f"{s.slack_p50_ms:,.0f} ms or more"),
        ("slack, 99 % of answers", lambda s: f"{s.slack_p99_ms:,.0f} ms or more"),
        ("deadlines missed", lambda s: f"{s.deadline_misses:,}"),
        ("ledger: inducted", lambda s: f"{s.inducted:,}"),
        ("= discharged", lambda s: f"{s.discharged:,}"),
        ("+ on the sorter", lambda s: f"{s.on_sorter:,}"),
        ("+ removed", lambda s: f"{s.removed:,}"),
        ("+ lost", lambda s: f"{s.lost:,}"),
        ("unexplained", lambda s: f"{s.unexplained:,}"),
        ("recorded in PostgreSQL", lambda s: f"{s.recorded:,}"),
    ]
    for what, value in rows:
        view.add_row(what, *(value(each) for each in summaries))
    return view


def line(summary: Summary) -> str:
    """Return a line's summary as one line, for output that is not a terminal."""
    return (
        f"{summary.seconds:6.0f} s  {summary.line}  inducted {summary.inducted}  "
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
        self._last: tuple[Summary, ...] = ()
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

    def show(self, summaries: tuple[Summary, ...], note: str) -> None:
        """Show the lines; ``note`` says what is going on."""
        self._last = summaries
        seconds = max((each.seconds for each in summaries), default=0.0)
        if self._live:
            self._live.update(table(summaries, self._url, note), refresh=True)
        elif not self._quiet and seconds - self._shown_s >= LINE_EVERY_S:
            self._shown_s = seconds
            self._console.print(f"{note}:", soft_wrap=True)
            for each in summaries:
                self._console.print(line(each), soft_wrap=True)
