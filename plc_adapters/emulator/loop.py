"""The metal of a cross-belt loop: cells that pass stations, scanner and chutes, round and round."""

from collections.abc import Iterator
from enum import Enum
from typing import Protocol

from plc_adapters.emulator.bins import Signal
from plc_adapters.emulator.labels import Print
from plc_adapters.emulator.plant import MICRO, Feed, Parcel, Plant, Reading
from plc_adapters.emulator.sections import ChuteRow, EmulatorFile, Loop
from plc_adapters.emulator.tally import Tally


class Drop(Enum):
    """What the sensor at a chute says after its cell was told to discharge."""

    DONE = "done"
    STUCK = "stuck"
    EMPTY = "empty"


class LoopSensors(Protocol):
    """The PLC program as a loop's sensors reach it. Instants are microseconds."""

    def may_load(self, cell: int) -> bool:
        """Whether the station may load this cell, which passes it now."""

    def on_inducted(self, station: int, cell: int, now_us: int) -> int:
        """A piece was loaded onto the cell; return the id it is given."""

    def on_eye(self, cell: int, reading: Reading | None, now_us: int) -> None:
        """The cell passes the scanner; None if the photo-eye sees it empty."""

    def on_chute_passed(self, cell: int, chute: int, now_us: int) -> None:
        """The cell passes a chute it was aimed at; the last instant to discharge there."""

    def on_removed(self, cell: int, now_us: int) -> None:
        """Somebody took the piece off and said so at the panel."""


class OnCell(Parcel):
    """A piece on a cell. ``aim`` numbers the PLC's latest wish, so that an older one is void."""

    __slots__ = ("aim", "scanned_us")

    def __init__(self, printed: Print, extra: bytes | None) -> None:
        super().__init__(printed, extra)
        self.scanned_us = -1
        self.aim = 0


class LoopPlant(Plant):
    """A loop, its stations, its scanner and its chutes. ``sensors`` is set by whoever builds it."""

    sensors: LoopSensors

    def __init__(
        self,
        file: EmulatorFile,
        loop: Loop,
        chutes: list[ChuteRow],
        prints: Iterator[Print],
        signal: Signal,
        tally: Tally,
    ) -> None:
        super().__init__(file, chutes, prints, signal, tally)
        self._pitch = loop.cell_pitch_mm * MICRO
        self._length = loop.length_mm * MICRO
        self.cells: list[OnCell | None] = [None] * loop.cells
        self.travel_us = {row.chute: self._travel_us(row.position_mm) for row in chutes}
        """From the scanner's photo-eye to each chute."""

    def aim(self, cell: int, chute: int) -> None:
        """Have the program called when the cell passes that chute on this lap; voids older aims.

        A chute already passed on this lap is not reached any more.
        """
        parcel = self.cells[cell]
        if parcel is None or parcel.scanned_us < 0:
            return
        parcel.aim += 1
        aim = parcel.aim

        def passed(instant_us: int) -> None:
            if self.cells[cell] is parcel and parcel.aim == aim:
                self.sensors.on_chute_passed(cell, chute, instant_us)

        instant_us = parcel.scanned_us + self.travel_us[chute]
        if instant_us > self.now_us:
            self.at(instant_us, passed)

    def discharge(self, cell: int, chute: int) -> tuple[Drop, int]:
        """Turn the cell's belt now; the cell is free again unless the piece stuck to it.

        The number returned is the chute whose sensor saw the piece fall, 0 for none.
        """
        parcel = self.cells[cell]
        if parcel is None or not parcel.present:
            self.cells[cell] = None
            return Drop.EMPTY, 0
        if self._fates.random() < self._chances.discharge_failure:
            return Drop.STUCK, 0
        self.cells[cell] = None
        late = self._fates.random() < self._chances.missorted
        seen = self._next_open(chute) if late else self._slipped_to(chute)
        self._land(parcel, seen)
        return Drop.DONE, seen

    def _slipped_to(self, chute: int) -> int:
        """Return the chute a piece falls into where this one is aimed at: itself but for a slip."""
        slip_mm = self._slip_mm()
        if not slip_mm:
            return chute
        place_mm = self.bins[chute].position_mm + slip_mm
        nearest = min(self.bins.values(), key=lambda bin_: abs(bin_.position_mm - place_mm))
        return nearest.number if nearest.free else self._next_open(nearest.number)

    def _next_open(self, chute: int) -> int:
        """Return the first chute past this one that takes a piece; this one if none does."""
        position_mm = self.bins[chute].position_mm
        past = (bin_ for bin_ in self.bins.values() if bin_.position_mm > position_mm and bin_.free)
        return next((bin_.number for bin_ in past), chute)

    def _pass_us(self, cell: int, position_mm: int, after_us: int) -> int:
        """Return the first instant after ``after_us`` at which the cell passes the position."""
        here = (self._speed * after_us - cell * self._pitch) % self._length
        gap = (position_mm * MICRO - here) % self._length or self._length
        return after_us - (-gap // self._speed)

    def _next_cell(self, position_mm: int, after_us: int) -> tuple[int, int]:
        """Return the first cell that passes the position after that instant, and when it does."""
        cells = len(self.cells)
        cell = (self._speed * after_us - position_mm * MICRO) // self._pitch % cells
        instants = [
            (self._pass_us(near % cells, position_mm, after_us), near % cells)
            for near in (cell, cell + 1)
        ]
        instant_us, nearest = min(instants)
        return nearest, instant_us

    def _await_place(self, feed: Feed, now_us: int) -> None:
        """Look at the next cell that passes the station."""
        cell, instant_us = self._next_cell(feed.station.position_mm, now_us)
        self.at(instant_us, lambda at_us: self._load(feed, cell, at_us))

    def _load(self, feed: Feed, cell: int, now_us: int) -> None:
        """Load the cell if the program lets the station; go on while pieces wait."""
        if self.cells[cell] is None and self.sensors.may_load(cell):
            parcel = OnCell(*self._take(feed))
            self.cells[cell] = parcel
            self.at(self._pass_us(cell, 0, now_us), lambda at_us: self._eye(cell, parcel, at_us))
            self._draw_fate(cell, parcel, now_us)
            parcel.piece_id = self.sensors.on_inducted(feed.station.number, cell, now_us)
        self._loaded_one(feed, now_us)

    def _draw_fate(self, cell: int, parcel: OnCell, now_us: int) -> None:
        """Draw whether the piece leaves within a lap in a way nobody planned."""

        def remove(instant_us: int) -> None:
            if self.cells[cell] is parcel and parcel.present:
                self.cells[cell] = None
                self.sensors.on_removed(cell, instant_us)

        def fall(_instant_us: int) -> None:
            parcel.present = False

        self._decide_fate(self._length // self._speed, now_us, remove, fall)

    def _eye(self, cell: int, parcel: OnCell, now_us: int) -> None:
        """The cell passes the scanner, and will again if its piece stays on it."""
        if self.cells[cell] is not parcel:
            return
        parcel.scanned_us = now_us
        parcel.aim += 1
        if not parcel.present:
            self.cells[cell] = None
            self.sensors.on_eye(cell, None, now_us)
            return
        self.at(self._pass_us(cell, 0, now_us), lambda at_us: self._eye(cell, parcel, at_us))
        self.sensors.on_eye(cell, self._read(parcel), now_us)
