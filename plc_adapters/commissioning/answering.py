"""What the PLC does with instructions: echo, refusals, what it holds, where pieces leave."""

from plc_adapters.commissioning.context import Context
from plc_adapters.commissioning.findings import Mark, Moment, Verdict
from plc_adapters.commissioning.pictures import WRITTEN
from plc_adapters.commissioning.seats import answer_name
from plc_adapters.contract import AnswerStatus, DischargeStatus, EventKind, Records
from plc_adapters.mailbox.sequences import distance

TRIES = 3
"""Pieces tried, at most, for the questions that need a piece that is still on its way."""
RUN_PIECES = "run pieces over the sorter (its test mode will do) and check again"
NEEDING_PIECES = (Mark.HELD, Mark.REVISION, Mark.SORTED)


async def check_echo(check: Context) -> bool:
    """An instruction is echoed at all, by an event; False if it is not."""
    session = check.session
    sequence = await session.instruct(check.stranger, [])
    echo = await session.echo_of(sequence, check.react_s)
    status = int(echo["status"][0]) if echo is not None else 0
    echoed = check.judge(
        Mark.ECHO,
        holds=echo is not None,
        seen=f"instruction {sequence}: {answer_name(status)}"
        if echo is not None
        else f"instruction {sequence}: no event of kind 3 in {check.react_s:.0f} s",
        advice="take the next instruction from the granted seat in every cycle, and echo each one "
        "by an event of kind 3 (instructed) with its sequence in instruction_sequence",
    )
    if not echoed:
        return False
    check.judge(
        Mark.UNKNOWN_PIECE,
        holds=status == AnswerStatus.UNKNOWN_PIECE,
        seen=answer_name(status),
        advice="answer 4 (unknown_piece) to an instruction for a piece that is not on the sorter",
    )
    await session.settle()
    consumed = session.header.consumed[session.seat]
    check.judge(
        Mark.CONSUMED,
        holds=distance(consumed, sequence) >= 0,
        seen=f"consumed is {consumed}, instruction {sequence} was echoed",
        advice="write the sequence of the last instruction taken from each seat to consumed: a "
        "host that reconnects goes on from there",
    )
    return True


async def check_refusals(check: Context) -> None:
    """What must be refused without looking for the piece."""
    session = check.session
    sequence = await session.instruct(check.stranger, [], spoil_check=1)
    status = await check.answer_to(sequence)
    check.judge(
        Mark.CHECK_SUM,
        holds=status == AnswerStatus.MALFORMED,
        seen=f"sum off by one: {answer_name(status)}",
        advice="add up the 15 registers before check modulo 65536, and answer 6 (malformed) if "
        "that is not check: the slot was read while it was written",
    )
    if not check.strange_chute:
        check.result.skip(Mark.UNKNOWN_CHUTE, "the machine has every chute there can be", "-")
        return
    sequence = await session.instruct(check.stranger, [check.strange_chute])
    status = await check.answer_to(sequence)
    check.judge(
        Mark.UNKNOWN_CHUTE,
        holds=status == AnswerStatus.MALFORMED,
        seen=f"chute {check.strange_chute}: {answer_name(status)}",
        advice="answer 6 (malformed) to an instruction that names a chute the sorter does not have",
    )


async def check_pieces(check: Context) -> None:
    """What needs a piece on its way: the first answer kept, a revision taken, where it leaves."""
    session = check.session
    answers: list[Records | None] = []
    for _ in range(TRIES):
        scan = await _next_scan(check)
        if scan is None:
            for mark in NEEDING_PIECES:
                check.result.skip(mark, "no piece was scanned", RUN_PIECES)
            return
        first, second = check.plan.chutes[-1], check.plan.chutes[-2:][0]
        piece, lap = int(scan["piece_id"][0]), int(scan["lap"][0])
        wanted = ([first], 0), ([second], 0), ([second], 1)
        sequences = [
            await session.instruct(piece, chutes, lap=lap, revision=revision)
            for chutes, revision in wanted
        ]
        answers = [await session.echo_of(sequence, check.react_s) for sequence in sequences]
        if _status(answers[0]) == AnswerStatus.ACCEPTED:
            _judge_held(check, answers, first, second)
            await _watch_out(check, scan, answers, second)
            return
    said = answer_name(_status(answers[0]))
    for mark in NEEDING_PIECES:
        check.result.skip(
            mark,
            f"{TRIES} pieces were answered and the PLC said {said} to the first answer",
            "let the scanner stand further before the chutes, or the PLC answer faster",
        )


async def _next_scan(check: Context) -> Records | None:
    """Wait for a scan, and leave that one unanswered; the others get their chutes."""
    session = check.session
    caught: list[Records] = []

    def catch(scan: Records) -> list[int]:
        if caught:
            return check.next_chute(scan)
        caught.append(scan)
        return []

    session.answer = catch
    await session.until(lambda: bool(caught), check.plan.piece_s)
    session.answer = check.next_chute
    return caught[0] if caught else None


def _status(echo: Records | None) -> int:
    return int(echo["status"][0]) if echo is not None else 0


