"""Codes as the field prints them: real companies' formats, check digits, codes of other classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench import naive
from plc_adapters.contract import CODE_BYTES, Disposition, ScanStatus
from routing_tables.companies import load_companies
from routing_tables.errors import Problems
from routing_tables.schema import Check
from sorter.assignment.classify import has_gs1_check, has_s10_check, only_brand
from tests.unit.assignment.driver import Compiled

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
D = Disposition
COMPANIES = load_companies(Problems())
NUMBERS = {code: number for number, code in enumerate(COMPANIES, 1)}
CODED, BAGS, ODD, OUT = 1, 2, 3, 4
EAN, LEGACY_13, SF = b"6901234567892", b"6901234567893", b"SF7551234567890"


def plan(*served: str) -> naive.Plan:
    """A plan of a network with these companies; every other brand has no patterns."""
    formats = {code: company.formats for code, company in COMPANIES.items() if code in served}
    every = [each for brand in formats.values() for each in brand]
    product = ("product", "[0-9]{8}|[0-9]{12,14}")
    return naive.Plan(
        version=1,
        lap_limit=3,
        margin_ns=0,
        brands=[[each.pattern for each in formats.get(code, ())] for code in COMPANIES],
        places={"32": 0},
        routes=[{(brand, 0): OUT for brand in range(len(COMPANIES) + 1)}],
        classes=1,
        groups={n: naive.Group([n * 10]) for n in (CODED, BAGS, ODD, OUT)},
        exceptions={
            D.NO_READ: ODD, D.NOT_A_WAYBILL: ODD, D.CONFLICT: ODD, D.UNKNOWN_DESTINATION: ODD,
            D.AMBIGUOUS: CODED, D.BAG: BAGS,
        },
        others=[product, ("bag", "BAG-[0-9]{6}"), ("packaging", "PK[0-9]{4}")],
        unproved={each.pattern for each in every if not each.certain},
        checks={e.pattern: e.check.name.lower() for e in every if e.check != Check.NONE}
        | {product[1]: "gs1"},
    )  # fmt: skip


class Both:
    """The service's decision and the oracle's, which must agree on every scan."""

    def __init__(self, *served: str, pre_advice: dict[bytes, naive.Advice] | None = None) -> None:
        chutes = {n * 10: naive.Chute(capacity=99, travel_ns=n * SECOND) for n in range(1, 5)}
        self._line = naive.Line(plan(*served), pre_advice or {}, chutes)
        own = {number: naive.Chute(c.capacity, c.travel_ns) for number, c in chutes.items()}
        self._compiled = Compiled(plan(*served), pre_advice or {}, own)

    def decide(self, *codes: bytes, lap: int = 0, status: int = 0) -> list[naive.Decision]:
        scans = [naive.Scan(1, lap, NOW, list(codes), status)]
        decisions = self._compiled.batch(scans, NOW)
        assert decisions == self._line.batch(scans, NOW)
        return decisions

    def finding(self, *codes: bytes, lap: int = 0, status: int = 0) -> tuple[Disposition, str]:
        (decision,) = self.decide(*codes, lap=lap, status=status)
        return decision.disposition, ["", *COMPANIES][decision.facts.brand]


def finding(served: str, *codes: bytes) -> tuple[Disposition, str]:
    return Both(*served.split()).finding(*codes)


TEN = " ".join(code for code in COMPANIES if code != "S10")
WAYBILL = D.UNKNOWN_DESTINATION
"""A waybill that nobody told of has no destination."""


@pytest.mark.parametrize(
    ("code", "company"),
    [
        (SF, "SF"), (b"YT1234567890123", "YTO"), (b"YD1234567890123", "YUNDA"),
        (b"JT0006968326954", "JT"), (b"JDX012345678901", "JD"), (b"JDVA12345678901-1-2-", "JD"),
        (b"DPK364112047425", "DEPPON"), (b"DPK364112047425-1", "DEPPON"),
        (b"EA123456785CN", "EMS"), (b"LP12345678901234", "CAINIAO"),
        # Digits that only one of the ten has.
        (b"73123456789012", "ZTO"), (b"771234567890123", "STO"), (b"431234567890123", "YUNDA"),
    ],
)  # fmt: skip
def test_ten_companies_are_told_apart(code: bytes, company: str) -> None:
    assert finding(TEN, code) == (WAYBILL, company)
    assert finding(TEN, b"]C1" + code) == (WAYBILL, company)


@pytest.mark.parametrize(
    ("code", "served", "expected"),
    [
        # Bare digits of several companies are nobody's, of the only one served they are its own.
        (b"123456789013", "SF ZTO", (D.AMBIGUOUS, "")),
        (b"123456789013", "SF STO", (WAYBILL, "SF")),
        (b"77123456789012", "STO ZTO", (D.AMBIGUOUS, "")),
        (b"77123456789012", "STO", (WAYBILL, "STO")),
        (LEGACY_13, "YUNDA", (WAYBILL, "YUNDA")),
        # A product code is never taken for a waybill of the only company served.
        (EAN, "YUNDA", (D.AMBIGUOUS, "")),
        (EAN, "SF", (D.NOT_A_WAYBILL, "")),
        (EAN, "", (D.NOT_A_WAYBILL, "")),
        (b"036000291452", "SF", (D.AMBIGUOUS, "")),
        # A certain pattern is stronger than a possible one.
        (b"EA123456785CN", "EMS S10", (WAYBILL, "EMS")),
        (b"EA123456785CN", "S10", (WAYBILL, "S10")),
        # A wrong check digit: not that waybill.
        (b"EA123456784CN", "EMS S10", (D.NOT_A_WAYBILL, "")),
        (b"EA12345678XCN", "EMS S10", (D.NOT_A_WAYBILL, "")),
        # YunExpress, 16 digits after YT.
        (b"YT1234567890123456", TEN, (D.NOT_A_WAYBILL, "")),
        (b"BAG-000001", TEN, (D.BAG, "")),
        (b"PK0001", TEN, (D.NOT_A_WAYBILL, "")),
    ],
)
def test_order_of_proof(code: bytes, served: str, expected: tuple[Disposition, str]) -> None:
    assert finding(served, code) == expected


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        # Only what surely is a waybill contradicts another one.
        ((SF, EAN), (WAYBILL, "SF")),
        ((EAN, SF), (WAYBILL, "SF")),
        ((b"BAG-000001", SF, b"PK0001"), (WAYBILL, "SF")),
        ((SF, b"77123456789012"), (D.CONFLICT, "")),
        ((b"77123456789012", SF), (D.CONFLICT, "")),
        ((b"77123456789012", b"77123456789013"), (D.CONFLICT, "")),
        ((b"77123456789012", b"]C177123456789012"), (D.AMBIGUOUS, "")),
        ((EAN, b"6901234567885"), (D.AMBIGUOUS, "")),
        # Of codes without a waybill the one that tells most.
        ((b"BAG-000001", EAN), (D.AMBIGUOUS, "")),
        ((EAN, b"BAG-000001"), (D.AMBIGUOUS, "")),
        ((b"PK0001", b"BAG-000001"), (D.BAG, "")),
        ((b"BAG-000001", b"PK0001"), (D.BAG, "")),
    ],
)
def test_codes_together(codes: tuple[bytes, ...], expected: tuple[Disposition, str]) -> None:
    assert finding(TEN, *codes) == expected


@pytest.mark.parametrize(("advised", "company"), [(2, "YTO"), (0, "")])
def test_pre_advice_proves_what_patterns_can_not(advised: int, company: str) -> None:
    code = b"77123456789012"
    both = Both("STO", "ZTO", pre_advice={code: naive.Advice(advised, 0, 320706)})
    assert both.finding(code) == (D.ROUTED, company)


def test_pre_advice_settles_a_code_that_looks_like_a_product() -> None:
    both = Both("YUNDA", pre_advice={EAN: naive.Advice(0, 0, 320706)})
    assert both.finding(EAN) == (D.ROUTED, "YUNDA")


def test_a_waybill_replaces_what_was_decided_without_one() -> None:
    for first in (EAN, b"BAG-000001", b"77123456789012"):
        both = Both("YUNDA", "STO", "ZTO")
        assert both.finding(first)[0] in (D.AMBIGUOUS, D.BAG)
        assert both.decide(first) == both.decide() == []
        (better,) = both.decide(b"YD1234567890123")
        assert (better.revision, better.disposition) == (1, WAYBILL)


def test_a_later_lap_keeps_the_waybill_beside_what_may_be_a_product() -> None:
    both = Both("YUNDA", "STO", "ZTO")
    assert both.finding(LEGACY_13) == (WAYBILL, "YUNDA")
    assert both.finding(EAN, lap=1) == (WAYBILL, "YUNDA")
    assert both.finding(b"77123456789012", lap=2) == (D.CONFLICT, "")


def test_groups_of_the_new_exceptions() -> None:
    (coded,) = Both("STO", "ZTO").decide(b"77123456789012")
    assert (coded.group, coded.chutes, coded.waybill) == (CODED, [10], b"")
    (bag,) = Both().decide(b"BAG-000001")
    assert (bag.group, bag.chutes, bag.waybill) == (BAGS, [20], b"")


@pytest.mark.parametrize(
    "code", [b"7" * 10_000, "连云港市海州区物流".encode() * 400, b"\xff" * 10_000, b"]C1" * 4000]
)
def test_a_code_of_any_length_ends_in_a_disposition(code: bytes) -> None:
    """A slot holds its head, and says that it was cut."""
    both = Both(*TEN.split())
    assert both.finding(code[:CODE_BYTES], status=ScanStatus.CODE_CUT)[0] == D.NOT_A_WAYBILL
    assert both.finding(code[:CODE_BYTES], SF, lap=1, status=ScanStatus.CODE_CUT)[1] == "SF"


@given(st.lists(st.text("0123456789", min_size=12, max_size=15).map(str.encode), max_size=4))
@settings(max_examples=200, deadline=None)
def test_digits_agree_with_the_oracle(codes: list[bytes]) -> None:
    decisions = Both(*TEN.split()).decide(*codes)
    assert len(decisions) == 1


def as_array(code: str) -> NDArray[np.uint8]:
    return np.frombuffer(code.encode().ljust(CODE_BYTES, b"\0"), np.uint8)


@given(st.integers(0, 10**8 - 1))
@settings(deadline=None)
def test_each_s10_serial_has_one_check_digit(serial: int) -> None:
    codes = [f"RR{serial:08d}{check}CN" for check in range(10)]
    assert sum(has_s10_check(as_array(code), len(code)) for code in codes) == 1


@pytest.mark.parametrize(("code", "right"), [
    ("EA123456785CN", True), ("RR473124829GB", True), ("EA123456786CN", False),
    ("EA123456785C", False), ("EA123456785CNX", False), ("EA1234567\x005CN", False),
    ("EA12345678:CN", False),
    # 11 less the remainder is 10, then 11.
    ("RR000000010CN", False), ("RR000000080CN", True), ("RR000000005CN", True),
])  # fmt: skip
def test_s10_by_example(code: str, right: bool) -> None:
    assert has_s10_check(as_array(code), len(code)) == right


@given(st.sampled_from([7, 11, 12, 13]).flatmap(lambda n: st.integers(0, 10**n - 1).map(
    lambda number: f"{number:0{n}d}")))  # fmt: skip
@settings(deadline=None)
def test_each_product_number_has_one_check_digit(head: str) -> None:
    codes = [f"{head}{check}" for check in range(10)]
    assert sum(has_gs1_check(as_array(code), len(code)) for code in codes) == 1


@pytest.mark.parametrize(("code", "right"), [
    ("6901234567892", True), ("036000291452", True), ("96385074", True), ("4006381333931", True),
    ("6901234567893", False), ("690123456789X", False), ("0000000000000000", False), ("", False),
])  # fmt: skip
def test_gs1_by_example(code: str, right: bool) -> None:
    assert has_gs1_check(as_array(code), len(code)) == right


def test_a_brand_is_named_by_its_bit_alone() -> None:
    assert [only_brand(1 << (brand - 1)) for brand in range(1, 33)] == list(range(1, 33))
    assert [only_brand(bits) for bits in (0, 3, 2**32 - 1)] == [0, 0, 0]
