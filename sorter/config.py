"""The site file: what a centre has, where it listens, what its PLCs need. TOML, all of it checked.

Secrets (the database DSN, the upstream host's token) may come from the environment instead:
``SORTER_DATABASE_DSN``, ``SORTER_UPSTREAM_TOKEN``.
Paths in a site file are relative to the file.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from plc_adapters.contract import SCANNERS_MAX, STATION_NUMBER_MAX, AdapterError
from plc_adapters.modbus.profiles import PROFILES, ProfileName, beyond_limits, fill_in
from plc_adapters.modbus.tls import TLS_PORT
from plc_adapters.opcua.nodes import NodeMap
from plc_adapters.opcua.settings import OpcuaLink
from sorter.config_http import Http
from sorter.config_push import Push
from sorter.config_scanners import OpcuaEndpoint, Scanner, expect_apart
from sorter.config_section import LinkTls, Name, Port, Section
from sorter.config_sensors import SENSORS_MAX, AnySensors, expect_distinct
from sorter.errors import ConfigError

SLIP_OF_MAX = 62
"""Newest confirmations the slip detector can look at: it keeps them as the bits of one number."""


class Site(Section):
    """Who and where this centre is."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")
    state_dir: Path = Path("state")
    """Journal, compiled plans, shared memory, embedded database."""


class Network(Section):
    """The network description the centre belongs to."""

    path: Path | None = None
    """Folder of the network's tables; the Lianyungang network that ships with the package if left
    out."""
    centre: str = Field(min_length=1, max_length=32)
    pre_advice: Path | None = None
    """CSV of pre-advised waybills to load at start: waybill,brand,service_class,destination."""


class Store(Section):
    """PostgreSQL."""

    dsn: str = ""
    """Empty: the service runs its own embedded server (not for production)."""
    retention_days: int = Field(default=30, ge=1, le=3650)


class JournalSettings(Section):
    """The journal of the line process."""

    segment_mib: int = Field(default=64, ge=1, le=1024)
    commit_interval_ms: int = Field(default=5, ge=1, le=1000)
    """At most so much is lost in a power cut; a killed process loses nothing."""
    queue_batches_max: int = Field(default=4096, ge=16, le=1_000_000)
    keep_mib: int = Field(default=1024, ge=1, le=1_048_576)
    """Segments of a line that the database holds stay up to this size, for replay and what-if."""


class Link(Section):
    """How to reach one PLC, and what it can take."""

    profile: ProfileName | None = None
    """Family of the PLC: fills in what the link leaves out; see ``sorter plc profiles``."""
    host: str = "127.0.0.1"
    port: Port = 502
    """802 if left out and ``tls`` is given."""
    tls: LinkTls | None = None
    unit_id: int = Field(default=1, ge=0, le=255)
    base_address: int = Field(default=0, ge=0, le=65535)
    """Holding register at which the mailbox begins."""
    seat: Literal[0, 1] = 0
    word_order: Literal["big", "little"] = "big"
    """Which word of a 32-bit value comes first."""
    string_byte_order: Literal["big", "little"] = "big"
    """Which byte of a register comes first in a text."""
    words_per_read: int = Field(default=125, ge=40, le=125)
    words_per_write: int = Field(default=123, ge=18, le=123)
    poll_period_ms: int = Field(default=5, ge=1, le=1000)
    timeout_ms: int = Field(default=500, ge=20, le=60_000)
    heartbeat_ms: int = Field(default=100, ge=10, le=10_000)
    watch_ms: int = Field(default=20, ge=5, le=1000)
    """A standby looks so often whether the PLC calls the line's host silent. It comes on top of the
    PLC's own watchdog, so it is short beside it, and still leaves a PLC 20 ms between two reads."""
    silence_ms: int = Field(default=1000, ge=50, le=60_000)
    """A PLC whose heartbeat stands still for so long is taken for gone."""
    reconnect_max_ms: int = Field(default=2000, ge=50, le=60_000)

    @model_validator(mode="before")
    @classmethod
    def _take_profile(cls, raw: Any) -> Any:
        """Fill in what the profile and TLS say; whatever the link itself gives counts."""
        if not isinstance(raw, dict):
            return raw
        given = {"port": TLS_PORT} | raw if raw.get("tls") is not None else raw
        profile = PROFILES.get(str(raw.get("profile")))
        if profile is None:
            return given
        problems = beyond_limits(given, profile)
        if problems:
            raise ValueError("; ".join(problems))
        return fill_in(given, profile)


