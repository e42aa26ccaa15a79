"""The PLC's side of the host seats: who may instruct, and which instructions have come."""

from collections.abc import Iterator
from typing import NamedTuple

from plc_adapters.contract import CHUTES_MAX
from plc_adapters.emulator.memory import Memory
from plc_adapters.mailbox.table import (
    HEADER,
    INSTRUCTION_SLOT,
    INSTRUCTION_SLOTS,
    SEAT_HEAD,
    SEATS,
    Field,
    instruction_address,
    next_sequence,
    seat_address,
)

_SLOT: dict[str, Field] = {field.name: field for field in INSTRUCTION_SLOT.fields}
_HEARTBEAT = SEAT_HEAD.field("heartbeat")
_EPOCH = SEAT_HEAD.field("epoch")
_ACKNOWLEDGE = SEAT_HEAD.field("acknowledge")


class Instruction(NamedTuple):
    """An instruction as it stood in a seat's ring; ``received_us`` is when the host wrote it."""

    seat: int
    sequence: int
    epoch: int
    piece_id: int
    lap: int
    revision: int
    chutes: tuple[int, ...]
    """All registers of the field; 0 after the last chute named."""
    disposition: int
    plan_version: int
    deadline_ms: int
    sound: bool
    """Whether the check sum held."""
    received_us: int

    @property
    def named(self) -> tuple[int, ...]:
        """The chutes named, most preferred first."""
        return tuple(chute for chute in self.chutes if chute)


class Seats:
    """Epoch grant, host watchdog and instruction rings of all seats.

    A higher epoch is granted if none was granted since the start, or if the granted host's
    heartbeat stood still for ``watchdog_us``. A heartbeat counts as the granted host's only while
    its seat still claims the granted epoch: whoever claims another one there is another host.
    """

    def __init__(self, memory: Memory, watchdog_us: int) -> None:
        self._memory = memory
        self._watchdog_us = watchdog_us
        self._heartbeat = 0
        self._beat_us = 0
        self.granted_epoch = 0
        self.granted_seat = 0
        self.host_silent = True
        self.consumed = [0] * SEATS
        self.refused_count = 0

    def watch(self, now_us: int) -> None:
        """Look at heartbeats and claims once per cycle; grant an epoch if one is due."""
        get = self._memory.get
        claims = [get(seat_address(seat), _EPOCH) for seat in range(SEATS)]
        heartbeat = get(seat_address(self.granted_seat), _HEARTBEAT)
        if self.granted_epoch and claims[self.granted_seat] == self.granted_epoch:
            if heartbeat != self._heartbeat:
                self._beat_us = now_us
            self._heartbeat = heartbeat
        self.host_silent = not self.granted_epoch or now_us - self._beat_us >= self._watchdog_us
        claimant = max(range(SEATS), key=lambda seat: claims[seat])
        if self.host_silent and claims[claimant] > self.granted_epoch:
            self.granted_epoch = claims[claimant]
            self.granted_seat = claimant
            self._heartbeat = get(seat_address(claimant), _HEARTBEAT)
            self._beat_us = now_us
            self.host_silent = False

    def acknowledgement(self) -> int:
        """Return what the granted host has acknowledged; 0 without one."""
        if not self.granted_epoch:
            return 0
        return self._memory.get(seat_address(self.granted_seat), _ACKNOWLEDGE)

    def take(self) -> Iterator[Instruction]:
        """Yield the instructions that are next in each seat's sequence, at most a ring of each."""
        for seat in range(SEATS):
            for _ in range(INSTRUCTION_SLOTS):
                expected = next_sequence(self.consumed[seat])
                base = instruction_address(seat, expected)
                if self._memory.get(base, _SLOT["sequence"]) != expected:
                    break
                self.consumed[seat] = expected
                yield self._read(seat, expected, base)

    def may_instruct(self, instruction: Instruction) -> bool:
        """Whether it comes from the granted host; a refusal is counted."""
        allowed = (
            instruction.seat == self.granted_seat
            and instruction.epoch == self.granted_epoch
            and self.granted_epoch != 0
        )
        self.refused_count += not allowed
        return allowed

    def _read(self, seat: int, sequence: int, base: int) -> Instruction:
        """Return the instruction of a slot."""
        memory = self._memory
        check = _SLOT["check"]
        total = sum(memory.registers[base : base + check.offset])
        return Instruction(
            seat=seat,
            sequence=sequence,
            epoch=memory.get(base, _SLOT["epoch"]),
            piece_id=memory.get(base, _SLOT["piece_id"]),
            lap=memory.get(base, _SLOT["lap"]),
            revision=memory.get(base, _SLOT["revision"]),
            chutes=tuple(memory.get(base, _SLOT["chutes"], i) for i in range(CHUTES_MAX)),
            disposition=memory.get(base, _SLOT["disposition"]),
            plan_version=memory.get(base, _SLOT["plan_version"]),
            deadline_ms=memory.get(base, _SLOT["deadline_ms"]),
            sound=memory.get(base, check) == total & 0xFFFF,
            received_us=memory.received_us(seat, sequence),
        )

    def write_header(self) -> None:
        """Write what the header says about the hosts."""
        put = self._memory.put
        put(0, HEADER.field("granted_epoch"), self.granted_epoch)
        put(0, HEADER.field("granted_seat"), self.granted_seat)
        put(0, HEADER.field("host_silent"), int(self.host_silent))
        put(0, HEADER.field("refused_count"), self.refused_count)
        for seat, sequence in enumerate(self.consumed):
            put(0, HEADER.field("consumed"), sequence, seat)
