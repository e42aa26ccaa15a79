"""The mailbox's slots, compiled: registers to EVENTs and INSTRUCTIONs to registers.

A turn of a line brings few slots, and as many calls into numpy as an event has fields cost more
than all else that the line does for it. Every offset comes from the table. Kernels take registers
as uint16 in the PLC's own order; ``high`` is 0 where the high word of a 32-bit value comes first,
1 where it comes second.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    CHUTES_MAX,
    CODE_BYTES,
    CODES_MAX,
    LAPS_MAX,
    STATION_NUMBER_MAX,
    UNKNOWN,
    AnswerStatus,
    EventKind,
    Records,
    ScanStatus,
)
from plc_adapters.mailbox.clock_map import host_instant
from plc_adapters.mailbox.compiled import compiled
from plc_adapters.mailbox.sequences import SEQUENCES
from plc_adapters.mailbox.table import ANSWER, EVENT_SLOT, INSTRUCTION_SLOT

Registers = NDArray[np.uint16]


class Decoding(IntEnum):
    """Index of each number that decoding keeps from one read to the next."""

    PENDING = 0
    """1 while a scan waits for its further codes."""
    PARTS_IN = 1
    """Codes of that scan that have come."""
    PARTS_OF = 2
    """Codes that it is to have."""
    MALFORMED = 3
    """Slots so far that broke a rule of the layout."""
    TAKEN = 4
    """Slots that the last call took."""


PENDING, PARTS_IN, PARTS_OF, MALFORMED, TAKEN = (int(number) for number in Decoding)
SCANNED, INSTRUCTED = int(EventKind.SCANNED), int(EventKind.INSTRUCTED)
KIND_LAST = int(max(EventKind))
ACCEPTED = int(AnswerStatus.ACCEPTED)
MORE_CODES = int(ScanStatus.MORE_CODES)
SLOT = EVENT_SLOT.size
_AT = {field.name: field.offset for field in EVENT_SLOT.fields}
BEGIN, END, KIND, STATUS = (
    _AT["sequence_begin"], _AT["sequence_end"], _AT["kind"], _AT["status"],
)  # fmt: skip
PIECE_ID, STATION, CHUTE, CELL, LAP = (
    _AT["piece_id"], _AT["station"], _AT["chute"], _AT["cell"], _AT["lap"],
)  # fmt: skip
PLC_TIME, WEIGHT, LENGTH, WIDTH, HEIGHT = (
    _AT["plc_time_ms"], _AT["weight_g"], _AT["length_mm"], _AT["width_mm"], _AT["height_mm"],
)  # fmt: skip
PARTS, CODE = _AT["parts"], _AT["code"]
_ANSWER_AT = {field.name: field.offset for field in ANSWER.fields}
A_SEQUENCE, A_EPOCH, A_REVISION, A_CHUTES = (
    _ANSWER_AT["instruction_sequence"], _ANSWER_AT["epoch"], _ANSWER_AT["revision"],
    _ANSWER_AT["chutes"],
)  # fmt: skip
A_DISPOSITION, A_PLAN, A_DEADLINE = (
    _ANSWER_AT["disposition"], _ANSWER_AT["plan_version"], _ANSWER_AT["deadline_ms"],
)  # fmt: skip
_TO = {field.name: field.offset for field in INSTRUCTION_SLOT.fields}
I_EPOCH, I_PIECE_ID, I_LAP, I_REVISION, I_CHUTES = (
    _TO["epoch"], _TO["piece_id"], _TO["lap"], _TO["revision"], _TO["chutes"],
)  # fmt: skip
I_DISPOSITION, I_PLAN, I_DEADLINE, I_CHECK, I_SEQUENCE = (
    _TO["disposition"], _TO["plan_version"], _TO["deadline_ms"], _TO["check"], _TO["sequence"],
)  # fmt: skip
HALF_16, HALF_32 = 1 << 15, 1 << 31


@compiled
def narrow(words: Registers, at: int) -> int:
    """Return a register as a number that can be reckoned with."""
    return int(np.int64(words[at]))


@compiled
def wide(words: Registers, at: int, high: int) -> int:
    """Return the unsigned 32-bit value that begins at a register."""
    return (narrow(words, at + high) << 16) | narrow(words, at + 1 - high)


@compiled
def put_wide(words: Registers, at: int, value: int, high: int) -> None:
    """Write an unsigned 32-bit value."""
    words[at + high] = (value >> 16) & 0xFFFF
    words[at + 1 - high] = value & 0xFFFF


@compiled
def measured(value: int, half: int) -> int:
    """Return a signed measure of its bits, UNKNOWN for one that is not positive.

    A scale or camera that could not measure sends 0 (SICK Master Data Analyzer, 10.4).
    """
    return value if 0 < value < half else UNKNOWN


@compiled
def read_plain(words: Registers, at: int, high: int, event: np.void) -> bool:
    """Read what all kinds of slots have; return whether something in it was out of range."""
    kind, station = narrow(words, at + KIND), narrow(words, at + STATION)
    chute, lap = narrow(words, at + CHUTE), narrow(words, at + LAP)
    event["line"] = 0
    event["boot_id"] = 0
    event["sequence"] = wide(words, at + BEGIN, high)
    event["kind"] = kind
    event["status"] = words[at + STATUS]
    event["piece_id"] = wide(words, at + PIECE_ID, high)
    event["station"] = station if station <= STATION_NUMBER_MAX else 0
    event["chute"] = chute if chute <= CHUTE_NUMBER_MAX else 0
    event["cell"] = words[at + CELL]
    event["lap"] = lap if lap <= LAPS_MAX else LAPS_MAX  # noqa: FURB136 - untyped
    event["plc_time_ms"] = wide(words, at + PLC_TIME, high)
    event["weight_g"] = measured(wide(words, at + WEIGHT, high), HALF_32)
    event["length_mm"] = measured(narrow(words, at + LENGTH), HALF_16)
    event["width_mm"] = measured(narrow(words, at + WIDTH), HALF_16)
    event["height_mm"] = measured(narrow(words, at + HEIGHT), HALF_16)
    event["plan_version"] = 0
    event["quantity"] = 0
    event["reading_milli"] = 0
    event["event_ns"] = 0
    event["host_receive_ns"] = 0
    return (
        kind == 0
        or kind > KIND_LAST
        or station > STATION_NUMBER_MAX
        or chute > CHUTE_NUMBER_MAX
        or lap > LAPS_MAX
    )


@compiled
def read_code(words: Registers, at: int, first: int, event: np.void) -> None:
    """Read the code of a scan's slot, if any; ``first`` is 0 where a text's first byte is high."""
    coded = narrow(words, at + KIND) == SCANNED and (narrow(words, at + PARTS) & 0xFF) > 0
    event["code_count"] = 1 if coded else 0
    codes = event["codes"]
    for code in range(CODES_MAX):
        for byte in range(CODE_BYTES):
            codes[code, byte] = 0
    if not coded:
        return
    for byte in range(CODE_BYTES):
        word = narrow(words, at + CODE + byte // 2)
        codes[0, byte] = (word >> (8 if byte % 2 == first else 0)) & 0xFF


@compiled
def read_answer(words: Registers, at: int, high: int, event: np.void) -> bool:
    """Read what the PLC holds, in place of a code; return whether a chute was out of range."""
    answered = narrow(words, at + KIND) == INSTRUCTED
    epoch = wide(words, at + A_EPOCH, high) if answered else 0
    event["epoch"] = epoch
    event["instruction_sequence"] = wide(words, at + A_SEQUENCE, high) if answered else 0
    event["revision"] = words[at + A_REVISION] if answered else 0
    event["disposition"] = words[at + A_DISPOSITION] if answered else 0
    event["plan_version"] = wide(words, at + A_PLAN, high) if answered else 0
    bad = False
    for k in range(CHUTES_MAX):
        chute = narrow(words, at + A_CHUTES + k) if answered else 0
        bad = bad or chute > CHUTE_NUMBER_MAX
        event["chutes"][k] = chute if chute <= CHUTE_NUMBER_MAX else 0
    # Where nothing is held there is no deadline; an epoch is never 0.
    slack = 0
    if answered and epoch != 0:
        # The difference of two 32-bit counters is right across their wrap if it wraps as well.
        taken = wide(words, at + PLC_TIME, high)
        slack = (wide(words, at + A_DEADLINE, high) - taken) & 0xFFFFFFFF
        slack = slack - (HALF_32 << 1) if slack >= HALF_32 else slack
    event["slack_ms"] = slack
    return bad


@compiled
def add_code(scan: np.void, part: np.void, parts_in: int) -> None:
    """Add a further slot's code; of more codes than a scan can carry, only that they were."""
    scan["sequence"] = part["sequence"]
    scan["status"] |= part["status"]
    if parts_in >= CODES_MAX:
        scan["status"] |= np.uint16(MORE_CODES)
        return
    for byte in range(CODE_BYTES):
        scan["codes"][parts_in, byte] = part["codes"][0, byte]
    scan["code_count"] = parts_in + 1


