"""The metal that every sorter has: time, stations where pieces come, a scanner, chutes.

Everything happens at an exact microsecond of the plant's own time and in order; between two
happenings nothing needs to be stepped. The plant decides nothing: its sensors tell the PLC program,
and its gates do as that says. :mod:`~plc_adapters.emulator.loop` and
:mod:`~plc_adapters.emulator.conveyor` are the two kinds.
"""

import heapq
import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple

from plc_adapters.contract import CODE_BYTES, CODES_MAX, UNKNOWN, ChuteState, ScanStatus
from plc_adapters.emulator.bins import Bin, Signal
from plc_adapters.emulator.chance import stream
from plc_adapters.emulator.labels import Print
from plc_adapters.emulator.sections import ChuteRow, EmulatorFile, Station
from plc_adapters.emulator.tally import Tally

MICRO = 1_000_000
"""Microseconds in a second, and so the scale of positions: mm/s times microseconds."""


class Reading(NamedTuple):
    """What scanner and scale saw; ``status`` holds the scanner's own bits of ScanStatus."""

    codes: tuple[bytes, ...] = ()
    status: int = 0
    weight_g: int = UNKNOWN
    length_mm: int = UNKNOWN
    width_mm: int = UNKNOWN
    height_mm: int = UNKNOWN


class Parcel:
    """A piece as metal; ``piece_id`` is the one the PLC gave it, 0 where it does not know it."""

    __slots__ = ("extra", "piece_id", "present", "printed")

    def __init__(self, printed: Print, extra: bytes | None) -> None:
        self.printed = printed
        self.extra = extra
        self.present = True
        self.piece_id = 0


class Feed:
    """An induction station and the pieces that wait at it."""

    __slots__ = ("interval_us", "queue", "rng", "station", "trying")

    def __init__(self, station: Station, interval_us: float, rng: random.Random) -> None:
        self.station = station
        self.interval_us = interval_us
        self.queue: deque[Print] = deque()
        self.rng = rng
        self.trying = False


class Plant(ABC):
    """A sorter's metal from the instant 0 on.

    ``prints`` are the pieces that will come. All chance is seeded: the same file and the same
    instructions at the same instants give the same run.
    """

    def __init__(
        self,
        file: EmulatorFile,
        chutes: list[ChuteRow],
        prints: Iterator[Print],
        signal: Signal,
        tally: Tally,
    ) -> None:
        self._file = file
        self._prints = prints
        self._chances = file.chances
        self._speed = file.belt.speed_mm_s
        self._agenda: list[tuple[int, int, Callable[[int], None]]] = []
        self._soon: deque[Callable[[int], None]] = deque()
        self._order = count()
        self._fates = stream(file.seed, "fates")
        self._readings = stream(file.seed, "readings")
        self._tally = tally
        self.now_us = 0
        self.arrived = 0
        self._loaded = 0
        self.feed_stopped = 0
        """Arrivals that found their station's queue full and stayed on the feeding belt."""
        self.exhausted = False
        self.bins = {row.chute: Bin(row, file.emptying, self, signal) for row in chutes}
        for lock in file.locks:
            self.bins[lock.chute].plan(lock, ChuteState.LOCKED)
        for jam in file.jams:
            self.bins[jam.chute].plan(jam, ChuteState.BLOCKED)
        shares = sum(station.share for station in file.stations)
        for station in file.stations:
            rate = file.arrivals.pieces_per_hour * station.share / shares
            rng = stream(file.seed, f"arrivals:{station.number}")
            self._expect(Feed(station, 3600 * MICRO / rate, rng), 0)

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

    def waiting(self) -> int:
        """Return how many pieces have arrived and wait at the stations."""
        return self.arrived - self._loaded

    @abstractmethod
    def _await_place(self, feed: Feed, now_us: int) -> None:
        """Look for the next place on the belt for the piece that waits first."""

    def _travel_us(self, distance_mm: int) -> int:
        """Return how long the belt takes for a distance."""
        return -(-distance_mm * MICRO // self._speed)

    def _slip_mm(self) -> int:
        """Return how far the sorter is from where its encoder says, now."""
        return sum(slip.mm for slip in self._file.slips if slip.holds(self.now_us))

    def _expect(self, feed: Feed, now_us: int) -> None:
        """Have the station's next piece arrive."""
        exponential = self._file.arrivals.spacing == "exponential"
        wait = feed.rng.expovariate(1 / feed.interval_us) if exponential else feed.interval_us
        self.at(now_us + max(1, round(wait)), lambda instant_us: self._arrive(feed, instant_us))

    def _arrive(self, feed: Feed, now_us: int) -> None:
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
                self._await_place(feed, now_us)
        self._expect(feed, now_us)

    def _take(self, feed: Feed) -> tuple[Print, bytes | None]:
        """Take the first piece that waits; return what is printed on it, and on its packaging."""
        self._loaded += 1
        extra = self._fates.random() < self._chances.several_codes
        return feed.queue.popleft(), self._product_code() if extra else None

    def _loaded_one(self, feed: Feed, now_us: int) -> None:
        """Go on while pieces wait."""
        feed.trying = bool(feed.queue)
        if feed.trying:
            self._await_place(feed, now_us)

    def _decide_fate(
        self, way_us: int, now_us: int, remove: Callable[[int], None], fall: Callable[[int], None]
    ) -> None:
        """Draw whether, and when within its way, a piece leaves in a way nobody planned."""
        removed = self._fates.random() < self._chances.removed
        lost = self._fates.random() < self._chances.lost
        if removed:
            self.at(now_us + self._fates.randrange(way_us), remove)
        if lost:
            self.at(now_us + self._fates.randrange(way_us), fall)

    def _land(self, parcel: Parcel, chute: int) -> None:
        """Let a piece fall into a chute."""
        self._tally.land(parcel.piece_id, chute)
        self.bins[chute].drop(self.now_us, jams=self._fates.random() < self._chances.jam)

    def _read(self, *parcels: Parcel) -> Reading:
        """Return what scanner and scale make of a piece, or of several that stick together."""
        printed = parcels[0].printed
        codes = tuple(
            code
            for parcel in parcels
            for code in (*parcel.printed.codes, *((parcel.extra,) if parcel.extra else ()))
        )
        blind = any(blind.holds(self.now_us) for blind in self._file.blinds)
        if self._readings.random() < self._chances.no_read or blind:
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
            UNKNOWN if unweighed else sum(p.printed.weight_g for p in parcels) or UNKNOWN,
            sum(parcel.printed.length_mm for parcel in parcels) or UNKNOWN,
            printed.width_mm or UNKNOWN,
            printed.height_mm or UNKNOWN,
        )

    def _product_code(self) -> bytes:
        """Return an EAN-13 of a product with its check digit (GS1 General Specifications 7.9)."""
        digits = [6, 9, *(self._fates.randrange(10) for _ in range(10))]
        check = -sum(digit * (3 if i % 2 else 1) for i, digit in enumerate(digits)) % 10
        return b"]E0" + bytes(48 + digit for digit in (*digits, check))
