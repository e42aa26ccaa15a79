"""What can be checked without writing: layout, orders, heartbeat, clock, who is there."""

from dataclasses import dataclass, replace

from plc_adapters.commissioning.findings import Mark, Result, Verdict
from plc_adapters.commissioning.session import ByteOrder, Session, Terms
from plc_adapters.contract import AdapterError
from plc_adapters.mailbox.codec import decode_header
from plc_adapters.mailbox.proof import prove_slots, prove_text, prove_version, prove_words
from plc_adapters.mailbox.table import EVENT_SLOT, MAGIC_TEXT, SEATS, image_size

WATCH_S = 1.0
"""How long heartbeat, clock and seats are watched."""
BEATS_MIN, WATCH_S_MAX = 2, 5.0
"""So many heartbeats are waited for, and so long at most: a cycle may be a slow one."""
DRIFT_MAX = 0.05
"""By how much the PLC's clock may go wrong while it is watched, beside what reading it takes."""
_OTHER: dict[ByteOrder, ByteOrder] = {"big": "little", "little": "big"}


def _advice(error: AdapterError, peer: str) -> str:
    return str(error).removeprefix(f"{peer}: ")


def prove(registers: list[int], terms: Terms, result: Result) -> Terms | None:
    """Judge the header as first read.

    Returns:
        The terms to go on with, in the orders that the PLC really has; None if it can't go on.
    """
    shown = " ".join(f"16#{word:04X}" for word in registers[:4])
    found = _prove_words(registers, terms, result, shown)
    found = found and _prove_text(registers, found, result, shown)
    if found is None:
        return None
    header = decode_header(registers, found.word_order)
    for mark, value, check in (
        (Mark.LAYOUT_VERSION, header.layout_version, prove_version),
        (Mark.EVENT_SLOTS, header.event_slots, prove_slots),
    ):
        try:
            check(value, terms.peer)
        except AdapterError as error:
            result.add(mark, Verdict.FAIL, str(value), _advice(error, terms.peer))
            found = None
        else:
            result.add(mark, Verdict.OK, str(value))
    return found


def _prove_words(registers: list[int], terms: Terms, result: Result, shown: str) -> Terms | None:
    try:
        prove_words(registers, terms.peer, terms.word_order)
    except AdapterError as error:
        other = _OTHER[terms.word_order]
        try:
            prove_words(registers, terms.peer, other)
        except AdapterError:
            result.add(Mark.MAGIC, Verdict.FAIL, shown, _advice(error, terms.peer))
            return None
        result.add(Mark.MAGIC, Verdict.OK, shown)
        result.add(Mark.WORD_ORDER, Verdict.FAIL, other, _advice(error, terms.peer))
        return replace(terms, word_order=other)
    result.add(Mark.MAGIC, Verdict.OK, shown)
    result.add(Mark.WORD_ORDER, Verdict.OK, terms.word_order)
    return terms


def _prove_text(registers: list[int], terms: Terms, result: Result, shown: str) -> Terms | None:
    try:
        prove_text(registers, terms.peer, terms.string_byte_order)
    except AdapterError as error:
        other = _OTHER[terms.string_byte_order]
        try:
            prove_text(registers, terms.peer, other)
        except AdapterError:
            seen = f"{shown}, where {MAGIC_TEXT.decode()} should be"
            result.add(Mark.STRING_BYTE_ORDER, Verdict.FAIL, seen, _advice(error, terms.peer))
            return None
        result.add(Mark.STRING_BYTE_ORDER, Verdict.FAIL, other, _advice(error, terms.peer))
        return replace(terms, string_byte_order=other)
    result.add(Mark.STRING_BYTE_ORDER, Verdict.OK, terms.string_byte_order)
    return terms


@dataclass(frozen=True, slots=True)
class Watched:
    """What a while of watching showed."""

    living_seats: list[int]
    """Seats whose heartbeat counted: a host is there."""


async def watch(session: Session, result: Result) -> Watched:
    """Watch heartbeat, clock and seats for a while, without writing."""
    first = await session.look()
    began_ns, before = session.clock(), session.measured.request_us[-1]
    heads = [await session.seat_head(seat) for seat in range(SEATS)]
    beats, last_beat, longest_us = 0, first.heartbeat, before
    while (elapsed_s := (session.clock() - began_ns) / 1e9) < WATCH_S or (
        beats < BEATS_MIN and elapsed_s < WATCH_S_MAX
    ):
        header = await session.look()
        longest_us = max(longest_us, session.measured.request_us[-1])
        beats += (header.heartbeat - last_beat) & 0xFFFF
        last_beat = header.heartbeat
        await session.wire.pause(session.terms.poll_period_ms / 1000)
    header = await session.look()
    elapsed_ms = (session.clock() - began_ns) / 1e6
    beats += (header.heartbeat - last_beat) & 0xFFFF
    session.measured.cycle_ms = elapsed_ms / beats if beats else 0.0
    result.judge(
        Mark.HEARTBEAT,
        holds=beats > 0,
        seen=f"{beats} in {elapsed_ms:.0f} ms: a cycle of {session.measured.cycle_ms:.1f} ms"
        if beats
        else f"stands at {header.heartbeat} for {elapsed_ms:.0f} ms",
        advice="put the PLC program in RUN, and count heartbeat up by 1 in every cycle",
    )
    result.judge(
        Mark.BOOT_ID,
        holds=header.boot_id != 0,
        seen=str(header.boot_id),
        advice="set boot_id at each start of the program to a new number that is not 0",
    )
    passed_ms = (header.plc_time_ms - first.plc_time_ms) & 0xFFFF_FFFF
    slack_ms = elapsed_ms * DRIFT_MAX + 2 * longest_us / 1000 + 2 * session.measured.cycle_ms
    result.judge(
        Mark.CLOCK,
        holds=abs(passed_ms - elapsed_ms) <= slack_ms,
        seen=f"{passed_ms} ms passed in {elapsed_ms:.0f} ms",
        advice="write a free-running count of milliseconds to plc_time_ms in every cycle",
    )
    later = [await session.seat_head(seat) for seat in range(SEATS)]
    return Watched(
        [seat for seat in range(SEATS) if heads[seat].heartbeat != later[seat].heartbeat]
    )


async def read_image(session: Session, result: Result) -> None:
    """Read the mailbox's last slots, as many in one request as the link may."""
    slots = session.header.event_slots
    end = image_size(slots)
    count = min(session.terms.words_per_read // EVENT_SLOT.size, slots) * EVENT_SLOT.size
    await session.read(end - count, count)
    result.add(Mark.IMAGE, Verdict.OK, f"{end} registers, {count} in one request")
