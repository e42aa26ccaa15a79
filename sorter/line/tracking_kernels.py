"""What an event does to the pieces in flight and to the chutes, compiled.

The pieces stand in a table of fixed size with an open-addressing index over their ids; a row is
freed the instant its piece ends. All pieces in it are of one boot of the PLC: an event of another
boot settles the rest as lost, as the PLC has forgotten where they were.
"""

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import (
    CHUTES_MAX,
    DISPOSITIONS_MAX,
    AnswerStatus,
    ChuteState,
    DischargeStatus,
    Disposition,
    EventKind,
    MachineState,
    Records,
    ScanStatus,
)
from sorter.assignment.compiled import compiled
from sorter.assignment.missorts import DECISION, bind, bind_by_lap, is_answered, names
from sorter.assignment.rates import take
from sorter.assignment.reservation import CONTRADICTED, hold, release, reserve
from sorter.line.books import Counter, Register, TrackArrays
from sorter.line.piece_table import attribute, begin, drop, find_slot, measure, settle_boot
from sorter.line.slip import confirm

# Plain ints: records take no enum members, and numba compiles these faster.
INDUCTED, SCANNED, INSTRUCTED = (
    int(EventKind.INDUCTED), int(EventKind.SCANNED), int(EventKind.INSTRUCTED),
)  # fmt: skip
DISCHARGED, CHUTE_STATE = int(EventKind.DISCHARGED), int(EventKind.CHUTE_STATE)
MACHINE_STATE, SENSOR = int(EventKind.MACHINE_STATE), int(EventKind.SENSOR)
ACCEPTED, REFUSED_HELD = int(AnswerStatus.ACCEPTED), int(AnswerStatus.REFUSED_HELD)
TOO_LATE, ANSWER_LAST = int(AnswerStatus.TOO_LATE), int(AnswerStatus.MALFORMED)
NO_INSTRUCTION = int(DischargeStatus.DEFAULT_NO_INSTRUCTION)
HOST_SILENT = int(DischargeStatus.DEFAULT_HOST_SILENT)
OVER_LAP_LIMIT = int(DischargeStatus.DEFAULT_LAP_LIMIT)
SORTED, REMOVED, LOST = (
    int(DischargeStatus.SORTED), int(DischargeStatus.REMOVED), int(DischargeStatus.LOST),
)  # fmt: skip
MISSED = DISCHARGE_LAST = int(DischargeStatus.MISSED)
OPEN, EMPTIED, CHUTE_STATE_LAST = (
    int(ChuteState.OPEN), int(ChuteState.EMPTIED), int(ChuteState.EMPTIED),
)  # fmt: skip
NONE, CONFLICT = int(Disposition.NONE), int(Disposition.CONFLICT)
DEFAULTED, LAP_LIMIT = int(Disposition.DEFAULTED), int(Disposition.LAP_LIMIT)
ABORTED_FULL, ABORTED_CLOSED = int(ScanStatus.ABORTED_FULL), int(ScanStatus.ABORTED_CLOSED)
ABORTED_MECHANICAL = int(ScanStatus.ABORTED_MECHANICAL)
BOOT_ID, SEQUENCE = int(Register.BOOT_ID), int(Register.SEQUENCE)
EPOCH, MACHINE = int(Register.EPOCH), int(Register.MACHINE_STATE)
EXECUTE, PACKML_EXECUTE = int(MachineState.EXECUTE), int(MachineState.PACKML_EXECUTE)
STATE_FIRST, STATE_LAST = int(MachineState.STOPPED), int(MachineState.ABORTED)
PACKML_FIRST, PACKML_LAST = int(MachineState.PACKML_CLEARING), int(MachineState.PACKML_COMPLETE)


@compiled
def is_machine_state(status: int) -> bool:
    """Return whether a machine state has this code."""
    return STATE_FIRST <= status <= STATE_LAST or PACKML_FIRST <= status <= PACKML_LAST


@compiled
def inducts(state: int) -> bool:
    """Return whether inductions are expected in a state of the machine; 0 is none told so far."""
    return state in (0, EXECUTE, PACKML_EXECUTE)


@compiled
def on_machine_state(event: np.void, t: TrackArrays) -> None:
    """Take over the PLC's word about its machine."""
    status = int(event["status"])
    if is_machine_state(status):
        t.registers[MACHINE] = status
    else:
        t.counters[Counter.MALFORMED] += 1


