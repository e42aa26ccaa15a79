"""Who may instruct: grant, second host, silence, take-over; and the seat left clean."""

from plc_adapters.commissioning.context import Context
from plc_adapters.commissioning.findings import Mark, Verdict
from plc_adapters.contract import AnswerStatus, DischargeStatus, EventKind
from plc_adapters.mailbox.codec import SeatHead
from plc_adapters.mailbox.sequences import distance
from plc_adapters.mailbox.table import INSTRUCTION_SLOT, INSTRUCTION_SLOTS, SEAT_HEAD, seat_address

WATCHDOG_S_MAX = 15.0
"""How long a PLC may take to call a host silent; a piece passes a whole sorter in less."""
CYCLES = 10
"""PLC cycles in which what must not happen is waited for."""
EPOCHS_ABOVE = 2
"""How far above the highest known epoch is claimed, so that there is a lower one to try."""


async def check_seat(check: Context) -> bool:
    """Sit down: the seat keeps what is written, the claim is granted. False if it is not."""
    session = check.session
    header = await session.look()
    head = await session.seat_head(session.seat)
    session.claim = max(header.granted_epoch, head.epoch) + EPOCHS_ABOVE
    # What stands in a seat before any grant is its host's alone.
    began_ns = session.clock()
    wrote = await session.beat()
    await session.settle(CYCLES)
    kept = await session.seat_head(session.seat)
    if not check.judge(
        Mark.ONE_WRITER,
        holds=kept == wrote,
        seen=f"wrote epoch {session.claim}, heartbeat {wrote.heartbeat}; after {CYCLES} cycles "
        f"epoch {kept.epoch}, heartbeat {kept.heartbeat}",
        advice="the PLC program must never write a seat, beyond clearing it at its start: look "
        "for a copy or an initialisation that runs in every cycle",
    ):
        return False
    session.told.given = header.consumed[session.seat]
    session.beating = True
    granted = await session.until(lambda: _holds(check), WATCHDOG_S_MAX)
    waited_ms = (session.clock() - began_ns) / 1e6
    header = session.header
    return check.judge(
        Mark.GRANT,
        holds=granted,
        seen=f"epoch {session.claim} granted in {waited_ms:.0f} ms at most"
        if granted
        else f"epoch {session.claim} claimed, epoch {header.granted_epoch} granted to seat "
        f"{header.granted_seat} after {WATCHDOG_S_MAX:.0f} s",
        advice="grant the highest epoch claimed while no host lives: none was granted, or the "
        "heartbeat of the one granted stands still for the watchdog time",
    )


def _holds(check: Context) -> bool:
    header = check.session.header
    return (header.granted_epoch, header.granted_seat) == (check.session.claim, check.session.seat)


async def check_second_host(check: Context) -> None:
    """Claim a higher epoch from the other seat while this host lives: it must not be granted."""
    session = check.session
    higher = session.claim + 1
    taken = await _is_granted_elsewhere(check, higher)
    check.judge(
        Mark.SECOND_HOST,
        holds=not taken,
        seen=f"epoch {higher} claimed beside living epoch {session.claim}: "
        + ("granted" if taken else "not granted"),
        advice="grant no epoch while the granted host's heartbeat counts and its seat claims the "
        "granted epoch",
    )
    if taken:
        session.claim = higher + 1
        await session.until(lambda: _holds(check), WATCHDOG_S_MAX)


async def _is_granted_elsewhere(check: Context, epoch: int) -> bool:
    """Claim an epoch from the other seat for some cycles, and leave it; whether it was granted."""
    session, other = check.session, 1 - check.session.seat
    for beats in range(CYCLES):
        await session.write_head(other, SeatHead(beats + 1, epoch, 0))
        await session.settle(1)
    header = await session.look()
    await session.write_head(other, SeatHead(0, 0, 0))
    return header.granted_epoch == epoch


async def check_fencing(check: Context) -> None:
    """Instruct with a lower epoch, and from the seat that holds none."""
    session, refused = check.session, check.session.header.refused_count
    lower = session.claim - 1
    sequence = await session.instruct(check.stranger, [], epoch=lower)
    status = await check.answer_to(sequence)
    await session.settle()
    counted = session.header.refused_count - refused
    check.judge(
        Mark.LOWER_EPOCH,
        holds=status == AnswerStatus.REFUSED_EPOCH and counted == 1,
        seen=f"epoch {lower} below granted {session.claim}: {answer_name(status)}, "
        f"refused_count rose by {counted}",
        advice="answer 2 (refused_epoch) to an instruction whose epoch is not the granted one, "
        "before any question about its piece, and count it in refused_count",
    )
    other = 1 - session.seat
    consumed = session.header.consumed[other]
    sequence = await session.instruct_from(other, consumed, session.claim, check.stranger)
    status = await check.answer_to(sequence)
    check.judge(
        Mark.OTHER_SEAT,
        holds=status == AnswerStatus.REFUSED_EPOCH,
        seen=f"the granted epoch from seat {other}: {answer_name(status)}",
        advice="answer 2 (refused_epoch) to an instruction from a seat that is not the granted one",
    )


def answer_name(status: int) -> str:
    """Return what an answer is called; of no answer, that there was none."""
    return AnswerStatus(status).name.lower() if status in set(AnswerStatus) else "no answer"


