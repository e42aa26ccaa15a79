"""The whole check of one PLC, in order, with the seat left clean whatever happened."""

import contextlib
from collections.abc import Callable

from plc_adapters.commissioning import answering, looking, ring, seats
from plc_adapters.commissioning.context import Context, Plan, Tell
from plc_adapters.commissioning.findings import Mark, Result, Verdict
from plc_adapters.commissioning.machine import judge_machine
from plc_adapters.commissioning.session import Session, Terms
from plc_adapters.contract import AdapterError
from plc_adapters.host.wire import LinkError, MailboxLink, Wire
from plc_adapters.mailbox.table import HEADER

REQUEST_MS_MAX = 100
"""Median round trip that a sorter can live with: field PLCs answer in 10 to 50 ms."""
REQUESTS_PER_ANSWER = 3
"""Requests between a scan and the PLC's holding the answer: one just missed it, a read, a write."""


class HeldError(Exception):
    """A host is alive on this PLC: the check would fight it. The text says which, what to do."""


async def check_plc(
    line: str,
    link: MailboxLink,
    make_wire: Callable[[], Wire],
    plan: Plan,
    clock: Callable[[], int],
    tell: Tell,
) -> Result:
    """Check one PLC.

    Args:
        line: what to call the line in the report.
        link: how its PLC is configured.
        make_wire: makes a connection to it.
        plan: what to check, and for how long.
        clock: nanoseconds that never step back.
        tell: is told what is being done.

    Raises:
        LinkError: the PLC can't be reached at all.
        AdapterError: it can be, and refuses this host; waiting can't cure that.
        HeldError: another host is alive there, and the plan does not say to look only.
    """
    result = Result(line, link.peer)
    began_ns = clock()
    wire = make_wire()
    try:
        await wire.connect()
        registers = await wire.read(0, HEADER.size)
    except (LinkError, AdapterError):
        await wire.close()
        raise
    result.add(Mark.REACHABLE, Verdict.OK, link.peer)
    terms = looking.prove(registers, Terms.of(link), result)
    if terms is None:
        await wire.close()
        _skip_rest(result, "the mailbox can't be read", "correct what failed above")
        result.seconds = (clock() - began_ns) / 1e9
        return result
    check = Context(Session(wire, terms, clock, result.measured), result, plan, tell)
    try:
        await _all(check)
    except LinkError as error:
        text = str(error).removeprefix(f"{link.peer}: ")
        result.findings = [f for f in result.findings if f.mark is not Mark.REACHABLE]
        result.add(
            Mark.REACHABLE,
            Verdict.FAIL,
            f"the connection broke: {text}",
            "let the PLC answer every request within the link's timeout, and keep the connection",
        )
        with contextlib.suppress(LinkError):
            check.session.wire = wire = make_wire()
            await wire.connect()
    finally:
        with contextlib.suppress(LinkError):
            if check.session.claim:
                await seats.leave(check)
        await wire.close()
    _skip_rest(result, "not reached", "correct what failed above, and check again")
    result.seconds = (clock() - began_ns) / 1e9
    return result


async def leave_alone(line: str, peer: str) -> Result:
    """Return a result of a PLC that is not to be touched: nothing of it is checked."""
    result = Result(line, peer)
    _skip_rest(result, "the scanners alone are checked", "check again without --scanners-only")
    return result


def _skip_rest(result: Result, why: str, how: str) -> None:
    """Say of everything that has no verdict that it was not checked."""
    for mark in Mark:
        result.skip(mark, why, how)


