"""What the service and a sorter's PLC say to each other: two records and their codes.

An EVENT is what the sorter reports, an INSTRUCTION is what the service answers. Both are numpy
structured records, so that a batch of them goes from the wire to the journal without being
converted twice. Every code, limit and unit of the exchange stands here and nowhere else.

Instants ending in ``_ns`` are nanoseconds of the service's own clock (Unix epoch, never stepping);
``plc_time_ms`` is the PLC's free-running millisecond counter, which wraps every 49.7 days.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

CODES_MAX = 4
"""Codes one scan can carry; a scanner that saw more sets :attr:`ScanStatus.MORE_CODES`."""
CODE_BYTES = 40
"""Bytes of one code, AIM prefix included, NUL-padded. Longer codes are cut and flagged."""
CHUTES_MAX = 4
"""Chutes one instruction can name, in order of preference."""
CHUTE_NUMBER_MAX = 1023
"""Highest chute number; 0 means "no chute". Field surveys give 200 to 600 chutes per sorter."""
STATION_NUMBER_MAX = 255
"""Highest number of an induction station or scanner."""
SCANNERS_MAX = 16
"""Scanners of their own that one line can have beside its PLC."""
LINES_MAX = 32
"""Lines one service process can carry."""
NO_LINE = 0xFFFF
"""Line of an event that no line's PLC reported."""
LAPS_MAX = 255
"""Highest lap number a piece can reach; plans set a far lower limit."""
PEER_STALE_NS = 5_000_000_000
"""A heartbeat in the other seat that was last seen to move so long ago stands still."""
UNKNOWN = -1
"""Weight or length that was not measured. A scale's or camera's zero means unknown as well."""


class EventKind(IntEnum):
    """What happened on the sorter."""

    INDUCTED = 1
    SCANNED = 2
    INSTRUCTED = 3
    """The PLC's echo of an instruction: what it did with it, and what it holds now."""
    DISCHARGED = 4
    """The piece left the sorter: into a chute, by hand, or lost. Its status says which."""
    CHUTE_STATE = 5
    MACHINE_STATE = 6
    SENSOR = 7


class ScanStatus(IntFlag):
    """Status bits of a SCANNED event; the ABORTED bits say why the lap before did not end."""

    CODE_CUT = 1
    MORE_CODES = 2
    TIE_AMBIGUOUS = 4
    """Which of two pieces a scanner's result belongs to can't be told; the codes are left out."""
    CODES_ELSEWHERE = 8
    """The codes come from a scanner of its own. Taken away as its result is filled in, so in an
    event that reaches the line it says that no result came."""
    ABORTED_FULL = 16
    ABORTED_CLOSED = 32
    ABORTED_MECHANICAL = 64


class AnswerStatus(IntEnum):
    """Status of an INSTRUCTED event: what the PLC did with an instruction."""

    ACCEPTED = 1
    REFUSED_EPOCH = 2
    """The instruction's epoch is not the granted one."""
    REFUSED_HELD = 3
    """Another instruction of this piece and lap is held; the event carries the one held."""
    UNKNOWN_PIECE = 4
    TOO_LATE = 5
    """The piece had passed every chute named."""
    MALFORMED = 6
    """The check sum was wrong, or a chute does not exist."""


class DischargeStatus(IntEnum):
    """Status of a DISCHARGED event: how the piece left the sorter."""

    SORTED = 1
    """Into a chute that the instruction named."""
    DEFAULT_NO_INSTRUCTION = 2
    """Into the default chute: the host was alive and had not answered in time."""
    DEFAULT_HOST_SILENT = 3
    DEFAULT_LAP_LIMIT = 4
    """Into the default chute: the PLC's own lap limit was reached."""
    REMOVED = 5
    """Taken off by hand; no chute."""
    LOST = 6
    """The cell was found empty; no chute."""
    MISSED = 7
    """Into a chute that no instruction named: a mechanical mis-sort."""


class ChuteState(IntEnum):
    """Status of a CHUTE_STATE event."""

    OPEN = 1
    FULL = 2
    LOCKED = 3
    BLOCKED = 4
    """Jammed, or its gate is faulty."""
    EMPTIED = 5
    """Open, and its bag or cage was just changed: the fill count starts at 0."""


class MachineState(IntEnum):
    """Status of a MACHINE_STATE event. A PLC inducts in EXECUTE and PACKML_EXECUTE only.

    A sorter without PackML tells one of the first five. One with PackML tells 100 and the number
    of its state, StateCurrent of ISA-TR88.00.02, which OPC 30050 calls StateNumber. In both, HELD
    has its cause in the machine itself, SUSPENDED outside: no pieces come, or what follows is full.
    """

    STOPPED = 1
    EXECUTE = 2
    HELD = 3
    SUSPENDED = 4
    ABORTED = 5
    PACKML_CLEARING = 101
    PACKML_STOPPED = 102
    PACKML_STARTING = 103
    PACKML_IDLE = 104
    PACKML_SUSPENDED = 105
    PACKML_EXECUTE = 106
    PACKML_STOPPING = 107
    PACKML_ABORTING = 108
    PACKML_ABORTED = 109
    PACKML_HOLDING = 110
    PACKML_HELD = 111
    PACKML_UNHOLDING = 112
    PACKML_SUSPENDING = 113
    PACKML_UNSUSPENDING = 114
    PACKML_RESETTING = 115
    PACKML_COMPLETING = 116
    PACKML_COMPLETE = 117

    @property
    def word(self) -> str:
        """The state in PackML's word, small: the same for HELD and PACKML_HELD."""
        return self.name.removeprefix("PACKML_").lower()


