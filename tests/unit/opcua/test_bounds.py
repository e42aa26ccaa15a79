"""A message never makes the OPC UA library hold more than its bytes speak for."""

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua.ua_binary import from_binary, variant_from_binary, variant_to_binary

from plc_adapters.autoid.results import results_of
from plc_adapters.host.wire import LinkError
from plc_adapters.opcua.session import told_as_link_error


@pytest.mark.parametrize(
    ("wired", "what"),
    [
        ("80ffffff7f", "2147483647 elements in 0 bytes"),
        ("8000000100 0000", "65536 elements in 2 bytes"),
        ("8cffffff7f fcffffff", "2147483647 elements in 4 bytes"),
        ("8c02000000 fcffffff", "a text claims -4 bytes"),
        ("0cf0ffffff", "a text claims -16 bytes"),
        ("0ffeffffff", "a text claims -2 bytes"),
        ("c600000000 ffffff7f", "2147483647 elements in 0 bytes"),
        ("8600ffffff", "-256 elements in 0 bytes"),
        ("0c05000000 41", "Not enough data"),
    ],
)
def test_a_length_that_is_no_length_is_refused(wired: str, what: str) -> None:
    with pytest.raises(NotEnoughData, match=what):
        variant_from_binary(Buffer(bytes.fromhex(wired)))


def test_a_scans_own_data_is_bound_as_well() -> None:
    """The union's fourth arm holds any variant."""
    body = bytes.fromhex("04000000 80ffffff7f")
    told = ua.ExtensionObject(ua.NodeId(ua.Int32(5030), ua.Int16(4)), ua.ByteString(body))
    refused = pytest.raises(LinkError, match="2147483647 elements in 0 bytes")
    with refused, told_as_link_error("scanner", "a scan can't be read"):
        results_of(told, 4)


@pytest.mark.parametrize(
    "variant",
    [
        ua.Variant([1, 2, 3], ua.VariantType.UInt16),
        ua.Variant([[1, 2], [3, 4]], ua.VariantType.Int32),
        ua.Variant([], ua.VariantType.String),
        ua.Variant(["", None, "\u8fd0\u5355"], ua.VariantType.String),
        ua.Variant([b"", None, b"\xff"], ua.VariantType.ByteString),
        ua.Variant([None, None], ua.VariantType.Null),
        ua.Variant("JD", ua.VariantType.String),
        ua.Variant([True] * 7, ua.VariantType.Boolean),
    ],
)
def test_what_is_right_is_read_as_ever(variant: ua.Variant) -> None:
    # Two bytes follow, as they do in a message.
    assert variant_from_binary(Buffer(variant_to_binary(variant) + b"\0\0")) == variant


def test_texts_within_structures_are_bound_too() -> None:
    with pytest.raises(NotEnoughData, match="a text claims -3 bytes"):
        from_binary(ua.LocalizedText, Buffer(bytes.fromhex("02 fdffffff")))
