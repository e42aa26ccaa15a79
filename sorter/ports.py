"""The records that travel between the rooms, and the ports that wiring plugs together.

EVENT and INSTRUCTION come from :mod:`plc_adapters.contract`; what the service itself adds stands
here: what was decided (DECISION), the piece as one record from induction to its end (PIECE), and
the state of a chute (CHUTE).
"""

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag, StrEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CHUTES_MAX, CODE_BYTES, EVENT, Records

BRANDS_MAX = 32
"""Brands one centre can serve; brand 0 means "not known"."""
CLASSES_MAX = 8
"""Service classes; class 0 means "not known"."""
PIECES_MAX = 65_536
"""Pieces one line can have in flight; a loop of 400 m holds some hundreds."""
BATCH_MAX = 512
"""Events taken in one turn of a line's loop."""


HELD_BACK = -1
"""Destination of a PIECE that a hold took from it: only pre-advice may give it another one."""


class HoldKind(IntFlag):
    """Why a pre-advised piece must not leave, in the order in which the reasons count.

    Bit ``k`` stands for the disposition ``INTERCEPTED + k``.
    """

    INTERCEPTED = 1
    SECURITY_NOT_CLEARED = 2
    CUSTOMS_NOT_RELEASED = 4
    COLD_CHAIN_BROKEN = 8
    DAMAGED = 16


class MissortCause(IntEnum):
    """Why a piece went elsewhere than first assigned (:mod:`sorter.assignment.missorts`)."""

    NONE = 0
    """It did not, or was never assigned anywhere."""
    READ = 1
    """A later scan read another waybill on it, or the first one at all, or two of them."""
    DECISION = 2
    """The answer was revised with the same waybill: by the upstream host, a hold, a quarantine, or
    for want of a chute in reach."""
    TIMING = 3
    """The PLC held no answer when it was needed: it came too late, or the host was silent."""
    MECHANICAL = 4
    """The sorter did not carry out the answer it held: the chute was full, closed or failed at that
    instant, the piece was lost, or fell where no answer sent it."""
    MANUAL = 5
    """A person took it off."""


class HostAnswer(IntEnum):
    """What the upstream host said of a piece."""

    NONE = 0
    """Nothing so far."""
    KNOWN = 1
    """Where it goes, or why it must not leave."""
    UNKNOWN = 2
    """That it does not know the piece's waybill."""


DECISION = np.dtype(
    [
        ("line", "u2"),
        ("lap", "u2"),
        ("revision", "u2"),
        ("disposition", "u2"),
        ("boot_id", "u4"),
        ("event_sequence", "u4"),
        ("piece_id", "u4"),
        ("plan_version", "u4"),
        ("chutes", "u2", (CHUTES_MAX,)),
        ("group", "u2"),
        ("brand", "u2"),
        ("service_class", "u2"),
        ("waybill_length", "u2"),
        ("host_answer", "u4"),
        ("host_holds", "u4"),
        ("destination", "i8"),
        ("decided_ns", "i8"),
        ("deadline_ns", "i8"),
        ("waybill", "u1", (CODE_BYTES,)),
    ],
    align=True,
)
"""Why a piece was sent where: one for each SCANNED event that still could be answered, and one for
each answer of the upstream host that changed something.

``event_sequence`` is the scan it answers, of a host's answer the piece's last one before it;
``host_answer`` and ``host_holds`` (bits of HoldKind) are what that answer said, 0 of a scan;
``destination`` a division code as a number, 0 unknown; ``group`` the plan's chute group, 0 none;
``deadline_ns`` the pass of the first chute named, less the PLC's own reaction time.
"""

