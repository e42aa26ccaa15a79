"""The reference program beside the emulator's, on the same metal and under the same host.

In every cycle the reference program runs, and where it asks its own metal what happened, the
emulator's whole cycle runs: each thing that happens there is told to both. What they decide must be
the same at once, and at the end of the cycle their registers must be the same, every one.
"""

from functools import cache
from typing import Any

from plc_adapters.contract import ChuteState, DischargeStatus, ScanStatus
from plc_adapters.emulator.build import Sorter, build_sorter
from plc_adapters.emulator.cells import CellTracking
from plc_adapters.emulator.loop import Drop, LoopPlant
from plc_adapters.emulator.plant import Reading
from plc_adapters.emulator.sections import ChuteRow, EmulatorFile
from plc_adapters.mailbox.table import HEADER, SEAT_SIZE, SEATS
from plc_adapters.reference.constants import Size
from plc_adapters.reference.render import as_st
from tests.unit.reference.machine import Machine

POSITION_END = 2**32
"""The belt's position is 32 bits and wraps."""
POSITION_START = POSITION_END - 3_000_000
CYCLE_US = 5000
SEATS_AT = HEADER.size
EVENTS_AT = HEADER.size + SEATS * SEAT_SIZE


class Reference:
    """The reference program in the machine; ``happen`` stands for the metal, called every cycle."""

    def __init__(self, size: Size, settings: dict[str, Any], chutes: dict[int, int]) -> None:
        hooks = {"SorterSettings": self._settings, "SorterMetal": self._metal}
        self.machine = Machine(_text(size), hooks)
        self.sorter, self.image = self.machine.globals["sorter"], self.machine.globals["image"]
        self.program = self.machine.instance("SorterProgram")
        self._wanted = settings
        self._chutes = chutes
        self.happen: Any = None

    def cycle(self, boot_id: int, elapsed_ms: int, position: int, machine_state: int) -> None:
        self.machine.call(
            "SorterProgram", self.program, boot_id, elapsed_ms, position, machine_state,
            self.sorter, self.image,
        )  # fmt: skip

    def tell(self, name: str, *arguments: Any) -> Any:
        """Call one of the functions that the metal calls."""
        return self.machine.call(name, *arguments, self.sorter)

    def read(self, reading: Reading) -> None:
        """Put a reading where the program looks for it."""
        scan = self.sorter.scan
        scan.codecut = bool(reading.status & ScanStatus.CODE_CUT)
        scan.morecodes = bool(reading.status & ScanStatus.MORE_CODES)
        scan.weightg, scan.lengthmm = reading.weight_g, reading.length_mm
        scan.widthmm, scan.heightmm = reading.width_mm, reading.height_mm
        scan.codecount = len(reading.codes)
        text = b"".join(code.ljust(40, b"\0") for code in reading.codes)
        scan.codes[:] = text.ljust(160, b"\0")

    @property
    def registers(self) -> list[int]:
        first, second = (seat.registers for seat in self.image.seats)
        return [*self.image.header, *first, *second, *self.image.events]

    def host_write(self, address: int, values: list[int]) -> None:
        """Write within one seat, as the host does."""
        seat, first = divmod(address - SEATS_AT, SEAT_SIZE)
        assert first + len(values) <= SEAT_SIZE
        self.image.seats[seat].registers[first : first + len(values)] = values

    def _settings(self, sorter: Any) -> bool:
        for name, value in self._wanted.items():
            setattr(sorter, name, value)
        for chute, position in self._chutes.items():
            row = sorter.chutes[chute - 1]
            row.present, row.position, row.state = True, position, ChuteState.OPEN
        return True

    def _metal(self, sorter: Any) -> None:
        self.happen()


@cache
def _text(size: Size) -> str:
    return as_st(size)


