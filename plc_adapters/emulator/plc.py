"""The PLC's program: what every sorter's has in common, which is the talk with the host.

It tells the host what happens, takes its instructions, and says by them where a piece leaves. How
pieces are followed on the metal is another part's work, a :class:`PieceTracking`: by the cells of a
loop (:mod:`~plc_adapters.emulator.cells`) or by windows along a conveyor
(:mod:`~plc_adapters.emulator.windows`).

One :meth:`PlcProgram.cycle` is one scan cycle: what the metal did since the last one, then what the
hosts wrote, then what they may read. Between two cycles the program acts only through outputs that
were set before, as a PLC's encoder cams do; so what a host writes counts from the next cycle on.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from plc_adapters.contract import (
    LAPS_MAX,
    AnswerStatus,
    ChuteState,
    DischargeStatus,
    EventKind,
    ScanStatus,
)
from plc_adapters.emulator.chance import stream
from plc_adapters.emulator.faults import ring_of, seats_of
from plc_adapters.emulator.machine import INDUCTING, Machine
from plc_adapters.emulator.memory import Memory
from plc_adapters.emulator.plant import Plant, Reading
from plc_adapters.emulator.ring import Answer, Report
from plc_adapters.emulator.seats import Instruction
from plc_adapters.emulator.sections import ChuteRow, EmulatorFile
from plc_adapters.emulator.tally import Tally
from plc_adapters.mailbox.table import (
    HEADER,
    MAGIC,
    MAGIC_TEXT,
    next_sequence,
)

SCANS_WAITING_MAX = 4096
"""Readings of a scanner of its own that its server has not taken yet; the oldest goes first."""


class Scan(NamedTuple):
    """A piece as a scanner of its own has read it."""

    piece_id: int
    codes: tuple[bytes, ...]
    read_us: int


@dataclass(slots=True)
class Tracked:
    """A piece as the PLC knows it; ``scanned_us`` is -1 before its first scan."""

    piece_id: int
    cell: int
    """From 1; 0 where a sorter has no cells."""
    station: int
    lap: int = 0
    scanned_us: int = -1
    held: Instruction | None = None
    """The instruction of this lap."""
    aborted: int = 0
    """ABORTED bits of this lap."""
    too_late: bool = False
    """An instruction of this lap came too late."""


class PieceTracking(Protocol):
    """The part of the program that knows where each piece is."""

    def passed(self, piece: Tracked, chute: int, now_us: int) -> bool:
        """Whether it is decided already if the piece leaves at that chute on this lap."""

    def retarget(self, piece: Tracked, now_us: int) -> None:
        """What the piece may leave at has changed."""

    def forget(self, piece: Tracked) -> None:
        """The piece is gone."""


class PlcProgram:
    """The program of one sorter. Metal and tracking are set once, by whoever builds them all."""

    plant: Plant
    tracking: PieceTracking

    def __init__(
        self,
        file: EmulatorFile,
        chutes: list[ChuteRow],
        memory: Memory,
        tally: Tally,
        boot_id: int,
    ) -> None:
        plc = file.plc
        self._plc = plc
        self._memory = memory
        self._scanner = file.belt.scanner
        self.read_elsewhere: deque[Scan] | None = (
            None if file.scanner is None else deque(maxlen=SCANS_WAITING_MAX)
        )
        """What a scanner of its own has read and its server has not taken yet."""
        self._chutes = {row.chute for row in chutes}
        self._next_piece_id = plc.first_piece_id
        self._heartbeat = 0
        self._stopped = False
        self._repeated = file.chances.repeated_event
        self._repeats = stream(file.seed, "repeats")
        self.tally = tally
        self.boot_id = boot_id
        self.pieces: dict[int, Tracked] = {}
        self._replaces_held = file.faults.replaces_held
        self.ring = ring_of(memory, plc, file.faults)
        self.seats = seats_of(memory, plc, file.faults)
        self._faults = file.faults
        self._machine = Machine(file.halts, packml=plc.packml, suspended=plc.wait_for_host)
        self.machine_state = self._machine.state(0, suspended=plc.wait_for_host)
        self._write_constants()
        self._report(EventKind.MACHINE_STATE, self._machine_state_shown, 0)
        self.ring.write_header()
        self.seats.write_header()

    def cycle(self, now_us: int) -> None:
        """Run one scan cycle at that instant of the plant's time."""
        self.plant.run(now_us)
        self.seats.watch(now_us)
        self._watch_machine(now_us)
        self.ring.acknowledge(self.seats.acknowledgement())
        for instruction in self.seats.take():
            self._take(instruction, now_us)
        self.ring.flush()
        self._write_header(now_us)

    def stop_induction(self) -> None:
        """Suspend the machine for good: the belt runs on, no piece is loaded any more."""
        self._stopped = True

    def may_induct(self) -> bool:
        """Induct in execute, while the host keeps up with the events."""
        if self.machine_state not in INDUCTING and not self._faults.inducts_always:
            return False
        self.tally.held_back += self.ring.nearly_full
        return not self.ring.nearly_full

    def inducted(self, station: int, cell: int, now_us: int) -> Tracked:
        """Give a piece its id and tell the host."""
        piece = Tracked(self._next_piece_id, cell, station)
        self._next_piece_id = next_sequence(self._next_piece_id)
        self.pieces[piece.piece_id] = piece
        self.tally.inducted += 1
        self._report(EventKind.INDUCTED, 0, now_us, piece, station=station)
        return piece

    def scanned(self, piece: Tracked, reading: Reading, now_us: int) -> None:
        """Begin a lap and tell the host what was read."""
        if piece.scanned_us >= 0:
            piece.lap = min(piece.lap + 1, LAPS_MAX)
            piece.held = None
            piece.too_late = False
            self.tally.recirculated += 1
        piece.scanned_us = now_us
        self.tally.scanned += 1
        self.tally.no_reads += not reading.codes
        if self.read_elsewhere is not None:
            self.read_elsewhere.append(Scan(piece.piece_id, reading.codes, now_us))
            reading = reading._replace(codes=(), status=ScanStatus.CODES_ELSEWHERE)
        status = reading.status | piece.aborted
        piece.aborted = 0
        self._report(EventKind.SCANNED, status, now_us, piece, station=self._scanner, read=reading)

    def may_leave_at(self, piece: Tracked) -> tuple[int, ...]:
        """Return the chutes at which :meth:`way_out` is to be asked, each once."""
        named = piece.held.named if piece.held else ()
        return tuple(dict.fromkeys((*named, self._plc.default_chute)))

    def way_out(self, piece: Tracked, chute: int, now_us: int) -> DischargeStatus | None:
        """Return how the piece leaves at the chute it passes; None if it stays on."""
        bins = self.plant.bins
        held = piece.held
        named = held.named if held else ()
        if chute not in named and held is not None and piece.lap < self._plc.lap_limit:
            return None
        if not bins[chute].free:
            full = bins[chute].state is ChuteState.FULL
            piece.aborted |= ScanStatus.ABORTED_FULL if full else ScanStatus.ABORTED_CLOSED
            return None
        if chute in named:
            better_ahead = any(
                bins[better].free and not self.tracking.passed(piece, better, now_us)
                for better in named[: named.index(chute)]
            )
            return None if better_ahead else DischargeStatus.SORTED
        if held is not None:
            return DischargeStatus.DEFAULT_LAP_LIMIT
        if self.seats.host_silent:
            return DischargeStatus.DEFAULT_HOST_SILENT
        return DischargeStatus.DEFAULT_NO_INSTRUCTION

    def left(
        self, piece: Tracked, status: DischargeStatus, chute: int, now_us: int, *, missed: bool
    ) -> None:
        """Take a sensor's word that the piece fell into a chute; ``missed``: another than meant.

        If the instruction names that one too, it is as good.
        """
        if status is DischargeStatus.DEFAULT_NO_INSTRUCTION and not piece.too_late:
            self.tally.deadline_misses += 1
        if missed:
            named = piece.held.named if piece.held else ()
            status = DischargeStatus.SORTED if chute in named else DischargeStatus.MISSED
        self.ended(piece, status, chute, now_us)

    def ended(self, piece: Tracked, status: DischargeStatus, chute: int, now_us: int) -> None:
        """Tell the host that the piece is gone and forget it."""
        del self.pieces[piece.piece_id]
        self.tracking.forget(piece)
        self.tally.end(piece.piece_id, status)
        self._report(EventKind.DISCHARGED, status, now_us, piece, chute=chute)

    def on_chute_state(self, chute: int, state: ChuteState, now_us: int) -> None:
        """Tell the host about a chute."""
        self._report(EventKind.CHUTE_STATE, state, now_us, chute=chute)

    def _take(self, instruction: Instruction, now_us: int) -> None:
        """Judge an instruction, act on it, and echo it with what is held now."""
        piece = self.pieces.get(instruction.piece_id)
        status = self._judge(instruction, piece, now_us)
        self.tally.answers[status] += 1
        if piece is not None and status is AnswerStatus.ACCEPTED:
            self.tally.accept(piece.piece_id, piece.lap, instruction.revision, instruction.named)
            if piece.held is None and piece.scanned_us >= 0:
                self.tally.latency.add(now_us - piece.scanned_us)
                self.tally.arrival.add(instruction.received_us - piece.scanned_us)
            piece.held = instruction
            self.tracking.retarget(piece, now_us)
        elif piece is not None and status is AnswerStatus.TOO_LATE:
            self.tally.deadline_misses += piece.held is None and not piece.too_late
            piece.too_late = True
        held = piece.held if piece else None
        answer = Answer(instruction.sequence)
        if held is not None:
            answer = Answer(
                instruction.sequence,
                held.epoch,
                held.revision,
                held.chutes,
                held.disposition,
                held.plan_version,
                held.deadline_ms,
            )
        report = Report(
            EventKind.INSTRUCTED,
            status,
            self._time_ms(now_us),
            instruction.piece_id,
            cell=piece.cell if piece else 0,
            lap=piece.lap if piece else instruction.lap,
            answer=answer,
        )
        self._offer(report)

    def _judge(self, instruction: Instruction, piece: Tracked | None, now_us: int) -> AnswerStatus:
        """Return what becomes of an instruction; the order of the questions is part of the rule."""
        if self._malformed(instruction):
            return AnswerStatus.MALFORMED
        if not self.seats.may_instruct(instruction):
            return AnswerStatus.REFUSED_EPOCH
        if piece is None or instruction.lap > piece.lap:
            return AnswerStatus.UNKNOWN_PIECE
        named = instruction.named
        held = None if self._replaces_held else piece.held
        revision_held = -1 if held is None else held.revision
        if instruction.lap == piece.lap and instruction.revision <= revision_held:
            return AnswerStatus.REFUSED_HELD
        passed = bool(named) and all(self.tracking.passed(piece, chute, now_us) for chute in named)
        late = passed or instruction.lap < piece.lap
        return AnswerStatus.TOO_LATE if late else AnswerStatus.ACCEPTED

    def _malformed(self, instruction: Instruction) -> bool:
        """Whether the check sum is wrong, a chute does not exist, or one follows an empty place."""
        named = instruction.named
        return (
            not instruction.sound
            or instruction.chutes[: len(named)] != named
            or any(chute not in self._chutes for chute in named)
        )

    def _watch_machine(self, now_us: int) -> None:
        """Report the machine's state as it changes."""
        waiting = self._plc.wait_for_host and not self.seats.granted_epoch
        state = self._machine.state(now_us, suspended=waiting or self._stopped)
        if state is not self.machine_state:
            self.machine_state = state
            self._report(EventKind.MACHINE_STATE, self._machine_state_shown, now_us)

    @property
    def _machine_state_shown(self) -> int:
        return self._faults.machine_state_shown or self.machine_state

    def _report(
        self,
        kind: EventKind,
        status: int,
        now_us: int,
        piece: Tracked | None = None,
        *,
        station: int = 0,
        chute: int = 0,
        read: Reading | None = None,
    ) -> None:
        """Queue an event that happened at that instant."""
        report = Report(kind, status, self._time_ms(now_us), station=station, chute=chute)
        if piece is not None:
            report = report._replace(piece_id=piece.piece_id, cell=piece.cell, lap=piece.lap)
        if read is not None:
            report = report._replace(
                weight_g=read.weight_g,
                length_mm=read.length_mm,
                width_mm=read.width_mm,
                height_mm=read.height_mm,
                codes=read.codes,
            )
        self._offer(report)

    def _offer(self, report: Report) -> None:
        """Queue an event, twice if this PLC repeats itself."""
        self.ring.offer(report)
        if self._repeated and self._repeats.random() < self._repeated:
            self.tally.repeated += 1
            self.ring.offer(report)

    def _time_ms(self, now_us: int) -> int:
        """Return the PLC's millisecond counter at that instant."""
        return (self._plc.first_time_ms + now_us // 1000) & 0xFFFF_FFFF

    def _write_constants(self) -> None:
        """Write what a host proves the layout by."""
        put = self._memory.put
        text = HEADER.field("magic_text")
        put(0, HEADER.field("magic"), MAGIC)
        self._memory.put_text(text.offset, text.count, MAGIC_TEXT)
        put(0, HEADER.field("layout_version"), self._plc.layout_version)
        put(0, HEADER.field("event_slots"), self._plc.event_slots)
        put(0, HEADER.field("boot_id"), self.boot_id)

    def _write_header(self, now_us: int) -> None:
        """Write the rest of the header, once per cycle."""
        put = self._memory.put
        self._heartbeat = (self._heartbeat + 1) & 0xFFFF
        put(0, HEADER.field("heartbeat"), self._heartbeat)
        put(0, HEADER.field("machine_state"), self._machine_state_shown)
        put(0, HEADER.field("plc_time_ms"), self._time_ms(now_us))
        put(0, HEADER.field("inducted_count"), self.tally.inducted)
        put(0, HEADER.field("ended_count"), self.tally.ended_count)
        put(0, HEADER.field("defaulted_count"), self.tally.defaulted_count)
        self.ring.write_header()
        self.seats.write_header()
