"""The library of real companies' formats, and networks that refer to it."""

from pathlib import Path

import pytest

from routing_tables.codes import CERTAIN, compile_codes
from routing_tables.companies import Company, load_companies
from routing_tables.errors import Problems
from routing_tables.load import load_network
from routing_tables.schema import Brand, Check, CodeClass, CodePattern


def test_the_library_has_ten_companies_and_s10(library: dict[str, Company]) -> None:
    assert list(library) == [
        "SF", "YTO", "ZTO", "STO", "YUNDA", "JT", "JD", "DEPPON", "EMS", "CAINIAO", "S10",
    ]  # fmt: skip
    checked = {c.code for c in library.values() for f in c.formats if f.check == Check.S10}
    assert checked == {"EMS", "S10"}


def test_only_letters_are_called_certain(library: dict[str, Company]) -> None:
    """What the automaton finds by itself; S10 alone has letters that name no company."""
    for company in library.values():
        for each in company.formats:
            brand = Brand("A", "", "", synthetic=False, waybills=(each.pattern,))
            proves = bool(compile_codes((brand,)).accept_sets[-1, Check.NONE, CERTAIN])
            assert each.certain == (proves and company.code != "S10"), (company.code, each)


def test_all_of_them_make_a_small_automaton(library: dict[str, Company]) -> None:
    brands = [
        Brand(c.code, c.name, c.name_zh, synthetic=False, waybills=(), formats=c.formats)
        for c in library.values()
    ]
    product = CodePattern(CodeClass.PRODUCT, "[0-9]{12,14}", Check.GS1)
    assert len(compile_codes(brands, codes=(product,)).dfa_next) < 400


def test_a_brand_may_refer_to_the_library(folder: Path, library: dict[str, Company]) -> None:
    path = folder / "network.toml"
    text = path.read_text(encoding="utf-8")
    found = "waybills = ['Y[0-9]{3}L[0-9]{9}']"
    assert found in text
    path.write_text(text.replace(found, f'formats = "SF"\n{found}'), "utf-8")
    beside = load_network(folder).brands[1]
    assert (beside.waybills, beside.formats) == (("Y[0-9]{3}L[0-9]{9}",), library["SF"].formats)
    path.write_text(text.replace(found, 'formats = "SF"'), "utf-8")
    instead = load_network(folder).brands[1]
    assert (instead.waybills, instead.formats) == ((), library["SF"].formats)


def test_shipped_network_knows_codes_beside_waybills(folder: Path) -> None:
    assert load_network(folder).codes == (
        CodePattern(CodeClass.PRODUCT, "[0-9]{8}|[0-9]{12,14}", Check.GS1),
        CodePattern(CodeClass.BAG, "LYG-B[0-9]{8}"),
    )


@pytest.mark.parametrize(("text", "problem"), [
    ("companies = []", "companies: "),
    ("[[companies]]\ncode = 'A'\n", "companies.0.name: missing"),
    ("[[companies]]\ncode = 'A'\nname = 'a'\nname_zh = 'a'\nformats = [{pattern = 'A'}]",
     "companies.0.formats.0.certain: missing"),
    ("[[companies]]\ncode = 'A'\nname = 'a'\nname_zh = 'a'\n"
     "formats = [{pattern = 'A', certain = true}]\n" * 2, "companies[2]: code A is there twice"),
])  # fmt: skip
def test_broken_library(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "companies.toml"
    path.write_text(text, "utf-8")
    problems = Problems()
    load_companies(problems, path)
    assert any(problem in line for line in problems.lines())
