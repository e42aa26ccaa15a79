"""Gathers recorded pieces from a line's journal, as a what-if reads them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Disposition, EventKind, Records
from sorter.assignment.replay import SCAN
from sorter.errors import ConfigError
from sorter.journal.format import segments
from sorter.journal.reader import Follower, Position
from sorter.plans.scans import BY_PLAN, SCANS_MAX, in_order

SHOWN = np.array([*BY_PLAN], np.uint16)


def gather(folder: Path, progress: Callable[[float], None] | None = None) -> Records:
    """Return the pieces that ended in a line's journal, at their first scan.

    A piece still on the sorter at the journal's end is left out, and one that was never scanned.
    What is known of a piece is what its record says at its end, by whichever lap it was read.

    Args:
        folder: The journal of one line: ``journal/`` and the line's name below the state folder.
        progress: Called with the share read, 0 to 1.

    Returns:
        SCAN[n], by instant.

    Raises:
        ConfigError: there is no journal, or it holds more than SCANS_MAX pieces.
        JournalError: a segment was written by another version of the service.
    """
    numbers = segments(folder)
    if not numbers:
        raise ConfigError(f"{folder}: no journal there; give the folder of one line's segments")
    follower = Follower(folder, 0, Position())
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
                ended.append(_scans(pieces, first_ns))
                count += len(pieces)
        if count > SCANS_MAX:
            raise ConfigError(f"{folder}: more than {SCANS_MAX} pieces; move older segments away")
        if progress:
            progress(sum(n < follower.position.segment for n in numbers) / len(numbers))
    return in_order(np.concatenate([np.empty(0, SCAN), *ended]))


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
    scans["finding"] = _findings(pieces)
    return scans


def _findings(pieces: Records) -> NDArray[np.uint16]:
    """Return what each piece itself showed, whatever the plan made of it."""
    finding = pieces["disposition"].copy()
    by_plan = np.isin(finding, SHOWN)
    finding[by_plan] = Disposition.NO_READ
    finding[by_plan & (pieces["waybill_length"] > 0)] = Disposition.ROUTED
    finding[pieces["conflict"] != 0] = Disposition.CONFLICT
    return finding


def _keys(records: Records) -> NDArray[np.int64]:
    """Return a number for each piece: its boot and its id."""
    keys: NDArray[np.int64] = (records["boot_id"].astype(np.int64) << 32) | records["piece_id"]
    return keys