NO_STATE = "unknown"
"""Word for a machine state that was not told, or that there is not."""
MACHINE_WORDS = (NO_STATE, *dict.fromkeys(state.word for state in MachineState))
"""Every word for a machine state, each once."""


def machine_word(code: int) -> str:
    """Return the word for a machine state's code."""
    try:
        return MachineState(code).word
    except ValueError:
        return NO_STATE


class Quantity(IntEnum):
    """What a sensor measures, and the unit of its readings."""

    TEMPERATURE = 1
    """Degrees Celsius."""
    HUMIDITY = 2
    """Per cent relative humidity."""


class SensorStatus(IntEnum):
    """Status of a SENSOR event: how the reading stands to the sensor's limits."""

    WITHIN = 1
    LOW = 2
    HIGH = 3
    INVALID = 4
    """The device answers with what it can't have measured: no number, or one outside its range."""
    SILENT = 5
    """Nothing was read of it for too long."""


class Disposition(IntEnum):
    """Why a piece goes where it goes; one code per decision."""

    NONE = 0
    ROUTED = 1
    OVERFLOW = 2
    RECIRCULATED = 3
    AWAITING_HOST = 4
    """Stays on for a lap until the upstream host has told where it goes."""
    NO_READ = 10
    CONFLICT = 11
    """Two different waybills were read."""
    NOT_A_WAYBILL = 12
    """Codes were read, none of them is a waybill of any brand, or a bag's."""
    UNKNOWN_DESTINATION = 13
    NO_ROUTE = 14
    LAP_LIMIT = 15
    HOST_LATE = 16
    """The upstream host has not told where it goes in the laps that the plan waits."""
    AMBIGUOUS = 17
    """A code may be a waybill, but of several brands, or it may as well be a product code."""
    BAG = 18
    """The code of a bag was read, and nothing that may be a waybill."""
    QUARANTINED = 19
    """The line's pieces were found where they should not be; until somebody has looked, none is
    sorted by its destination."""
    INTERCEPTED = 20
    SECURITY_NOT_CLEARED = 21
    CUSTOMS_NOT_RELEASED = 22
    COLD_CHAIN_BROKEN = 23
    DAMAGED = 24
    OVERWEIGHT = 25
    OVERSIZE = 26
    SCAN_NOT_TIED = 27
    """A scanner's result may be this piece's or a neighbour's, so it is nobody's."""
    DEFAULTED = 28
    """The PLC sent it to its default chute: it held no instruction, or this service was silent."""


DISPOSITIONS_MAX = 32
"""Size of an array indexed by :class:`Disposition`."""

EVENT = np.dtype(
    [
        ("line", "u2"),
        ("kind", "u2"),
        ("status", "u2"),
        ("code_count", "u2"),
        ("boot_id", "u4"),
        ("sequence", "u4"),
        ("piece_id", "u4"),
        ("station", "u2"),
        ("chute", "u2"),
        ("cell", "u2"),
        ("lap", "u2"),
        ("plc_time_ms", "u4"),
        ("weight_g", "i4"),
        ("length_mm", "i2"),
        ("width_mm", "i2"),
        ("height_mm", "i2"),
        ("revision", "u2"),
        ("instruction_sequence", "u4"),
        ("epoch", "u4"),
        ("plan_version", "u4"),
        ("slack_ms", "i4"),
        ("disposition", "u2"),
        ("chutes", "u2", (CHUTES_MAX,)),
        ("quantity", "u2"),
        ("reading_milli", "i4"),
        ("event_ns", "i8"),
        ("host_receive_ns", "i8"),
        ("codes", "u1", (CODES_MAX, CODE_BYTES)),
    ],
    align=True,
)
"""One report of the sorter.

``piece_id`` is given by the sorter and unique within a ``boot_id``; it is never the barcode.
``sequence`` is that of the last mailbox slot the event took, so it is also what acknowledges it.
``event_ns`` is ``plc_time_ms`` on the service's clock, as the adapter maps it.
``revision`` to ``chutes`` describe the instruction that the PLC holds and are set for INSTRUCTED
only; ``slack_ms`` is its deadline minus the instant the PLC took it.
``weight_g`` and the lengths are :data:`UNKNOWN` where not measured.
``quantity`` and ``reading_milli``, thousandths of the quantity's unit, are set for SENSOR only,
whose one code is the sensor's name; an INVALID or SILENT one has no reading.
Sensors of the site belong to no line: their ``line`` is :data:`NO_LINE`, and ``boot_id`` and
``sequence`` are those of their own stream.
"""

