"""How the PLC's program follows pieces on a loop: by the cell each lies on."""

from plc_adapters.contract import DischargeStatus, ScanStatus
from plc_adapters.emulator.loop import Drop, LoopPlant
from plc_adapters.emulator.plant import Reading
from plc_adapters.emulator.plc import PlcProgram, Tracked
from plc_adapters.emulator.sections import ChuteRow


class CellTracking:
    """The part of the program that knows which piece lies on which cell.

    At the cam of a chute that a piece may leave at it asks the program, and turns the cell's belt.
    """

    def __init__(self, program: PlcProgram, plant: LoopPlant, chutes: list[ChuteRow]) -> None:
        self._program = program
        self._plant = plant
        self._positions = {row.chute: row.position_mm for row in chutes}
        self._by_cell: dict[int, Tracked] = {}

    def may_load(self, cell: int) -> bool:
        """Load cells believed empty."""
        return cell not in self._by_cell and self._program.may_induct()

    def on_inducted(self, station: int, cell: int, now_us: int) -> int:
        """Begin to track a piece; cells are numbered from 1 for the host."""
        piece = self._program.inducted(station, cell + 1, now_us)
        self._by_cell[cell] = piece
        return piece.piece_id

    def on_eye(self, cell: int, reading: Reading | None, now_us: int) -> None:
        """Begin a lap; an empty cell that should carry a piece means it was lost."""
        piece = self._by_cell[cell]
        if reading is None:
            self._program.ended(piece, DischargeStatus.LOST, 0, now_us)
            return
        self._program.scanned(piece, reading, now_us)
        self.retarget(piece, now_us)

    def on_chute_passed(self, cell: int, chute: int, now_us: int) -> None:
        """Decide at the gate: discharge here, or look ahead to the next one."""
        piece = self._by_cell[cell]
        status = self._program.way_out(piece, chute, now_us)
        if status is not None:
            self._discharge(piece, chute, status, now_us)
        if cell in self._by_cell:
            self.retarget(piece, now_us)

    def on_removed(self, cell: int, now_us: int) -> None:
        """Somebody took the piece off."""
        self._program.ended(self._by_cell[cell], DischargeStatus.REMOVED, 0, now_us)

    def retarget(self, piece: Tracked, now_us: int) -> None:
        """Watch for the next chute that this piece may leave at."""
        ahead = [
            chute
            for chute in self._program.may_leave_at(piece)
            if not self.passed(piece, chute, now_us)
        ]
        if ahead:
            self._plant.aim(piece.cell - 1, min(ahead, key=self._positions.__getitem__))

    def passed(self, piece: Tracked, chute: int, now_us: int) -> bool:
        """Whether the piece is past that chute on this lap; not before its first scan."""
        reached_us = piece.scanned_us + self._plant.travel_us[chute]
        return piece.scanned_us >= 0 and now_us >= reached_us

    def forget(self, piece: Tracked) -> None:
        """The piece is gone; its cell is free."""
        del self._by_cell[piece.cell - 1]

    def _discharge(self, piece: Tracked, chute: int, status: DischargeStatus, now_us: int) -> None:
        """Turn the cell's belt and believe the sensor at the chute."""
        drop, seen = self._plant.discharge(piece.cell - 1, chute)
        match drop:
            case Drop.STUCK:
                piece.aborted |= ScanStatus.ABORTED_MECHANICAL
            case Drop.EMPTY:
                self._program.ended(piece, DischargeStatus.LOST, 0, now_us)
            case Drop.DONE:
                self._program.left(piece, status, seen, now_us, missed=seen != chute)
