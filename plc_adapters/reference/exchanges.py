"""The talk between host and PLC, instant by instant: what stands in which register, and why.

Each exchange is played through on the printed program in the tests, so its values are what a PLC
shows, not what somebody drew.
"""

from dataclasses import dataclass

from plc_adapters.contract import AnswerStatus, DischargeStatus, EventKind
from plc_adapters.mailbox.table import (
    EVENT_SLOT,
    HEADER,
    INSTRUCTION_SLOT,
    SEAT_HEAD,
    Block,
    Field,
    Writer,
    event_address,
    instruction_address,
    seat_address,
)

WATCHDOG_MS = 1000
"""Watchdog time of the exchanges shown: the one to take if nothing speaks for another."""
EVENT_SLOTS = 256


@dataclass(frozen=True, slots=True)
class Lane:
    """A field of the image over time. ``at`` is the sequence of a slot, ``seat`` the seat's."""

    block: Block
    field: str
    values: tuple[int, ...]
    """One for each instant."""
    seat: int = 0
    at: int = 0
    index: int = 0

    @property
    def name(self) -> str:
        """What the lane is called."""
        field = self.field + (f"[{self.index}]" if self._field.count > 1 else "")
        if self.block is HEADER:
            return f"header {field}"
        if self.block is SEAT_HEAD:
            return f"seat {self.seat} {field}"
        if self.block is INSTRUCTION_SLOT:
            return f"seat {self.seat} instruction slot {self.at} {field}"
        return f"event slot {self.at} {field}"

    @property
    def writer(self) -> Writer:
        """Who writes it."""
        return self.block.writer

    @property
    def address(self) -> int:
        """Its first register, from the start of the image."""
        base = {
            HEADER.name: 0,
            SEAT_HEAD.name: seat_address(self.seat),
            INSTRUCTION_SLOT.name: instruction_address(self.seat, self.at),
            EVENT_SLOT.name: event_address(self.at, EVENT_SLOTS),
        }[self.block.name]
        return base + self._field.offset + self.index * self.size

    @property
    def size(self) -> int:
        """Registers of one value."""
        return self._field.size // self._field.count

    @property
    def _field(self) -> Field:
        return self.block.field(self.field)


@dataclass(frozen=True, slots=True)
class Instant:
    """What happens at an instant, and how long after the one before.

    A PLC's registers are as its cycle at that instant leaves them; a host writes after that.
    """

    after_ms: int
    said: str
    metal: str = ""
    """What the metal does: ``inducted``, ``scanned``, ``at default chute``, ``restarted``."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One part of the talk."""

    name: str
    title: str
    instants: tuple[Instant, ...]
    lanes: tuple[Lane, ...]


def _header(field: str, *values: int, index: int = 0) -> Lane:
    return Lane(HEADER, field, values, index=index)


def _seat(seat: int, field: str, *values: int) -> Lane:
    return Lane(SEAT_HEAD, field, values, seat=seat)


def _instruction(seat: int, at: int, field: str, *values: int) -> Lane:
    return Lane(INSTRUCTION_SLOT, field, values, seat=seat, at=at)


def _event(at: int, field: str, *values: int) -> Lane:
    return Lane(EVENT_SLOT, field, values, at=at)


_SCANNED, _INSTRUCTED = EventKind.SCANNED, EventKind.INSTRUCTED
_ACCEPTED, _REFUSED = AnswerStatus.ACCEPTED, AnswerStatus.REFUSED_EPOCH
_SILENT = DischargeStatus.DEFAULT_HOST_SILENT

ANSWER = Exchange(
    "answer",
    "A piece is scanned and answered",
    (
        Instant(0, "The host holds epoch 1. Events 1 to 3 (machine state twice, inducted) are "
                "acknowledged.", "inducted"),
        Instant(5, "The piece passes the scanner. The PLC fills slot 4, its closing sequence last, "
                "then head_sequence.", "scanned"),
        Instant(5, "The host polls slot 4 next: both sequences are 4, so the event is whole. It "
                "decides, and writes instruction 1, its sequence last, all in one request."),
        Instant(5, "The PLC takes the instruction: consumed. The check sum is right, so it holds "
                "it, and echoes it as event 5: instructed, accepted."),
        Instant(5, "The host has events 4 and 5 in its journal, and acknowledges up to 5."),
        Instant(5, "The PLC takes the acknowledgement: slots 4 and 5 may be written again."),
    ),
    (
        _event(4, "sequence_end", 0, 4, 4, 4, 4, 4),
        _event(4, "kind", 0, *[_SCANNED] * 5),
        _header("head_sequence", 3, 4, 4, 5, 5, 5),
        _instruction(0, 1, "sequence", 0, 0, 1, 1, 1, 1),
        _header("consumed", 0, 0, 0, 1, 1, 1),
        _event(5, "kind", 0, 0, 0, *[_INSTRUCTED] * 3),
        _event(5, "status", 0, 0, 0, *[_ACCEPTED] * 3),
        _seat(0, "acknowledge", 3, 3, 3, 3, 5, 5),
        _header("acknowledged", 3, 3, 3, 3, 3, 5),
    ),
)  # fmt: skip