@compiled
def on_inducted(event: np.void, slot: int, t: TrackArrays) -> int:
    """Track a new piece; return its row, −1 where the table is full."""
    if t.slots[slot] != 0:
        t.counters[Counter.DUPLICATE_INDUCTIONS] += 1
        return int(t.slots[slot] - 1)
    if not inducts(int(t.registers[MACHINE])):
        t.counters[Counter.INDUCTED_OUTSIDE_EXECUTE] += 1
    row = begin(event, slot, Counter.INDUCTED, t)
    if row >= 0:
        t.pieces[row]["station"] = event["station"]
        t.pieces[row]["plan_version"] = event["plan_version"]
        if event["station"] < len(t.stations):
            t.stations[event["station"]] += 1
    return row


@compiled
def on_scanned(event: np.void, slot: int, t: TrackArrays) -> int:
    """Bring a piece to the lap and instant of its scan; return its row, −1 for the table full.

    A new lap ends what was decided for the one before, and gives its room back. The piece keeps
    its plan version: it is decided under one from its induction to its end.
    """
    counters = t.counters
    row = int(t.slots[slot] - 1)
    if row < 0:
        row = begin(event, slot, Counter.ADOPTED, t)
        if row < 0:
            return -1
        t.pieces[row]["lap"] = event["lap"]
    piece = t.pieces[row]
    counters[Counter.SCANS] += 1
    if event["code_count"] > 0:
        counters[Counter.SCANS_READ] += 1
    else:
        counters[Counter.SCANS_UNREAD] += 1
    lap = int(np.int64(event["lap"]))
    before = int(np.int64(piece["lap"]))
    if lap < before:
        counters[Counter.SCANS_STALE] += 1
        return row
    if lap > before:
        counters[Counter.RECIRCULATED] += lap - before
        bind_by_lap(piece, int(event["status"]))
        release(piece, t.chutes)
        piece["lap"] = lap
        piece["answer"] = 0
        piece["revision"] = 0
        piece["disposition"] = NONE
        piece["group"] = 0
        for k in range(CHUTES_MAX):
            piece["chutes"][k] = 0
    status = int(event["status"])
    counters[Counter.ABORTED_FULL] += (status & ABORTED_FULL) != 0
    counters[Counter.ABORTED_CLOSED] += (status & ABORTED_CLOSED) != 0
    counters[Counter.ABORTED_MECHANICAL] += (status & ABORTED_MECHANICAL) != 0
    piece["scans"] = min(int(piece["scans"]) + 1, 0xFFFF)
    piece["scanned_ns"] = event["event_ns"]
    piece["scan_sequence"] = event["sequence"]
    measure(event, piece)
    return row


@compiled
def names_same(event: np.void, piece: np.void) -> bool:
    """Return whether the PLC holds the chutes that are known here, in the same order."""
    held = event["chutes"]
    known = piece["chutes"]
    for k in range(CHUTES_MAX):  # noqa: SIM110 - numba compiles no generator expression
        if held[k] != known[k]:
            return False
    return True


@compiled
def take_over(event: np.void, piece: np.void, chutes: Records) -> None:
    """Make what the PLC holds the truth here, and keep room where it will send the piece.

    Where both are the first answers of a lap, the one here was never carried out: this host had
    died between instructing and journaling, and decided again. So the PLC's was the first.
    """
    known = piece["chutes"]
    held = event["chutes"]
    leads_to = int(held[0])
    if 0 < leads_to < len(chutes) and leads_to != int(known[0]):
        take(chutes[leads_to], int(event["event_ns"]))
    first = int(piece["first_chute"])
    are_first = piece["revision"] == 0 and event["revision"] == 0
    if first == 0 or (are_first and first == known[0]):
        piece["first_chute"] = held[0]
    bind(piece, leads_to, DECISION)
    for k in range(CHUTES_MAX):
        known[k] = held[k]
    piece["revision"] = event["revision"]
    piece["disposition"] = event["disposition"]
    if event["plan_version"] != 0:
        piece["plan_version"] = event["plan_version"]
    if event["disposition"] == CONFLICT and piece["conflict"] == 0:
        piece["conflict"] = 1
    reserve(piece, chutes, int(held[0]))


