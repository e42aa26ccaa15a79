"""The printed register map: complete, current, and told in one line what can't be printed."""

import csv
import io
from pathlib import Path

import pytest

import plc_adapters.mailbox
from plc_adapters.contract import Disposition
from plc_adapters.mailbox.register_map import COLUMNS, MapError, as_csv, as_markdown
from plc_adapters.mailbox.table import (
    ANSWER,
    EVENT_RING,
    EVENT_SLOT,
    HEADER,
    INSTRUCTION_SLOT,
    SEAT_HEAD,
)

FOLDER = Path(plc_adapters.mailbox.__file__).parent
REMEDY = "print it anew: make maps"


def test_committed_map_is_current() -> None:
    assert (FOLDER / "REGISTERS.md").read_text(encoding="utf-8") == as_markdown(), REMEDY
    assert (FOLDER / "registers.csv").read_text(encoding="utf-8") == as_csv(), REMEDY


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_field_of_every_block_is_a_row() -> None:
    rows = read(as_csv())
    assert tuple(rows[0]) == COLUMNS
    wanted = [f.name for f in HEADER.fields]
    wanted += 2 * [f.name for b in (SEAT_HEAD, INSTRUCTION_SLOT) for f in b.fields]
    wanted += [f.name for b in (EVENT_SLOT, ANSWER) for f in b.fields]
    assert [row["name"] for row in rows] == wanted


def test_rows_say_where_and_what() -> None:
    rows = {(row["block"], row["name"]): row for row in read(as_csv(1000, 64))}
    check = rows["seat 1 instruction slot", "check"]
    place = [check[c] for c in ("copies", "every", "offset", "registers", "type", "writer")]
    assert place == ["32", "18", "1647", "1", "u16", "host"]
    code = rows["event slot", "code"]
    assert [code[c] for c in ("copies", "every", "offset", "registers", "type", "writer")] == [
        "64", "40", str(1000 + EVENT_RING + 18), "20", "text[40]", "PLC",
    ]  # fmt: skip
    assert rows["header", "consumed"]["type"] == "u32[2]"
    assert rows["event slot, instructed", "chutes"]["offset"] == str(1000 + EVENT_RING + 23)


def test_markdown_has_each_row_and_each_code() -> None:
    text = as_markdown(2000, 8)
    for row in read(as_csv(2000, 8)):
        assert f"| {row['offset']} | {row['registers']} | `{row['name']}` | {row['type']} |" in text
    for code in Disposition:
        assert f"{code.value} {code.name.lower()}" in text
    assert "from 2000 to 3527, with an event ring of 8 slots" in text


@pytest.mark.parametrize(
    ("base_address", "event_slots", "setting"),
    [
        (0, 100, "event_slots"),
        (0, 4, "event_slots"),
        (0, 2048, "event_slots"),
        (-1, 256, "base_address"),
        (54_089, 256, "base_address"),
    ],
)
def test_what_cannot_be_is_refused(base_address: int, event_slots: int, setting: str) -> None:
    for print_as in (as_csv, as_markdown):
        with pytest.raises(MapError) as refused:
            print_as(base_address, event_slots)
        assert refused.value.setting == setting
        assert "give" in refused.value.why


def test_highest_base_address_is_accepted() -> None:
    assert "from 54088 to 65535" in as_markdown(54_088)