class Watched(CellTracking):
    """What the emulator's sensors tell goes to both programs; both must decide alike."""

    def __init__(self, sorter: Sorter, chutes: list[ChuteRow], reference: Reference) -> None:
        assert isinstance(sorter.plant, LoopPlant)
        super().__init__(sorter.program, sorter.plant, chutes)
        self.plc = sorter.file.plc
        self.reference = reference
        self.dropped: tuple[Drop, int] | None = None
        discharge = sorter.plant.discharge

        def watched(cell: int, chute: int) -> tuple[Drop, int]:
            self.dropped = discharge(cell, chute)
            return self.dropped

        sorter.plant.discharge = watched  # type: ignore[method-assign]
        sorter.plant.sensors = self
        sorter.program.tracking = self
        for one in sorter.plant.bins.values():
            one._signal = self.on_chute_state

    def position(self, now_us: int) -> int:
        return (POSITION_START + now_us) % POSITION_END

    def time_ms(self, now_us: int) -> int:
        return (self.plc.first_time_ms + now_us // 1000) % 2**32

    def may_load(self, cell: int) -> bool:
        allowed = super().may_load(cell)
        assert self.reference.tell("MayInduct", cell + 1) == allowed
        return allowed

    def on_inducted(self, station: int, cell: int, now_us: int) -> int:
        piece_id = super().on_inducted(station, cell, now_us)
        told = self.reference.tell("PieceInducted", station, cell + 1, self.time_ms(now_us))
        assert told == piece_id
        return piece_id

    def on_eye(self, cell: int, reading: Reading | None, now_us: int) -> None:
        super().on_eye(cell, reading, now_us)
        if reading is None:
            self.left(cell, DischargeStatus.LOST, 0, now_us)
            return
        self.reference.read(reading)
        scanner = self._program._scanner
        position = self.position(now_us)
        assert self.reference.tell(
            "PieceScanned", scanner, cell + 1, self.time_ms(now_us), position
        )

    def on_chute_passed(self, cell: int, chute: int, now_us: int) -> None:
        way = self.reference.tell("ChutePassed", cell + 1, chute, self.position(now_us))
        self.dropped = None
        super().on_chute_passed(cell, chute, now_us)
        assert (self.dropped is not None) == bool(way)
        if self.dropped is None:
            return
        drop, seen = self.dropped
        match drop:
            case Drop.STUCK:
                assert self.reference.tell("PieceStuck", cell + 1)
            case Drop.EMPTY:
                self.left(cell, DischargeStatus.LOST, 0, now_us)
            case Drop.DONE:
                self.left(cell, way if seen == chute else DischargeStatus.MISSED, seen, now_us)

    def on_removed(self, cell: int, now_us: int) -> None:
        super().on_removed(cell, now_us)
        self.left(cell, DischargeStatus.REMOVED, 0, now_us)

    def on_chute_state(self, chute: int, state: ChuteState, now_us: int) -> None:
        self._program.on_chute_state(chute, state, now_us)
        self.reference.tell("ChuteChanged", chute, state, self.time_ms(now_us))

    def left(self, cell: int, status: int, chute: int, now_us: int) -> None:
        self.reference.tell("PieceLeft", cell + 1, status, chute, self.time_ms(now_us))


class Pair:
    """Both programs in virtual time; a host writes to both and reads from either."""

    def __init__(self, file: EmulatorFile, chutes: list[ChuteRow], backlog_slots: int) -> None:
        assert file.loop is not None
        plc = file.plc
        size = Size(
            event_slots=plc.event_slots, cells=file.loop.cells,
            chutes=max(row.chute for row in chutes), backlog_slots=backlog_slots,
        )  # fmt: skip
        settings = {
            "defaultchute": plc.default_chute, "laplimit": plc.lap_limit,
            "watchdogms": plc.host_watchdog_ms, "waitforhost": plc.wait_for_host,
            "lastsequence": plc.first_sequence - 1, "lastpieceid": plc.first_piece_id - 1,
        }  # fmt: skip
        self.emulated = build_sorter(file, chutes, boot_id=77)
        assert isinstance(self.emulated.plant, LoopPlant)
        self.reference = Reference(size, settings, dict(self.emulated.plant.travel_us))
        self.watched = Watched(self.emulated, chutes, self.reference)
        self.reference.sorter.timems = plc.first_time_ms
        self.now_us = 0
        self.reference.happen = lambda: self.emulated.program.cycle(self.now_us)
        self.cycles = 0
        self.sorting = 106 if plc.packml else 2
        self.cycle()  # a start clears the seats: no host can have written before it

    @property
    def registers(self) -> list[int]:
        return self.emulated.memory.registers

    def write(self, address: int, values: list[int]) -> None:
        assert self.emulated.memory.host_write(address, values, self.now_us)
        self.reference.host_write(address, values)

    def cycle(self) -> None:
        """One cycle of 5 ms of both; every register must be the same after it."""
        self.now_us += CYCLE_US
        self.cycles += 1
        position = self.watched.position(self.now_us)
        self.reference.cycle(77, CYCLE_US // 1000, position, self.sorting)
        ours, theirs = self.reference.registers, self.registers
        if ours != theirs:
            wrong = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
            raise AssertionError(
                f"cycle {self.cycles}: "
                + ", ".join(f"register {i}: {ours[i]}, emulator {theirs[i]}" for i in wrong[:20])
            )