class Nodes(Section):
    """Which variables of an OPC UA server hold the mailbox; identifiers without a namespace."""

    namespace: str = NodeMap().namespace
    """URI; its index is looked up at each connection."""
    header: str = NodeMap().header
    seat: str = NodeMap().seat
    instruction: str = NodeMap().instruction
    """With ``{seat}`` and ``{slot}``, for servers that take no index ranges; else empty."""
    events: str = NodeMap().events
    """With ``{slot}`` for such servers."""
    head: str = NodeMap().head
    """Watched, to read events as they come; empty: polled alone."""


class LinkOpcua(OpcuaEndpoint):
    """How to reach one PLC over OPC UA, and what it can take."""

    nodes: Nodes = Nodes()
    seat: Literal[0, 1] = 0
    word_order: Literal["big", "little"] = "big"
    string_byte_order: Literal["big", "little"] = "big"
    words_per_read: int = Field(default=320, ge=40)
    """At most 19,200: what a turn of the line takes."""
    words_per_write: int = Field(default=180, ge=18, le=576)
    poll_period_ms: int = Field(default=20, ge=1, le=1000)
    """The longest the host looks away from the event ring."""
    publishing_interval_ms: int = Field(default=10, ge=1, le=1000)
    """Asked of the server; revised beyond poll_period_ms the ring is polled alone."""
    sampling_interval_ms: int = Field(default=5, ge=0, le=1000)
    heartbeat_ms: int = Field(default=100, ge=10, le=10_000)
    watch_ms: int = Field(default=20, ge=5, le=1000)
    silence_ms: int = Field(default=1000, ge=50, le=60_000)
    reconnect_max_ms: int = Field(default=2000, ge=50, le=60_000)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        try:
            OpcuaLink.of(self)
        except AdapterError as error:
            raise ValueError("; ".join(str(error).splitlines())) from None
        return self


class Machine(Section):
    """The metal of one sorter."""

    kind: Literal["loop", "diverter"] = "loop"
    """A loop brings a piece round again; a diverter line passes it once, to its end."""
    chutes: Path
    """CSV: chute,position_mm,capacity_pieces, and pieces_per_minute if wanted. Positions run from
    the scanner, downstream."""
    speed_mm_s: int = Field(ge=100, le=5000)
    reaction_ms: int = Field(default=20, ge=0, le=1000)
    """What the PLC needs between holding an instruction and acting on it; on a diverter line also
    the way from the photo-eye, where it acts, to the wheels."""
    stations: tuple[Annotated[int, Field(ge=1, le=STATION_NUMBER_MAX)], ...] = ()
    """Induction stations: their counts are told from 0 on, others' from their first piece on."""


class SlipDetector(Section):
    """When a line's pieces are found elsewhere than sent too often, it is quarantined.

    Mechanical mis-sorts are up to 1 in 100 in the field: 5 among 20 then come once in a million
    confirmations or less, while a sorter that has slipped is noticed within its first ten pieces.
    """

    mismatches: int = Field(default=5, ge=0, le=SLIP_OF_MAX)
    """So many quarantine the line; 0 for never."""
    of: int = Field(default=20, ge=1, le=SLIP_OF_MAX)
    """Among so many of the newest pieces that a sensor saw fall into a chute."""

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.mismatches > self.of:
            raise ValueError(f"{self.mismatches} mismatches can't be among {self.of}; raise of")
        return self


class Line(Section):
    """One sorter line."""

    name: Name
    plan: Path
    machine: Machine
    slip_detector: SlipDetector = SlipDetector()
    scanners: list[Scanner] = Field(default=[], max_length=SCANNERS_MAX)
    """Scanners of their own beside the PLC."""

    @field_validator("scanners")
    @classmethod
    def _scanners_are_apart(cls, scanners: list[Scanner]) -> list[Scanner]:
        expect_apart(scanners)
        return scanners


class ModbusLine(Line):
    """A line whose PLC speaks Modbus."""

    adapter: Literal["modbus"] = "modbus"
    link: Link = Link()


class OpcuaLine(Line):
    """A line whose PLC speaks OPC UA."""

    adapter: Literal["opcua"]
    link: LinkOpcua


ADAPTERS = ("modbus", "opcua")


def _adapter_of(raw: Any) -> str:
    """Return by which adapter's rules a line is to be read; a wrong name is told by those."""
    adapter = raw.get("adapter") if isinstance(raw, dict) else getattr(raw, "adapter", None)
    return adapter if adapter in ADAPTERS else "modbus"


AnyLine = Annotated[
    Annotated[ModbusLine, Tag("modbus")] | Annotated[OpcuaLine, Tag("opcua")],
    Discriminator(_adapter_of),
]


