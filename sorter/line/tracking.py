"""Which piece is this, and what has happened to it: one line's state, changed by events only."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    DISPOSITIONS_MAX,
    EVENT,
    STATION_NUMBER_MAX,
    Records,
    Resume,
)
from sorter.errors import JournalError
from sorter.line.books import Counter, Register, TrackArrays, blank_piece
from sorter.line.piece_table import begin_again
from sorter.line.slip import SlipLimits
from sorter.line.tracking_kernels import adopt_batch, find_rows, track_batch
from sorter.ports import BATCH_MAX, CHUTE, DECISION, HOST_ANSWER, PIECE, PIECES_MAX

SNAPSHOT_FORMAT = 1
"""Version of the snapshot; another one is refused."""
COUNTER_NAMES = tuple(counter.name.lower() for counter in Counter)
"""Names of :attr:`Tracking.counters`, in their order."""
LIVE_CHUTE_FIELDS = ("state", "locked", "fill", "discharged", "rate_due_ns")
"""What a snapshot brings back of a chute; the rest is the machine's, or kept room counted anew."""

# As a plain number: a member of an enum takes a microsecond to look up, several times a turn.
_QUARANTINED = int(Register.QUARANTINED)


class State(NamedTuple):
    """A copy of what a decision needs of a line; see :class:`sorter.assignment.decider.State`."""

    pieces: Records
    chutes: Records
    quarantined: bool


