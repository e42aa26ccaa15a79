"""The table of pieces in flight: of fixed size, with an open-addressing index over piece ids."""

import numpy as np

from plc_adapters.contract import DischargeStatus, Records
from sorter.assignment.compiled import compiled
from sorter.assignment.missorts import cause_of
from sorter.assignment.reservation import release, reserve
from sorter.assignment.tables import mix, slot_of
from sorter.line.books import Counter, Register, TrackArrays

LOST = int(DischargeStatus.LOST)
ROWS_TOUCHED, ROWS_FREED = int(Register.ROWS_TOUCHED), int(Register.ROWS_FREED)


@compiled
def find_slot(piece_id: int, t: TrackArrays) -> int:
    """Return the slot of a piece, or the free slot where it would stand."""
    mask = len(t.slots) - 1
    slot = slot_of(mix(piece_id), len(t.slots))
    while t.slots[slot] != 0 and t.pieces[t.slots[slot] - 1]["piece_id"] != piece_id:
        slot = (slot + 1) & mask
    return slot


@compiled
def drop(slot: int, t: TrackArrays) -> None:
    """Free a piece's row and slot; the pieces probed past that slot move up (backward shift)."""
    row = t.slots[slot] - 1
    t.pieces[row] = t.blank[0]
    t.freed[t.registers[ROWS_FREED]] = row
    t.registers[ROWS_FREED] += 1
    mask = len(t.slots) - 1
    hole = slot
    at = (slot + 1) & mask
    while t.slots[at] != 0:
        home = slot_of(mix(int(t.pieces[t.slots[at] - 1]["piece_id"])), len(t.slots))
        if ((at - home) & mask) >= ((at - hole) & mask):
            t.slots[hole] = t.slots[at]
            hole = at
        at = (at + 1) & mask
    t.slots[hole] = 0


@compiled
def measure(event: np.void, piece: np.void) -> None:
    """Take over what the event measured; zero and less is unknown and overwrites nothing."""
    if event["weight_g"] > 0:
        piece["weight_g"] = event["weight_g"]
    if event["length_mm"] > 0:
        piece["length_mm"] = event["length_mm"]
    if event["width_mm"] > 0:
        piece["width_mm"] = event["width_mm"]
    if event["height_mm"] > 0:
        piece["height_mm"] = event["height_mm"]
    if event["cell"] != 0:
        piece["cell"] = event["cell"]


@compiled
def begin(event: np.void, slot: int, counter: int, t: TrackArrays) -> int:
    """Begin to track a piece at a free slot; return its row, −1 where the table is full."""
    if t.registers[ROWS_FREED] > 0:
        t.registers[ROWS_FREED] -= 1
        row = int(np.int64(t.freed[t.registers[ROWS_FREED]]))
    elif t.registers[ROWS_TOUCHED] < len(t.pieces):
        row = int(np.int64(t.registers[ROWS_TOUCHED]))
        t.registers[ROWS_TOUCHED] += 1
        t.pieces[row] = t.blank[0]
    else:
        t.counters[Counter.TABLE_FULL] += 1
        return -1
    t.counters[counter] += 1
    piece = t.pieces[row]
    piece["line"] = event["line"]
    piece["boot_id"] = event["boot_id"]
    piece["piece_id"] = event["piece_id"]
    piece["inducted_ns"] = event["event_ns"]
    measure(event, piece)
    t.slots[slot] = row + 1
    return row


@compiled
def attribute(piece: np.void, status: int, chute: int, t: TrackArrays) -> None:
    """Write and count why a piece that leaves goes elsewhere than first assigned, if it does."""
    cause = cause_of(piece, status, chute)
    piece["cause"] = cause
    if cause != 0:
        t.counters[Counter.MISSORTS_READ + cause - 1] += 1


@compiled
def settle_boot(event: np.void, t: TrackArrays, ended: Records, count: int) -> int:
    """Record every piece in flight as lost at the instant of this event; return the new count."""
    for row in range(t.registers[ROWS_TOUCHED]):
        piece = t.pieces[row]
        if piece["boot_id"] == 0:
            continue
        attribute(piece, LOST, 0, t)
        release(piece, t.chutes)
        piece["outcome"] = LOST
        piece["ended_ns"] = event["event_ns"]
        ended[count] = piece
        count += 1
        t.counters[Counter.LOST] += 1
        t.counters[Counter.SETTLED] += 1
        t.pieces[row] = t.blank[0]
    t.slots[:] = 0
    t.registers[ROWS_TOUCHED] = 0
    t.registers[ROWS_FREED] = 0
    return count


@compiled
def begin_again(pieces: Records, n: int, t: TrackArrays) -> None:
    """Fill an empty table with pieces in flight, and keep their room again."""
    for row in range(n):
        t.pieces[row] = pieces[row]
        piece = t.pieces[row]
        t.slots[find_slot(int(piece["piece_id"]), t)] = row + 1
        number = int(piece["reserved_chute"])
        piece["reserved_chute"] = 0
        reserve(piece, t.chutes, number)
    t.registers[ROWS_TOUCHED] = n
