"""The network that ships, and broken copies of it."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from routing_tables.codes import POSSIBLE, compile_codes
from routing_tables.companies import Company
from routing_tables.errors import PROBLEMS_MAX, Problems, TableError
from routing_tables.files import read_csv
from routing_tables.load import load_network
from routing_tables.schema import Brand, Check, Format, Network, lianyungang

ProblemsOf = Callable[[], list[str]]


def append(path: Path, *lines: str) -> int:
    """Append lines; returns the line number of the first."""
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return text.count("\n") + 1


def test_lianyungang_is_whole(network: Network) -> None:
    assert Counter(d.level for d in network.divisions) == {
        "area": 7,
        "street": 109,
        "village": 1782,
    }
    assert network.roots == ("3207",)
    assert [c.code for c in network.centres if not c.parent] == ["LYG-HUB"]
    areas = {d.code for d in network.divisions if d.level == "area"}
    assert {c.division for c in network.centres if c.level == "node"} == areas
    assert len(network.directions) == 31
    assert network.brand_numbers() == {"LANXI": 1, "YUNLU": 2, "QINGFAN": 3}
    assert network.class_numbers()["same_hour"] == 1


def test_brands_are_labelled_and_unlike_real_ones(
    network: Network, library: dict[str, Company]
) -> None:
    assert all(
        b.synthetic and "synthetic" in b.name and "虚构" in b.name_zh for b in network.brands
    )
    real = tuple(Format(f.pattern, certain=True) for c in library.values() for f in c.formats)
    others = Brand("REAL", "real", "", synthetic=False, waybills=(), formats=real)
    sets = compile_codes((*network.brands, others)).accept_sets[1:, Check.NONE, POSSIBLE]
    assert sorted(sets[sets != 0].tolist()) == [0b1, 0b10, 0b100, 0b1000]


@pytest.mark.parametrize("encode", [
    lambda text: "\ufeff" + text,
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text + "\n\n,,,\r\n",
    lambda text: "\n".join(",".join(reversed(line.split(","))) for line in text.splitlines()),
    lambda text: "\n".join(" , ".join(line.split(",")) for line in text.splitlines()),
    lambda text: "\n".join(",".join(f'"{v}"' for v in line.split(",")) for line in text.split()),
])  # fmt: skip
def test_spreadsheets_forms_are_taken(
    folder: Path, network: Network, encode: Callable[[str], str]
) -> None:
    path = folder / "divisions.csv"
    path.write_bytes(encode(path.read_text(encoding="utf-8")).encode())
    assert load_network(folder).divisions == network.divisions


def test_provinces_and_cities_may_be_listed(folder: Path) -> None:
    path = folder / "divisions.csv"
    append(path, "city,3207,连云港市,32", "province,32,江苏省,")
    network = load_network(folder)
    assert network.roots == ()
    assert [d.code for d in network.divisions[:3]] == ["32", "3207", "320703"]


def test_every_error_of_every_file_is_told(folder: Path, problems_of: ProblemsOf) -> None:
    divisions = append(
        folder / "divisions.csv",
        "street,320703999x,某街道,320703",
        "street,32070,某街道,320703",
        "street,320703001,又一街道,320703",
        "village,320703998001,某村,320703998",
        "street,320703997,,320703",
        "street,320703996,某街道,320706",
        "hamlet,320703995,某街道,320703",
        "village,3.20722E+11,某村,320722100",
        "street,320703994",
    )
    centres = append(
        folder / "centres.csv",
        "LYG-HUB,again,hub,,320706,",
        "A,a,node,NOWHERE,320706,",
        "B,b,hub,C,320706,",
        "C,c,hub,B,320706,",
        "D,d,depot,LYG-HUB,999999,320706,",
        "E,e,depot,LYG-HUB,999999,320706 12",
        "F,f,node,LYG-320703,320703,320703001",
        "G,g,hub,,320703,",
    )
    directions = append(
        folder / "directions.csv",
        "37,again,NATION",
        "3207,home,NATION",
        "01,x,NATION",
        "66,x,north",
    )
    network = folder / "network.toml"
    network.write_text(network.read_text(encoding="utf-8").replace("title", "titel", 1), "utf-8")
    told = problems_of()
    expected = [
        "network.toml: title: missing",
        "network.toml: titel: unknown key",
        f"divisions.csv:{divisions}: code: '320703999x'",
        f"divisions.csv:{divisions + 1}: code: '32070'",
        f"divisions.csv:{divisions + 2}: code: 320703001 stands in line 9",
        f"divisions.csv:{divisions + 3}: parent: 320703998 has no row",
        f"divisions.csv:{divisions + 4}: name: empty",
        f"divisions.csv:{divisions + 5}: parent: '320706'",
        f"divisions.csv:{divisions + 6}: level: 'hamlet'",
        f"divisions.csv:{divisions + 7}: code: '3.20722E+11' was turned into a number",
        f"divisions.csv:{divisions + 8}: 2 values, must be 4",
        f"centres.csv:{centres}: code: LYG-HUB stands in line 2",
        f"centres.csv:{centres + 1}: parent: no centre 'NOWHERE'",
        f"centres.csv:{centres + 2}: parent: B, C stand above each other",
        f"centres.csv:{centres + 3}: parent: B, C stand above each other",
        f"centres.csv:{centres + 4}: 7 values, must be 6",
        f"centres.csv:{centres + 5}: level: 'depot'",
        f"centres.csv:{centres + 5}: division: '999999'",
        f"centres.csv:{centres + 5}: serves: '12'",
        f"centres.csv:{centres + 5}: serves: 320706 is served by LYG-320706 already",
        f"centres.csv:{centres + 6}: parent: LYG-320703 is a node",
        f"centres.csv:{centres + 6}: serves: 320703001 lies in 320703",
        f"centres.csv:{centres + 7}: parent: empty, but LYG-HUB",
        f"directions.csv:{directions}: prefix: 37 stands in line",
        f"directions.csv:{directions + 1}: prefix: 3207 lies inside",
        f"directions.csv:{directions + 2}: prefix: '01'",
        f"directions.csv:{directions + 3}: direction: 'north'",
    ]
    for start in expected:
        assert any(line.startswith(start) for line in told), (start, told)
    assert len(told) == len(expected)
    assert all("; " in line for line in told), "each says what to do"


def test_missing_files(folder: Path, problems_of: ProblemsOf) -> None:
    names = ("network.toml", "divisions.csv", "centres.csv", "directions.csv")
    for name in names:
        (folder / name).unlink()
    assert [line.partition(": no such file")[0] for line in problems_of()] == list(names)


def test_file_in_place_of_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TableError, match="can't be read"):
        load_network(tmp_path / "file")


@pytest.mark.parametrize(("content", "problem"), [
    ("level,code,name,parent\narea,320703,连云区,3207\n".encode("gb18030"), "csv:2: not UTF-8"),
    ("level,code,name,parent\n".encode("utf-16"), "csv:1: not UTF-8"),
    (b"level,code,name,parent\narea,320703,x\0,3207\n", "csv:2: holds a NUL"),
    (b"level,code,name,parent\narea,320703,x,3207\narea,\"320706,x,3207\n", "csv:3: broken CSV"),
    (b"level,code,name,parent\narea,320703,\"x\"y,3207\n", "csv:2: broken CSV"),
    (b"level,code,name,parent\narea,320703," + b"x" * 200_000 + b",3207\n", "csv:2: broken CSV"),
    (b"level,code,name,parent\n\"area\n\",320703,x,3207\nx,1,x,\n", "csv:4: level: 'x'"),
    (b"level,code,name\n", "csv:1: column 'parent' is missing"),
    (b"level,code,name,parent,note\n", "csv:1: unknown column 'note'"),
    (b"level,code,code,name,parent\n", "csv:1: column 'code' is there twice"),
    (b"level;code;name;parent\n", "csv:1: unknown column 'level;code;name;parent'"),
    (b"", "csv:1: column 'level' is missing"),
    (b"level,code,name,parent\n", "csv: no divisions"),
])  # fmt: skip
def test_broken_tables(folder: Path, problems_of: ProblemsOf, content: bytes, problem: str) -> None:
    (folder / "divisions.csv").write_bytes(content)
    assert any(f"divisions.{problem}" in line for line in problems_of())


@pytest.mark.parametrize(("found", "put", "problem"), [
    ('code = "LANXI"', 'code = "lanxi"', "brands.0.code: "),
    ('code = "LANXI"', 'code = "YUNLU"', "brands: code YUNLU is used 2 times"),
    ('"same_day"', '"same_hour"', "service_classes: 'same_hour' is there 2 times"),
    ('name = "lian', "name = lian", "not valid TOML: "),
    ("LXE[0-9]{10}'", "LXE[0-9]{10'", "brands.LANXI.waybills[1]: 'LXE[0-9]{10': no regular"),
    ("waybills = ['Y[0-9]{3}L[0-9]{9}']", "formats = 'FS'", "brands.YUNLU.formats: no company 'FS"),
    ("waybills = ['Y[0-9]{3}L[0-9]{9}']", "", "brands.YUNLU: neither waybills nor formats"),
    ("LYG-B[0-9]{8}", "LYG-B[0-9]{41}", "codes[2].pattern: 'LYG-B[0-9]{41}': repeats"),
    ('check = "gs1"', 'check = "gs2"', "codes.0.check: "),
    ('class = "bag"', 'class = "waybill"', "codes.1.class: "),
    ("[[brands]]", "[[brand]]", "brand: unknown key"),
])  # fmt: skip
def test_broken_network_file(
    folder: Path, problems_of: ProblemsOf, found: str, put: str, problem: str
) -> None:
    path = folder / "network.toml"
    text = path.read_text(encoding="utf-8")
    assert found in text
    path.write_text(text.replace(found, put), "utf-8")
    assert any(line.startswith("network.toml: ") and problem in line for line in problems_of())


def test_thousands_of_errors_are_counted(folder: Path, problems_of: ProblemsOf) -> None:
    append(folder / "divisions.csv", *(f"street,{n},x,1" for n in range(5000)))
    told = problems_of()
    assert len(told) == PROBLEMS_MAX + 1
    hidden = re.fullmatch(r"(\d+) more problems are not listed; .*", told[-1])
    assert hidden is not None
    assert int(hidden[1]) == 5000 - PROBLEMS_MAX


def test_more_rows_than_a_spreadsheet_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routing_tables.files.ROWS_MAX", 3)
    path = tmp_path / "table.csv"
    path.write_text("a\n1\n\n2\n3\n4\n5\n")
    problems = Problems()
    assert [row for _, row in read_csv(path, ("a",), problems)] == [["1"], ["2"], ["3"]]
    assert problems.lines() == (f"{path}:6: more than 3 rows; split the table",)


def test_shipped_tables_are_in_order() -> None:
    """Planners find rows by eye; a change must not shuffle them."""
    lines = (lianyungang() / "directions.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert lines == sorted(lines)
