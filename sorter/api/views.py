"""Boards made into answers."""

from dataclasses import asdict
from datetime import UTC, datetime
from enum import IntEnum

import numpy as np

from plc_adapters.contract import ChuteState, DischargeStatus, Disposition, Records, machine_word
from sorter.api import models
from sorter.errors import UnavailableError
from sorter.outlets.layout import SCANNER_NUMBERS
from sorter.outlets.reading import (
    LineView,
    ProcessView,
    RecorderBoardReader,
    takes_pieces,
)

LINK_FIELDS = (
    *(
        "connected",
        "fenced",
        "standby",
        "problem",
        "boot_id",
        "epoch",
        "head_sequence",
        "overflow_count",
    ),
    *("refused_count", "reconnects", "resent"),
)


def process(view: ProcessView) -> models.Process:
    """Return the line process."""
    started = datetime.fromtimestamp(view.started_ns / 1e9, UTC)
    return models.Process(
        pid=view.pid,
        started_at=started.isoformat(timespec="seconds"),
        ready=view.ready,
        problem=view.problem,
    )


def journal(view: ProcessView) -> models.Journal:
    """Return how the journal stands."""
    status = view.journal
    return models.Journal(
        waiting_batches=status.waiting_batches,
        waiting_batches_max=status.waiting_batches_max,
        lag_ms=status.lag_ns / 1e6,
        problem=status.problem,
    )


def recorder(reader: RecorderBoardReader) -> models.Recorder:
    """Return how recording stands, also where there is no recorder."""
    try:
        view = reader.read()
    except UnavailableError as error:
        return models.Recorder(
            alive=False, connected=False, rows=0, lag_seconds=0.0, problem=str(error)
        )
    return models.Recorder(
        alive=view.alive,
        connected=view.connected,
        rows=view.rows,
        lag_seconds=view.lag_seconds,
        problem=view.problem,
    )


def summary(line: LineView) -> models.LineSummary:
    """Return a line in short."""
    return models.LineSummary(
        name=line.name,
        plan=models.Plan(name=line.plan_name, version=line.plan_version),
        quarantined=line.quarantined,
        link=_link(line),
        scanners=_scanners(line),
        ledger=ledger(line),
        numbers=_numbers(line),
    )


def detail(line: LineView) -> models.LineDetail:
    """Return a line with everything that is counted."""
    brands = {
        brand or "unknown": {
            outcome.name.lower(): int(line.outcomes[number, outcome]) for outcome in DischargeStatus
        }
        for number, brand in enumerate(line.brands)
    }
    return models.LineDetail(
        **dict(summary(line)),
        counters=line.counters,
        dispositions={d.name.lower(): int(line.dispositions[d]) for d in Disposition},
        stations={int(n): int(line.stations[n]) for n in np.flatnonzero(line.stations)},
        brands=brands,
    )


def ledger(line: LineView) -> models.Ledger:
    """Return a line's ledger."""
    return models.Ledger(**line.ledger)


def ledgers(lines: tuple[LineView, ...]) -> models.Ledgers:
    """Return the ledgers of all lines and their sum."""
    each = [models.LedgerOfLine(line=line.name, ledger=ledger(line)) for line in lines]
    total = {
        term: sum(getattr(one.ledger, term) for one in each) for term in models.Ledger.model_fields
    }
    return models.Ledgers(
        balanced=all(one.ledger.unexplained == 0 for one in each),
        total=models.Ledger(**total),
        lines=each,
    )


def chutes(line: LineView) -> list[models.Chute]:
    """Return the chutes that exist, in the order of their numbers."""
    table = line.chutes
    return [
        models.Chute(
            chute=number,
            group=line.group(number),
            position_mm=int(table["travel_ns"][number]) * line.speed_mm_s // 1_000_000_000,
            state=_name(ChuteState, table["state"][number]),
            locked=bool(table["locked"][number]),
            available=takes_pieces(table[number]),
            fill=int(table["fill"][number]),
            reserved=int(table["reserved"][number]),
            capacity=int(table["capacity"][number]),
            discharged=int(table["discharged"][number]),
        )
        for number in np.flatnonzero(table["exists"]).tolist()
    ]


def picture(
    site: str, view: ProcessView, line: LineView, recording: models.Recorder
) -> models.Picture:
    """Return all that the page draws of a line."""
    return models.Picture(
        site=site,
        line=summary(line),
        machine=line.machine,
        speed_mm_s=line.speed_mm_s,
        problem=view.problem or view.journal.problem,
        recorder=recording,
        chutes=chutes(line),
        in_flight=line.in_flight,
        pieces=_pieces(line.shown, line.published_ns),
    )


def _pieces(shown: Records, now_ns: int) -> list[models.PieceInFlight]:
    return [
        models.PieceInFlight(
            piece_id=int(piece["piece_id"]),
            cell=int(piece["cell"]),
            lap=int(piece["lap"]),
            station=int(piece["station"]),
            chute=int(piece["chute"]),
            disposition=_name(Disposition, piece["disposition"]),
            since_induction_ms=(now_ns - int(piece["inducted_ns"])) // 1_000_000,
            since_scan_ms=(
                (now_ns - int(piece["scanned_ns"])) // 1_000_000 if piece["scanned_ns"] else None
            ),
        )
        for piece in shown
    ]


def _link(line: LineView) -> models.Link:
    fields = {field: getattr(line.link, field) for field in LINK_FIELDS}
    return models.Link(**fields, machine_state=machine_word(line.link.machine_state))


def _scanners(line: LineView) -> list[models.Scanner]:
    return [
        models.Scanner(
            name=name,
            problem=status.problem,
            **{number: getattr(status, number) for number in SCANNER_NUMBERS},
            **asdict(status.ties),
        )
        for name, status in line.scanners.items()
    ]


def _numbers(line: LineView) -> models.Numbers:
    return models.Numbers(
        pieces_per_hour=line.pieces_per_hour,
        read_rate=line.read_rate,
        recirculation=line.recirculation,
        slack_ms=models.Quantiles(p50=line.slack_ms(0.50), p99=line.slack_ms(0.99)),
        answer_ms=models.Quantiles(p50=line.answer_ms(0.50), p99=line.answer_ms(0.99)),
        deadline_misses=line.counters["deadline_misses"],
    )


def _name(codes: type[IntEnum], code: int) -> str:
    """Return a code's name in small letters; "unknown" for one that was not reported yet."""
    try:
        return codes(int(code)).name.lower()
    except ValueError:
        return "unknown"
