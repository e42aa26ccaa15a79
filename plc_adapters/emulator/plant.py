"""The metal of a cross-belt loop: cells that pass stations, a scanner and chutes; pure physics.

Everything happens at an exact microsecond of the plant's own time and in order; between two
happenings nothing needs to be stepped. The plant decides nothing: it asks the PLC program, which
it knows only as :class:`Program`.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import count
from typing import NamedTuple, Protocol

from plc_adapters.contract import CODE_BYTES, CODES_MAX, UNKNOWN, ChuteState, ScanStatus
from plc_adapters.emulator.bins import Bin
from plc_adapters.emulator.chance import stream
from plc_adapters.emulator.config import ChuteRow, EmulatorFile, Station
from plc_adapters.emulator.labels import Print

MICRO = 1_000_000
"""Microseconds in a second, and so the scale of positions: mm/s times microseconds."""


class Reading(NamedTuple):
    """What scanner and scale saw; ``status`` holds the scanner's own bits of ScanStatus."""

    codes: tuple[bytes, ...]
    status: int
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int


class Drop(Enum):
    """What the sensor at a chute says after its cell was told to discharge."""

    DONE = "done"
    STUCK = "stuck"
    EMPTY = "empty"


class Program(Protocol):
    """The PLC program as the plant's sensors reach it. Instants are microseconds."""

    def may_load(self, cell: int) -> bool:
        """Whether the station may load this cell, which passes it now."""

    def on_inducted(self, station: int, cell: int, now_us: int) -> None:
        """A piece was loaded onto the cell."""

    def on_eye(self, cell: int, reading: Reading | None, now_us: int) -> None:
        """The cell passes the scanner; None if the photo-eye sees it empty."""

    def on_chute_passed(self, cell: int, chute: int, now_us: int) -> None:
        """The cell passes a chute it was aimed at; the last instant to discharge there."""

    def on_removed(self, cell: int, now_us: int) -> None:
        """Somebody took the piece off and said so at the panel."""

    def on_chute_state(self, chute: int, state: ChuteState, now_us: int) -> None:
        """A chute's state changed."""


class Parcel:
    """A piece on a cell. ``aim`` numbers the PLC's latest wish, so that an older one is void."""

    __slots__ = ("aim", "extra", "present", "printed", "scanned_us")

    def __init__(self, printed: Print, extra: bytes | None) -> None:
        self.printed = printed
        self.extra = extra
        self.present = True
        self.scanned_us = -1
        self.aim = 0


class _Feed:
    """An induction station and the pieces that wait at it."""

    __slots__ = ("interval_us", "queue", "rng", "station", "trying")

    def __init__(self, station: Station, interval_us: float, rng: random.Random) -> None:
        self.station = station
        self.interval_us = interval_us
        self.queue: deque[Print] = deque()
        self.rng = rng
        self.trying = False