class Upstream(Section):
    """The upstream host that is asked where pieces go; the plans say whether a line asks it."""

    url: str = Field(max_length=1024, pattern=r"^https?://[^\s/?#@]+(/[^\s#]*)?$")
    """Where questions are posted; without a user in it."""
    token: str = Field(default="", max_length=4096, pattern=r"^[\x21-\x7e]*$", repr=False)
    """Sent as a bearer token; better given in SORTER_UPSTREAM_TOKEN or in a file."""
    token_file: Path | None = None
    ca: Path | None = None
    """Certificates that prove the host's, PEM; the system's if left out."""
    silence_ms: int = Field(default=5_000, ge=100, le=600_000)
    """A host that sends nothing for so long, not even an empty line, is taken for gone."""
    deadline_ms: int = Field(default=60_000, ge=100, le=3_600_000)
    """A question is kept for so long at most."""
    in_flight_max: int = Field(default=2_048, ge=1, le=65_536)
    batch_max: int = Field(default=64, ge=1, le=1_024)
    """Questions of one request."""
    requests_max: int = Field(default=16, ge=1, le=256)
    """Requests at once."""
    attempts_max: int = Field(default=4, ge=1, le=100)
    """Times one question is sent before it is given up."""
    retry_first_ms: int = Field(default=200, ge=10, le=60_000)
    retry_max_ms: int = Field(default=5_000, ge=10, le=600_000)
    """The pause after a failure begins with the first and doubles up to the other."""

    @model_validator(mode="after")
    def _one_token(self) -> "Upstream":
        if self.token and self.token_file:
            raise ValueError("give token or token_file, not both")
        return self


class SiteFile(Section):
    """The whole site file."""

    site: Site
    network: Network
    store: Store = Store()
    http: Http = Http()
    journal: JournalSettings = JournalSettings()
    upstream: Upstream | None = None
    push: Push | None = None
    lines: list[AnyLine] = Field(min_length=1, max_length=32)
    sensor_links: list[AnySensors] = Field(default=[], max_length=SENSORS_MAX)

    @field_validator("sensor_links")
    @classmethod
    def _sensors_are_distinct(cls, links: list[AnySensors]) -> list[AnySensors]:
        expect_distinct(links)
        return links

    @property
    def seat(self) -> int:
        """Seat of this host at its lines' PLCs; told by the first one, for what is of no line."""
        return self.lines[0].link.seat


def load_site(path: Path) -> SiteFile:
    """Read and check a site file; relative paths in it come back absolute.

    Raises:
        ConfigError: the file is missing, is no TOML, or holds wrong or unknown keys; one line for
            each, with file and key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; give --config the site file to run") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    dsn = os.environ.get("SORTER_DATABASE_DSN")
    if dsn and isinstance(raw.setdefault("store", {}), dict):
        raw["store"]["dsn"] = dsn
    token = os.environ.get("SORTER_UPSTREAM_TOKEN")
    if token and isinstance(raw.get("upstream"), dict):
        raw["upstream"].pop("token_file", None)
        raw["upstream"]["token"] = token
    if isinstance(raw.get("site"), dict):
        raw["site"].setdefault("state_dir", "state")
    try:
        site = SiteFile.model_validate(_absolute(raw, path.resolve().parent))
    except ValidationError as error:
        raise ConfigError(*(_explain(path, dict(e)) for e in error.errors())) from None
    names = [line.name for line in site.lines]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ConfigError(
            *(f"{path}: lines: the name {n!r} is used twice; rename one" for n in doubled)
        )
    return site


PATH_KEYS = frozenset(
    {"state_dir", "path", "pre_advice", "plan", "chutes", "ca", "certificate", "key", "trusted"}
    | {"password_file", "user_certificate", "user_key", "token_file", "keys_file"}
)


SECRET_KEYS = frozenset({"dsn", "store", "token"})
"""What these hold is in no message."""


def _absolute(node: Any, base: Path) -> Any:
    """Make every path of the raw tree absolute, relative to the site file's folder."""
    if isinstance(node, dict):
        return {
            k: str(base / v) if k in PATH_KEYS and isinstance(v, str) else _absolute(v, base)
            for k, v in node.items()
        }
    if isinstance(node, list):
        return [_absolute(item, base) for item in node]
    return node


def _explain(path: Path, error: dict[str, Any]) -> str:
    """One line for one validation error: file, key, what is wrong, what to do."""
    # The adapter stands in the place of an error as if it were a key.
    parts = [str(part) for part in error["loc"]]
    if parts[:1] == ["lines"] and parts[2:3] and parts[2] in ADAPTERS:
        del parts[2]
    key = ".".join(parts)
    if error["type"] == "extra_forbidden":
        return f"{path}: {key}: unknown key; remove it or correct its spelling"
    if error["type"] == "missing":
        return f"{path}: {key}: missing; add it"
    if error["type"] == "value_error":
        return f"{path}: {key}: {error['ctx']['error']}"
    told = "" if SECRET_KEYS.intersection(parts) else f" (it is {error.get('input')!r})"
    return f"{path}: {key}: {error['msg']}{told}"