PIECE = np.dtype(
    [
        ("line", "u2"),
        ("station", "u2"),
        ("cell", "u2"),
        ("lap", "u2"),
        ("boot_id", "u4"),
        ("piece_id", "u4"),
        ("inducted_ns", "i8"),
        ("scanned_ns", "i8"),
        ("ended_ns", "i8"),
        ("outcome", "u2"),
        ("chute", "u2"),
        ("scans", "u2"),
        ("answer", "u2"),
        ("revision", "u2"),
        ("disposition", "u2"),
        ("group", "u2"),
        ("brand", "u2"),
        ("service_class", "u2"),
        ("waybill_length", "u2"),
        ("first_chute", "u2"),
        ("reserved_chute", "u2"),
        ("chutes", "u2", (CHUTES_MAX,)),
        ("plan_version", "u4"),
        ("scan_sequence", "u4"),
        ("asked_lap", "u4"),
        ("host_answer", "u4"),
        ("host_holds", "u4"),
        ("cause", "u4"),
        ("weight_g", "i4"),
        ("length_mm", "i2"),
        ("width_mm", "i2"),
        ("height_mm", "i2"),
        ("conflict", "u2"),
        ("slack_ms", "i4"),
        ("destination", "i8"),
        ("waybill", "u1", (CODE_BYTES,)),
    ],
    align=True,
)
"""A piece from induction to its end, one record; in flight while ``ended_ns`` is 0.

``outcome`` is a DischargeStatus, ``answer`` the last AnswerStatus the PLC gave, ``first_chute`` the
chute first assigned (what a mis-sort is measured against), ``reserved_chute`` where room is kept,
``plan_version`` the one active at its induction, under which it is decided on every lap (0 until
the first decision for a piece first heard of later),
``destination`` a division code, 0 unknown, or HELD_BACK,
``slack_ms`` the smallest slack of its instructions (2**31-1 before the first), ``conflict`` 1 once
two different waybills were read on it by one scan, 2 if by several: it then stays a conflict.
``scan_sequence`` is its newest scan. ``asked_lap`` is 1 more than the lap on which the upstream
host was first asked, 0 where it was not; ``host_answer`` and ``host_holds`` are what it said.
``cause`` is a MissortCause: while in flight why it is bound elsewhere than first assigned, from its
end on why it went elsewhere.
"""

HOST_ANSWER = np.dtype(
    [
        ("boot_id", "u4"),
        ("piece_id", "u4"),
        ("answer", "u2"),
        ("brand", "u2"),
        ("service_class", "u2"),
        ("holds", "u2"),
        ("destination", "i8"),
    ],
    align=True,
)
"""What the upstream host said of a piece. ``answer`` is a HostAnswer; brand and service class 0
leave what was known; ``holds`` are bits of HoldKind; ``destination`` is a division code, 0 only
where there are holds or the host does not know."""

QUESTION = np.dtype(
    [
        ("line", "S32"),
        ("brand", "S32"),
        ("asked_ns", "i8"),
        ("answer_by_ns", "i8"),
        ("boot_id", "u4"),
        ("piece_id", "u4"),
        ("lap", "u2"),
        ("repeat", "u2"),
        ("waybill_length", "u4"),
        ("waybill", "u1", (CODE_BYTES,)),
    ],
    align=True,
)
"""A piece that the upstream host is asked for. ``line`` and ``brand`` are names, the latter empty
where it is not known; ``answer_by_ns`` is when the piece passes the last chute of its lap; both
instants are of the machine's monotonic clock, which all its processes share. ``repeat`` is 1 where
the host may have been asked for the piece before."""


class HostCount(IntEnum):
    """Index of each number that a line counts of its questions, since its process began."""

    QUESTIONS = 0
    """Questions left for the face, repeated ones included."""
    IN_TIME = 1
    """Answers used while their piece waited."""
    LATE = 2
    """Answers used after the wait was over, while their piece travelled on."""
    UNUSED = 3
    """Answers for pieces that had left, were decided otherwise, or could reach nothing more."""
    REFUSED = 4
    """Answers not taken because too many were waiting; the face brings them again."""
    MISNAMED = 5
    """Brands and service classes in answers that the plan does not know."""
    UNANSWERED = 6
    """Pieces that left by the plan's chute for a late host."""


class HostFailure(StrEnum):
    """Why a request to the upstream host failed, or a line of its answer was of no use."""

    CONNECT = "connect"
    """No connection came about."""
    SILENT = "silent"
    """Nothing came for too long."""
    BROKEN = "broken"
    """The connection broke, or did not speak HTTP."""
    STATUS = "status"
    """A status other than 200."""
    TOO_LARGE = "too_large"
    GARBAGE = "garbage"
    """A line that is no answer; counted by line."""
    INCOMPLETE = "incomplete"
    """A request ended without any answer."""


