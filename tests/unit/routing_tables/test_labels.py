"""Route labels: what the tables may say, and in which bytes a row is looked for."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_tables.companies import Company
from routing_tables.labels import Labels, label_keys
from routing_tables.schema import Brand, LabelForm, LabelFormat, Network

HEAD = "brand,segments,destination\n"


def brand(*labels: tuple[LabelForm, str]) -> Brand:
    formats = tuple(LabelFormat(pattern, form) for form, pattern in labels)
    return Brand("B", "", "", synthetic=True, waybills=(), labels=formats)


def company(library: dict[str, Company], code: str) -> Labels:
    return Labels(Brand(code, "", "", synthetic=False, waybills=(), labels=library[code].labels))


@pytest.mark.parametrize(
    ("code", "segments", "texts"),
    [
        ("CAINIAO", "721-A010-J9 47", [b"721-A010-J9 47"]),
        ("CAINIAO", "721-A010", [b"721-A010"]),
        ("CAINIAO", "721", [b"721"]),
        ("CAINIAO", "72", []),
        ("CAINIAO", "721-", []),
        ("SF", "755WE-571A3", [b"755WE-571A3", b"MMM={'k1':'755WE','k2':'571A3'"]),
        ("SF", "755WE", [b"MMM={'k1':'755WE'"]),
        ("SF", "710-710BF-001", [b"MMM={'k1':'710','k2':'710BF','k3':'001'"]),
        ("SF", "7" * 30, []),
    ],
)
def test_a_row_is_looked_for_in_the_bytes_of_its_brand(
    library: dict[str, Company], code: str, segments: str, texts: list[bytes]
) -> None:
    assert [text for text, _ in company(library, code).examples(segments)] == texts


@given(st.sampled_from(["1", "1-2", "1-2-3 A"]))
def test_an_example_is_the_shortest_whole_label(segments: str) -> None:
    labels = Labels(brand((LabelForm.SEGMENTS, "[0-9]-[0-9]-[0-9 A-B]{3,5}")))
    whole = {"1": b"1-0-   ", "1-2": b"1-2-   ", "1-2-3 A": b"1-2-3 A"}
    assert labels.examples(segments) == [(segments.encode(), whole[segments])]


def test_a_prefix_whose_label_no_scan_carries_begins_none() -> None:
    labels = Labels(brand((LabelForm.SEGMENTS, "[0-9]{20}(-[0-9]{20})|[0-9]")))
    assert labels.examples("1" * 20) == []


def test_shipped_labels(network: Network) -> None:
    assert {row.brand for row in network.labels} == set(network.brand_numbers())
    keys = label_keys(network)
    assert len(keys) == len(network.labels)
    assert len({(key.brand, key.text) for key in keys}) == len(keys)
    streets = {d.code for d in network.divisions if d.level == "street"}
    for code in network.brand_numbers():
        assert streets <= {row.destination for row in network.labels if row.brand == code}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("NOBODY,901,11", "brand: no brand 'NOBODY'; name one of LANXI, QINGFAN, YUNLU"),
        ("LANXI,955,1", "destination: '1' is no division code"),
        ("LANXI,955,320799", "destination: 320799 is not in divisions.csv; correct it"),
        ("LANXI,,11", "segments: ''; give printable ASCII"),
        ("LANXI,闽-厦,11", "segments: '闽-厦'; give printable ASCII"),
        ("LANXI,801,11", "segments: '801' begins no label of LANXI"),
        ("LANXI,901-A01,11", "segments: '901-A01' begins no label of LANXI"),
        ("LANXI,901-A010-J9 47-1-1,11", "segments: '901-A010-J9 47-1-1' begins no label of LANXI"),
        ("YUNLU,93NW,11", "segments: '93NW' begins no label of YUNLU"),
        ("LANXI,955,11\nLANXI,955,12", "2: segments: '955' stands in "),
    ],
)
def test_a_wrong_row_is_named(
    folder: Path, problems_of: Callable[[], list[str]], row: str, problem: str
) -> None:
    (folder / "labels-mine.csv").write_text(HEAD + row + "\n", encoding="utf-8")
    problems = problems_of()
    line = 3 if "\n" in row else 2
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"labels-mine.csv:{line}: {problem.removeprefix('2: ')}")


def test_a_key_of_two_tables_is_named(
    folder: Path, problems_of: Callable[[], list[str]], network: Network
) -> None:
    first = network.labels[0]
    (folder / "labels-more.csv").write_text(f"{HEAD}{first.brand},{first.segments},11\n", "utf-8")
    (problem,) = problems_of()
    assert problem.startswith("labels-synthetic.csv:2: segments: '900' stands in ")
    assert "labels-more.csv:2" in problem


def test_a_wrong_label_pattern_is_named(folder: Path, problems_of: Callable[[], list[str]]) -> None:
    path = folder / "network.toml"
    text = path.read_text(encoding="utf-8")
    assert "9[0-9][A-Z]{2}-[0-9]{3}[A-Z][0-9]" in text
    path.write_text(text.replace("9[0-9][A-Z]{2}-[0-9]{3}[A-Z][0-9]", "9[0-9"), "utf-8")
    (problem,) = problems_of()
    assert problem.startswith(
        "network.toml: brands.YUNLU.labels[1]: '9[0-9': no regular expression"
    )
