"""Pre-advice with holds and expiry, as CSV and NDJSON, and read in blocks."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plc_adapters.contract import CODE_BYTES, CODES_MAX, Disposition, Records
from plc_adapters.emulator.labels import read_labels
from routing_tables.schema import Network
from sorter.assignment.arrays import PreAdviceArrays, blank_pre_advice
from sorter.assignment.tables import find_advice
from sorter.assignment.warmup import mapped, mapped_pre_advice
from sorter.demo.manifest import SHARE_INTERCEPTED, SHARE_LABELLED, write_manifest
from sorter.errors import ConfigError
from sorter.plans import pre_advice
from sorter.plans.advice_lines import LINE_BYTES_MAX, read_plain
from sorter.plans.advice_words import (
    ALL_COLUMNS,
    BadLineError,
    Words,
    day_number,
    hold_bits,
)
from sorter.plans.compile import compile_plan
from sorter.plans.plan import load_plan
from sorter.plans.pre_advice import load_pre_advice
from sorter.plans.proof_cases import ask
from sorter.ports import HoldKind

HEADER = ",".join(ALL_COLUMNS) + "\n"
DAY = (date(2026, 12, 1) - date(1970, 1, 1)).days
BOTH = pytest.mark.parametrize("ending", ["csv", "ndjson"])


def write(folder: Path, ending: str, rows: list[list[str]]) -> Path:
    """Write rows as a file of either kind."""
    path = folder / f"advice.{ending}"
    if ending == "csv":
        path.write_text(HEADER + "".join(",".join(row) + "\n" for row in rows))
    else:
        objects = [dict(zip(ALL_COLUMNS, row, strict=True)) for row in rows]
        path.write_text("".join(json.dumps(each) + "\n" for each in objects))
    return path


def look_up(table: PreAdviceArrays, waybill: str, today: int = DAY) -> tuple[int, int, int] | None:
    """Destination, holds and day of expiry, by the decision's own probe."""
    code = np.frombuffer(waybill.encode().ljust(40, b"\0"), np.uint8)
    slot = find_advice(code, len(waybill), table, today)
    if slot < 0:
        return None
    return int(table.destination[slot]), int(table.holds[slot]), int(table.expires_day[slot])


@BOTH
def test_holds_and_expiry(tmp_path: Path, network: Network, ending: str) -> None:
    rows = [
        ["W1", "LANXI", "economy", "32", "INTERCEPTED", "2026-12-01"],
        ["W2", "", "", "", "DAMAGED|SECURITY_NOT_CLEARED", ""],
        ["W3", "LANXI", "", "3207", "", "2026-11-30"],
        ["W4", "LANXI", "", "3207", " COLD_CHAIN_BROKEN | CUSTOMS_NOT_RELEASED", ""],
    ]
    table, problems = load_pre_advice(write(tmp_path, ending, rows), network)
    assert problems == []
    assert look_up(table, "W1") == (32, HoldKind.INTERCEPTED, DAY)
    assert look_up(table, "W1", DAY + 1) is None
    assert look_up(table, "W2") == (0, HoldKind.DAMAGED | HoldKind.SECURITY_NOT_CLEARED, 0)
    assert look_up(table, "W3") is None
    assert look_up(table, "W3", DAY - 1) == (3207, 0, DAY - 1)
    both = HoldKind.COLD_CHAIN_BROKEN | HoldKind.CUSTOMS_NOT_RELEASED
    assert look_up(table, "W4") == (3207, both, 0)


