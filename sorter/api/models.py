"""What the answers look like; examples are of a running demo."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Share = float | None
"""0 to 1; null while there is nothing to take a share of."""


class Answer(BaseModel):
    """An answer's part; unknown fields are a fault of ours, not the client's."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Live(Answer):
    """The process answers."""

    live: Literal[True] = True


class Check(Answer):
    """One thing that readiness stands on."""

    name: str = Field(examples=["line process"])
    ok: bool
    reason: str = Field(
        description="Why it is not, or what is degraded; else empty.", examples=[""]
    )


class Ready(Answer):
    """Whether pieces are sorted and recorded."""

    ready: bool
    checks: list[Check] | None = Field(default=None, description="Only with ?verbose.")


class Plan(Answer):
    """The sort plan that decides."""

    name: str = Field(examples=["hub-demo"])
    version: int = Field(examples=[1])


class Link(Answer):
    """How the link to a line's PLC stands."""

    connected: bool
    fenced: bool = Field(description="Another host was granted the line.")
    standby: bool = Field(description="Another host has the line, and this one follows.")
    problem: str = Field(description="What is wrong and what to do, empty while all is well.")
    machine_state: str = Field(
        description="State in which the PLC says the sorter is, in PackML's words; unknown before "
        "it has. Held has its cause in the machine, suspended one from outside. Inductions are "
        "expected in execute only.",
        examples=["execute"],
    )
    boot_id: int
    epoch: int
    head_sequence: int
    overflow_count: int = Field(description="Events the PLC lost because its ring was full.")
    refused_count: int
    reconnects: int
    resent: int


class Ledger(Answer):
    """inducted = discharged + on_sorter + removed + lost; unexplained is the rest, and 0."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "inducted": 333,
                "discharged": 297,
                "on_sorter": 36,
                "removed": 0,
                "lost": 0,
                "unexplained": 0,
            }
        }
    )

    inducted: int
    discharged: int
    on_sorter: int
    removed: int
    lost: int
    unexplained: int


class Quantiles(Answer):
    """Of all answers since the line process began."""

    p50: float | None
    p99: float | None


class Numbers(Answer):
    """A line's running numbers."""

    pieces_per_hour: float = Field(description="Inductions of the last minute, as a rate.")
    read_rate: Share = Field(description="Scans with at least one code.")
    recirculation: Share = Field(description="Laps after the first, for each inducted piece.")
    slack_ms: Quantiles = Field(description="Slack that 50 % and 99 % of answers had at least.")
    answer_ms: Quantiles = Field(description="Time within which 50 % and 99 % were answered.")
    deadline_misses: int


class Scanner(Answer):
    """A scanner of its own beside a line's PLC; numbers since the line process began."""

    name: str = Field(examples=["tunnel"])
    connected: bool
    problem: str = Field(description="What is wrong, and what to do; empty while all is well.")
    results: int = Field(description="That came from the scanner, no-reads included.")
    no_reads: int = Field(description="Of those, the ones without a code that counts.")
    tied: int = Field(description="Pieces whose result was surely theirs.")
    ambiguous: int = Field(description="Pieces whose result might have been another's.")
    unanswered: int = Field(description="Pieces for which no result came.")
    late: int = Field(description="Results that came too late, and were dropped.")
    strays: int = Field(description="Results of no piece, dropped.")
    malformed: int
    untimed: int = Field(description="Results dropped as the scanner's clock was not known.")
    left_out: int = Field(description="Codes that the station's filter did not let through.")
    reconnects: int
    gaps: int = Field(description="Times that results were lost on their way.")


class LineSummary(Answer):
    """One line in short."""

    name: str = Field(examples=["loop-1"])
    plan: Plan
    quarantined: bool = Field(
        description="Pieces were found elsewhere than sent; none is sorted until it is released."
    )
    link: Link
    scanners: list[Scanner] = Field(description="Those beside the PLC, if the line has any.")
    ledger: Ledger
    numbers: Numbers


class LineDetail(LineSummary):
    """One line with everything that is counted."""

    counters: dict[str, int]
    dispositions: dict[str, int] = Field(description="Answers the PLC accepted, by why.")
    stations: dict[int, int] = Field(description="Inductions by station.")
    brands: dict[str, dict[str, int]] = Field(
        description="Pieces ended since the process began, by brand and outcome."
    )


class Journal(Answer):
    """How the journal stands."""

    waiting_batches: int
    waiting_batches_max: int
    lag_ms: float
    problem: str


class Recorder(Answer):
    """How recording in the database stands."""

    alive: bool
    connected: bool
    rows: int
    lag_seconds: float
    problem: str


class Process(Answer):
    """The line process."""

    pid: int
    started_at: str = Field(examples=["2026-11-11T02:00:00+00:00"])
    ready: bool
    problem: str = Field(description="Why the numbers are not to be trusted, empty otherwise.")


class Lines(Answer):
    """All lines of the site."""

    site: str
    process: Process
    journal: Journal
    recorder: Recorder
    lines: list[LineSummary]


class Chute(Answer):
    """A chute as it stands."""

    chute: int = Field(examples=[12])
    group: str = Field(description="Chute group of the plan, empty for none.")
    position_mm: int = Field(description="From the scanner, downstream.")
    state: str = Field(examples=["open"])
    locked: bool = Field(description="By the operator.")
    available: bool = Field(description="Takes one more piece.")
    fill: int
    reserved: int
    capacity: int
    discharged: int


class Chutes(Answer):
    """All chutes of a line."""

    line: str
    chutes: list[Chute]


class PieceInFlight(Answer):
    """A piece on the sorter."""

    piece_id: int
    cell: int
    lap: int = Field(description="0 on its first way round.")
    station: int
    chute: int = Field(description="First chute named, 0 for none.")
    disposition: str
    since_induction_ms: int
    since_scan_ms: int | None = Field(description="Null before its first scan.")


class Picture(Answer):
    """All that the live page draws of a line, in one answer."""

    site: str
    line: LineSummary
    machine: str = Field(description="Kind of the sorter: loop or diverter.", examples=["loop"])
    speed_mm_s: int
    problem: str = Field(description="Why it does not move: process or recorder; empty if well.")
    recorder: Recorder
    chutes: list[Chute]
    in_flight: int
    pieces: list[PieceInFlight] = Field(description="At most 512 of those in flight.")


class LedgerOfLine(Answer):
    """A line's ledger."""

    line: str
    ledger: Ledger


class Ledgers(Answer):
    """The ledgers of all lines and their sum."""

    balanced: bool = Field(description="Whether every piece of every line is explained.")
    total: Ledger
    lines: list[LedgerOfLine]