@dataclass(slots=True)
class HostStatus:
    """How it stands with the upstream host, since the process that asks it began."""

    url: str
    problem: str = ""
    """What is wrong, empty while all is well or nothing was asked yet."""
    in_flight: int = 0
    """Questions that are open."""
    requests_now: int = 0
    to_deliver: int = 0
    """Answers on their way to their lines."""
    asked: int = 0
    answered: int = 0
    unanswered: int = 0
    """Questions given up: their time was over, or they were sent often enough."""
    requests: int = 0
    overflow: int = 0
    """Questions not asked because too many were open."""
    stale: int = 0
    """Questions whose time was over before they were read."""
    overwritten: int = 0
    """Questions lost because they were read too slowly."""
    unasked: int = 0
    """Answers to nothing that is open: repeated ones, late ones, others' pieces."""
    undelivered: int = 0
    """Answers that their line did not take in time."""
    failures: dict[HostFailure, int] = field(default_factory=lambda: dict.fromkeys(HostFailure, 0))


CHUTE = np.dtype(
    [
        ("exists", "u2"),
        ("state", "u2"),
        ("locked", "u2"),
        ("capacity", "i4"),
        ("fill", "i4"),
        ("reserved", "i4"),
        ("per_minute", "i4"),
        ("discharged", "i8"),
        ("travel_ns", "i8"),
        ("rate_due_ns", "i8"),
    ],
    align=True,
)
"""A chute, by its number. ``state`` is the PLC's ChuteState, ``locked`` the operator's word;
``capacity``, ``fill`` and ``reserved`` count pieces; ``travel_ns`` from the scanner's photo-eye.
Row 0 is no chute: its ``travel_ns`` is that of the last one, by which a piece that is to stay on
must be known to the PLC, as it would leave there by default.
``per_minute`` is how many pieces it may take in a minute, 0 for any number; ``rate_due_ns`` when it
could take another one if each were waited for (:mod:`sorter.assignment.rates`)."""


class Batch(NamedTuple):
    """What one turn of a line's loop leaves to the journal: all of it or none of it is kept."""

    line: int
    events: Records
    decisions: Records
    pieces: Records
    """Pieces that ended in this turn."""

    @classmethod
    def empty(cls, line: int) -> "Batch":
        """Return a batch with nothing in it."""
        return cls(line, np.empty(0, EVENT), np.empty(0, DECISION), np.empty(0, PIECE))


class Snapshot(NamedTuple):
    """A line's whole state as the journal keeps it at the head of a segment."""

    line: int
    content: bytes


class Standing(NamedTuple):
    """What a line's decisions stand on besides its own state, from one batch to another."""

    line: int
    plan: int
    """Version that is active."""
    pre_advice: str
    """Name of the image of pre-advice, empty where none was loaded."""
    locked: tuple[int, ...]
    """Chutes that an operator has locked, in order."""
    slip: tuple[int, int]
    """So many mismatches among the newest so many confirmations quarantine the line."""
    begun_ns: int
    """When the process that decides began."""


class JournalPort(Protocol):
    """Where the line leaves its records; never waits."""

    def offer(self, batch: Batch) -> bool:
        """Take a copy; False (and counted) if the queue is full, so that the line alarms."""

    def durable(self, line: int) -> int:
        """Sequence of the newest event of that line which a crash can't take any more."""

    def wants_snapshot(self, line: int) -> bool:
        """Whether the line should offer a snapshot, between two turns."""

    def offer_snapshot(self, line: int, content: bytes) -> None:
        """Take the line's state after all batches it has offered."""

    def offer_standing(self, standing: Standing) -> None:
        """Take what the line's decisions stand on after all batches it has offered."""


class TakeoverJournal(JournalPort, Protocol):
    """Where a line leaves its records that was another host's until now."""

    def offer_blank(self, line: int, content: bytes) -> None:
        """Take a state of which nothing is known: up to the next one, others have decided."""


Array = NDArray[np.generic]
