"""The metal of a wheel-diverter line: a straight conveyor that a piece passes once.

A piece comes from the station past the scanner's photo-eye, then past a photo-eye and the wheels of
each diverter, to the end. It is as long as it is; it may fall behind, be pushed by the next one,
stick to it, or be taken off. A photo-eye sees no gap below a few millimetres.
"""

from bisect import insort
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple, Protocol

from plc_adapters.emulator.bins import Signal
from plc_adapters.emulator.labels import Print
from plc_adapters.emulator.plant import MICRO, Feed, Parcel, Plant, Reading
from plc_adapters.emulator.sections import ChuteRow, Diverter, EmulatorFile
from plc_adapters.emulator.tally import Tally

LENGTH_MM = 300
"""Length of a piece that comes without measures."""
GAP_SEEN_MM = 5
"""Smallest gap a photo-eye sees; it tells that it is free so much later."""
STICKING_US = 2 * MICRO
"""How much later wheels turn back that stick."""
RETRY_US = 50_000
"""Pause of the station before it asks again whether it may load."""


class ConveyorSensors(Protocol):
    """The PLC program as a conveyor's sensors reach it. Instants are microseconds."""

    def may_load(self) -> bool:
        """Whether the station may put its piece on the belt now."""

    def on_inducted(self, station: int, length_mm: int, now_us: int) -> int:
        """A piece of that length was put on the belt; return the id it is given."""

    def on_eye(self, eye: int, reading: Reading | None, now_us: int, *, covered: bool) -> None:
        """A photo-eye is covered, or free again; the scanner's is 0 and comes with a reading."""

    def on_landing(self, chute: int, now_us: int, *, covered: bool) -> None:
        """The photo-eye in a chute's mouth is covered, or free again."""

    def on_removed(self, piece_id: int, now_us: int) -> None:
        """Somebody took a piece off and said so at the panel."""


class OnBelt(Parcel):
    """A piece on the conveyor; ``behind`` is the one that sticks to it."""

    __slots__ = ("behind", "length_us", "sticks")

    def __init__(self, printed: Print, extra: bytes | None, length_us: int) -> None:
        super().__init__(printed, extra)
        self.length_us = length_us
        self.behind: OnBelt | None = None
        self.sticks = False


class _Kind(Enum):
    EYE = "eye"
    WHEELS = "wheels"
    END = "end"


class _Point(NamedTuple):
    """Where something happens to a piece; ``eye`` numbers the photo-eyes from the scanner's, 0."""

    kind: _Kind
    position_mm: int
    eye: int
    chute: int


class _Eye:
    """A photo-eye, or the one in a chute's mouth."""

    __slots__ = ("covered", "until_us")

    def __init__(self) -> None:
        self.covered = False
        self.until_us = -1