async def _all(check: Context) -> None:
    """Check everything, as far as one thing does not forbid the next."""
    session, result, tell = check.session, check.result, check.tell
    tell("layout, heartbeat, clock", 0.0)
    started = await session.look()
    try:
        await looking.read_image(session, result)
    except LinkError as error:
        text = str(error).removeprefix(f"{result.peer}: ")
        result.add(
            Mark.IMAGE,
            Verdict.FAIL,
            text,
            "offer all registers of the map, and set words_per_read to what the PLC takes",
        )
        return
    watched = await looking.watch(session, result)
    too_slow = _median_ms(result) > REQUEST_MS_MAX
    if watched.living_seats and not check.plan.read_only:
        seat = watched.living_seats[0]
        raise HeldError(
            f"{result.peer}: the host in seat {seat} is alive (epoch {started.granted_epoch} is "
            "granted); stop it first, or give --read-only to look without touching"
        )
    if check.plan.read_only or too_slow:
        _judge_requests(check)
        judge_machine(result, session.header.machine_state, session.heard.machine, all_events=True)
        why = "answers come so late that all else would be misjudged" if too_slow else "looked only"
        how = "make answers faster first" if too_slow else "check again without --read-only"
        _skip_rest(result, why, how)
        return
    await session.begin()
    tell("the seat: claim and grant", 0.05)
    if not await seats.check_seat(check):
        return
    session.answer = check.next_chute if check.plan.chutes else None
    await _with_the_grant(check)
    tell("the other seat takes over", 0.95)
    await seats.check_take_over(check)
    ring.judge_events(check)
    judge_machine(
        result, session.header.machine_state, session.heard.machine,
        all_events=result.verdict_of(Mark.EVENTS) is Verdict.OK,
    )  # fmt: skip
    _judge_requests(check)
    session.measured.pieces = session.header.inducted_count - started.inducted_count & 0xFFFF_FFFF


async def _with_the_grant(check: Context) -> None:
    """Check what only the granted host can."""
    session, tell = check.session, check.tell
    started = session.header
    tell("event slots", 0.1)
    whole = await ring.check_whole_slots(check)
    torn = check.result.verdict_of(Mark.WHOLE_SLOTS) is Verdict.FAIL
    tell("instructions: echo and refusals", 0.15)
    if torn or not await answering.check_echo(check):
        echoes = check.result.verdict_of(Mark.ECHO) is not Verdict.FAIL
        why = "the PLC does not echo" if not echoes else "echoes come too late to judge"
        why = "slots are torn" if torn else why
        if torn:
            check.result.skip(Mark.ECHO, why, "write slots whole first, and check again")
        answering.skip_all(check, why)
    else:
        await answering.check_refusals(check)
        await seats.check_fencing(check)
        if whole and await ring.check_acknowledgement(check):
            await ring.check_full_ring(check)
            await ring.check_wrap(check, started)
            tell("pieces: what is held, where they leave", 0.45)
            session.measured.pieces = 1 if session.header.inducted_count else 0
            await answering.check_pieces(check)
            await ring.check_load(check)
        if check.result.verdict_of(Mark.ACKNOWLEDGEMENT) is Verdict.OK:
            await ring.check_impossible(check)
    await seats.check_second_host(check)
    await seats.check_silence(check)


def _median_ms(result: Result) -> float:
    times = sorted(result.measured.request_us)
    return times[len(times) // 2] / 1000


def _judge_requests(check: Context) -> None:
    """Judge the round trips, and whether an answer can be there before the first chute."""
    measured, plan = check.result.measured, check.plan
    times = sorted(measured.request_us)
    median_ms = _median_ms(check.result)
    p99_ms = times[min(len(times) - 1, len(times) * 99 // 100)] / 1000
    needed_ms = REQUESTS_PER_ANSWER * median_ms + 2 * measured.cycle_ms
    limit_ms = plan.first_chute_ms
    in_time = not limit_ms or needed_ms <= limit_ms
    chute = f"; an answer takes {needed_ms:.0f} of {limit_ms} ms to the first chute"
    check.result.judge(
        Mark.REQUEST_TIME,
        holds=median_ms <= REQUEST_MS_MAX and in_time,
        seen=f"{len(times)} requests: median {median_ms:.1f} ms, p99 {p99_ms:.1f} ms, longest "
        f"{times[-1] / 1000:.1f} ms" + (chute if limit_ms else ""),
        advice="call the server block once in every cycle, keep the cycle short, and give the "
        f"host a connection of its own; aim at {REQUEST_MS_MAX // 2} ms",
    )
