"""What a check of a PLC found: a verdict a line, and what was measured."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAIL = "fail"
    UNCHECKED = "unchecked"
    """It could not be checked: the finding says what would make it possible."""


class Mark(StrEnum):
    """Each thing that is checked, in the order in which it is reported."""

    REACHABLE = "reachable"
    MAGIC = "magic"
    WORD_ORDER = "word-order"
    STRING_BYTE_ORDER = "string-byte-order"
    LAYOUT_VERSION = "layout-version"
    EVENT_SLOTS = "event-slots"
    IMAGE = "image"
    BOOT_ID = "boot-id"
    HEARTBEAT = "heartbeat"
    CLOCK = "clock"
    MACHINE_STATE = "machine-state"
    REQUEST_TIME = "request-time"
    ONE_WRITER = "one-writer"
    GRANT = "grant"
    SECOND_HOST = "second-host"
    EVENTS = "events"
    WHOLE_SLOTS = "whole-slots"
    ECHO = "echo"
    CONSUMED = "consumed"
    CHECK_SUM = "check-sum"
    UNKNOWN_CHUTE = "unknown-chute"
    UNKNOWN_PIECE = "unknown-piece"
    LOWER_EPOCH = "lower-epoch"
    OTHER_SEAT = "other-seat"
    HELD = "held"
    REVISION = "revision"
    SORTED = "sorted"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGEMENT = "acknowledgement"
    ACKNOWLEDGEMENT_BEYOND = "acknowledgement-beyond"
    WRAP = "wrap"
    LOAD = "load"
    COUNTERS = "counters"
    SILENT_HOST = "silent-host"
    DEFAULTED = "defaulted"
    LOWER_CLAIM = "lower-claim"
    HOST_BACK = "host-back"
    TAKE_OVER = "take-over"


class ScannerMark(StrEnum):
    """Each thing that is checked of a scanner beside the PLC, in the order of the report."""

    REACHABLE = "scanner-reachable"
    SECURITY = "scanner-security"
    AUTOID = "scanner-autoid"
    DEVICE = "scanner-device"
    DELIVERY = "scanner-delivery"
    SCAN = "scanner-scan"
    READABLE = "scanner-readable"
    FILTER = "scanner-filter"
    NO_READ = "scanner-no-read"
    CLOCK = "scanner-clock"
    TRIGGER_ID = "scanner-trigger-id"
    TIE = "scanner-tie"


TITLES: dict[Mark | ScannerMark, str] = {
    Mark.REACHABLE: "The PLC can be reached",
    Mark.MAGIC: "The mailbox begins where it should",
    Mark.WORD_ORDER: "Word order of 32-bit values",
    Mark.STRING_BYTE_ORDER: "Byte order of texts",
    Mark.LAYOUT_VERSION: "Layout version",
    Mark.EVENT_SLOTS: "Slots of the event ring",
    Mark.IMAGE: "All registers can be read",
    Mark.BOOT_ID: "Boot id",
    Mark.HEARTBEAT: "The PLC's heartbeat counts",
    Mark.CLOCK: "The PLC's clock runs",
    Mark.MACHINE_STATE: "Pieces are inducted in execute alone",
    Mark.REQUEST_TIME: "Requests are answered fast enough",
    Mark.ONE_WRITER: "A seat is written by its host alone",
    Mark.GRANT: "A free seat is granted",
    Mark.SECOND_HOST: "No second host beside a living one",
    Mark.EVENTS: "Events come in sequence",
    Mark.WHOLE_SLOTS: "Slots are written whole, sequence last",
    Mark.ECHO: "Every instruction is echoed",
    Mark.CONSUMED: "The header says what was taken",
    Mark.CHECK_SUM: "A wrong check sum is refused",
    Mark.UNKNOWN_CHUTE: "A chute that does not exist is refused",
    Mark.UNKNOWN_PIECE: "A piece that does not exist is refused",
    Mark.LOWER_EPOCH: "Instructions of a lower epoch are refused",
    Mark.OTHER_SEAT: "Instructions of the other seat are refused",
    Mark.HELD: "The first instruction of a lap is kept",
    Mark.REVISION: "A higher revision replaces it",
    Mark.SORTED: "Pieces leave at the chute named",
    Mark.UNACKNOWLEDGED: "Unacknowledged slots are kept",
    Mark.ACKNOWLEDGEMENT: "Acknowledgements are taken",
    Mark.ACKNOWLEDGEMENT_BEYOND: "An impossible acknowledgement is ignored",
    Mark.WRAP: "The sequence wraps from 4294967295 to 1",
    Mark.LOAD: "Nothing is lost under load",
    Mark.COUNTERS: "Counters agree with the events",
    Mark.SILENT_HOST: "A silent host is noticed",
    Mark.DEFAULTED: "Pieces of a silent host go to the default chute",
    Mark.LOWER_CLAIM: "A lower epoch is never granted",
    Mark.HOST_BACK: "A host that comes back goes on",
    Mark.TAKE_OVER: "A second host takes over from a silent one",
    ScannerMark.REACHABLE: "The scanner can be reached",
    ScannerMark.SECURITY: "A secured session is opened",
    ScannerMark.AUTOID: "It speaks AutoID (OPC 30010)",
    ScannerMark.DEVICE: "The device is there, and tells scans as configured",
    ScannerMark.DELIVERY: "Scans are published soon enough",
    ScannerMark.SCAN: "Scans come",
    ScannerMark.READABLE: "Every scan can be read",
    ScannerMark.FILTER: "The filter lets codes through",
    ScannerMark.NO_READ: "Its words for a no-read are known",
    ScannerMark.CLOCK: "It can be told when a piece was read",
    ScannerMark.TRIGGER_ID: "Scans bear the piece id",
    ScannerMark.TIE: "Scans are tied to the PLC's pieces",
}
"""What a person reads for each mark."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict."""

    mark: Mark | ScannerMark
    verdict: Verdict
    seen: str
    """The value seen."""
    advice: str = ""
    """What to change in the PLC or the link; for what was not checked, how to check it."""

    @property
    def title(self) -> str:
        """What was checked, for a person."""
        return TITLES[self.mark]