@BOTH
@pytest.mark.parametrize(
    ("holds", "expires", "problem"),
    [
        ("INTERCEPTD", "", "holds: no hold 'INTERCEPTD'; the holds are INTERCEPTED, SECURITY"),
        ("intercepted", "", "holds: no hold 'intercepted'"),
        ("DAMAGED|", "", "holds: no hold ''"),
        ("", "2026-02-30", "expires: '2026-02-30' is no day from 2000 to 2099; give YYYY-MM-DD"),
        ("", "1970-01-01", "expires: '1970-01-01' is no day from 2000"),
        ("", "20261201", "expires: '20261201'"),
        ("", "2026-W48-1", "expires: '2026-W48-1'"),
        ("", "2026-12-01T00:00", "expires: '2026-12-01T00:00'"),
    ],
)
def test_a_bad_line_takes_its_waybill_out_and_no_other(
    tmp_path: Path, network: Network, ending: str, holds: str, expires: str, problem: str
) -> None:
    """Its word is newer than the line before, and may have been a hold: the piece stays in."""
    rows = [
        ["W1", "LANXI", "economy", "32", "", ""],
        ["W2", "LANXI", "economy", "33", "", ""],
        ["W1", "LANXI", "economy", "32", holds, expires],
    ]
    path = write(tmp_path, ending, rows)
    table, problems = load_pre_advice(path, network)
    first = 2 if ending == "csv" else 1
    assert len(problems) == 2
    assert problems[0].startswith(f"{path}:{first + 2}: {problem}")
    assert problems[1] == f"{path}:{first}: waybill: W1 is in line {first + 2} too, which counts"
    assert look_up(table, "W1", 0) is None
    assert look_up(table, "W2") == (33, 0, 0)
    # A good line after it counts again.
    table, _ = load_pre_advice(write(tmp_path, ending, [*rows, rows[0]]), network)
    assert look_up(table, "W1") == (32, 0, 0)


NO_LINES = [
    ("{", "no JSON: "),
    ('{"waybill": "W"} x', "no JSON: "),
    ("[" * 2000, f"longer than {LINE_BYTES_MAX} bytes"),
    ("[" * 900, "no JSON: "),
    ('["W"]', "['W'] is no object"),
    ("1", "1 is no object"),
    ("{}", "waybill: empty"),
    ('{"waybill": 1}', "waybill: 1 is no text"),
    ('{"waybill": "W", "destination": 32}', "destination: 32 is no text; put it in quotes"),
    ('{"waybill": "W", "hold": "DAMAGED"}', "unknown key 'hold'; the keys are waybill,brand"),
    ('{"waybill": "W", "holds": ["DAMAGED", 1]}', "one of holds: 1 is no text"),
    ('{"waybill": "W", "holds": {"DAMAGED": 1}}', "holds: {'DAMAGED': 1} is no text"),
    ('{"waybill": "W\\n2,,,,,"}', "waybill: 'W\\n2,,,,,' holds more than"),
    ('{"waybill": "单号"}', "waybill: '\\u5355\\u53f7' holds more than"),
    ('{"waybill": "\\ud800"}', "no JSON: "),
    ('{"waybill": "' + "W" * 41 + '"}', "waybill: '" + "W" * 39 + "... is longer than 40"),
    ('{"waybill": "W5", "brand": "LAN,XI"}', "brand: no brand 'LAN,XI'"),
]


