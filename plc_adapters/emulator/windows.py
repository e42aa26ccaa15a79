"""How the PLC's program follows pieces on a conveyor: by where the encoder says each must be.

A piece is expected at every photo-eye within a window around its place as last seen. An edge counts
for the piece in whose window it falls, never simply for the one that is next: a piece that does not
come must not pass its chute on to the one behind it. Whoever has not come when the window closes is
lost to the program; should it come later, nobody turns it out, and it goes to the end.
"""

from dataclasses import dataclass

from plc_adapters.contract import DischargeStatus, ScanStatus
from plc_adapters.emulator.conveyor import ConveyorPlant
from plc_adapters.emulator.plant import MICRO, Reading
from plc_adapters.emulator.plc import PlcProgram, Tracked
from plc_adapters.emulator.sections import ChuteRow, Diverter, Station
from plc_adapters.emulator.tally import Tally


@dataclass(slots=True)
class Sight:
    """Where a piece was last seen: photo-eye (-1 the station's), place and instant of its front."""

    piece: Tracked
    length_us: int
    eye: int
    place_mm: int
    seen_us: int
    turned: int = 0
    """Chute for which the wheels were turned, until the piece lands there or its window closes."""
    status: DischargeStatus = DischargeStatus.MISSED
    """What it leaves as if it lands there."""
    unsure: bool = False
    """Whether another piece may be taken for it: then it is turned out no more."""


class _Eye:
    """When a photo-eye was last covered and last became free."""

    __slots__ = ("covered_us", "free_us", "turned")

    def __init__(self) -> None:
        self.covered_us = -1
        self.free_us = -1
        self.turned = 0
        """Chute whose wheels are turned for the piece under this eye."""

    def mark(self, *, covered: bool, now_us: int) -> None:
        if covered:
            self.covered_us = now_us
        else:
            self.free_us = now_us

    def was_covered(self, at_us: int) -> bool:
        """Whether something was under it at that instant, which is not long ago."""
        still = self.free_us < self.covered_us
        return 0 <= self.covered_us <= at_us and (still or at_us <= self.free_us)