@compiled
def join(
    number: int, total: int, made: int, events: Records, pending: Records, state: NDArray[np.int64]
) -> int:
    """Settle the slot read into ``events[made]`` with the scan that waits; return the new ``made``.

    Args:
        number: of the slot's code among those of its scan, from 0.
        total: codes in all of that scan, 0 for a slot of no scan.
        made: events that are whole so far.
        events: one more row than slots.
        pending: EVENT[1], the scan that waits.
        state: int64[Decoding].
    """
    if state[PENDING]:
        if (
            number == state[PARTS_IN]
            and total == state[PARTS_OF]
            and events[made]["piece_id"] == pending[0]["piece_id"]
        ):
            add_code(pending[0], events[made], number)
            state[PARTS_IN] += 1
            if state[PARTS_IN] == total:
                events[made] = pending[0]
                state[PENDING] = 0
                return made + 1
            return made
        state[MALFORMED] += 1
        state[PENDING] = 0
        events[made + 1] = events[made]
        events[made] = pending[0]
        made += 1
    if number > 0:
        state[MALFORMED] += 1
    elif total > 1:
        pending[0] = events[made]
        state[PENDING], state[PARTS_IN], state[PARTS_OF] = 1, 1, total
        return made
    return made + 1


@compiled
def decode_slots(
    words: Registers,
    expected: int,
    high: int,
    first: int,
    events: Records,
    pending: Records,
    state: NDArray[np.int64],
) -> int:
    """Read consecutive slots up to the first that does not hold the sequence expected.

    Args:
        words: uint16, whole slots.
        expected: sequence that the first should hold.
        high: which word of two is the high one.
        first: which byte of a register comes first in a text, 0 for the high one.
        events: EVENT[slots + 1], written.
        pending: EVENT[1], the scan that waits for its further codes.
        state: int64[Decoding].

    Returns:
        How many EVENTs were written; ``state[TAKEN]`` says how many slots they were read from.
    """
    made = 0
    taken = 0
    for slot in range(len(words) // SLOT):
        at = slot * SLOT
        if wide(words, at + BEGIN, high) != expected or wide(words, at + END, high) != expected:
            break
        event = events[made]
        bad = read_plain(words, at, high, event)
        read_code(words, at, first, event)
        bad = read_answer(words, at, high, event) or bad
        state[MALFORMED] += 1 if bad else 0
        parts = narrow(words, at + PARTS) if narrow(words, at + KIND) == SCANNED else 0
        made = join(parts >> 8, parts & 0xFF, made, events, pending, state)
        taken += 1
        expected = 1 if expected >= SEQUENCES else expected + 1
    state[TAKEN] = taken
    return made


@compiled
def mark(
    events: Records, line: int, boot_id: int, received_ns: int, latest_ms: int, offset_ns: int
) -> None:
    """Write into EVENTs where and when they are from.

    Args:
        events: EVENT, as decoded.
        line: index of the line.
        boot_id: of the PLC.
        received_ns: when they were read; none of them happened later.
        latest_ms: as :func:`~plc_adapters.mailbox.clock_map.host_instant` has it.
        offset_ns: likewise.
    """
    for row in range(len(events)):
        event = events[row]
        happened_ns = host_instant(int(np.int64(event["plc_time_ms"])), latest_ms, offset_ns)
        event["line"] = line
        event["boot_id"] = boot_id
        event["host_receive_ns"] = received_ns
        event["event_ns"] = min(received_ns, happened_ns)


@compiled
def last_taken(events: Records, epoch: int) -> int:
    """Return the newest instruction of an epoch that the PLC took by these EVENTs, 0 for none."""
    newest = 0
    for row in range(len(events)):
        event = events[row]
        if (
            event["kind"] == INSTRUCTED
            and event["status"] == ACCEPTED
            and int(np.int64(event["epoch"])) == epoch
        ):
            newest = int(np.int64(event["instruction_sequence"]))
    return newest


@compiled
def write_slots(
    instructions: Records, deadline_ms: NDArray[np.uint32], high: int, slots: Registers
) -> None:
    """Write INSTRUCTIONs as slots, check sum included.

    Args:
        instructions: with epoch and sequence set.
        deadline_ms: uint32, their deadlines in PLC time.
        high: which word of two is the high one.
        slots: uint16[n, registers of a slot], written.
    """
    for row in range(len(instructions)):
        told, slot = instructions[row], slots[row]
        put_wide(slot, I_EPOCH, int(np.int64(told["epoch"])), high)
        put_wide(slot, I_PIECE_ID, int(np.int64(told["piece_id"])), high)
        slot[I_LAP] = told["lap"]
        slot[I_REVISION] = told["revision"]
        for k in range(CHUTES_MAX):
            slot[I_CHUTES + k] = told["chutes"][k]
        slot[I_DISPOSITION] = told["disposition"]
        put_wide(slot, I_PLAN, int(np.int64(told["plan_version"])), high)
        put_wide(slot, I_DEADLINE, int(np.int64(deadline_ms[row])), high)
        total = 0
        for at in range(I_CHECK):
            total += int(np.int64(slot[at]))
        slot[I_CHECK] = total & 0xFFFF
        put_wide(slot, I_SEQUENCE, int(np.int64(told["sequence"])), high)