class Tracking:
    """The pieces in flight, the chutes and the counters of one line.

    It knows no clock: every instant comes with an event. The same events and decisions in the same
    order leave the same state, which is how a line is recovered.
    """

    def __init__(
        self, chutes: Records, rows: int = PIECES_MAX, slip: SlipLimits | None = None
    ) -> None:
        """Start with nothing in flight.

        Args:
            chutes: CHUTE[CHUTE_NUMBER_MAX + 1] by number, as the machine has them; copied.
            rows: Pieces that can be in flight at once.
            slip: When the line is quarantined; never if left out.
        """
        self._slip = slip or SlipLimits()
        self._t = TrackArrays(
            pieces=np.zeros(rows, PIECE),
            blank=blank_piece(),
            slots=np.zeros(1 << (2 * rows - 1).bit_length(), np.int32),
            freed=np.zeros(rows, np.int32),
            chutes=np.array(chutes, CHUTE),
            counters=np.zeros(len(Counter), np.int64),
            dispositions=np.zeros(DISPOSITIONS_MAX, np.int64),
            stations=np.zeros(STATION_NUMBER_MAX + 1, np.int64),
            registers=np.zeros(len(Register), np.int64),
        )
        self._set_slip_limits()
        self._rows = np.zeros(BATCH_MAX, np.int32)
        self._ended = np.zeros(rows + BATCH_MAX, PIECE)

    @classmethod
    def of(cls, snapshot: bytes, slip: SlipLimits) -> "Tracking":
        """Return what a snapshot says, on the machine as it was then.

        Raises:
            JournalError: it is damaged or of another version.
        """
        size = (CHUTE_NUMBER_MAX + 1) * CHUTE.itemsize
        if len(snapshot) < size:
            raise JournalError("snapshot: damaged (too short); move the segment away")
        made = cls(np.frombuffer(snapshot[-size:], CHUTE), slip=slip)
        made.restore(snapshot)
        return made

    @property
    def pieces(self) -> Records:
        """PIECE[rows], the table itself; a row whose boot_id is 0 is free."""
        return self._t.pieces

    @property
    def chutes(self) -> Records:
        """CHUTE by number, the table itself."""
        return self._t.chutes

    @property
    def counters(self) -> NDArray[np.int64]:
        """int64[len(COUNTER_NAMES)], indexed by :class:`~sorter.line.books.Counter`."""
        return self._t.counters

    @property
    def dispositions(self) -> NDArray[np.int64]:
        """int64[DISPOSITIONS_MAX]: answers that the PLC accepted, by disposition."""
        return self._t.dispositions

    @property
    def stations(self) -> NDArray[np.int64]:
        """int64[STATION_NUMBER_MAX + 1]: inductions by station."""
        return self._t.stations

    @property
    def machine_state(self) -> int:
        """The last MachineState that this boot of the PLC told, 0 before the first."""
        return int(self._t.registers[Register.MACHINE_STATE])

    @property
    def quarantined(self) -> bool:
        """Whether too many pieces were found elsewhere than sent, and nobody has released it."""
        return bool(self._t.registers[_QUARANTINED])

    def release_quarantine(self) -> None:
        """Sort again: somebody has looked. Confirmations count anew."""
        self._t.registers[Register.QUARANTINED] = 0
        self._t.registers[Register.CONFIRMATIONS] = 0

    def _set_slip_limits(self) -> None:
        self._t.registers[Register.SLIP_MISMATCHES] = self._slip.mismatches
        self._t.registers[Register.SLIP_OF] = self._slip.of

    @property
    def resume(self) -> Resume:
        """Where the line's link would go on after the events applied so far."""
        at = self._t.registers
        return Resume(
            int(at[Register.BOOT_ID]), int(at[Register.SEQUENCE]), int(at[Register.EPOCH])
        )

    def in_flight(self) -> Records:
        """Return a copy of the pieces in flight, in the table's order."""
        touched = self._t.pieces[: self._t.registers[Register.ROWS_TOUCHED]]
        in_flight: Records = touched[touched["boot_id"] != 0]
        return in_flight

    def count_in_flight(self) -> int:
        """Return how many pieces are in flight, without copying them."""
        touched = self._t.pieces["boot_id"][: self._t.registers[Register.ROWS_TOUCHED]]
        return int(np.count_nonzero(touched))

    def copied(self) -> State:
        """Return a copy of the state on which something can be decided without changing the line.

        Its pieces are all rows ever used, so that rows of :meth:`apply` hold for it too.
        """
        touched = self._t.pieces[: max(int(self._t.registers[Register.ROWS_TOUCHED]), 1)]
        return State(touched.copy(), self._t.chutes.copy(), self.quarantined)

    def versions_in_flight(self) -> dict[int, int]:
        """Return how many pieces in flight go by each plan version; 0 stands for the active one."""
        versions, counts = np.unique(self.in_flight()["plan_version"], return_counts=True)
        return dict(zip(versions.tolist(), counts.tolist(), strict=True))

    def is_empty(self) -> bool:
        """Return whether no piece is in flight."""
        at = self._t.registers
        return bool(at[Register.ROWS_TOUCHED] == at[Register.ROWS_FREED])

    def lock_only(self, numbers: Iterable[int]) -> None:
        """Lock these chutes and no others: an operator's word, which outlasts the PLC's."""
        self._t.chutes["locked"] = 0
        self._t.chutes["locked"][list(numbers)] = 1

    def apply(self, events: Records) -> tuple[NDArray[np.int32], Records]:
        """Apply EVENTs in order.

        Returns:
            int32, each event's row in :attr:`pieces`, −1 where it is about no piece that is in
            flight now; and the PIECEs that ended. Both are views, valid until the next call.

        Raises:
            ValueError: more than BATCH_MAX events.
        """
        count = _within(events)
        ended = track_batch(_plain(events, EVENT), count, self._t, self._rows, self._ended)
        return self._rows[:count], self._ended[:ended]

    def rows_of(self, answers: Records) -> NDArray[np.int32]:
        """Return int32, the row in :attr:`pieces` of each HOST_ANSWER's piece, −1 for none.

        Raises:
            ValueError: more than BATCH_MAX answers.
        """
        rows = np.zeros(_within(answers), np.int32)
        find_rows(_plain(answers, HOST_ANSWER), len(rows), self._t, rows)
        return rows

    def adopt_decisions(self, decisions: Records) -> None:
        """Apply DECISIONs made before, after the events of their turn: for recovery.

        One whose piece has ended since, or is on a later lap, is passed over, as it was then.

        Raises:
            ValueError: more than BATCH_MAX decisions.
        """
        adopt_batch(_plain(decisions, DECISION), _within(decisions), self._t)

    def snapshot(self) -> bytes:
        """Return the whole state; :meth:`restore` makes it again."""
        pieces = self.in_flight()
        head = {
            "format": SNAPSHOT_FORMAT,
            "piece": _layout(PIECE),
            "chute": _layout(CHUTE),
            "pieces": len(pieces),
            "chutes": len(self._t.chutes),
            "counters": dict(zip(COUNTER_NAMES, self._t.counters.tolist(), strict=True)),
            "dispositions": self._t.dispositions.tolist(),
            "stations": self._t.stations.tolist(),
            "machine_state": self.machine_state,
            "quarantined": int(self.quarantined),
            "confirmations": int(self._t.registers[Register.CONFIRMATIONS]),
            "boot_id": self.resume.boot_id,
            "sequence": self.resume.sequence,
            "epoch": self.resume.epoch,
        }
        line = json.dumps(head, separators=(",", ":")).encode() + b"\n"
        return line + pieces.tobytes() + self._t.chutes.tobytes()

    def restore(self, snapshot: bytes) -> Resume:
        """Become what a snapshot says; return where the link goes on.

        The machine may have changed since: which chutes exist, their capacity and travel stay as
        they were given to this object. Counters that the snapshot does not know start at 0.

        Raises:
            JournalError: it is damaged, of another version, or holds more pieces than there are
                rows. Nothing was changed then.
        """
        head, pieces, chutes = self._read(snapshot)
        t = self._t
        t.pieces[: t.registers[Register.ROWS_TOUCHED]] = t.blank[0]
        for array in (t.slots, t.registers, t.counters, t.dispositions, t.stations):
            array[:] = 0
        for field in LIVE_CHUTE_FIELDS:
            t.chutes[field] = chutes[field]
        t.chutes["reserved"] = 0
        begin_again(pieces, len(pieces), t)
        for name, value in head["counters"].items():
            if name in COUNTER_NAMES:
                t.counters[COUNTER_NAMES.index(name)] = value
        t.dispositions[:] = head["dispositions"]
        t.stations[:] = head["stations"]
        for register in (Register.BOOT_ID, Register.SEQUENCE, Register.EPOCH):
            t.registers[register] = head[register.name.lower()]
        t.registers[Register.MACHINE_STATE] = head["machine_state"]
        t.registers[Register.QUARANTINED] = head.get("quarantined", 0)
        t.registers[Register.CONFIRMATIONS] = head.get("confirmations", 0) % (1 << self._slip.of)
        self._set_slip_limits()
        return self.resume

    def forget(self, blank: bytes) -> None:
        """Become what a snapshot says, but keep what people said: locks, and a quarantine.

        Raises:
            JournalError: as :meth:`restore` does.
        """
        locked, quarantined = self._t.chutes["locked"].copy(), self.quarantined
        self.restore(blank)
        self._t.chutes["locked"] = locked
        self._t.registers[Register.QUARANTINED] = quarantined

    def _read(self, snapshot: bytes) -> tuple[dict[str, Any], Records, Records]:
        """Take a snapshot apart, checking everything that could be wrong with it."""
        line, _, body = snapshot.partition(b"\n")
        try:
            head: dict[str, Any] = json.loads(line)
            found = (head["format"], head["piece"], head["chute"], head["chutes"])
            expected = (SNAPSHOT_FORMAT, _layout(PIECE), _layout(CHUTE), len(self._t.chutes))
            split = int(head["pieces"]) * PIECE.itemsize
            if found != expected:
                raise JournalError(
                    "snapshot: written by another version of this service; finish the pieces on "
                    "the sorter with that version, or move the journal away to start anew"
                )
            if head["pieces"] > len(self._t.pieces):
                raise JournalError(
                    f"snapshot: {head['pieces']} pieces in flight, room for {len(self._t.pieces)}"
                )
            pieces = np.frombuffer(body[:split], PIECE)
            chutes = np.frombuffer(body[split:], CHUTE)
            shapes = (len(pieces), len(chutes), len(head["dispositions"]), len(head["stations"]))
            numbers = [head[name] for name in ("machine_state", "boot_id", "sequence", "epoch")]
            numbers += [int(head.get(name, 0)) for name in ("quarantined", "confirmations")]
            numbers += [*head["dispositions"], *head["stations"], *head["counters"].values()]
            np.array(numbers, np.int64)  # so that nothing fails once the state is being changed
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise JournalError(
                f"snapshot: damaged ({error!r}); move the journal's newest segment away to go on "
                "from the one before"
            ) from None
        sizes = (head["pieces"], head["chutes"], len(self._t.dispositions), len(self._t.stations))
        if shapes != sizes:
            raise JournalError(
                f"snapshot: damaged (holds {shapes}, says {sizes}); move the journal's newest "
                "segment away to go on from the one before"
            )
        return head, pieces.copy(), chutes


def warm_up() -> None:
    """Run every kernel of tracking on an empty line, so that no event waits for the compiler."""
    tracking = Tracking(np.zeros(1, CHUTE), rows=1)
    tracking.apply(np.zeros(1, EVENT))
    tracking.adopt_decisions(np.zeros(1, DECISION))
    tracking.rows_of(np.zeros(1, HOST_ANSWER))
    tracking.restore(tracking.snapshot())


def _within(records: Records) -> int:
    if len(records) > BATCH_MAX:
        raise ValueError(f"{len(records)} records; one turn takes at most {BATCH_MAX}")
    return len(records)


def _plain(records: Records, dtype: np.dtype[np.void]) -> Records:
    """Return records as the kernels are compiled for: a copy only of what was read from a file."""
    if records.dtype is dtype and records.flags.carray:
        return records
    return np.require(records, dtype, ["C", "A", "W"])


def _layout(dtype: np.dtype[np.void]) -> list[list[Any]]:
    """Return names, offsets and types of a record's fields, as they come back from JSON."""
    fields = dtype.fields
    assert fields is not None
    return [[name, offset, str(kind)] for name, (kind, offset, *_) in fields.items()]