class WindowTracking:
    """The part of the program that knows where on the conveyor each piece is."""

    def __init__(
        self,
        program: PlcProgram,
        plant: ConveyorPlant,
        diverter: Diverter,
        station: Station,
        chutes: list[ChuteRow],
        tally: Tally,
    ) -> None:
        self._program = program
        self._plant = plant
        self._tally = tally
        self._speed = diverter.speed_mm_s
        self._early_us = self._us(diverter.early_mm)
        self._late_us = self._us(diverter.late_mm)
        self._before_us = self._us(diverter.eye_before_mm)
        self._switch_us = diverter.switch_ms * 1000
        self._station_mm = -station.position_mm
        self._chutes = [0, *(row.chute for row in chutes)]
        """The chute behind each photo-eye; the scanner's has none."""
        self._mouth_mm = {row.chute: row.position_mm for row in chutes}
        eyes = [row.position_mm - diverter.eye_before_mm for row in chutes[:-1]]
        self._places_mm = [0, *eyes, chutes[-1].position_mm]
        self._eye_of = {chute: eye for eye, chute in enumerate(self._chutes) if chute}
        self._last = len(chutes)
        self._eyes = [_Eye() for _ in self._places_mm]
        self._mouths = {row.chute: _Eye() for row in chutes}
        self._sights: dict[int, Sight] = {}
        """By piece id, in the order of the belt."""

    def may_load(self) -> bool:
        """The station keeps the gap by itself."""
        return self._program.may_induct()

    def on_inducted(self, station: int, length_mm: int, now_us: int) -> int:
        """Begin to track a piece."""
        piece = self._program.inducted(station, 0, now_us)
        sight = Sight(piece, self._us(length_mm), -1, self._station_mm, now_us)
        self._sights[piece.piece_id] = sight
        self._await(sight)
        return piece.piece_id

    def on_eye(self, eye: int, reading: Reading | None, now_us: int, *, covered: bool) -> None:
        """Tie an edge to the piece expected there, and act on it."""
        state = self._eyes[eye]
        state.mark(covered=covered, now_us=now_us)
        if not covered:
            if state.turned:
                self._plant.turn_back(state.turned, now_us + self._before_us)
                state.turned = 0
            return
        sight = self._tie(self._places_mm[eye], eye - 1, now_us)
        if sight is not None:
            self._see(sight, eye, now_us)
            self._act(sight, eye, reading or Reading(), now_us)

    def on_landing(self, chute: int, now_us: int, *, covered: bool) -> None:
        """Something falls into a chute: the piece turned out for it, or one taken along."""
        self._mouths[chute].mark(covered=covered, now_us=now_us)
        if not covered:
            return
        sight = self._tie(self._mouth_mm[chute], self._eye_of[chute], now_us)
        if sight is not None:
            taken_along = sight.turned != chute
            self._program.left(sight.piece, sight.status, chute, now_us, missed=taken_along)

    def on_removed(self, piece_id: int, now_us: int) -> None:
        """Somebody took the piece off; one that is not tracked any more changes nothing."""
        sight = self._sights.get(piece_id)
        if sight is not None:
            self._program.ended(sight.piece, DischargeStatus.REMOVED, 0, now_us)

    def retarget(self, piece: Tracked, now_us: int) -> None:
        """Do nothing: the photo-eye before each diverter asks when the piece is there."""

    def passed(self, piece: Tracked, chute: int, now_us: int) -> bool:
        """Whether the piece was seen at that chute's photo-eye: there it is decided."""
        del now_us
        return self._sights[piece.piece_id].eye >= self._eye_of[chute]

    def forget(self, piece: Tracked) -> None:
        """The piece is gone."""
        del self._sights[piece.piece_id]

    def _us(self, distance_mm: int) -> int:
        """Return how long the belt takes for a distance."""
        return -(-distance_mm * MICRO // self._speed)

    def _expected_us(self, sight: Sight, place_mm: int) -> int:
        """Return when the piece's front is to be at a place."""
        return sight.seen_us + self._us(place_mm - sight.place_mm)

    def _tie(self, place_mm: int, newest_eye: int, now_us: int) -> Sight | None:
        """Return the piece whose window at a place an edge falls into.

        Where it falls into those of several, as one fell behind, they may be taken for each other:
        the first is taken, as none passes another, and none of them is turned out any more.
        """
        inside = []
        for sight in self._sights.values():
            late_us = now_us - self._expected_us(sight, place_mm)
            if sight.eye <= newest_eye and -self._early_us <= late_us <= self._late_us:
                inside.append(sight)
        if not inside:
            self._tally.unknown_edges += 1
            return None
        if len(inside) > 1:
            for sight in inside:
                sight.unsure = True
        return inside[0]

    def _see(self, sight: Sight, eye: int, seen_us: int) -> None:
        """Take over where a piece was seen, and await it at the next photo-eye."""
        sight.eye = eye
        sight.place_mm = self._places_mm[eye]
        sight.seen_us = seen_us
        if eye < self._last:
            self._await(sight)

    def _await(self, sight: Sight) -> None:
        """Look whether the piece has come once its next window closes."""
        eye = sight.eye + 1
        closes_us = self._expected_us(sight, self._places_mm[eye]) + self._late_us + 1

        def close(now_us: int) -> None:
            if self._sights.get(sight.piece.piece_id) is sight and sight.eye < eye:
                self._has_not_come(sight, eye, now_us)

        self._plant.at(closes_us, close)

    def _act(self, sight: Sight, eye: int, reading: Reading, now_us: int) -> None:
        """Do what there is to do with a piece at a photo-eye."""
        piece, chute = sight.piece, self._chutes[eye]
        if eye == 0:
            self._program.scanned(piece, reading, now_us)
            return
        if chute not in self._program.may_leave_at(piece):
            return
        status = self._program.way_out(piece, chute, now_us)
        if status is None:
            return
        if eye == self._last:
            self._program.left(piece, status, chute, now_us, missed=False)
        elif sight.unsure or not self._has_room(sight, eye, now_us):
            piece.aborted |= ScanStatus.ABORTED_MECHANICAL
            self._tally.too_close += 1
        else:
            self._turn(sight, eye, status, now_us)

    def _has_room(self, sight: Sight, eye: int, now_us: int) -> bool:
        """Whether the wheels can turn between the piece before and this one, and back again."""
        ready_us = max(now_us, self._eyes[eye].free_us + self._before_us) + self._switch_us
        if ready_us > now_us + self._before_us:
            return False
        following = iter(self._sights.values())
        for other in following:
            if other is sight:
                break
        behind = next(following, None)
        if behind is None:
            return True
        next_us = self._expected_us(behind, self._places_mm[eye])
        return next_us - (now_us + sight.length_us) >= self._switch_us

    def _turn(self, sight: Sight, eye: int, status: DischargeStatus, now_us: int) -> None:
        """Turn the wheels as soon as the piece before is past them, until this one is."""
        chute = self._chutes[eye]
        state = self._eyes[eye]
        self._plant.turn(chute, max(now_us, state.free_us + self._before_us))
        state.turned = sight.turned = chute
        sight.status = status

        def close(_now_us: int) -> None:
            if sight.turned == chute:
                sight.turned = 0
                sight.piece.aborted |= ScanStatus.ABORTED_MECHANICAL

        self._plant.at(now_us + self._before_us + self._late_us + 1, close)

    def _has_not_come(self, sight: Sight, eye: int, now_us: int) -> None:
        """Settle a piece without an edge of its own: under another, taken along, or lost."""
        expected_us = self._expected_us(sight, self._places_mm[eye])
        chute = self._chutes[eye - 1] if eye else 0
        if self._eyes[eye].was_covered(expected_us):
            sight.unsure = True
            self._see(sight, eye, expected_us)
            if eye in (0, self._last):
                self._act(sight, eye, Reading(), now_us)
        elif chute and self._mouths[chute].was_covered(
            self._expected_us(sight, self._mouth_mm[chute])
        ):
            self._program.left(sight.piece, sight.status, chute, now_us, missed=True)
        else:
            self._program.ended(sight.piece, DischargeStatus.LOST, 0, now_us)
