"""Pre-advice: good lines load whatever the others hold."""

from pathlib import Path

import numpy as np
import pytest

from routing_tables.schema import Network
from sorter.assignment.arrays import PreAdviceArrays
from sorter.assignment.tables import find_advice
from sorter.errors import ConfigError
from sorter.plans.pre_advice import load_pre_advice

HEADER = b"waybill,brand,service_class,destination\n"


def look_up(
    table: PreAdviceArrays, waybill: str, today: int = 20_000
) -> tuple[int, int, int] | None:
    """Brand, class and destination of a waybill, by the decision's own probe."""
    code = np.frombuffer(waybill.encode().ljust(40, b"\0"), np.uint8)
    slot = find_advice(code, len(waybill), table, today)
    if slot < 0:
        return None
    return (
        int(table.brand[slot]), int(table.service_class[slot]), int(table.destination[slot])
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pre_advice.csv"


def test_good_lines(path: Path, network: Network) -> None:
    path.write_bytes(
        HEADER + b"LXE0000000001,LANXI,same_hour,320722100001\r\n\r\n"
        b'"LXE0000000002", LANXI,economy , 32\nA,,,\n,,,\n' + b"Z" * 40 + b",YUNLU,next_day,3207"
    )
    table, problems = load_pre_advice(path, network)
    assert problems == []
    assert look_up(table, "LXE0000000001") == (1, 1, 320722100001)
    assert look_up(table, "LXE0000000002") == (1, 4, 32)
    assert look_up(table, "A") == (0, 0, 0)
    assert look_up(table, "Z" * 40) == (2, 3, 3207)
    assert look_up(table, "B") is None
    assert np.count_nonzero(table.length) == 4


def test_columns_in_another_order_and_a_bom(path: Path, network: Network) -> None:
    path.write_bytes(
        b"\xef\xbb\xbfdestination,waybill,brand,service_class\n3207,W1,YUNLU,same_day\n"
    )
    table, problems = load_pre_advice(path, network)
    assert (problems, look_up(table, "W1")) == ([], (2, 2, 3207))


BAD = [
    (b"W,LANXI,economy", "3 values, must be 4"),
    (b"W,LANXI,economy,32,1", "5 values, must be 4"),
    (b",LANXI,economy,32", "waybill: empty"),
    (b"W" * 41 + b",LANXI,economy,32", "waybill: '" + "W" * 39 + "... is longer than 40 bytes"),
    (b"W" * 10_000 + b",LANXI,economy,32", "longer than 1000 bytes"),
    ("单号1,LANXI,economy,32".encode(), "waybill: '\\u5355\\u53f71' holds more than"),
    ("单号2,LANXI,economy,32".encode("gb18030"), "waybill: '\\udcb5"),
    (b"W\0X,LANXI,economy,32", "waybill: 'W\\x00X' holds more than"),
    (b"W X,LANXI,economy,32", "waybill: 'W X' holds more than"),
    (b"]C0W1,LANXI,economy,32", "waybill: ']C0W1' begins with an AIM prefix"),
    (b"W0,NOBODY,economy,32", "brand: no brand 'NOBODY'"),
    (b"W1,LANXI,someday,32", "service_class: no class 'someday'"),
    (b"W2,LANXI,economy,123", "destination: '123' is no division code"),
    (b"W3,LANXI,economy,3.2E+11", "destination: '3.2E+11' was turned into a number"),
    (b"W4,LANXI,economy,-32", "destination: '-32'"),
    (b'"W,LANXI,economy,32', "broken CSV"),
    (b'W,"LANXI"x,economy,32', "broken CSV"),
]  # fmt: skip


def test_each_bad_line_is_told_and_the_good_ones_load(path: Path, network: Network) -> None:
    lines = b"".join(
        bad + b"\nGOOD%d,LANXI,economy,32\n" % number for number, (bad, _) in enumerate(BAD)
    )
    path.write_bytes(HEADER + lines)
    table, problems = load_pre_advice(path, network)
    assert len(problems) == len(BAD)
    for number, (problem, (_, expected)) in enumerate(zip(problems, BAD, strict=True)):
        assert problem.startswith(f"{path}:{2 + 2 * number}: {expected}")
        problem.encode()
        assert look_up(table, f"GOOD{number}") == (1, 4, 32)
    assert {look_up(table, name) for name in ("W", "W0", "W1", "W2", "W3", "W4")} == {None}


def test_last_one_of_doubles_counts(path: Path, network: Network) -> None:
    path.write_bytes(HEADER + b"W,LANXI,economy,32\nX,,,\nW,YUNLU,same_day,33\nW,,same_hour,34\n")
    table, problems = load_pre_advice(path, network)
    assert look_up(table, "W") == (0, 1, 34)
    assert problems == [
        f"{path}:2: waybill: W is in line 4 too, which counts",
        f"{path}:4: waybill: W is in line 5 too, which counts",
    ]


@pytest.mark.parametrize("content", [HEADER, HEADER.rstrip(), HEADER + b"\n\n"])
def test_no_waybills(path: Path, network: Network, content: bytes) -> None:
    path.write_bytes(content)
    table, problems = load_pre_advice(path, network)
    assert (problems, look_up(table, "W")) == ([], None)


@pytest.mark.parametrize(("content", "problem"), [
    (b"", "1: column 'waybill' is missing"),
    (b"waybill,brand\nW,LANXI\n", "1: column 'destination' is missing"),
    ("waybill,brand,service_class,destination\n".encode("utf-16"), "1: unknown column"),
    (b"x" * 5000, "1: longer than"),
    (b'"waybill,brand\n', "1: broken CSV"),
])  # fmt: skip
def test_wrong_first_line(path: Path, network: Network, content: bytes, problem: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_pre_advice(path, network)
    assert any(line.startswith(f"{path}:{problem}") for line in caught.value.problems)


def test_no_file(path: Path, network: Network) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        load_pre_advice(path, network)


def test_more_than_a_table_holds(
    path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sorter.plans.pre_advice.PRE_ADVICE_MAX", 2)
    path.write_bytes(HEADER + b"A,,,\nB,,,\nA,,,\n")
    load_pre_advice(path, network)
    path.write_bytes(HEADER + b"A,,,\nB,,,\nC,,,\n")
    with pytest.raises(ConfigError, match="4: more than 2 waybills"):
        load_pre_advice(path, network)


def test_many_lines(path: Path, network: Network) -> None:
    count = 50_000
    path.write_bytes(HEADER + b"".join(b"W%d,LANXI,economy,32\n" % n for n in range(count)))
    table, problems = load_pre_advice(path, network)
    assert problems == []
    assert np.count_nonzero(table.length) == count
    assert look_up(table, f"W{count - 1}") == (1, 4, 32)