WATCHDOG = Exchange(
    "watchdog",
    "Heartbeats and the watchdog",
    (
        Instant(0, "Host and PLC count; a piece is on the sorter, scanned, not answered.",
                "inducted scanned"),
        Instant(200, "The host's heartbeat counts at its own pace."),
        Instant(200, "The host has died: its heartbeat stands from here on."),
        Instant(805, f"{WATCHDOG_MS} ms after the PLC saw the last beat it sets host_silent."),
        Instant(100, "The piece reaches the default chute and leaves there, status 3: "
                "default_host_silent.", "at default chute"),
        Instant(895, "The host is back, with the same epoch: its heartbeat goes on."),
        Instant(5, "That clears host_silent. What the host missed is still in the ring."),
    ),
    (
        _seat(0, "heartbeat", 41, 42, 42, 42, 42, 43, 43),
        _header("heartbeat", 100, 140, 180, 341, 361, 540, 541),
        _header("host_silent", 0, 0, 0, 1, 1, 1, 0),
        _header("granted_epoch", 1, 1, 1, 1, 1, 1, 1),
        _header("head_sequence", 4, 4, 4, 4, 5, 5, 5),
        _event(5, "status", 0, 0, 0, 0, _SILENT, _SILENT, _SILENT),
        _header("defaulted_count", 0, 0, 0, 0, 1, 1, 1),
    ),
)  # fmt: skip

TAKEOVER = Exchange(
    "takeover",
    "Another host takes over",
    (
        Instant(0, "The host in seat 0 holds epoch 5 and is alive."),
        Instant(200, "The host in seat 1 claims epoch 6. While the other one is alive, nothing "
                "comes of it."),
        Instant(200, "The host in seat 0 hangs: its heartbeat stands."),
        Instant(1000, "The watchdog has run out: epoch 6 is granted to seat 1 in the same cycle, "
                "and host_silent never shows."),
        Instant(200, "The host in seat 0 wakes up, knows nothing, and writes an instruction of "
                "epoch 5."),
        Instant(5, "The PLC takes it and refuses it for its epoch, counts it, and echoes that; the "
                "host in seat 1 reads so too."),
    ),
    (
        _seat(0, "heartbeat", 9, 10, 10, 10, 11, 11),
        _seat(0, "epoch", 5, 5, 5, 5, 5, 5),
        _seat(1, "heartbeat", 0, 1, 2, 3, 4, 5),
        _seat(1, "epoch", 0, 6, 6, 6, 6, 6),
        _header("granted_epoch", 5, 5, 5, 6, 6, 6),
        _header("granted_seat", 0, 0, 0, 1, 1, 1),
        _header("host_silent", 0, 0, 0, 0, 0, 0),
        _instruction(0, 1, "sequence", 0, 0, 0, 0, 1, 1),
        _event(3, "status", 0, 0, 0, 0, 0, _REFUSED),
        _header("refused_count", 0, 0, 0, 0, 0, 1),
    ),
)  # fmt: skip

RESTART = Exchange(
    "restart",
    "The PLC restarts",
    (
        Instant(0, "The host holds epoch 7; an instruction was taken."),
        Instant(5, "The PLC starts anew: all registers 0, the seats too, then the constants and a "
                "new boot_id. Its first event is number 1.", "restarted"),
        Instant(5, "The host sees the new boot_id: what was on the sorter is lost. It claims the "
                "next epoch and begins its instructions at 1."),
        Instant(5, "The claim is granted at once, as none was since the start; event 2 tells that "
                "the machine may run."),
        Instant(5, "The host has read events 1 and 2 and acknowledges them."),
        Instant(5, "The PLC takes the acknowledgement; all goes on."),
    ),
    (
        _header("boot_id", 100, 101, 101, 101, 101, 101),
        _header("head_sequence", 3, 1, 1, 2, 2, 2),
        _header("consumed", 1, 0, 0, 0, 0, 0),
        _header("granted_epoch", 7, 0, 0, 8, 8, 8),
        _header("host_silent", 0, 1, 1, 0, 0, 0),
        _header("machine_state", 2, 4, 4, 2, 2, 2),
        _seat(0, "epoch", 7, 0, 8, 8, 8, 8),
        _seat(0, "acknowledge", 3, 0, 0, 0, 2, 2),
        _header("acknowledged", 3, 0, 0, 0, 0, 2),
    ),
)  # fmt: skip

EXCHANGES = (ANSWER, WATCHDOG, TAKEOVER, RESTART)
"""In the order in which they are printed."""
