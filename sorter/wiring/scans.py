"""Gathers recorded pieces from a line's journal or the database, as a what-if reads them."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Disposition, EventKind, Records
from sorter.assignment.replay import SCAN
from sorter.config import SiteFile
from sorter.errors import ConfigError
from sorter.journal.format import segments
from sorter.journal.reader import Follower, Position
from sorter.plans.scans import BY_PLAN, SCANS_MAX, Span, in_order
from sorter.store.scans import read_scans
from sorter.wiring.paths import StatePaths

SHOWN = np.array([*BY_PLAN], np.uint16)
SECOND_NS = 1_000_000_000

Progress = Callable[[float], None]


def recorded_in(
    site: SiteFile, line: str, span: Span, source: str, progress: Progress | None = None
) -> Records:
    """Return the pieces that a line sorted in a span.

    Args:
        site: The site.
        line: One of its lines, by name.
        span: By first scan.
        source: "store" or "journal".
        progress: Called with the share read, 0 to 1.

    Returns:
        SCAN[n], by instant, at least one.

    Raises:
        ConfigError: there are none, or more than SCANS_MAX.
        UnavailableError: the database is away.
    """
    if source == "journal":
        found = gather(StatePaths(site.site.state_dir).journal / line, progress, span)
    elif site.store.dsn:
        found = in_order(asyncio.run(_from_store(site.store.dsn, line, span)))
    else:
        raise ConfigError(
            "store.dsn: no database is named; name it in SORTER_DATABASE_DSN, or read the journal"
        )
    if not len(found):
        raise ConfigError(
            f"recorded: the {source} has no piece of line {line} in this span; give another one"
        )
    return found


async def _from_store(dsn: str, line: str, span: Span) -> Records:
    parts = [np.empty(0, SCAN)]
    count = 0
    async for rows in read_scans(dsn, line, span.begin_ns, span.end_ns):
        columns = np.array(rows, np.int64).T
        part = np.zeros(len(rows), SCAN)
        names = ("scanned_ns", "destination", "brand", "service_class", "disposition", "chute")
        for name, column in zip((*names, "laps"), columns[:7], strict=True):
            part[name] = column
        part["finding"] = _findings(part["disposition"], columns[7] != 0, columns[8] != 0)
        parts.append(part)
        count += len(part)
        _check_count(f"line {line}", count)
    return np.concatenate(parts)


def _check_count(where: str, count: int) -> None:
    if count > SCANS_MAX:
        raise ConfigError(f"{where}: more than {SCANS_MAX} pieces; take a shorter span")


def gather(folder: Path, progress: Progress | None = None, span: Span | None = None) -> Records:
    """Return the pieces that ended in a line's journal, at their first scan.

    A piece still on the sorter at the journal's end is left out, and one that was never scanned.
    What is known of a piece is what its record says at its end, by whichever lap it was read.

    Args:
        folder: The journal of one line: ``journal/`` and the line's name below the state folder.
        progress: Called with the share read, 0 to 1.
        span: Pieces first scanned in it; all if None.

    Returns:
        SCAN[n], by instant.

    Raises:
        ConfigError: there is no journal, or it holds more than SCANS_MAX pieces.
        JournalError: a segment was written by another version of the service.
    """
    numbers = segments(folder)
    if not numbers:
        raise ConfigError(f"{folder}: no journal there; give the folder of one line's segments")
    follower = Follower(folder, 0, Position(_first_segment(numbers, span), 0))
    first_ns: dict[int, int] = {}
    ended: list[Records] = []
    count = 0
    while batches := follower.read():
        for batch in batches:
            scans = batch.events[batch.events["kind"] == EventKind.SCANNED]
            for key, instant in zip(_keys(scans).tolist(), scans["event_ns"].tolist(), strict=True):
                first_ns.setdefault(key, instant)
            pieces = batch.pieces[batch.pieces["scans"] > 0]
            if len(pieces):
                scans = _scans(pieces, first_ns)
                ended.append(span.within(scans) if span else scans)
                count += len(ended[-1])
        _check_count(str(folder), count)
        if progress:
            progress(sum(n < follower.position.segment for n in numbers) / len(numbers))
    return in_order(np.concatenate([np.empty(0, SCAN), *ended]))


def _first_segment(numbers: list[int], span: Span | None) -> int:
    """Return the segment to begin with: they are numbered by the second in which each begins.

    The one before is read too, for the first scans of pieces that were on the sorter then.
    """
    if span is None:
        return 0
    before = [number for number in numbers if number <= span.begin_ns // SECOND_NS]
    return before[-2] if len(before) > 1 else 0


def _scans(pieces: Records, first_ns: dict[int, int]) -> Records:
    """Return ended PIECEs as SCANs; their first instants are taken out of ``first_ns``."""
    scans = np.zeros(len(pieces), SCAN)
    for name in ("destination", "brand", "service_class", "disposition", "chute"):
        scans[name] = pieces[name]
    scans["laps"] = pieces["lap"]
    scans["scanned_ns"] = [
        first_ns.pop(key, last)
        for key, last in zip(_keys(pieces).tolist(), pieces["scanned_ns"].tolist(), strict=True)
    ]
    has_waybill = pieces["waybill_length"] > 0
    scans["finding"] = _findings(pieces["disposition"], has_waybill, pieces["conflict"] != 0)
    return scans


def _findings(
    dispositions: NDArray[np.uint16], has_waybill: NDArray[np.bool_], conflict: NDArray[np.bool_]
) -> NDArray[np.uint16]:
    """Return what each piece itself showed, whatever the plan made of it."""
    finding = dispositions.copy()
    by_plan = np.isin(finding, SHOWN)
    finding[by_plan] = Disposition.NO_READ
    finding[by_plan & has_waybill] = Disposition.ROUTED
    finding[conflict] = Disposition.CONFLICT
    return finding


def _keys(records: Records) -> NDArray[np.int64]:
    """Return a number for each piece: its boot and its id."""
    keys: NDArray[np.int64] = (records["boot_id"].astype(np.int64) << 32) | records["piece_id"]
    return keys
