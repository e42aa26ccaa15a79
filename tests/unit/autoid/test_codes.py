import pytest

from plc_adapters.autoid.codes import CodeFilter, CodeReader, Codes, Read
from plc_adapters.contract import ScanStatus


def texts(codes: Codes) -> list[bytes]:
    return [row.tobytes().rstrip(b"\0") for row in codes.codes[: codes.count]]


def read(*reads: Read | bytes, **rules: object) -> Codes:
    reader = CodeReader(CodeFilter(**rules))  # type: ignore[arg-type]
    return reader.read(each if isinstance(each, Read) else Read(each) for each in reads)


def test_codes_carry_their_symbology_as_prefix() -> None:
    found = read(Read(b"JD001", b"]C1"), Read(b"]Q3JD002", b"]C0"), Read(b"JD003", b"CODE128"))
    assert texts(found) == [b"]C1JD001", b"]Q3JD002", b"JD003"]


def test_a_code_seen_twice_is_one() -> None:
    found = read(Read(b"JD001", b"]C1"), Read(b"JD001\r\n", b"]Q3"), b"]d2JD001")
    assert texts(found) == [b"]C1JD001"]


def test_no_read_texts_are_no_codes() -> None:
    found = read(b"NOREAD\r\n", b" noread ", b"No Code!", b"?", b"", no_read=("NoRead", "no code!"))
    assert texts(found) == [b"?"]
    assert found.left_out == 0


def test_the_station_says_what_counts() -> None:
    found = read(
        Read(b"JD123", b"]C1"), Read(b"JD12", b"]C1"), Read(b"JD124", b"]E0"),
        Read(b"XX125", b"]C1"), Read(b"JD126"), Read(b"JD1267890", b"]C1"),
        pattern="JD[0-9]+", symbologies=("]C",), length_min=5, length_max=8,
    )  # fmt: skip
    assert texts(found) == [b"]C1JD123"]
    assert found.left_out == 5


def test_more_and_longer_codes_than_an_event_holds_are_flagged() -> None:
    found = read(*(b"%d" % number for number in range(5)))
    assert (found.count, found.status) == (4, ScanStatus.MORE_CODES)
    found = read(b"X" * 41)
    assert (texts(found), found.status) == ([b"X" * 40], ScanStatus.CODE_CUT)


@pytest.mark.parametrize("length", [37, 38, 40])
def test_a_prefix_never_cuts_a_code(length: int) -> None:
    code = b"7" * length
    found = read(Read(code, b"]C1"))
    assert texts(found) == [b"]C1" + code if length == 37 else code]
    assert found.status == 0


def test_a_code_with_a_nul_inside_is_left_out() -> None:
    """Padding would make its head look like a whole code."""
    found = read(b"JD001\x00JD002", "连云港".encode(), b"\xff\xfe")
    assert texts(found) == ["连云港".encode(), b"\xff\xfe"]
    assert found.left_out == 1