@dataclass(frozen=True, slots=True)
class Moment:
    """A step of the handshake: what happened, on which side, and when."""

    what: str
    by_plc: bool
    at_ms: float
    """Since the first step."""


class Passed(NamedTuple):
    """A piece that the PLC told at a station whose codes come from elsewhere."""

    station: int
    piece_id: int
    event_ns: int
    """When it passed the photo-eye, on the clock of the check."""


@dataclass(slots=True)
class Measured:
    """What was measured, for the pictures."""

    request_us: list[int] = field(default_factory=list)
    """Round trip of each request, in microseconds, oldest first."""
    answer_us: list[int] = field(default_factory=list)
    """From writing an instruction until its echo was read."""
    handshake: list[Moment] = field(default_factory=list)
    cycle_ms: float = 0.0
    """The PLC's cycle by its heartbeat; 0 if it stands still."""
    load_rate: float = 0.0
    """Events a second that came during the load."""
    load_seconds: float = 0.0
    pieces: int = 0
    """Pieces inducted while it was checked."""
    at_scanners: list[Passed] = field(default_factory=list)
    """Pieces at stations whose codes come from elsewhere, in the PLC's order."""


@dataclass(slots=True)
class Verdicts:
    """Verdicts of one device, one a mark."""

    findings: list[Finding] = field(default_factory=list, kw_only=True)

    @property
    def passed(self) -> bool:
        """Whether nothing failed; what could not be checked is not counted."""
        return not any(finding.verdict is Verdict.FAIL for finding in self.findings)

    def add(self, mark: Mark | ScannerMark, verdict: Verdict, seen: str, advice: str = "") -> None:
        """Add a finding; one of a mark that failed before is kept as it is."""
        if any(finding.mark is mark for finding in self.findings):
            return
        self.findings.append(Finding(mark, verdict, seen, advice))

    def judge(self, mark: Mark | ScannerMark, *, holds: bool, seen: str, advice: str) -> bool:
        """Add ok or fail; the advice is kept for a failure only. Returns whether it holds."""
        self.add(mark, Verdict.OK if holds else Verdict.FAIL, seen, "" if holds else advice)
        return holds

    def skip(self, mark: Mark | ScannerMark, why: str, how: str) -> None:
        """Add what could not be checked, and how it could."""
        self.add(mark, Verdict.UNCHECKED, why, how)

    def verdict_of(self, mark: Mark | ScannerMark) -> Verdict | None:
        """Return the verdict of a mark; None if it has none."""
        return next((f.verdict for f in self.findings if f.mark is mark), None)

    def in_order(self) -> list[Finding]:
        """Return the findings in the order of the marks."""
        places = {mark: place for place, mark in enumerate((*Mark, *ScannerMark))}
        return sorted(self.findings, key=lambda finding: places[finding.mark])


@dataclass(slots=True)
class ScannerResult(Verdicts):
    """All of one scanner beside the PLC."""

    name: str
    station: int
    peer: str
    scans: int = 0
    """That came while it was listened to."""


@dataclass(slots=True)
class Result(Verdicts):
    """All of one PLC, and of the scanners beside it."""

    line: str
    peer: str
    measured: Measured = field(default_factory=Measured)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    """What is known of this family of PLCs."""
    scanners: list[ScannerResult] = field(default_factory=list)

    @property
    def devices(self) -> list[Verdicts]:
        """The PLC, and each scanner."""
        return [self, *self.scanners]

    @property
    def all_passed(self) -> bool:
        """Whether nothing failed of any device."""
        return all(device.passed for device in self.devices)