@compiled
def on_instructed(event: np.void, slot: int, t: TrackArrays) -> int:
    """Note what the PLC did with an instruction; return the piece's row, −1 for a stray.

    What the PLC holds is taken over: after a crash it may be what this host decided before and
    does not remember. While a higher revision is under way, the answer to the lower one changes
    nothing. A refusal for another reason leaves the piece with what the PLC holds, if anything.
    """
    counters = t.counters
    status = int(event["status"])
    if status == 0 or status > ANSWER_LAST or event["disposition"] >= DISPOSITIONS_MAX:
        counters[Counter.MALFORMED] += 1
        return -1
    counters[Counter.ANSWERS_ACCEPTED + status - 1] += 1
    t.registers[EPOCH] = max(t.registers[EPOCH], np.int64(event["epoch"]))
    if status == TOO_LATE or (status == ACCEPTED and event["slack_ms"] < 0):
        counters[Counter.DEADLINE_MISSES] += 1
    if status == ACCEPTED:
        t.dispositions[event["disposition"]] += 1
    if t.slots[slot] == 0:
        counters[Counter.STRAYS] += 1
        return -1
    row = int(t.slots[slot] - 1)
    piece = t.pieces[row]
    if event["lap"] != piece["lap"]:
        return row
    is_held = event["disposition"] != NONE
    is_newest = event["revision"] >= piece["revision"]
    if status in (ACCEPTED, REFUSED_HELD):
        if status == ACCEPTED:
            piece["slack_ms"] = min(int(piece["slack_ms"]), int(event["slack_ms"]))
        if is_held and is_newest:
            answered = piece["answer"] == ACCEPTED and event["revision"] == piece["revision"]
            if answered and not names_same(event, piece):
                counters[Counter.ANSWERS_CONTRADICTED] += 1
            take_over(event, piece, t.chutes)
    elif is_held:
        take_over(event, piece, t.chutes)
    else:
        release(piece, t.chutes)
    piece["answer"] = status
    return row


@compiled
def on_piece(event: np.void, t: TrackArrays) -> int:
    """Apply an induction, a scan or an answer; return the piece's row, −1 for none."""
    kind = int(event["kind"])
    slot = find_slot(int(event["piece_id"]), t)
    if kind == INDUCTED:
        return on_inducted(event, slot, t)
    if kind == SCANNED:
        return on_scanned(event, slot, t)
    return on_instructed(event, slot, t)


@compiled
def fill_chute(event: np.void, piece: np.void, t: TrackArrays) -> None:
    """Count a discharge at its chute, and against what was known of it."""
    counters = t.counters
    number = int(event["chute"])
    if number == 0 or number >= len(t.chutes) or t.chutes[number]["exists"] == 0:
        counters[Counter.MALFORMED] += 1
        return
    chute = t.chutes[number]
    if chute["locked"] != 0 or (chute["state"] != OPEN and chute["state"] != EMPTIED):
        counters[Counter.INTO_CLOSED] += 1
    if chute["fill"] >= chute["capacity"]:
        counters[Counter.INTO_FULL] += 1
    chute["fill"] = int(chute["fill"]) + 1
    chute["discharged"] = int(chute["discharged"]) + 1
    if number != int(piece["chutes"][0]):
        # It counts here as if it had been decided for here: by the instant it was at the scanner.
        take(chute, int(event["event_ns"]) - int(chute["travel_ns"]))
    if event["status"] == SORTED and is_answered(piece) and not names(piece, number):
        counters[Counter.SORTED_ELSEWHERE] += 1


@compiled
def on_discharged(event: np.void, t: TrackArrays, ended: Records, count: int) -> int:
    """End a piece: write its record to ``ended[count]``; return the new count.

    A piece first heard of here is recorded too, with the instant of its end as its induction.
    """
    counters = t.counters
    status = int(event["status"])
    if status == 0 or status > DISCHARGE_LAST:
        counters[Counter.MALFORMED] += 1
        return count
    slot = find_slot(int(event["piece_id"]), t)
    known = t.slots[slot] != 0
    if known:
        piece = t.pieces[t.slots[slot] - 1]
    else:
        counters[Counter.ADOPTED] += 1
        counters[Counter.ADOPTED_AT_END] += 1
        ended[count] = t.blank[0]
        piece = ended[count]
        piece["line"] = event["line"]
        piece["boot_id"] = event["boot_id"]
        piece["piece_id"] = event["piece_id"]
        piece["lap"] = event["lap"]
        piece["inducted_ns"] = event["event_ns"]
    counters[Counter.SORTED + status - 1] += 1
    if status not in (REMOVED, LOST):
        counters[Counter.DISCHARGED] += 1
        fill_chute(event, piece, t)
    if status in (SORTED, MISSED) and is_answered(piece):
        was_seen_elsewhere = status == MISSED or piece["conflict"] == CONTRADICTED
        confirm(was_seen_elsewhere or not names(piece, int(event["chute"])), t)
    if status == NO_INSTRUCTION and piece["answer"] != TOO_LATE:
        counters[Counter.DEADLINE_MISSES] += 1
    attribute(piece, status, int(event["chute"]), t)
    release(piece, t.chutes)
    if status in (NO_INSTRUCTION, HOST_SILENT):
        piece["disposition"] = DEFAULTED
    elif status == OVER_LAP_LIMIT:
        piece["disposition"] = LAP_LIMIT
    piece["outcome"] = status
    piece["chute"] = event["chute"]
    piece["ended_ns"] = event["event_ns"]
    measure(event, piece)
    if known:
        ended[count] = piece
        drop(slot, t)
    return count + 1