async def check_silence(check: Context) -> None:
    """Fall silent: noticed, pieces defaulted, no lower claim granted; then come back."""
    session = check.session
    session.answer = None
    check.tell("the host falls silent: pieces go to the default chute", 0.8)
    began_ns, mark = session.clock(), session.heard.expected
    session.beating = False
    noticed = await session.until(lambda: bool(session.header.host_silent), WATCHDOG_S_MAX)
    took_ms = (session.clock() - began_ns) / 1e6
    check.judge(
        Mark.SILENT_HOST,
        holds=noticed,
        seen=f"host_silent after {took_ms:.0f} ms"
        if noticed
        else f"host_silent still 0 after {WATCHDOG_S_MAX:.0f} s without a heartbeat",
        advice="run a watchdog over the granted seat's heartbeat (1000 ms) and set host_silent; "
        "send pieces without an instruction to the default chute meanwhile",
    )
    if not noticed:
        how = "let the PLC notice a silent host first"
        for skipped in (Mark.DEFAULTED, Mark.LOWER_CLAIM, Mark.HOST_BACK, Mark.TAKE_OVER):
            check.result.skip(skipped, "the PLC never calls the host silent", how)
        return
    await _check_lower_claim(check)
    await _check_defaulted(check, mark)
    session.beating = True
    await session.beat()
    back = await session.until(lambda: not session.header.host_silent, check.react_s)
    check.judge(
        Mark.HOST_BACK,
        holds=back and _holds(check),
        seen="host_silent cleared, the epoch kept" if back else "host_silent stays 1",
        advice="clear host_silent when the granted host's heartbeat counts again with its epoch",
    )


async def _check_lower_claim(check: Context) -> None:
    """Claim a lower epoch while the host is silent: it must not be granted."""
    session = check.session
    lower = session.claim - 1
    taken = await _is_granted_elsewhere(check, lower)
    check.judge(
        Mark.LOWER_CLAIM,
        holds=not taken,
        seen=f"epoch {lower} claimed after {session.claim}: "
        + ("granted" if taken else "not granted"),
        advice="grant an epoch only if it is higher than granted_epoch, whoever is silent: a lower "
        "one is a host that slept",
    )
    if taken:
        session.claim += EPOCHS_ABOVE


async def _check_defaulted(check: Context, since: int) -> None:
    """Wait for a piece that goes to the default chute, if pieces are there at all."""
    session = check.session

    def defaulted() -> int:
        return _discharges(check, since, DischargeStatus.DEFAULT_HOST_SILENT)

    on_sorter = session.header.inducted_count - session.header.ended_count
    if session.measured.pieces or on_sorter:
        await session.until(lambda: bool(defaulted()), check.plan.piece_s)
    wrong = _discharges(check, since, DischargeStatus.DEFAULT_NO_INSTRUCTION)
    if defaulted():
        check.judge(
            Mark.DEFAULTED,
            holds=True,
            seen=f"{defaulted()} pieces, status 3 (default_host_silent)",
            advice="",
        )
    else:
        check.result.skip(
            Mark.DEFAULTED,
            f"no piece came to the default chute in that time ({wrong} just before it)",
            "run pieces, and check again with more --piece-seconds",
        )


def _discharges(check: Context, since: int, status: DischargeStatus) -> int:
    return sum(
        1
        for event in check.session.heard.events
        if event["kind"][0] == EventKind.DISCHARGED
        and event["status"][0] == status
        and distance(int(event["sequence"][0]), since) >= 0
    )


async def check_take_over(check: Context) -> None:
    """Fall silent for good; a host in the other seat takes over, and this one is refused."""
    session = check.session
    if not check.result.verdict_of(Mark.HOST_BACK):
        return
    old_seat, old_epoch = session.seat, session.claim
    consumed = (await session.look()).consumed
    session.beating = False
    await session.write_head(old_seat, SeatHead(0, old_epoch, session.acknowledged))
    session.seat, session.claim = 1 - old_seat, old_epoch + 1
    session.told.given = consumed[session.seat]
    session.beating = True
    began_ns = session.clock()
    taken = await session.until(lambda: _holds(check), WATCHDOG_S_MAX)
    took_ms = (session.clock() - began_ns) / 1e6
    status = 0
    # Without them nobody knows which slot the PLC looks at, or hears what it says.
    told = check.result.verdict_of
    echoes = told(Mark.ECHO) is Verdict.OK and told(Mark.CONSUMED) is Verdict.OK
    if taken and echoes:
        before = session.header.consumed[old_seat]
        sequence = await session.instruct_from(old_seat, before, old_epoch, check.stranger)
        status = await check.answer_to(sequence)
    check.judge(
        Mark.TAKE_OVER,
        holds=taken and (status == AnswerStatus.REFUSED_EPOCH or not echoes),
        seen=f"seat {session.seat} granted after {took_ms:.0f} ms; the old host's instruction: "
        + (answer_name(status) if echoes else "not checked, as echo or consumed is not right")
        if taken
        else f"seat {session.seat} not granted in {WATCHDOG_S_MAX:.0f} s",
        advice="grant the higher epoch of the other seat once the granted host is silent, and "
        "refuse what the old host still writes",
    )


async def leave(check: Context) -> None:
    """Clear both seats, so that the next host finds them as after a start."""
    session = check.session
    session.beating = False
    if session.claim:
        # The last word about the events read, while this host still holds the grant.
        await session.beat()
        await session.settle()
    for seat in (0, 1):
        at, end = seat_address(seat), SEAT_HEAD.size + INSTRUCTION_SLOTS * INSTRUCTION_SLOT.size
        await session.write_head(seat, SeatHead(0, 0, 0))
        whole = session.terms.words_per_write // INSTRUCTION_SLOT.size * INSTRUCTION_SLOT.size
        for first in range(SEAT_HEAD.size, end, whole):
            await session.write(at + first, [0] * min(whole, end - first))