def _judge_held(check: Context, answers: list[Records | None], first: int, second: int) -> None:
    """Judge the three answers to three instructions for one piece and lap."""
    told = [answer_name(_status(answer)) for answer in answers]
    held = [int(a["chutes"][0][0]) if a is not None else 0 for a in answers]
    accepted, again, revised = answers
    check.judge(
        Mark.HELD,
        holds=accepted is not None
        and held[0] == first
        and int(accepted["epoch"][0]) == check.session.claim
        and _status(again) == AnswerStatus.REFUSED_HELD
        and held[1] == first,
        seen=f"chute {first}: {told[0]}, holds {held[0]}; then chute {second}: {told[1]}, "
        f"holds {held[1]}",
        advice="keep the first instruction of a piece and lap, answer 3 (refused_held) to another "
        "whose revision is not higher, and echo what is held after the answer",
    )
    check.judge(
        Mark.REVISION,
        holds=_status(revised) == AnswerStatus.ACCEPTED
        and held[2] == second
        and revised is not None
        and int(revised["revision"][0]) == 1,
        seen=f"chute {second} with revision 1: {told[2]}, holds {held[2]}",
        advice="let an instruction of a higher revision replace the one held, while its chutes "
        "are still ahead",
    )


async def _watch_out(
    check: Context, scan: Records, answers: list[Records | None], chute: int
) -> None:
    """Follow the piece until it leaves, and draw its handshake."""
    session = check.session
    piece = int(scan["piece_id"][0])
    await session.until(
        lambda: session.heard.last(EventKind.DISCHARGED, piece) is not None, check.plan.piece_s
    )
    left = session.heard.last(EventKind.DISCHARGED, piece)
    draw_handshake(check, scan, answers[0], left)
    if left is None:
        check.result.skip(
            Mark.SORTED,
            f"piece {piece} did not leave in {check.plan.piece_s:.0f} s",
            "check again with more --piece-seconds: a lap of the sorter must fit in it",
        )
        return
    status, at = int(left["status"][0]), int(left["chute"][0])
    name = DischargeStatus(status).name.lower() if status in set(DischargeStatus) else str(status)
    if status == DischargeStatus.DEFAULT_LAP_LIMIT or _was_shut(check, piece):
        check.result.skip(
            Mark.SORTED,
            f"piece {piece}: {name} at chute {at}; chute {chute} was not free",
            "open the chutes and empty them, and check again",
        )
        return
    check.judge(
        Mark.SORTED,
        holds=status == DischargeStatus.SORTED and at == chute,
        seen=f"piece {piece} told to leave at chute {chute}: {name} at chute {at}",
        advice="discharge a piece at the first chute named that is open, and report status 1",
    )


def _was_shut(check: Context, piece: int) -> bool:
    """Whether the piece came round again because its chute was not free."""
    scan = check.session.heard.last(EventKind.SCANNED, piece)
    return scan is not None and int(scan["status"][0]) & 0x70 != 0


def draw_handshake(
    check: Context, scan: Records, echo: Records | None, left: Records | None
) -> None:
    """Keep the steps of one piece for the picture, on this machine's clock."""
    session = check.session
    moments: list[tuple[int, str, bool]] = []

    def plc(event: Records | None, what: str, read: str) -> None:
        if event is None:
            return
        moments.append((int(session.clock_map.to_host_ns(event["plc_time_ms"])[0]), what, True))
        seen_ns = session.heard.seen_ns.get(int(event["sequence"][0]))
        if seen_ns is not None:
            moments.append((seen_ns, read, False))

    plc(
        session.heard.last(EventKind.INDUCTED, int(scan["piece_id"][0])),
        "inducted",
        "induction read",
    )
    plc(scan, "scanned", "scan read")
    if echo is not None:
        written_ns = session.told.written_ns.get(int(echo["instruction_sequence"][0]))
        if written_ns is not None:
            moments.append((written_ns, WRITTEN, False))
    plc(echo, "instruction taken", "echo read")
    plc(left, "discharged", "discharge read")
    moments.sort(key=lambda moment: moment[0])
    first_ns = moments[0][0]
    check.result.measured.handshake = [
        Moment(what, by_plc, (at_ns - first_ns) / 1e6) for at_ns, what, by_plc in moments
    ]


def skip_all(check: Context, why: str) -> None:
    """Mark as not checked what needs a PLC that echoes."""
    for mark in (*NEEDING_PIECES, Mark.UNKNOWN_PIECE, Mark.CONSUMED, Mark.CHECK_SUM,
                 Mark.UNKNOWN_CHUTE, Mark.LOWER_EPOCH, Mark.OTHER_SEAT, Mark.WHOLE_SLOTS,
                 Mark.UNACKNOWLEDGED, Mark.ACKNOWLEDGEMENT, Mark.ACKNOWLEDGEMENT_BEYOND,
                 Mark.WRAP, Mark.LOAD):  # fmt: skip
        if check.result.verdict_of(mark) is not Verdict.FAIL:
            check.result.skip(mark, why, "correct what failed above, and check again")
