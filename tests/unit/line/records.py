"""Events and chutes for a line of the tests: short to write, and strategies for sequences."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    EVENT,
    AnswerStatus,
    ChuteState,
    DischargeStatus,
    Disposition,
    EventKind,
    Records,
)
from sorter.ports import CHUTE

SECOND = 1_000_000_000
START_NS = 1_800_000_000 * SECOND
BOOT = 7
CHUTES = (1, 2, 3, 4)
CAPACITY = 2
Values = dict[str, Any]


def machine() -> Records:
    """Four chutes of two pieces each, 10 to 40 seconds behind the scanner."""
    chutes = np.zeros(CHUTE_NUMBER_MAX + 1, CHUTE)
    for number in CHUTES:
        chutes[number] = (1, ChuteState.OPEN, 0, CAPACITY, 0, 0, 0, 0, number * 10 * SECOND, 0)
    chutes[0]["travel_ns"] = chutes["travel_ns"].max()
    return chutes


def events(*each: Values, first: int = 1, boot: int = BOOT) -> Records:
    """EVENTs by the fields given; sequence and instants count on."""
    records = np.zeros(len(each), EVENT)
    for field in ("weight_g", "length_mm", "width_mm", "height_mm"):
        records[field] = -1
    records["boot_id"] = boot
    records["sequence"] = np.arange(first, first + len(each))
    records["event_ns"] = START_NS + records["sequence"].astype(np.int64) * SECOND
    for record, values in zip(records, each, strict=True):
        for name, value in values.items():
            if name == "chutes":
                record["chutes"][:] = 0
                record["chutes"][: len(value)] = value
            elif name == "code":
                record["code_count"] = 1
                record["codes"][0, : len(value)] = np.frombuffer(value, np.uint8)
            else:
                record[name] = value
    return records


def inducted(piece: int, **values: object) -> Values:
    return {"kind": EventKind.INDUCTED, "piece_id": piece, "station": 1, **values}


def scanned(piece: int, lap: int = 0, **values: object) -> Values:
    return {"kind": EventKind.SCANNED, "piece_id": piece, "lap": lap, **values}


def instructed(
    piece: int, status: AnswerStatus, chutes: tuple[int, ...] = (), lap: int = 0, **values: object
) -> Values:
    held = Disposition.ROUTED if chutes else Disposition.NONE
    return {
        "kind": EventKind.INSTRUCTED, "piece_id": piece, "status": status, "lap": lap,
        "chutes": chutes, "disposition": held, **values,
    }  # fmt: skip


def discharged(piece: int, status: DischargeStatus, chute: int = 0, **values: object) -> Values:
    return {
        "kind": EventKind.DISCHARGED, "piece_id": piece, "status": status, "chute": chute, **values,
    }  # fmt: skip


def chute_state(chute: int, state: ChuteState) -> Values:
    return {"kind": EventKind.CHUTE_STATE, "chute": chute, "status": state}


PIECES = st.integers(1, 6)
"""More ids than rows of a small table."""
LAPS = st.integers(0, 3)
NAMED = st.lists(st.sampled_from(CHUTES), unique=True, max_size=4).map(tuple)
CODES = st.sampled_from([b"A001", b"A002", b"]C1A001", b"X", b"A003"])

SCANS = st.builds(scanned, PIECES, LAPS) | st.builds(scanned, PIECES, LAPS, code=CODES)
ENDS = st.builds(
    discharged,
    PIECES,
    st.sampled_from(DischargeStatus),
    st.sampled_from((*CHUTES, 0, 5, CHUTE_NUMBER_MAX)),
    lap=LAPS,
)
ANSWERS = st.builds(
    instructed,
    PIECES,
    st.sampled_from(AnswerStatus),
    NAMED,
    LAPS,
    revision=st.integers(0, 2),
    epoch=st.integers(0, 3),
    slack_ms=st.integers(-100, 100),
    disposition=st.sampled_from([Disposition.NONE, Disposition.ROUTED, Disposition.CONFLICT]),
)
STATES = st.builds(chute_state, st.sampled_from((*CHUTES, 0, 5)), st.sampled_from(ChuteState))
NONSENSE = st.fixed_dictionaries(
    {
        "kind": st.integers(0, 9),
        "status": st.integers(0, 9),
        "piece_id": st.integers(0, 6),
        "chute": st.sampled_from([0, 1, 5, CHUTE_NUMBER_MAX, 0xFFFF]),
        "station": st.sampled_from([0, 255, 256, 0xFFFF]),
        "lap": st.sampled_from([0, 1, 255, 0xFFFF]),
        "disposition": st.sampled_from([0, 1, 31, 32, 0xFFFF]),
        "chutes": st.lists(st.sampled_from([1, 4, 5, 0xFFFF]), max_size=4).map(tuple),
        "weight_g": st.integers(-5, 5),
        "boot_id": st.sampled_from([0, BOOT, BOOT, BOOT, BOOT + 1]),
    }
)
USUAL: st.SearchStrategy[Values] = st.one_of(
    st.builds(inducted, PIECES), SCANS, ANSWERS, ENDS, STATES
)
EVENTS: st.SearchStrategy[Values] = st.one_of(USUAL, USUAL, USUAL, NONSENSE)
TURNS = st.lists(st.lists(EVENTS, max_size=12), min_size=1, max_size=8)
"""What a line hears, turn by turn: duplicates, strays, a new boot, more pieces than rows."""


def numbered(turns: list[list[Values]]) -> list[Records]:
    """Return the turns as EVENTs with running sequences."""
    batches, first = [], 1
    for turn in turns:
        batches.append(events(*turn, first=first))
        first += len(turn)
    return batches