class ConveyorPlant(Plant):
    """A conveyor with its diverters. ``sensors`` is set by whoever builds it."""

    sensors: ConveyorSensors

    def __init__(
        self,
        file: EmulatorFile,
        diverter: Diverter,
        chutes: list[ChuteRow],
        prints: Iterator[Print],
        signal: Signal,
        tally: Tally,
    ) -> None:
        super().__init__(file, chutes, prints, signal, tally)
        self._diverter = diverter
        self._switch_us = diverter.switch_ms * 1000
        self._seen_us = self._travel_us(GAP_SEEN_MM)
        end = chutes[-1]
        self.bins[end.chute].endless = True
        self._points = [_Point(_Kind.EYE, 0, 0, 0)]
        for number, row in enumerate(chutes[:-1], start=1):
            before = row.position_mm - diverter.eye_before_mm
            self._points.append(_Point(_Kind.EYE, before, number, row.chute))
            self._points.append(_Point(_Kind.WHEELS, row.position_mm, number, row.chute))
        self._points.append(_Point(_Kind.END, end.position_mm, len(chutes), end.chute))
        self._rear_us = [-1] * len(self._points)
        """When the rear of the newest piece bound for each point is past it."""
        self._eyes = [_Eye() for _ in range(len(chutes) + 1)]
        self._mouths = {row.chute: _Eye() for row in chutes}
        self._turns: dict[int, list[tuple[int, bool]]] = {row.chute: [] for row in chutes}
        """When the wheels of each diverter will have turned, or turned back."""
        self._place_free_us = 0
        self._before_mm = file.stations[0].position_mm
        self._way_us = self._travel_us(self._before_mm + end.position_mm)

    def turn(self, chute: int, at_us: int) -> None:
        """Begin to turn a diverter's wheels towards its chute at that instant."""
        insort(self._turns[chute], (at_us + self._switch_us, True))

    def turn_back(self, chute: int, at_us: int) -> None:
        """Begin to turn them straight again."""
        sticking = self._fates.random() < self._chances.missorted
        late_us = STICKING_US if sticking else 0
        insort(self._turns[chute], (at_us + self._switch_us + late_us, False))

    def _is_turned(self, chute: int, now_us: int) -> bool:
        """Whether the wheels turn a piece out that comes onto them now."""
        turns = self._turns[chute]
        while len(turns) > 1 and turns[1][0] <= now_us:
            del turns[0]
        return bool(turns) and turns[0][0] <= now_us and turns[0][1]

    def _await_place(self, feed: Feed, now_us: int) -> None:
        """Wait until the piece before has left its gap."""
        self.at(max(now_us + 1, self._place_free_us), lambda at_us: self._load(feed, at_us))

    def _load(self, feed: Feed, now_us: int) -> None:
        """Put the piece on the belt if the program lets the station, with what sticks to it."""
        if not self.sensors.may_load():
            self.at(now_us + RETRY_US, lambda at_us: self._load(feed, at_us))
            return
        first = self._put(feed)
        length_us = first.length_us
        if self._fates.random() < self._chances.stuck_together:
            printed = next(self._prints, None)
            if printed is not None:
                self.arrived += 1
                self._tally.stuck_together += 1
                feed.queue.appendleft(printed)
                second = self._put(feed)
                second.sticks = True
                first.behind = second
                length_us += second.length_us
        length_mm = length_us * self._speed // MICRO
        self._place_free_us = now_us + length_us + self._travel_us(self._diverter.min_gap_mm)
        self._go_on(first, 0, now_us, self._before_mm)
        if first.behind is not None:
            self._go_on(first.behind, 0, now_us + first.length_us, self._before_mm)
        self._draw_fate(first, now_us)
        first.piece_id = self.sensors.on_inducted(feed.station.number, length_mm, now_us)
        self._loaded_one(feed, now_us)

    def _put(self, feed: Feed) -> OnBelt:
        printed, extra = self._take(feed)
        return OnBelt(printed, extra, self._travel_us(printed.length_mm or LENGTH_MM))

    def _draw_fate(self, parcel: OnBelt, now_us: int) -> None:
        """Draw whether somebody takes the piece off, and says so or not."""

        def remove(instant_us: int) -> None:
            if parcel.present:
                parcel.present = False
                self.sensors.on_removed(parcel.piece_id, instant_us)

        def fall(_instant_us: int) -> None:
            parcel.present = False

        self._decide_fate(self._way_us, now_us, remove, fall)

    def _go_on(self, parcel: OnBelt, index: int, from_us: int, distance_mm: int) -> None:
        """Have the piece's front reach a point; it can't pass the piece before it."""
        slip_mm = self._slip_mm()
        if not parcel.sticks and self._fates.random() < self._chances.slipping:
            slip_mm += self._fates.randint(1, self._diverter.slip_max_mm)
        reach_us = from_us + self._travel_us(distance_mm + slip_mm)
        reach_us = max(reach_us, self._rear_us[index])
        self._rear_us[index] = reach_us + parcel.length_us
        self.at(reach_us, lambda at_us: self._reach(parcel, index, at_us))

    def _reach(self, parcel: OnBelt, index: int, now_us: int) -> None:
        """The piece's front is at a point."""
        if not parcel.present:
            return
        point = self._points[index]
        if point.kind is _Kind.WHEELS and self._is_turned(point.chute, now_us):
            if self._fates.random() >= self._chances.discharge_failure:
                parcel.present = False
                self._land(parcel, point.chute)
                self._cover_mouth(point.chute, parcel, now_us)
                return
        elif point.kind is _Kind.END:
            parcel.present = False
            self._land(parcel, point.chute)
            self._cover_eye(point.eye, parcel, now_us)
            return
        elif point.kind is _Kind.EYE:
            self._cover_eye(point.eye, parcel, now_us)
        following = self._points[index + 1]
        self._go_on(parcel, index + 1, now_us, following.position_mm - point.position_mm)

    def _cover_eye(self, number: int, parcel: OnBelt, now_us: int) -> None:
        """Cover a photo-eye for the length of a piece."""
        eye = self._eyes[number]

        def tell(at_us: int, *, covered: bool) -> None:
            reading = self._scan(parcel) if covered and number == 0 else None
            self.sensors.on_eye(number, reading, at_us, covered=covered)

        self._cover(eye, parcel, now_us, tell)

    def _cover_mouth(self, chute: int, parcel: OnBelt, now_us: int) -> None:
        """Cover the photo-eye in a chute's mouth."""

        def tell(at_us: int, *, covered: bool) -> None:
            self.sensors.on_landing(chute, at_us, covered=covered)

        self._cover(self._mouths[chute], parcel, now_us, tell)

    def _cover(self, eye: _Eye, parcel: OnBelt, now_us: int, tell: "_Tell") -> None:
        """Cover an eye; pieces that follow without a gap are one to it."""
        eye.until_us = max(eye.until_us, now_us + parcel.length_us)
        if eye.covered:
            return
        eye.covered = True

        def leave(at_us: int) -> None:
            free_us = eye.until_us + self._seen_us
            if at_us < free_us:
                self.at(free_us, leave)
                return
            eye.covered = False
            tell(at_us, covered=False)

        self.at(eye.until_us + self._seen_us, leave)
        tell(now_us, covered=True)

    def _scan(self, parcel: OnBelt) -> Reading:
        """Read a piece and what sticks to it, on one trigger."""
        return self._read(parcel, *([parcel.behind] if parcel.behind else []))


class _Tell(Protocol):
    def __call__(self, at_us: int, *, covered: bool) -> None: ...
