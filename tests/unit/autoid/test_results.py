"""Results are read from every form in which they come, and nothing else is taken for one."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from plc_adapters.autoid.codes import Read
from plc_adapters.autoid.results import (
    STRING,
    ResultError,
    Told,
    instant_ns,
    piece_id,
    results_of,
    told,
)
from plc_adapters.autoid.structures import (
    BY_ENCODING,
    LocalCoordinate,
    LocationUnion,
    OpticalScanResult,
    PicturePosition,
    ScanDataEpc,
    ScanDataUnion,
    ScanResult,
)
from plc_adapters.emulator.scan_results import OPTICAL_ENCODING, optical_result
from plc_adapters.host.wire import LinkError
from plc_adapters.opcua.session import told_as_link_error

AUTOID = 4
READ_NS = 1_795_958_000_123_456_000
READ = datetime(1970, 1, 1, tzinfo=UTC) + (
    datetime.fromtimestamp(READ_NS // 10**9, UTC) - datetime(1970, 1, 1, tzinfo=UTC)
)


def extension(encoding: int, body: bytes, namespace: int = AUTOID) -> Any:
    return ua.ExtensionObject(
        ua.NodeId(ua.Int32(encoding), ua.Int16(namespace)), ua.ByteString(body)
    )


def only(value: Any) -> Told:
    (result,) = results_of(value, AUTOID)
    return told(result)


def data(kind: int, value: Any) -> ScanDataUnion:
    return ScanDataUnion(Encoding=ua.UInt32(kind), Value=value)


EPC = ScanDataEpc(
    PC=ua.UInt16(0x3000), UId=ua.ByteString(bytes.fromhex("3034257BF7194E4000001A85")),
    XPC_W1=ua.UInt16(0), XPC_W2=ua.UInt16(0),
)  # fmt: skip
ARMS = (
    (data(1, b"]C1\x1d0104"), b"]C1\x1d0104"),
    (data(2, "运单0001"), "运单0001".encode()),
    (data(3, EPC), b"3034257BF7194E4000001A85"),
    (data(4, ua.Variant("JD1", ua.VariantType.String)), b"JD1"),
    (data(4, ua.Variant(b"JD2", ua.VariantType.ByteString)), b"JD2"),
    (data(2, None), b""),
)


@pytest.mark.parametrize(("scan_data", "code"), ARMS)
def test_every_kind_of_data_is_read(scan_data: ScanDataUnion, code: bytes) -> None:
    place = LocationUnion(
        Encoding=ua.UInt32(2),
        Value=LocalCoordinate(
            X=ua.Double(1), Y=ua.Double(2), Z=ua.Double(3), Timestamp=READ,  # type: ignore[arg-type]
            DilutionOfPrecision=ua.Double(0), UsefulPrecision=ua.Int32(0),
        ),
    )  # fmt: skip
    result = OpticalScanResult(
        CodeType=ua.String("CUSTOM:x"), ScanData=scan_data, Timestamp=READ,  # type: ignore[arg-type]
        Location=place, Grade=ua.Float(0.5), Symbology=ua.String("]Q3"),
        Position=PicturePosition(
            PositionX=ua.Int32(1), PositionY=ua.Int32(2), SizeX=ua.Int32(3), SizeY=ua.Int32(4),
            Rotation=ua.Int32(5),
        ),
    )  # fmt: skip
    body = struct_to_binary(result)
    wanted = Told(Read(code, b"]Q3"), READ_NS // 10**9 * 10**9, scan_data.Encoding)
    assert only(extension(5040, body)) == wanted
    # A verifier's result goes on behind what is common; an RFID tag's has other fields there.
    assert only(extension(5052, body + b"\1\0\0\0A")) == wanted
    assert only(extension(5011, body)).read == Read(code)
    assert only(result) == wanted
    assert only(extension(5030, struct_to_binary(scan_data))).read == Read(code)


def test_the_emulators_bytes_are_what_the_specification_says() -> None:
    found = only(extension(OPTICAL_ENCODING, optical_result(b"]C0JD0001", READ_NS)))
    assert found == Told(Read(b"JD0001", b"]C0"), READ_NS, STRING)
    assert only(extension(OPTICAL_ENCODING, optical_result(b"x", READ_NS))) == Told(
        Read(b"x"), READ_NS, STRING
    )


@dataclass
class Loaded:
    """What the library makes of a result once a client has loaded the server's types."""

    CodeType: str
    ScanData: Any
    Timestamp: datetime
    Symbology: str | None = None


def test_a_loaded_type_and_a_bare_value_are_read_alike() -> None:
    assert told(Loaded("GS1", data(1, b"JD"), READ, "]C1")).read == Read(b"JD", b"]C1")
    assert only("JD0001") == Told(Read(b"JD0001"), 0)
    assert only(b"JD0001") == Told(Read(b"JD0001"), 0)
    assert list(results_of(None, AUTOID)) == []
    assert list(results_of([], AUTOID)) == []


@pytest.mark.parametrize(
    "value", [extension(5040, b"", 3), extension(9999, b""), data(5, b"x"), data(0, None), 7, READ]
)
def test_anything_else_is_no_result(value: Any) -> None:
    with pytest.raises(ResultError):
        only(value)


@given(body=st.binary(max_size=200), encoding=st.sampled_from(sorted(BY_ENCODING)))  # type: ignore[type-var]
def test_no_bytes_do_more_than_be_refused(body: bytes, encoding: int) -> None:
    try:
        with told_as_link_error("scanner", "a scan can't be read"):
            only(extension(encoding, body))
    except LinkError as error:
        assert str(error).startswith("scanner: a scan can't be read")


@pytest.mark.parametrize(
    ("value", "piece"), [(7, 7), ("0042", 42), (b"42", 42), (" 5 ", 5), (4_294_967_295, 2**32 - 1)]
)
def test_piece_ids(value: Any, piece: int) -> None:
    assert piece_id(value) == piece


def test_bytes_that_are_no_utf8_are_the_code_all_the_same() -> None:
    """A device that tells GBK as text: the library keeps each such byte as half a character."""
    gbk = "运单7".encode("gbk")
    assert only(gbk.decode(errors="surrogateescape")).read.data == gbk


@pytest.mark.parametrize("value", ["9" * 100_000, ["9" * 100_000], b"\xff" * 100_000])
def test_what_is_wrong_is_shown_in_a_line(value: Any) -> None:
    with pytest.raises(ResultError) as caught:
        piece_id(value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", [0, -1, 2**32, "x", "", None, True, 1.0, "99999999999", "٣"])
def test_no_piece_ids(value: Any) -> None:
    with pytest.raises(ResultError):
        piece_id(value)


def test_instants() -> None:
    assert instant_ns(datetime(1970, 1, 1)) == 0
    assert instant_ns(datetime(1970, 1, 1, 0, 0, 1, 1)) == 1_000_001_000
    assert instant_ns(datetime(1601, 1, 1, tzinfo=UTC)) == 0
    assert instant_ns(None) == 0


def test_a_structure_survives_the_wire() -> None:
    result = ScanResult(
        CodeType=ua.String("EPC"), ScanData=data(3, EPC), Timestamp=READ  # type: ignore[arg-type]
    )  # fmt: skip
    assert struct_from_binary(ScanResult, Buffer(struct_to_binary(result))) == result
