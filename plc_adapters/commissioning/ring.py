"""The event ring: whole slots, acknowledgement, a full ring, the wrap, load, and the counters."""

from functools import partial

from plc_adapters.commissioning.context import Context
from plc_adapters.commissioning.findings import Mark, Verdict
from plc_adapters.commissioning.heard import Counts
from plc_adapters.commissioning.session import Session
from plc_adapters.commissioning.told import OUTSTANDING_MAX
from plc_adapters.mailbox.codec import Header, SeatHead
from plc_adapters.mailbox.sequences import advance, distance
from plc_adapters.mailbox.table import EVENT_SLOT, event_address

WHOLE_MAX = 24
"""Events whose slots are read twice."""
BEYOND_FULL = 8
"""Events that are asked for beyond what the ring holds."""
BEYOND_HEAD = 1000
"""How far past the newest event an impossible acknowledgement is."""
WRAP_REACH = 4096
"""Events that are asked for, at most, to bring the sequence to its wrap."""
FILL_S = 30.0
"""What filling the ring may take: a full image of 1,024 slots at 20 requests a second."""
BURSTS_PER_S = 2
"""Bursts a second in which the load comes, as pieces do at a merge."""
STEADY_TRIES = 20
"""Headers looked at, at most, until one can be compared with the events."""
_BEGIN, _END = EVENT_SLOT.field("sequence_begin"), EVENT_SLOT.field("sequence_end")
_KIND = EVENT_SLOT.field("kind")


