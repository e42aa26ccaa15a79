"""The arrays that tracking keeps of a line: pieces in flight, chutes, counters."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import UNKNOWN, Records
from sorter.ports import PIECE


class Counter(IntEnum):
    """Index of each counter of a line; its name in small letters is the counter's name."""

    EVENTS = 0
    MALFORMED = 1
    """Events with an unknown kind, status or number; they change nothing else."""
    STRAYS = 2
    """Answers for pieces that are not in flight."""
    INDUCTED = 3
    DUPLICATE_INDUCTIONS = 4
    ADOPTED = 5
    """Pieces first heard of after their induction; the ledger takes them as inducted."""
    ADOPTED_AT_END = 6
    """Of those, first heard of as they left."""
    TABLE_FULL = 7
    """Pieces not tracked because the table was full; the PLC sends them to its default chute."""
    SCANS = 8
    SCANS_READ = 9
    """Scans with at least one code."""
    SCANS_UNREAD = 10
    SCANS_STALE = 11
    """Scans of a lap that the piece had left."""
    RECIRCULATED = 12
    """Laps begun after the first."""
    ABORTED_FULL = 13
    ABORTED_CLOSED = 14
    ABORTED_MECHANICAL = 15
    ANSWERS_ACCEPTED = 16
    """This and the next five follow AnswerStatus."""
    ANSWERS_REFUSED_EPOCH = 17
    ANSWERS_REFUSED_HELD = 18
    ANSWERS_UNKNOWN_PIECE = 19
    ANSWERS_TOO_LATE = 20
    ANSWERS_MALFORMED = 21
    ANSWERS_CONTRADICTED = 22
    """The PLC accepted two different instructions of one revision: must stay 0."""
    DEADLINE_MISSES = 23
    """Answers too late or accepted after their deadline, and pieces never answered in time."""
    DISCHARGED = 24
    """Pieces that ended in a chute, whichever."""
    SORTED = 25
    """This and the next six follow DischargeStatus."""
    DEFAULTED_NO_INSTRUCTION = 26
    DEFAULTED_HOST_SILENT = 27
    DEFAULTED_LAP_LIMIT = 28
    REMOVED = 29
    LOST = 30
    MISSED = 31
    SETTLED = 32
    """Of the lost: pieces in flight as the PLC started anew."""
    SORTED_ELSEWHERE = 33
    """Pieces sorted into a chute that no decision named: must stay 0."""
    INTO_CLOSED = 34
    """Discharges into a chute that was not open, as known here."""
    INTO_FULL = 35
    """Discharges into a chute that had no room, as known here."""
    CONFIRMED = 36
    """Answered pieces that a sensor saw fall into a chute."""
    MISMATCHES = 37
    """Of those, the ones found elsewhere than named, or that a later scan found to be another."""
    QUARANTINES = 38
    """Times that the line was quarantined."""
    MISSORTS_READ = 39
    """This and the next four follow MissortCause."""
    MISSORTS_DECISION = 40
    MISSORTS_TIMING = 41
    MISSORTS_MECHANICAL = 42
    MISSORTS_MANUAL = 43
    INDUCTED_OUTSIDE_EXECUTE = 44
    """Of the inducted: while the PLC said that its machine was in another state."""


class Register(IntEnum):
    """Index of each number that tracking keeps besides its tables."""

    BOOT_ID = 0
    SEQUENCE = 1
    """Newest event of that boot."""
    EPOCH = 2
    """Highest epoch of an instruction that the PLC held."""
    MACHINE_STATE = 3
    """The last one that this boot of the PLC told, 0 before the first."""
    ROWS_TOUCHED = 4
    """Rows from here on were never used."""
    ROWS_FREED = 5
    """Length of the stack of rows to use again."""
    QUARANTINED = 6
    """1 from the confirmation on that was one mismatch too many, until somebody releases it."""
    CONFIRMATIONS = 7
    """The newest confirmations as bits, the newest lowest; 1 for a mismatch."""
    SLIP_MISMATCHES = 8
    """So many mismatches among the newest SLIP_OF confirmations quarantine the line; 0 never."""
    SLIP_OF = 9


class TrackArrays(NamedTuple):
    """All that tracking knows of a line.

    ``pieces``: PIECE[rows]; ``blank``: PIECE[1], how a free row looks; ``slots``: int32[2**k], row
    + 1 of each piece by the hash of its id, 0 where free; ``freed``: int32[rows], a stack;
    ``chutes``: CHUTE by number; ``counters``: int64[Counter]; ``dispositions``: int64[32], answers
    accepted by disposition; ``stations``: int64[256], inductions by station; ``registers``:
    int64[Register].
    """

    pieces: Records
    blank: Records
    slots: NDArray[np.int32]
    freed: NDArray[np.int32]
    chutes: Records
    counters: NDArray[np.int64]
    dispositions: NDArray[np.int64]
    stations: NDArray[np.int64]
    registers: NDArray[np.int64]


def blank_piece() -> Records:
    """Return PIECE[1] as a free row looks: nothing known, nothing measured."""
    blank = np.zeros(1, PIECE)
    for field in ("weight_g", "length_mm", "width_mm", "height_mm"):
        blank[field] = UNKNOWN
    blank["slack_ms"] = np.iinfo(np.int32).max
    return blank
