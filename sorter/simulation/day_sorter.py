"""A sorter for a simulated day: pieces by the thousand, moved as arrays, some seconds at a time.

It is an adapter (:class:`plc_adapters.contract.Adapter`) that keeps the contract of a PLC and its
metal without their cycle: it tells inductions, scans, echoes, discharges and emptied chutes in the
order of their instants, takes instructions, and sends a piece into the first chute named that has
room, else round once more.
"""

import asyncio
from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import (
    CODE_BYTES,
    EVENT,
    AnswerStatus,
    ChuteState,
    DischargeStatus,
    EventKind,
    LinkStatus,
    Records,
    Resume,
    ScanStatus,
)
from sorter.clock import Clock
from sorter.ports import BATCH_MAX

BOOT_ID = 1
SLICE_NS = 4_000_000_000
"""What happens within so long is told at its end: less than the way to the first chute takes, so
that every answer can be in time; a real PLC is polled hundreds of times as often."""
TO_SCANNER_NS = 1_000_000_000
LAP_NS = 40_000_000_000
EMPTIED_AFTER_NS = 30_000_000_000
"""From a chute's last piece to its being empty again."""


class Chutes(NamedTuple):
    """The machine's: int64 by chute number."""

    capacity: NDArray[np.int64]
    travel_ns: NDArray[np.int64]
    fill: NDArray[np.int64]


