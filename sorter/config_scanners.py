"""Scanners of their own beside a line's PLC: where they are, and how their results are tied."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from plc_adapters.autoid.codes import CodeFilter
from plc_adapters.autoid.settings import DeliveryMode, ScannerSettings
from plc_adapters.autoid.tie import Window
from plc_adapters.contract import STATION_NUMBER_MAX
from plc_adapters.opcua.settings import Endpoint, Mode, Policy
from sorter.config_section import Name, Section


class OpcuaEndpoint(Section):
    """How to reach an OPC UA server, and as whom."""

    url: str = "opc.tcp://127.0.0.1:4840"
    security_policy: Policy = "Basic256Sha256"
    security_mode: Mode = "SignAndEncrypt"
    certificate: Path | None = None
    """This host's, DER or PEM, and its ``key``: ``sorter plc certificate`` makes both."""
    key: Path | None = None
    trusted: Path | None = None
    """Folder of the servers' certificates: ``sorter plc trust`` puts them there."""
    user: str = ""
    """Anonymous if empty and there is no ``user_certificate``."""
    password_file: Path | None = None
    password_env: str = ""
    """Name of an environment variable with the password, if it is in no file."""
    user_certificate: Path | None = None
    user_key: Path | None = None
    timeout_ms: int = Field(default=1000, ge=20, le=60_000)


class ScannerLink(OpcuaEndpoint):
    """How to reach one scanner."""

    publishing_interval_ms: int = Field(default=20, ge=1, le=1000)
    """Asked of the scanner; one that can't publish within delivery_ms is refused."""
    sampling_interval_ms: int = Field(default=10, ge=0, le=1000)
    """Of last_scan_data alone: events come as they happen."""
    reconnect_max_ms: int = Field(default=2000, ge=50, le=60_000)


class Tie(Section):
    """Which result belongs to which piece."""

    by: Literal["photo_eye", "trigger_id"] = "photo_eye"
    """By when it was read, or by the piece id that its event bears."""
    offset_ms: int = Field(default=0, ge=-10_000, le=10_000)
    """From the instant of the PLC's scan event to the earliest reading of that piece."""
    window_ms: int = Field(default=150, ge=1, le=10_000)
    """From the earliest to the latest reading; with trigger_id how long a result is waited for."""
    delivery_ms: int = Field(default=150, ge=1, le=10_000)
    """From a reading to its result's arrival here, at the latest; pieces wait for it."""
    trigger_field: str = Field(default="", max_length=128)
    """Name of the event's field with the piece id, and the URI of the name's namespace."""
    trigger_namespace: str = Field(default="", max_length=512)


class ScannerCodes(Section):
    """Which of a scanner's codes count; what is left out lets all through."""

    no_read: tuple[Annotated[str, Field(max_length=128)], ...] = Field(default=(), max_length=32)
    """Texts by which it says that it read nothing; upper and lower case are alike."""
    pattern: str = Field(default="", max_length=1024)
    """Regular expression that a whole code must match, without its AIM prefix."""
    symbologies: tuple[Annotated[str, Field(max_length=3)], ...] = Field(default=(), max_length=64)
    """AIM identifiers or their beginnings: "]C1", "]Q"."""
    length_min: int = Field(default=1, ge=1, le=4096)
    length_max: int = Field(default=4096, ge=1, le=4096)

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern.encode())
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return pattern


class Scanner(Section):
    """A scanner that is an AutoID device (OPC 30010) of its own."""

    name: Name
    station: int = Field(ge=1, le=STATION_NUMBER_MAX)
    """Station of the PLC's scan events that are to bear its codes."""
    mode: DeliveryMode = "events"
    """``last_scan_data`` for a device that raises no scan events."""
    device: str = Field(default="", max_length=512)
    """Identifier of its object: ``s=``, ``i=``, ``g=`` or ``b=`` and a value; all events of the
    server if empty. ``device_namespace`` is the URI of the identifier's namespace."""
    device_namespace: str = Field(default="", max_length=512)
    link: ScannerLink
    tie: Tie = Tie()
    codes: ScannerCodes = ScannerCodes()

    def settings(self) -> ScannerSettings:
        """Return what the way to the scanner needs."""
        link, tie = self.link, self.tie
        of_endpoint = {name: getattr(link, name) for name in OpcuaEndpoint.model_fields}
        return ScannerSettings(
            self.name,
            self.station,
            Endpoint(**of_endpoint),
            mode=self.mode,
            device=self.device,
            device_namespace=self.device_namespace,
            trigger_field=tie.trigger_field,
            trigger_namespace=tie.trigger_namespace,
            window=Window(tie.offset_ms, tie.window_ms, tie.delivery_ms, tie.by == "trigger_id"),
            codes=CodeFilter(**self.codes.model_dump()),
            publishing_interval_ms=link.publishing_interval_ms,
            sampling_interval_ms=link.sampling_interval_ms,
            reconnect_max_ms=link.reconnect_max_ms,
        )

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        problems = self.settings().problems()
        if problems:
            raise ValueError("; ".join(problems))
        return self


def expect_apart(scanners: list[Scanner]) -> None:
    """Raise ValueError where two scanners of a line share a name or a station."""
    for scanner in scanners:
        if sum(other.name == scanner.name for other in scanners) > 1:
            raise ValueError(f"the name {scanner.name!r} is used twice; rename one")
        if sum(other.station == scanner.station for other in scanners) > 1:
            raise ValueError(f"station {scanner.station} has two scanners; a station has one")
