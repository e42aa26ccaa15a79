"""The structures of AutoID (OPC 30010, 9.3 and 9.4) that scan results are made of.

Declared here and not loaded from each server: the OPC UA library keeps loaded types in one table of
the process, by a namespace index that differs from server to server. A structure is decoded as far
as it is declared, so one that a later version appends to is read as well.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional

from asyncua import ua

NAMESPACE = "http://opcfoundation.org/UA/AutoID/"


@dataclass(slots=True, kw_only=True)
class ScanDataEpc:
    """The memory of an RFID tag."""

    PC: ua.UInt16
    UId: ua.ByteString
    XPC_W1: ua.UInt16
    XPC_W2: ua.UInt16


@dataclass(slots=True, kw_only=True)
class ScanDataUnion(ua.UaUnion):
    """What was read. ``Encoding`` is the place of the value's kind below, from 1."""

    Encoding: ua.UInt32 = field(default_factory=ua.UInt32)
    Value: Any = None

    _union_types: ClassVar[list[Any]] = [ua.ByteString, ua.String, ScanDataEpc, ua.Variant]


@dataclass(slots=True, kw_only=True)
class LocalCoordinate:
    """A place in the plant."""

    X: ua.Double
    Y: ua.Double
    Z: ua.Double
    Timestamp: ua.DateTime
    DilutionOfPrecision: ua.Double
    UsefulPrecision: ua.Int32


@dataclass(slots=True, kw_only=True)
class Wgs84Coordinate:
    """A place on the globe."""

    NorthSouth: ua.String
    Latitude: ua.Double
    EastWest: ua.String
    Longitude: ua.Double
    Altitude: ua.Double
    Timestamp: ua.DateTime
    DilutionOfPrecision: ua.Double
    UsefulPrecisionLatLon: ua.Int32
    UsefulPrecisionAlt: ua.Int32


@dataclass(slots=True, kw_only=True)
class LocationUnion(ua.UaUnion):
    """Where it was read."""

    Encoding: ua.UInt32 = field(default_factory=ua.UInt32)
    Value: Any = None

    _union_types: ClassVar[list[Any]] = [ua.String, LocalCoordinate, Wgs84Coordinate, ua.String]


@dataclass(slots=True, kw_only=True)
class PicturePosition:
    """Where in the picture the code is."""

    PositionX: ua.Int32
    PositionY: ua.Int32
    SizeX: ua.Int32
    SizeY: ua.Int32
    Rotation: ua.Int32


@dataclass(slots=True, kw_only=True)
class ScanResult:
    """One code, as every kind of device tells it."""

    Encoding: ua.UInt32 = field(default_factory=ua.UInt32, repr=False, compare=False)
    """Which optional fields there are."""
    CodeType: ua.String
    ScanData: ScanDataUnion
    Timestamp: ua.DateTime
    Location: Optional[LocationUnion] = None  # noqa: UP045 - the library tells optional fields by it


@dataclass(slots=True, kw_only=True)
class OpticalScanResult(ScanResult):
    """One code as an optical scanner tells it."""

    Grade: Optional[ua.Float] = None  # noqa: UP045
    Position: Optional[PicturePosition] = None  # noqa: UP045
    Symbology: Optional[ua.String] = None  # noqa: UP045
    """AIM identifier (ISO/IEC 15424)."""
    ImageId: Optional[ua.NodeId] = None  # noqa: UP045


BY_ENCODING: dict[object, type] = {
    5002: ScanResult,
    5004: ScanResult,  # OcrScanResult
    5011: ScanResult,  # RfidScanResult
    5030: ScanDataUnion,
    5036: ScanDataEpc,
    5040: OpticalScanResult,
    5052: OpticalScanResult,  # OpticalVerifierScanResult
}
"""Structure by the node of its binary encoding, in AutoID's namespace."""
SCAN_EVENTS = (1004, 1005, 1006, 1009, 1013)
"""Event types of a scan: any, OCR, RFID, optical, optical verifier."""