class DaySorter:
    """Pieces, each with the instant of its induction and the code that it bears."""

    def __init__(
        self, inducted_ns: NDArray[np.int64], codes: list[bytes], chutes: Records, clock: Clock
    ) -> None:
        """Move nothing yet.

        Args:
            inducted_ns: int64[n], in order, on ``clock``; piece ids count from 1.
            codes: What the pieces bear, by turns; empty for a no-read.
            chutes: CHUTE by number, all open.
            clock: The line's.
        """
        self.status = LinkStatus(connected=True, problem="", boot_id=BOOT_ID)
        self.late = 0
        """Instructions that came after their deadline."""
        self.outcomes: defaultdict[int, int] = defaultdict(int)
        """Pieces by DischargeStatus."""
        self.laps = 0
        """Further laps of all pieces."""
        self.acknowledged = 0
        self.told = 0
        """Sequence of the newest event."""
        self.on_sorter_max = 0
        self._clock = clock
        self._inducted_ns = inducted_ns
        raw = b"".join(code.ljust(CODE_BYTES, b"\0") for code in codes)
        self._codes = np.frombuffer(raw, np.uint8).reshape(-1, CODE_BYTES)
        self._has_code = np.array([bool(code) for code in codes])
        count = len(inducted_ns) + 1
        self._lap = np.zeros(count, np.uint16)
        self._scanned_ns = np.zeros(count, np.int64)
        self._aborted = np.zeros(count, bool)
        self._chutes = Chutes(
            chutes["capacity"].astype(np.int64), chutes["travel_ns"].astype(np.int64),
            np.zeros(len(chutes), np.int64),
        )  # fmt: skip
        self._inducted = 0
        self._due: defaultdict[int, list[Records]] = defaultdict(list)
        """Events to come, by the slice they lie in."""
        self._now_slice = 0
        self._left_over = np.empty(0, EVENT)

    @property
    def on_sorter(self) -> int:
        """Pieces that have not left."""
        return self._inducted - sum(self.outcomes.values())

    @property
    def is_done(self) -> bool:
        """Whether all pieces have left and all of it is told."""
        return self._inducted == len(self._inducted_ns) and not (
            self.on_sorter or len(self._left_over)
        )

    async def open(self, resume: Resume) -> None:
        """Begin with the first slice."""
        assert resume.sequence == 0
        self._now_slice = self._clock.now_ns() // SLICE_NS

    async def read(self) -> Records:
        """Return what the slice that has just ended brought, at most BATCH_MAX at once."""
        if not len(self._left_over):
            self._now_slice += 1
            await asyncio.sleep((self._now_slice * SLICE_NS - self._clock.now_ns()) / 1e9)
            self._left_over = self._slice(self._now_slice - 1)
        events, self._left_over = self._left_over[:BATCH_MAX], self._left_over[BATCH_MAX:]
        events["host_receive_ns"] = self._clock.now_ns()
        return events

    async def write(self, instructions: Records) -> None:
        """Take instructions: each piece's way is known from here on."""
        now_ns = self._clock.now_ns()
        self.late += int(np.count_nonzero(instructions["deadline_ns"] < now_ns))
        echoes = np.zeros(len(instructions), EVENT)
        echoes["kind"], echoes["status"] = EventKind.INSTRUCTED, AnswerStatus.ACCEPTED
        for name in ("piece_id", "lap", "revision", "disposition", "chutes", "plan_version"):
            echoes[name] = instructions[name]
        echoes["epoch"] = 1
        echoes["event_ns"] = now_ns
        echoes["slack_ms"] = (instructions["deadline_ns"] - now_ns) // 1_000_000
        self._plan(echoes)
        self._send(instructions["piece_id"].astype(np.int64), instructions["chutes"])

    def acknowledge(self, sequence: int) -> None:
        """Note how far the journal reaches."""
        self.acknowledged = sequence

    async def close(self) -> None:
        """Nothing is open."""

    def _send(self, pieces: NDArray[np.int64], named: NDArray[np.uint16]) -> None:
        """Let each piece leave at the first chute named that has room, or come by again.

        Of several that come to the same chute, those told first get its room.
        """
        left = np.arange(len(pieces))
        for place in range(named.shape[1]):
            taken = [self._fill(int(c), left[named[left, place] == c], pieces) for c in
                     np.unique(named[left, place]) if c]  # fmt: skip
            left = np.setdiff1d(left, np.concatenate([np.empty(0, np.int64), *taken]))
        if not len(left):
            return
        again = pieces[left]
        self._aborted[again] = named[left, 0] != 0
        self._lap[again] += 1
        self.laps += len(again)
        self._plan(self._scans(again, self._scanned_ns[again] + LAP_NS))

    def _fill(
        self, chute: int, those: NDArray[np.int64], pieces: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Send as many of these to a chute as it has room for; return them."""
        chutes = self._chutes
        those = those[: max(int(chutes.capacity[chute] - chutes.fill[chute]), 0)]
        if not len(those):
            return those
        events = np.zeros(len(those), EVENT)
        events["kind"], events["status"] = EventKind.DISCHARGED, DischargeStatus.SORTED
        events["piece_id"], events["lap"] = pieces[those], self._lap[pieces[those]]
        events["chute"] = chute
        events["event_ns"] = self._scanned_ns[pieces[those]] + chutes.travel_ns[chute]
        self._plan(events)
        chutes.fill[chute] += len(those)
        if chutes.fill[chute] == chutes.capacity[chute]:
            self._empty_later(chute, int(events["event_ns"].max()) + EMPTIED_AFTER_NS)
        return those

    def _empty_later(self, chute: int, at_ns: int) -> None:
        event = np.zeros(1, EVENT)
        event["kind"], event["status"] = EventKind.CHUTE_STATE, ChuteState.EMPTIED
        event["chute"], event["event_ns"] = chute, at_ns
        self._plan(event)

    def _scans(self, pieces: NDArray[np.int64], at_ns: NDArray[np.int64]) -> Records:
        scans = np.zeros(len(pieces), EVENT)
        scans["kind"], scans["piece_id"] = EventKind.SCANNED, pieces
        scans["lap"], scans["event_ns"] = self._lap[pieces], at_ns
        kinds = pieces % len(self._codes)
        scans["code_count"] = self._has_code[kinds]
        scans["codes"][:, 0] = self._codes[kinds]
        scans["status"] = np.where(self._aborted[pieces], int(ScanStatus.ABORTED_FULL), 0)
        for name, value in (("weight_g", 500), ("length_mm", 300), ("width_mm", 200)):
            scans[name] = value
        scans["height_mm"] = 100
        self._scanned_ns[pieces] = at_ns
        return scans

    def _plan(self, events: Records) -> None:
        """Have events told in the slice they lie in, or the next one if that has been told."""
        slices = np.maximum(events["event_ns"] // SLICE_NS, self._now_slice)
        for number in sorted(set(slices.tolist())):
            self._due[number].append(events[slices == number])

    def _slice(self, number: int) -> Records:
        """Return all events of a slice, in order."""
        first = self._inducted
        last = int(np.searchsorted(self._inducted_ns, (number + 1) * SLICE_NS))
        if last > first:
            pieces = np.arange(first + 1, last + 1)
            inducted = np.zeros(len(pieces), EVENT)
            inducted["kind"], inducted["piece_id"] = EventKind.INDUCTED, pieces
            inducted["station"], inducted["event_ns"] = 1, self._inducted_ns[first:last]
            self._plan(inducted)
            self._plan(self._scans(pieces, self._inducted_ns[first:last] + TO_SCANNER_NS))
            self._inducted = last
        parts = self._due.pop(number, None)
        if not parts:
            return np.empty(0, EVENT)
        joined = np.frombuffer(bytearray(b"".join([part.tobytes() for part in parts])), EVENT)
        events: Records = joined[np.argsort(joined["event_ns"], kind="stable")]
        events["boot_id"] = BOOT_ID
        events["sequence"] = np.arange(self.told + 1, self.told + len(events) + 1)
        self.told += len(events)
        self._note(events)
        return events

    def _note(self, events: Records) -> None:
        """Keep the metal's own books."""
        ended = events["kind"] == EventKind.DISCHARGED
        self.outcomes[int(DischargeStatus.SORTED)] += int(np.count_nonzero(ended))
        emptied = events["kind"] == EventKind.CHUTE_STATE
        self._chutes.fill[events["chute"][emptied]] = 0
        self.on_sorter_max = max(self.on_sorter_max, self.on_sorter)
