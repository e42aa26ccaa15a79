"""How large a simulated run is, and what may go wrong in it."""

from dataclasses import dataclass
from enum import StrEnum

SEEDS_MAX = 100_000_000
"""Runs of one campaign."""
PIECES_MAX = 10_000_000
"""Pieces of one simulated day."""
DAY_S = 86_400


class Rhythm(StrEnum):
    """How a day's pieces are spread over its hours: 57 Chinese centres, November 2023."""

    REGULAR = "regular"
    DOUBLE_11 = "double-11"


class Fault(StrEnum):
    """What the seed may bring about while pieces travel."""

    CUT = "cut"
    """The cable is cut for a while: requests fail, and of a write it is not known."""
    SLOW_LINK = "slow link"
    """Requests take many times as long."""
    PLC_RESTART = "plc restart"
    """The PLC forgets everything, the pieces on its belt included."""
    PLC_REPEATS = "plc repeats"
    """The PLC reports events twice, under further sequences."""
    HOST_KILL = "host kill"
    """The line's process dies at any await; its files stay as the kernel has them."""
    HOST_POWER = "host power"
    """The line's machine loses power: what was not synced is lost or torn."""
    HOST_STOP = "host stop"
    """The line's process stands still, then goes on as though nothing had been (SIGSTOP)."""
    RECORDER_KILL = "recorder kill"
    STORE_AWAY = "store away"
    STORE_STALL = "store stall"
    STORE_LOSES_ANSWER = "store loses answer"
    """A transaction is committed, and its answer never arrives."""
    DISK_FULL = "disk full"
    DISK_FAILS = "disk fails"
    """A sync fails, and what it was to make durable is gone."""
    CLOCK_JUMP = "clock jump"
    """The machine's wall clock jumps; processes that start later see it."""
    HAND_OVER = "hand over"
    """The host that has the line lets the other one have it; only where there are two."""
    PLAN_SWAP = "plan swap"
    CHUTE_LOCK = "chute lock"


class Safeguard(StrEnum):
    """What a run can leave out. A check that can't fail proves nothing: each must be missed."""

    ACKNOWLEDGE_AFTER_JOURNAL = "acknowledge after journal"
    """The PLC may forget an event only once the journal holds it durably."""
    SYNC = "sync"
    """What the journal calls durable was synced to the disk."""
    FAILED_SYNC = "failed sync"
    """A failed sync is not believed, nor tried again on the same file."""
    RECOVERY = "recovery"
    """A line reads its journal before it goes on."""
    DUPLICATE_CHECK = "duplicate check"
    """A record is inserted once, whatever is written again."""
    HELD_FIRST = "held first"
    """The PLC keeps the first instruction of a piece and lap unless a revision is higher."""
    FULL_KEY = "full key"
    """A pre-advised waybill is compared whole, not by its hash alone."""
    HOLDS = "holds"
    """A held piece is not routed."""
    EPOCH = "epoch"
    """The PLC takes instructions of the host that it granted the line to, and of no other."""
    PIECE_VERSION = "piece version"
    """A piece in flight keeps the plan version it was inducted under."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The scale of one run; times in ms of virtual time."""

    pieces: int = 30
    pieces_per_hour: int = 72_000
    length_mm: int = 20_000
    speed_mm_s: int = 10_000
    """Faster than metal, so that a run takes few cycles: all other times shrink with it."""
    cell_pitch_mm: int = 400
    cycle_ms: int = 20
    poll_period_ms: int = 20
    watchdog_ms: int = 400
    commit_interval_ms: int = 60
    record_interval_ms: int = 60
    faults_max: int = 8
    fault_within_ms: int = 4000
    """Faults begin within so long; then they stop, and all must drain."""
    drain_within_ms: int = 30_000
    """Promise 10: once faults have stopped, everything is recorded within so long."""
    segment_bytes: int = 131_072
    queue_batches_max: int = 64
    rows: int = 256