@compiled
def on_chute_state(event: np.void, t: TrackArrays) -> None:
    """Take over the PLC's word about a chute; an emptied one starts at 0 pieces."""
    number = int(event["chute"])
    status = int(event["status"])
    if (
        number == 0
        or number >= len(t.chutes)
        or t.chutes[number]["exists"] == 0
        or status == 0
        or status > CHUTE_STATE_LAST
    ):
        t.counters[Counter.MALFORMED] += 1
        return
    chute = t.chutes[number]
    chute["state"] = status
    if status == EMPTIED:
        chute["fill"] = 0


@compiled
def take_back_rows(events: Records, n: int, t: TrackArrays, rows: NDArray[np.int32]) -> None:
    """Set the row of each event to −1 whose piece ended later in the batch.

    The row may be another piece's by now, which after a restart of the PLC may have the same id.
    """
    for i in range(n):
        if rows[i] < 0:
            continue
        event = events[i]
        piece = t.pieces[rows[i]]
        if piece["piece_id"] != event["piece_id"] or piece["boot_id"] != event["boot_id"]:
            rows[i] = -1


@compiled
def track_batch(
    events: Records, n: int, t: TrackArrays, rows: NDArray[np.int32], ended: Records
) -> int:
    """Apply events in order.

    Args:
        events: EVENT[>= n], of which the first ``n`` count.
        n: Number of events.
        t: The line's arrays; changed in place.
        rows: int32[>= n], gets each event's row in the piece table; −1 where it is about no piece,
            or about one that is no longer in flight after the batch.
        ended: PIECE[>= rows of the table + n], gets the pieces that ended.

    Returns:
        Number of pieces that ended.
    """
    count = 0
    for i in range(n):
        event = events[i]
        rows[i] = -1
        t.counters[Counter.EVENTS] += 1
        kind = int(event["kind"])
        boot_id = int(np.int64(event["boot_id"]))
        is_of_piece = INDUCTED <= kind <= DISCHARGED
        if boot_id == 0:
            t.counters[Counter.MALFORMED] += 1
            continue
        if boot_id != t.registers[BOOT_ID]:
            count = settle_boot(event, t, ended, count)
            t.registers[BOOT_ID] = boot_id
            t.registers[MACHINE] = 0
            rows[:i] = -1
        # Also what means nothing has been read: the link must not ask for it again.
        t.registers[SEQUENCE] = event["sequence"]
        if kind == 0 or kind > SENSOR or (is_of_piece and event["piece_id"] == 0):
            t.counters[Counter.MALFORMED] += 1
            continue
        if kind == DISCHARGED:
            count = on_discharged(event, t, ended, count)
        elif is_of_piece:
            rows[i] = on_piece(event, t)
        elif kind == CHUTE_STATE:
            on_chute_state(event, t)
        elif kind == MACHINE_STATE:
            on_machine_state(event, t)
    if count > 0:
        take_back_rows(events, n, t, rows)
    return count


@compiled
def adopt_batch(decisions: Records, n: int, t: TrackArrays) -> int:
    """Apply decisions that were made before; return how many found their piece on their lap."""
    adopted = 0
    for i in range(n):
        decision = decisions[i]
        slot = find_slot(int(decision["piece_id"]), t)
        if t.slots[slot] == 0 or decision["boot_id"] != t.registers[BOOT_ID]:
            continue
        piece = t.pieces[t.slots[slot] - 1]
        if piece["lap"] == decision["lap"]:
            hold(decision, piece, t.chutes)
            adopted += 1
    return adopted


@compiled
def find_rows(answers: Records, n: int, t: TrackArrays, rows: NDArray[np.int32]) -> None:
    """Write the row of each answer's piece, −1 where no such piece of this boot is in flight."""
    for i in range(n):
        slot = find_slot(int(answers[i]["piece_id"]), t)
        is_known = t.slots[slot] != 0 and answers[i]["boot_id"] == t.registers[BOOT_ID]
        rows[i] = t.slots[slot] - 1 if is_known else -1
