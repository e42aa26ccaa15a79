"""Records become rows: every field once, texts that any database takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plc_adapters.contract import CODE_BYTES, EVENT, EventKind, Quantity, SensorStatus
from sorter.ports import DECISION, PIECE
from sorter.store.columns import DECISIONS, EVENTS, PIECES, TABLES, US_PER_DAY, Table, text_of

NS_PER_DAY = US_PER_DAY * 1_000


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (b"QH1234567890", "QH1234567890"),
        (b"", ""),
        ("连云港".encode(), "连云港"),
        (b"A\xff\xfeB", "A\\xff\\xfeB"),
        ("云".encode()[:2], "\\xe4\\xba"),
        (b"A\x00B", "A\\x00B"),
        (b"\x1d01\n", "\\x1d01\\x0a"),
        (b"A\\x00", "A\\x5cx00"),
        ("\x85".encode(), "\\u0085"),
        (b"\x85", "\\x85"),
        ("\u3000".encode(), "\\u3000"),
        ("\U000e0001".encode(), "\\U000e0001"),
    ],
)
def test_code_as_text(code: bytes, text: str) -> None:
    assert text_of(code) == text


@given(st.binary(max_size=CODE_BYTES), st.binary(max_size=CODE_BYTES))
def test_text_is_printable_and_differs_where_bytes_differ(one: bytes, other: bytes) -> None:
    assert text_of(one).isprintable()
    assert (text_of(one) == text_of(other)) == (one == other)


@pytest.mark.parametrize(
    ("table", "record"), [(EVENTS, EVENT), (DECISIONS, DECISION), (PIECES, PIECE)]
)
def test_every_field_becomes_one_column(table: Table, record: np.dtype[np.void]) -> None:
    fields = [column.field for column in table.columns]
    assert sorted([*fields, "line"] + ["waybill_length"] * ("waybill" in fields)) == sorted(
        record.names or ()
    )
    assert len(set(table.names)) == len(table.names)


@pytest.mark.parametrize("table", TABLES)
def test_no_records_are_no_rows(table: Table) -> None:
    records = np.empty(0, {"event": EVENT, "decision": DECISION, "piece": PIECE}[table.name])
    assert list(table.rows("north", records)) == []
    assert table.days(records) == set()


def test_rows_of_events() -> None:
    events = np.zeros(3, EVENT)
    events["kind"] = (EventKind.INDUCTED, EventKind.SCANNED, EventKind.INSTRUCTED)
    events["sequence"] = (1, 2**32 - 1, 3)
    events["host_receive_ns"] = (1_999, 2_000, NS_PER_DAY)
    events["weight_g"] = -1
    events["code_count"][1] = 2
    events["codes"][1, 0, :2] = list(b"Q1")
    events["codes"][1, 1, :2] = list(b"Q2")
    events["codes"][1, 2, :2] = list(b"no")
    events["chutes"][2] = (7, 9, 0, 0)
    names = EVENTS.names
    rows = [dict(zip(names, row, strict=True)) for row in EVENTS.rows("north", events)]
    assert [row["codes"] for row in rows] == [None, ["Q1", "Q2"], None]
    assert [row["chutes"] for row in rows] == [None, None, [7, 9]]
    assert [row["received_at"] for row in rows] == [1, 2, US_PER_DAY]
    assert [row["sequence"] for row in rows] == [1, 2**32 - 1, 3]
    assert rows[0]["weight_g"] == -1
    assert EVENTS.days(events) == {0, 1}


def test_readings_are_null_where_there_is_none() -> None:
    events = np.zeros(5, EVENT)
    events["kind"] = EventKind.SENSOR
    events["kind"][0] = EventKind.SCANNED
    events["quantity"] = (0, Quantity.TEMPERATURE, Quantity.HUMIDITY, Quantity.HUMIDITY, 0)
    events["status"] = (
        *(0, SensorStatus.LOW, SensorStatus.SILENT, SensorStatus.INVALID),
        SensorStatus.WITHIN,
    )
    events["reading_milli"][1] = -3_250
    names = EVENTS.names
    rows = [dict(zip(names, row, strict=True)) for row in EVENTS.rows("north", events)]
    assert [row["quantity"] for row in rows] == [None, 1, 2, 2, None]
    assert [row["reading_milli"] for row in rows] == [None, -3_250, None, None, None]


def test_a_count_of_codes_that_can_not_be_takes_all() -> None:
    events = np.zeros(1, EVENT)
    events["code_count"] = 65_535
    row = dict(zip(EVENTS.names, next(iter(EVENTS.rows("north", events))), strict=True))
    assert row["codes"] == ["", "", "", ""]


def test_waybill_is_as_long_as_told() -> None:
    pieces = np.zeros(3, PIECE)
    pieces["waybill"][:, :4] = list(b"QH12")
    pieces["waybill_length"] = (4, 2, 0)
    names = PIECES.names
    rows = [dict(zip(names, row, strict=True)) for row in PIECES.rows("north", pieces)]
    assert [row["waybill"] for row in rows] == ["QH12", "QH", None]


def test_days_before_1970_are_rounded_down() -> None:
    events = np.zeros(1, EVENT)
    events["host_receive_ns"] = -1
    assert EVENTS.days(events) == {-1}