class Plant:
    """A loop, its stations, its scanner and its chutes, from the instant 0 on.

    ``prints`` are the pieces that will come. All chance is seeded: the same file and the same
    instructions at the same instants give the same run.
    """

    def __init__(
        self, file: EmulatorFile, chutes: list[ChuteRow], prints: Iterator[Print], program: Program
    ) -> None:
        self._file = file
        self._program = program
        self._prints = prints
        self._chances = file.chances
        self._speed = file.loop.speed_mm_s
        self._pitch = file.loop.cell_pitch_mm * MICRO
        self._length = file.loop.length_mm * MICRO
        self._agenda: list[tuple[int, int, Callable[[int], None]]] = []
        self._soon: deque[Callable[[int], None]] = deque()
        self._order = count()
        self._fates = stream(file.seed, "fates")
        self._readings = stream(file.seed, "readings")
        self.cells: list[Parcel | None] = [None] * file.loop.cells
        self.now_us = 0
        self.arrived = 0
        self._loaded = 0
        self.feed_stopped = 0
        """Arrivals that found their station's queue full and stayed on the feeding belt."""
        self.exhausted = False
        self.bins = {
            row.chute: Bin(row, file.emptying, self, program.on_chute_state) for row in chutes
        }
        self.travel_us = {row.chute: -(-row.position_mm * MICRO // self._speed) for row in chutes}
        """From the scanner's photo-eye to each chute."""
        for lock in file.locks:
            self.bins[lock.chute].plan_lock(lock)
        shares = sum(station.share for station in file.stations)
        for station in file.stations:
            rate = file.arrivals.pieces_per_hour * station.share / shares
            rng = stream(file.seed, f"arrivals:{station.number}")
            self._expect(_Feed(station, 3600 * MICRO / rate, rng), 0)

    def at(self, instant_us: int, what: Callable[[int], None]) -> None:
        """Have ``what`` called with its instant when that has come; never before now."""
        heapq.heappush(self._agenda, (max(instant_us, self.now_us), next(self._order), what))

    def soon(self, what: Callable[[int], None]) -> None:
        """Have ``what`` called right after what happens now, before anything else does."""
        self._soon.append(what)

    def run(self, until_us: int) -> None:
        """Let everything happen up to and including that instant."""
        agenda, soon = self._agenda, self._soon
        while agenda and agenda[0][0] <= until_us:
            instant_us, _, what = heapq.heappop(agenda)
            self.now_us = instant_us
            what(instant_us)
            while soon:
                soon.popleft()(instant_us)
        self.now_us = max(self.now_us, until_us)

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
                self._program.on_chute_passed(cell, chute, instant_us)

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
        seen = self._next_open(chute) if late else chute
        self.bins[seen].drop(self.now_us, jams=self._fates.random() < self._chances.jam)
        return Drop.DONE, seen

    def _next_open(self, chute: int) -> int:
        """Return the first chute past this one that takes a piece; this one if none does."""
        position_mm = self.bins[chute].position_mm
        past = (bin_ for bin_ in self.bins.values() if bin_.position_mm > position_mm and bin_.free)
        return next((bin_.number for bin_ in past), chute)

    def waiting(self) -> int:
        """Return how many pieces have arrived and wait at the stations."""
        return self.arrived - self._loaded

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

    def _expect(self, feed: _Feed, now_us: int) -> None:
        """Have the station's next piece arrive."""
        exponential = self._file.arrivals.spacing == "exponential"
        wait = feed.rng.expovariate(1 / feed.interval_us) if exponential else feed.interval_us
        self.at(now_us + max(1, round(wait)), lambda instant_us: self._arrive(feed, instant_us))

    def _arrive(self, feed: _Feed, now_us: int) -> None:
        """A piece comes to the station, if there is still one and room for it."""
        limit = self._file.arrivals.pieces_max
        if self.exhausted or (limit and self.arrived >= limit):
            self.exhausted = True
            return
        if len(feed.queue) >= self._file.arrivals.queue_max:
            self.feed_stopped += 1
        else:
            printed = next(self._prints, None)
            if printed is None:
                self.exhausted = True
                return
            self.arrived += 1
            feed.queue.append(printed)
            if not feed.trying:
                feed.trying = True
                self._wait_for_cell(feed, now_us)
        self._expect(feed, now_us)

    def _wait_for_cell(self, feed: _Feed, now_us: int) -> None:
        """Look at the next cell that passes the station."""
        cell, instant_us = self._next_cell(feed.station.position_mm, now_us)
        self.at(instant_us, lambda at_us: self._load(feed, cell, at_us))

    def _load(self, feed: _Feed, cell: int, now_us: int) -> None:
        """Load the cell if the program lets the station; go on while pieces wait."""
        if self.cells[cell] is None and self._program.may_load(cell):
            self._loaded += 1
            extra = self._fates.random() < self._chances.several_codes
            parcel = Parcel(feed.queue.popleft(), self._product_code() if extra else None)
            self.cells[cell] = parcel
            self.at(self._pass_us(cell, 0, now_us), lambda at_us: self._eye(cell, parcel, at_us))
            self._decide_fate(cell, parcel, now_us)
            self._program.on_inducted(feed.station.number, cell, now_us)
        feed.trying = bool(feed.queue)
        if feed.trying:
            self._wait_for_cell(feed, now_us)

    def _decide_fate(self, cell: int, parcel: Parcel, now_us: int) -> None:
        """Draw whether, and when within a lap, the piece leaves in a way nobody planned."""
        lap_us = self._length // self._speed
        removed = self._fates.random() < self._chances.removed
        lost = self._fates.random() < self._chances.lost

        def remove(instant_us: int) -> None:
            if self.cells[cell] is parcel and parcel.present:
                self.cells[cell] = None
                self._program.on_removed(cell, instant_us)

        def fall(_instant_us: int) -> None:
            parcel.present = False

        if removed:
            self.at(now_us + self._fates.randrange(lap_us), remove)
        if lost:
            self.at(now_us + self._fates.randrange(lap_us), fall)

    def _eye(self, cell: int, parcel: Parcel, now_us: int) -> None:
        """The cell passes the scanner, and will again if its piece stays on it."""
        if self.cells[cell] is not parcel:
            return
        parcel.scanned_us = now_us
        parcel.aim += 1
        if not parcel.present:
            self.cells[cell] = None
            self._program.on_eye(cell, None, now_us)
            return
        self.at(self._pass_us(cell, 0, now_us), lambda at_us: self._eye(cell, parcel, at_us))
        self._program.on_eye(cell, self._read(parcel), now_us)

    def _read(self, parcel: Parcel) -> Reading:
        """Return what scanner and scale make of the piece."""
        printed = parcel.printed
        codes = printed.codes + ((parcel.extra,) if parcel.extra else ())
        if self._readings.random() < self._chances.no_read:
            codes = ()
        status = 0
        if len(codes) > CODES_MAX:
            status |= ScanStatus.MORE_CODES
            codes = codes[:CODES_MAX]
        if any(len(code) > CODE_BYTES for code in codes):
            status |= ScanStatus.CODE_CUT
            codes = tuple(code[:CODE_BYTES] for code in codes)
        unweighed = self._readings.random() < self._chances.unknown_weight
        return Reading(
            codes,
            status,
            UNKNOWN if unweighed else printed.weight_g or UNKNOWN,
            printed.length_mm or UNKNOWN,
            printed.width_mm or UNKNOWN,
            printed.height_mm or UNKNOWN,
        )

    def _product_code(self) -> bytes:
        """Return an EAN-13 of a product with its check digit (GS1 General Specifications 7.9)."""
        digits = [6, 9, *(self._fates.randrange(10) for _ in range(10))]
        check = -sum(digit * (3 if i % 2 else 1) for i, digit in enumerate(digits)) % 10
        return b"]E0" + bytes(48 + digit for digit in (*digits, check))