def test_each_bad_object_is_told_and_the_good_ones_load(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "advice.ndjson"
    lines = [bad + f'\n{{"waybill": "GOOD{k}"}}\n' for k, (bad, _) in enumerate(NO_LINES)]
    path.write_bytes(b"\xef\xbb\xbf" + "".join(lines).encode())
    table, problems = load_pre_advice(path, network)
    assert len(problems) == len(NO_LINES)
    for k, (problem, (_, expected)) in enumerate(zip(problems, NO_LINES, strict=True)):
        assert problem.startswith(f"{path}:{2 * k + 1}: {expected}"), (problem, expected)
        problem.encode()
        assert look_up(table, f"GOOD{k}") == (0, 0, 0)


def test_objects_as_they_may_be_written(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "advice.ndjson"
    path.write_bytes(
        b'{"waybill":"W1","holds":["DAMAGED","INTERCEPTED"],"brand":null}\r\n\r\n  \n'
        b'{"holds": [], "waybill": "W\\u0032", "destination": "32"}\n'
        b'{"waybill": "A,B\\"C"}'
    )
    table, problems = load_pre_advice(path, network)
    assert problems == []
    assert look_up(table, "W1") == (0, HoldKind.DAMAGED | HoldKind.INTERCEPTED, 0)
    assert look_up(table, "W2") == (32, 0, 0)
    assert look_up(table, 'A,B"C') == (0, 0, 0)


def test_a_column_twice_and_one_that_is_unknown(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "advice.csv"
    path.write_text(HEADER.strip() + ",holds,hold\n")
    with pytest.raises(ConfigError) as caught:
        load_pre_advice(path, network)
    assert caught.value.problems == (
        f"{path}:1: column 'holds' is there twice; remove one",
        f"{path}:1: unknown column 'hold'; the columns are {','.join(ALL_COLUMNS)}",
    )


@BOTH
def test_bad_and_replaced_lines_are_told_up_to_a_limit(
    tmp_path: Path, network: Network, ending: str
) -> None:
    rows = [["W", "NOBODY", "", "", "", ""]] * 30
    path = write(tmp_path, ending, rows)
    table, problems = load_pre_advice(path, network)
    assert look_up(table, "W") is None
    assert len(problems) == 42
    assert problems[20] == f"{path}: 10 more bad lines"
    assert problems[41] == f"{path}: 9 more lines are replaced by later ones"


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
@BOTH
def test_lines_are_whole_wherever_a_block_ends(
    tmp_path: Path, network: Network, ending: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[f"W{n}", "LANXI", "", "32", "", "2026-12-01"] for n in range(50)]
    rows[30][0] = "W" * 3000
    rows[40][1] = "NOBODY"
    path = write(tmp_path, ending, rows)
    expected = load_pre_advice(path, network)
    monkeypatch.setattr(pre_advice, "BLOCK_BYTES", size)
    table, problems = load_pre_advice(path, network)
    assert problems == expected[1]
    first = 2 if ending == "csv" else 1
    assert problems[0].startswith(f"{path}:{first + 30}: longer than {LINE_BYTES_MAX} bytes")
    assert problems[1].startswith(f"{path}:{first + 40}: brand: ")
    for name in PreAdviceArrays._fields:
        assert np.array_equal(getattr(table, name), getattr(expected[0], name))


def test_the_longest_line_that_may_be(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "advice.csv"
    line = "W,,,,,".ljust(LINE_BYTES_MAX)
    path.write_bytes((HEADER + line).encode() + b"\r\n" + line.encode() + b" \r\n")
    _, problems = load_pre_advice(path, network)
    assert problems == [f"{path}:3: longer than {LINE_BYTES_MAX} bytes; mend the line"]


def test_a_file_that_grows_while_it_is_read(
    tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "ndjson", [])
    line = b'{"waybill": "W%d"}\n'
    readings = iter([[line % 1], [line % n for n in range(1, 9)]])
    monkeypatch.setattr(pre_advice, "_blocks", lambda _: next(readings))
    with pytest.raises(ConfigError, match="grew while it was read"):
        load_pre_advice(path, network)


def test_the_demo_has_pieces_that_are_called_back(tmp_path: Path, network: Network) -> None:
    manifest = write_manifest(tmp_path, network, seed=1, pieces=5000)
    table, problems = load_pre_advice(manifest.pre_advice, network)
    assert problems == []
    held = int(np.count_nonzero(table.holds))
    assert set(table.holds.tolist()) == {0, int(HoldKind.INTERCEPTED)}
    assert abs(held - 5000 * SHARE_INTERCEPTED) < 7
    assert np.count_nonzero(table.length) > 4900


def test_the_demo_has_pieces_whose_label_says_where_to(
    tmp_path: Path, network: Network, demo: Path, chutes: Records
) -> None:
    manifest = write_manifest(tmp_path, network, seed=1, pieces=5000)
    pre_advice, _ = load_pre_advice(manifest.pre_advice, network)
    arrays, _ = compile_plan(load_plan(demo / "plan.toml"), network, chutes, 1, "LYG-HUB", 20)
    advised = manifest.pre_advice.read_text(encoding="utf-8").splitlines()
    blind = {row.split(",")[0] for row in advised if row.split(",")[3] == ""}
    pieces = [print_.codes for print_ in read_labels(manifest.labels)]
    codes = np.zeros((len(pieces), CODES_MAX, CODE_BYTES), np.uint8)
    for row, printed in zip(codes, pieces, strict=True):
        for slot, code in zip(row, printed, strict=False):
            slot[: len(code)] = np.frombuffer(code, np.uint8)
    decided = ask(codes, 0, chutes, mapped(arrays), mapped_pre_advice(pre_advice))
    is_blind = np.array([bool(c) and c[0][3:].decode() in blind for c in pieces])
    by_label = decided[is_blind & (decided["disposition"] == Disposition.ROUTED)]
    assert len(by_label) > 0.9 * 5000 * SHARE_LABELLED
    assert (by_label["destination"] > 0).all()
    others = set(decided[is_blind]["disposition"].tolist())
    assert others <= {Disposition.ROUTED, Disposition.CONFLICT, Disposition.INTERCEPTED}


VALUES = [
    st.sampled_from(["W1", "", "]C0W1", "]", "]C", "W" * 40, "W" * 41, "W 1", "é", "W\x00", "a|b"]),
    st.sampled_from(["LANXI", "YUNLU", "", "NOBODY", "LANXIX", "lanxi"]),
    st.sampled_from(["economy", "", "someday", "same_hour"]),
    st.sampled_from(["", "32", "3207", "320706001002", "3207060010021", "032", "0332", "3x", "320"])
    | st.text("0123456789-+.", max_size=14),
    st.sampled_from(["", "DAMAGED", "DAMAGED|INTERCEPTED", "|", "DAMAGED|DAMAGED", "X", "a" * 99])
    | st.just("|".join(HoldKind.__members__)),
    st.sampled_from(["", "2026-12-01", "2000-01-01", "2099-12-31", "2100-01-01", "2026-13-01"])
    | st.text("0123456789-", max_size=11),
]


@given(
    lines=st.lists(st.tuples(*VALUES).map(",".join) | st.text(max_size=30), max_size=8),
    order=st.permutations(range(6)),
)
@settings(
    max_examples=300, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_the_reader_of_plain_lines_says_what_the_reader_of_any_line_says(
    network: Network, lines: list[str], order: list[int]
) -> None:
    words = Words.of(network)
    # Carriage returns within a line end it in no reader here.
    content = "".join(line.replace("\n", "") + "\n" for line in lines).encode()
    rows, filled = read_plain(content, order, words)
    assert len(filled) == len(lines)
    for k, line in enumerate(content.split(b"\n")[:-1]):
        if not filled[k]:
            assert rows.length[k] == 0
            continue
        given_values = line.removesuffix(b"\r").decode("ascii").split(",")
        one = blank_pre_advice(1)
        words.enter([given_values[place] for place in order], one, 0)
        for name in PreAdviceArrays._fields:
            assert np.array_equal(getattr(rows, name)[k], getattr(one, name)[0])


def test_every_good_line_without_quotes_or_blanks_is_plain(network: Network) -> None:
    words = Words.of(network)
    content = (
        b"W1,,,,,\nW2,LANXI,economy,32,DAMAGED,2026-12-01\r\n" + b"W" * 40 + b",,,320706001002,,\n"
    )
    assert read_plain(content, list(range(6)), words)[1].tolist() == [True] * 3
    assert read_plain(b"\n", list(range(6)), words)[1].tolist() == [False]
    assert read_plain(b"", list(range(6)), words)[1].tolist() == []


def test_words() -> None:
    assert hold_bits("") == 0
    assert hold_bits("|".join(HoldKind.__members__)) == sum(HoldKind)
    assert day_number("") == 0
    assert day_number("2000-01-01") == 10_957
    for wrong in ("1999-12-31", "2100-01-01", "2026-1-1", "٢٠٢٦-12-01"):
        with pytest.raises(BadLineError):
            day_number(wrong)
