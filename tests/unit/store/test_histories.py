"""What a code may mean, and how records are told."""

import pytest

from plc_adapters.contract import DischargeStatus, ScanStatus
from sorter.store.pieces import _flags, _name, _terms


@pytest.mark.parametrize(
    ("code", "terms"),
    [
        ("QH12", (["QH12", "QH12"], None, None, None)),
        ("77", (["77", "77"], 77, None, None)),
        ("4294967296", (["4294967296", "4294967296"], None, None, None)),
        ("123456789012345", (["123456789012345"] * 2, None, None, None)),
        ("loop-1/7/3", (["loop-1/7/3"], 3, 7, "loop-1")),
        ("loop-1/7/4294967296", (["loop-1/7/4294967296"] * 2, None, None, None)),
        ("a/b", (["a/b", "a/b"], None, None, None)),
        ("A\\B", (["A\\B", "A\\x5cB"], None, None, None)),
        ("A\0B", (["AB", "AB"], None, None, None)),
        ("A\ud800", (["A?", "A?"], None, None, None)),
        ("٧", (["٧", "٧"], None, None, None)),
    ],
)
def test_terms(code: str, terms: tuple[object, ...]) -> None:
    assert _terms(code) == terms


def test_codes_by_name_and_unknown_ones_by_number() -> None:
    assert _name(DischargeStatus, DischargeStatus.DEFAULT_HOST_SILENT) == "default_host_silent"
    assert _name(DischargeStatus, 99) == "99"
    assert _flags(ScanStatus.CODE_CUT | ScanStatus.ABORTED_FULL) == ["code_cut", "aborted_full"]
    assert _flags(ScanStatus.CODE_CUT | 128) == ["code_cut", "128"]
    assert _flags(0) == []