async def check_whole_slots(check: Context) -> bool:
    """Read each slot as soon as it shows its sequence, and once more later: it must not change."""
    session = check.session
    held_at = await _hold_back(check)
    session.heard.raw.clear()
    for _ in range(min(WHOLE_MAX, session.header.event_slots // 2)):
        one_more = partial(_moved, session, session.heard.expected)
        await session.burst(check.stranger, 1)
        if not await session.until(one_more, check.react_s):
            break
    await session.settle()
    changed, read = [], list(session.heard.raw)
    for sequence in read:
        at = event_address(sequence, session.header.event_slots)
        if await session.read(at, EVENT_SLOT.size) != session.heard.raw[sequence]:
            changed.append(sequence)
    still = session.header.acknowledged
    session.acknowledging = True
    if not read:
        return False
    whole = check.judge(
        Mark.WHOLE_SLOTS,
        holds=not changed,
        seen=f"{len(read)} slots read twice, {len(changed)} changed after their sequence stood",
        advice="write sequence_begin, then all other registers of the slot, and sequence_end last, "
        "in one cycle; head_sequence after that",
    )
    if still != held_at:
        check.result.add(
            Mark.ACKNOWLEDGEMENT,
            Verdict.FAIL,
            f"acknowledged went from {held_at} to {still} though the host acknowledged nothing",
            "set acknowledged only to what stands in acknowledge of the granted seat",
        )
    return whole


def _moved(session: Session, before: int) -> bool:
    return session.heard.expected != before


async def _hold_back(check: Context) -> int:
    """Acknowledge nothing more; return what the PLC has as acknowledged then."""
    session = check.session
    session.acknowledging = False
    await session.beat()
    await session.settle()
    return session.header.acknowledged


async def check_acknowledgement(check: Context) -> bool:
    """What is acknowledged shows in the header; False if it does not."""
    session = check.session
    await session.until(lambda: not session.told.sent, check.react_s)
    await session.beat()
    wanted = session.acknowledged
    began_ns = session.clock()
    taken = await session.until(
        lambda: distance(session.header.acknowledged, wanted) >= 0, check.react_s
    )
    took_ms = (session.clock() - began_ns) / 1e6
    return check.judge(
        Mark.ACKNOWLEDGEMENT,
        holds=taken,
        seen=f"{wanted} acknowledged, in the header after {took_ms:.0f} ms"
        if taken
        else f"{wanted} acknowledged, the header says {session.header.acknowledged} after "
        f"{check.react_s:.0f} s",
        advice="take acknowledge from the granted seat in every cycle and set acknowledged to it: "
        "slots that are never free stop the sorter",
    )


async def check_full_ring(check: Context) -> None:
    """Acknowledge nothing until the ring is full and more is to be told."""
    session = check.session
    if check.result.verdict_of(Mark.CONSUMED) is not Verdict.OK:
        check.result.skip(
            Mark.UNACKNOWLEDGED,
            "consumed does not count, so the ring can't be filled with care",
            "correct consumed, and check again",
        )
        return
    check.tell("nothing is acknowledged until the ring is full: inductions pause", 0.3)
    slots = session.header.event_slots
    start = await _hold_back(check)
    oldest = advance(start, 1)
    wanted, end_ns = slots + BEYOND_FULL, session.clock() + int(FILL_S * 1e9)
    while wanted and session.clock() < end_ns:
        open_ = distance(session.told.given, session.header.consumed[session.seat])
        wanted -= len(await session.burst(check.stranger, min(wanted, OUTSTANDING_MAX - open_)))
        await session.step()
        await session.look()
    await session.settle(5)
    pending = distance(session.header.head_sequence, start)
    found = await session.read(event_address(oldest, slots), EVENT_SLOT.size)
    kept = found == session.heard.raw.get(oldest, found)
    check.judge(
        Mark.UNACKNOWLEDGED,
        holds=pending <= slots and kept,
        seen=f"{pending} events not acknowledged in a ring of {slots}; the oldest "
        + ("stands" if kept else "is overwritten"),
        advice="write no slot before (new head - acknowledged) modulo 2^32 <= event_slots; queue "
        "events meanwhile, and hold the inductions at three quarters",
    )
    session.acknowledging = True
    await session.until(lambda: not session.told.sent, FILL_S)
    lost = len(session.told.sent)
    if lost and pending <= slots and not check.is_behind():
        check.result.add(
            Mark.LOAD,
            Verdict.FAIL,
            f"{lost} of {slots + BEYOND_FULL} echoes never came after the ring was full; "
            f"overflow_count is {session.header.overflow_count}",
            "queue what finds no room in the ring, in order, and publish it as slots become free",
        )
    session.told.sent.clear()


async def check_impossible(check: Context) -> None:
    """Acknowledge what was never told: it must be ignored."""
    session = check.session
    before = await session.look()
    beyond = advance(before.head_sequence, BEYOND_HEAD)
    session.acknowledged, kept = beyond, session.acknowledged
    await session.beat()
    session.acknowledged = kept
    jumped = False
    for _ in range(5):
        header = await session.look()
        jumped = jumped or distance(header.acknowledged, header.head_sequence) > 0
        # Between the look and here the host must live, with its impossible word.
        await session.write_head(session.seat, SeatHead(header.heartbeat, session.claim, beyond))
        await session.wire.pause(max(0.02, session.measured.cycle_ms / 1000))
    await session.beat()
    check.judge(
        Mark.ACKNOWLEDGEMENT_BEYOND,
        holds=not jumped,
        seen=f"{beyond} acknowledged while the newest event is {before.head_sequence}: "
        + ("taken" if jumped else "ignored"),
        advice="take an acknowledgement only if 0 < (a - acknowledged) <= (head_sequence - "
        "acknowledged), both modulo 2^32: a slip of the host would free slots it never read",
    )


async def check_wrap(check: Context, started: Header) -> None:
    """Bring the sequence over its wrap, if it is near enough."""
    session = check.session
    left = 0xFFFF_FFFF - (await session.look()).head_sequence
    wrapped = session.header.head_sequence < started.head_sequence
    if not wrapped and left > WRAP_REACH:
        check.result.skip(
            Mark.WRAP,
            f"head_sequence is {session.header.head_sequence}, the wrap is {left} events away",
            "start the PLC program once in its test mode with head_sequence and acknowledged at "
            "4294967000 (the rules for a start allow any number), and check again",
        )
        return
    asked = 0
    while not session.at_wrap and asked < left + 2 * OUTSTANDING_MAX:
        sent = await session.burst(check.stranger, OUTSTANDING_MAX // 2)
        asked += len(sent)
        if not await session.until(lambda: not session.told.sent, check.react_s):
            break
    await session.settle()
    begin, end = (_u32(check, session.at_wrap, field.offset) for field in (_BEGIN, _END))
    kind = session.at_wrap[_KIND.offset] if session.at_wrap else 0
    zero = bool(session.at_wrap) and begin == end == 0 and kind != 0
    passed = bool(session.at_wrap) and not zero and not session.heard.gaps
    seen = "after 4294967295 came 1" if passed else "1 did not come in its slot"
    check.judge(
        Mark.WRAP,
        holds=passed,
        seen="after 4294967295 came 0, in a slot that no host reads" if zero else seen,
        advice="count sequences as unsigned 32-bit numbers and skip 0: after 4294967295 comes 1, "
        "in slot (1 mod event_slots)",
    )
    session.told.sent.clear()


def _u32(check: Context, registers: list[int], at: int) -> int:
    """Return a 32-bit value of a slot; 0 without a slot."""
    if not registers:
        return 0
    high, low = registers[at : at + 2]
    if check.session.terms.word_order == "little":
        high, low = low, high
    return high << 16 | low


async def check_load(check: Context) -> None:
    """Ask for many events, in bursts, beside the pieces: each must come, and in sequence."""
    session, plan = check.session, check.plan
    before = await session.look()
    base = await _steady(check)
    began_ns, first = session.clock(), session.heard.expected
    asked, due = list[int](), 0.0
    while (elapsed_s := (session.clock() - began_ns) / 1e9) < plan.load_s:
        check.tell(f"load: {len(asked)} instructions", 0.5 + 0.25 * elapsed_s / plan.load_s)
        if elapsed_s >= due:
            due += 1 / BURSTS_PER_S
            room = session.told.room
            burst = max(1, round(plan.load_rate / BURSTS_PER_S))
            asked += await session.burst(check.stranger, min(room, burst))
        await session.step()
    # Pieces go on being answered meanwhile: only the echoes asked for are waited for.
    await session.until(lambda: session.told.sent.keys().isdisjoint(asked), check.react_s)
    seconds = (session.clock() - began_ns) / 1e9
    came = distance(session.heard.expected, first)
    session.measured.load_rate, session.measured.load_seconds = came / seconds, seconds
    overflow = (await session.look()).overflow_count - before.overflow_count
    lost = len(session.told.sent.keys() & set(asked))
    check.judge(
        Mark.LOAD,
        holds=not lost and not overflow,
        seen=f"{came} events in {seconds:.0f} s ({came / seconds:.0f}/s), "
        f"{len(asked)} instructions; {lost} echoes lost, overflow_count rose by {overflow}",
        advice="publish every event: queue those that come in one cycle, and let none replace "
        "another; the queue must hold what comes while the ring is full",
    )
    session.told.sent.clear()
    await _check_counters(check, base)


async def _steady(check: Context) -> tuple[Header, Counts] | None:
    """Return a header and what the events up to it told, once nothing waits behind the ring."""
    session = check.session
    for _ in range(STEADY_TRIES):
        header = await session.look()
        pending = distance(header.head_sequence, header.acknowledged)
        reached = await session.until(
            lambda head=header.head_sequence: distance(session.heard.expected, head) > 0,  # type: ignore[misc]
            check.react_s,
        )
        if reached and pending <= header.event_slots // 2:
            counts = session.heard.counted.get(header.head_sequence)
            if counts is not None:
                return header, counts
        await session.step()
    return None


async def _check_counters(check: Context, base: tuple[Header, Counts] | None) -> None:
    """Compare what the header counted with what the events told."""
    after = await _steady(check)
    if base is None or after is None:
        check.result.skip(Mark.COUNTERS, "the ring never came to rest", "check with less load")
        return
    told = [end - begin for begin, end in zip(base[1], after[1], strict=True)]
    counted = [
        (getattr(after[0], name) - getattr(base[0], name)) & 0xFFFF_FFFF
        for name in ("inducted_count", "ended_count", "defaulted_count")
    ]
    if not any((*told, *counted)):
        check.result.skip(
            Mark.COUNTERS, "no piece came during the load", "run pieces, and check again"
        )
        return
    check.judge(
        Mark.COUNTERS,
        holds=told == counted,
        seen="inducted, ended, defaulted: counted {}, {}, {}; told {}, {}, {}".format(
            *counted, *told
        ),
        advice="report every piece once as inducted and once as discharged, and count it in the "
        "same cycle",
    )


def judge_events(check: Context) -> None:
    """Say how the events came, over the whole check."""
    heard = check.session.heard
    seen = (
        f"{len(heard.gaps)} sequences never came, {heard.overwritten} were overwritten, "
        f"{heard.malformed} slots malformed"
    )
    if check.result.verdict_of(Mark.WHOLE_SLOTS) is Verdict.FAIL:
        check.result.skip(Mark.EVENTS, seen, "write slots whole first, and check again")
        return
    if check.result.verdict_of(Mark.UNACKNOWLEDGED) is Verdict.FAIL:
        check.result.skip(Mark.EVENTS, seen, "keep unacknowledged slots first, and check again")
        return
    check.judge(
        Mark.EVENTS,
        holds=not (heard.gaps or heard.overwritten or heard.malformed),
        seen=seen,
        advice="write the slot of every sequence that head_sequence counts; kinds 1 to 7, chutes "
        "up to 1023, stations up to 255, parts as the rules say",
    )