INSTRUCTION = np.dtype(
    [
        ("line", "u2"),
        ("lap", "u2"),
        ("revision", "u2"),
        ("disposition", "u2"),
        ("epoch", "u4"),
        ("sequence", "u4"),
        ("piece_id", "u4"),
        ("plan_version", "u4"),
        ("chutes", "u2", (CHUTES_MAX,)),
        ("deadline_ns", "i8"),
    ],
    align=True,
)
"""One answer to the sorter.

``chutes`` are in order of preference, 0 after the last; none at all means "stay on for a lap".
``revision`` 0 is the first answer for a piece and lap; only a higher one replaces it at the PLC.
``epoch`` and ``sequence`` are set by the adapter as it writes.
``deadline_ns`` is the latest instant at which the answer still serves the first chute named.
"""

Records = NDArray[np.void]
"""A one-dimensional array of EVENT or INSTRUCTION."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a line left off, from its journal; all zero for a line that never ran."""

    boot_id: int = 0
    sequence: int = 0
    """Last event of that boot which the journal holds."""
    epoch: int = 0
    """Highest epoch this service ever held on the line."""


@dataclass(slots=True)
class LinkStatus:
    """How the link to one PLC stands; read by the metrics and the line, written by the adapter."""

    connected: bool = False
    fenced: bool = False
    """Another host holds a higher epoch: this one must not instruct any more."""
    paired: bool = False
    """The line has two hosts, each of which stands by while the other one has it."""
    standby: bool = False
    """This host reads along and instructs nothing; it claims once the PLC has no living host."""
    problem: str = "not connected yet"
    """What is wrong in one line, and what to do; empty while all is well."""
    boot_id: int = 0
    epoch: int = 0
    machine_state: int = 0
    head_sequence: int = 0
    overflow_count: int = 0
    refused_count: int = 0
    inducted_count: int = 0
    ended_count: int = 0
    defaulted_count: int = 0
    reconnects: int = 0
    polls: int = 0
    resent: int = 0
    """Instructions written again after a reconnect; harmless, as the PLC knows their sequence."""
    malformed_count: int = 0
    """Event slots that broke a rule of the layout; delivered as far as they could be read."""
    missed_count: int = 0
    """Events that the PLC had overwritten before they were read."""
    dropped_count: int = 0
    """Instructions never given to the PLC: it had started anew, was fenced, or too slow."""
    granted_epoch: int = 0
    """Epoch that the PLC has granted, to whichever host, as its header told last."""
    acknowledged_sequence: int = 0
    """Newest event that the PLC may forget, as its header told last."""
    relearnings: int = 0
    """Times that a standby missed events and begins anew to know what is on the sorter."""
    takeovers: int = 0
    """Times that this host was granted the line after it had stood by."""
    silence_seen_ns: int = 0
    """When a standby last saw that the PLC needs another host; 0 for never."""
    takeover_ns: int = 0
    """Time the last takeover took, from then to the last piece answered; 0 before the first."""
    peer_seen_ns: int = 0
    """When the heartbeat in the other seat was last seen to move; 0 for never."""

    def has_peer(self, now_ns: int) -> bool:
        """Return whether the host in the other seat was seen alive lately."""
        return self.peer_seen_ns > 0 and now_ns - self.peer_seen_ns < PEER_STALE_NS


class Adapter(Protocol):
    """A way to one PLC. Each adapter heals its own link: no method raises for a broken one."""

    status: LinkStatus

    async def open(self, resume: Resume) -> None:
        """Connect, prove the layout, claim the next epoch; returns once the line may instruct.

        Waits as long as the peer is away, and says so in ``status.problem``.
        Raises :class:`AdapterError` only for what waiting can't cure (a wrong layout version).
        """

    async def read(self) -> Records:
        """Return the next EVENTs in order, none twice; an empty array after one poll period."""

    async def write(self, instructions: Records) -> None:
        """Give INSTRUCTIONs to the PLC; what a broken link kept is written after it heals."""

    def acknowledge(self, sequence: int) -> None:
        """Free the PLC's slots up to this event; sent with the next heartbeat."""

    async def close(self) -> None:
        """Let the link go."""


class StandbyAdapter(Adapter, Protocol):
    """An adapter whose host may stand by while another one has the line."""

    def follow(self, resume: Resume) -> None:
        """Stand by, in place of :meth:`open` or after it: read what another host is told.

        Nothing is written or acknowledged meanwhile but a heartbeat. Once the PLC has no living
        host, :meth:`read` claims the next epoch; ``status.standby`` is false from the grant on.
        """

    def hand_over(self, *, begins: bool) -> None:
        """Let a standby have the line, or keep it after all; answers go on until it is granted."""


class AdapterError(Exception):
    """What an adapter can't cure by waiting: names the peer, what it saw, and what to do."""
