"""Faults of a PLC program, planted on purpose: what a commissioning check must find.

The program itself is written right. Each fault here is one mistake that integrators make, put
between the program and its registers; none is on unless the emulator's file asks for it.
"""

from plc_adapters.contract import EventKind
from plc_adapters.emulator.memory import ByteOrder, Memory
from plc_adapters.emulator.ring import EventRing, Report
from plc_adapters.emulator.seats import Instruction, Seats
from plc_adapters.emulator.sections import Faults, Plc
from plc_adapters.mailbox.table import (
    EVENT_SLOT,
    SEAT_HEAD,
    SEATS,
    Field,
    event_address,
    seat_address,
)

KEPT_A_CYCLE = 4
"""Events of one cycle that a PLC keeps which loses the others."""
SKIPPED_EVERY = 16
"""Of so many slots, one is never written by a PLC that skips slots."""
NONE = Faults()
NEVER_US = 1 << 60
"""A watchdog that never bites."""
_BODY = slice(EVENT_SLOT.field("kind").offset, EVENT_SLOT.field("sequence_end").offset)
_HEARTBEAT, _EPOCH = SEAT_HEAD.field("heartbeat"), SEAT_HEAD.field("epoch")


class FaultyMemory(Memory):
    """Registers in which some of the header stays as it is, or says something else."""

    def __init__(
        self, faults: Faults, event_slots: int, word_order: ByteOrder, string_byte_order: ByteOrder
    ) -> None:
        super().__init__(event_slots, word_order, string_byte_order)
        self.faults = faults

    def put(self, base: int, field: Field, value: int, index: int = 0) -> None:
        """Set a number; a header's is changed first as the faults say."""
        super().put(base, field, self._said(field.name, value) if base == 0 else value, index)

    def _said(self, name: str, value: int) -> int:
        """Return what the header says where the truth is ``value``."""
        faults = self.faults
        match name:
            case "magic" if faults.wrong_magic:
                return value + 1
            case "event_slots" if faults.event_slots_shown:
                return faults.event_slots_shown
            case "heartbeat" if faults.heartbeat_stands:
                return 0
            case "plc_time_ms" if faults.clock_stands:
                return 0
            case "consumed" if faults.consumed_stands:
                return 0
        return value


class FaultyRing(EventRing):
    """An event ring with mistakes."""

    def __init__(
        self,
        faults: Faults,
        memory: Memory,
        event_slots: int,
        backlog_max: int,
        first_sequence: int,
    ) -> None:
        super().__init__(memory, event_slots, backlog_max, first_sequence)
        self.faults = faults
        self._late: list[tuple[int, list[int]]] = []
        """Addresses and bodies of slots that are written in the next cycle."""

    def offer(self, report: Report) -> bool:
        """Queue an event, or forget it."""
        if self.faults.no_echo and report.kind is EventKind.INSTRUCTED:
            return True
        if self.faults.loses_events and self.backlog >= KEPT_A_CYCLE:
            return True
        return super().offer(report)

    def acknowledge(self, sequence: int) -> None:
        """Take an acknowledgement, or one too many, or none."""
        if self.faults.ignores_acknowledgement:
            return
        if self.faults.takes_any_acknowledgement and sequence:
            self.acknowledged = sequence
            return
        super().acknowledge(sequence)

    def flush(self) -> None:
        """Publish what fits, after what was left over from the cycle before."""
        for at, body in self._late:
            self._memory.registers[at + _BODY.start : at + _BODY.stop] = body
        self._late.clear()
        super().flush()

    def _fits(self, slots: int) -> bool:
        return self.faults.overwrites_unacknowledged or super()._fits(slots)

    def _after(self, sequence: int) -> int:
        if self.faults.zero_after_wrap:
            return sequence + 1 & 0xFFFF_FFFF
        return super()._after(sequence)

    def _write(self, sequence: int, report: Report, part: int) -> None:
        if self.faults.skips_slots and sequence % SKIPPED_EVERY == 0:
            return
        at = event_address(sequence, self._slots)
        registers = self._memory.registers
        before = registers[at + _BODY.start : at + _BODY.stop]
        super()._write(sequence, report, part)
        if self.faults.torn_slots:
            self._late.append((at, registers[at + _BODY.start : at + _BODY.stop]))
            registers[at + _BODY.start : at + _BODY.stop] = before


class FaultySeats(Seats):
    """Host seats with mistakes."""

    def __init__(self, faults: Faults, memory: Memory, watchdog_us: int) -> None:
        super().__init__(memory, watchdog_us)
        self.faults = faults

    def watch(self, now_us: int) -> None:
        """Look at heartbeats and claims, and do what a right program would not."""
        if self.faults.never_grants:
            return
        claims = [self._memory.get(seat_address(seat), _EPOCH) for seat in range(SEATS)]
        if self.faults.grants_beside_alive and max(claims) > self.granted_epoch:
            self._beat_us = now_us - self._watchdog_us
            self._heartbeat = self._memory.get(seat_address(self.granted_seat), _HEARTBEAT)
        super().watch(now_us)
        other = 1 - self.granted_seat
        if self.faults.grants_lower_epoch and self.host_silent and claims[other]:
            self.granted_epoch, self.granted_seat = claims[other], other
        if self.faults.writes_seats:
            for seat in range(SEATS):
                self._memory.put(seat_address(seat), _HEARTBEAT, 0)

    def may_instruct(self, instruction: Instruction) -> bool:
        """Whether an instruction is taken."""
        if self.faults.accepts_lower_epoch and instruction.epoch < self.granted_epoch:
            return True
        if self.faults.accepts_other_seat and instruction.epoch == self.granted_epoch:
            return True
        return super().may_instruct(instruction)

    def _read(self, seat: int, sequence: int, base: int) -> Instruction:
        read = super()._read(seat, sequence, base)
        return read._replace(sound=read.sound or self.faults.check_not_verified)


def memory_of(plc: Plc, faults: Faults) -> Memory:
    """Return the registers of a PLC."""
    if faults == NONE:
        return Memory(plc.event_slots, plc.word_order, plc.string_byte_order)
    return FaultyMemory(faults, plc.event_slots, plc.word_order, plc.string_byte_order)


def ring_of(memory: Memory, plc: Plc, faults: Faults) -> EventRing:
    """Return the event ring of a PLC."""
    settings = memory, plc.event_slots, plc.backlog_events_max, plc.first_sequence
    return EventRing(*settings) if faults == NONE else FaultyRing(faults, *settings)


def seats_of(memory: Memory, plc: Plc, faults: Faults) -> Seats:
    """Return the host seats of a PLC."""
    watchdog_us = NEVER_US if faults.never_silent else plc.host_watchdog_ms * 1000
    return (
        Seats(memory, watchdog_us) if faults == NONE else FaultySeats(faults, memory, watchdog_us)
    )
