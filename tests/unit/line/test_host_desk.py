"""Questions and answers of a line: bounded, in order, in the journal, and of use after a kill."""

import asyncio
import itertools

import numpy as np

from plc_adapters.contract import AnswerStatus, DischargeStatus, Disposition, Records
from sorter.line.host_desk import ANSWERS_MAX, HostDesk
from sorter.line.loop import LineLoop
from sorter.line.recovery import recover
from sorter.line.tracking import Tracking
from sorter.ports import HOST_ANSWER, HostAnswer, HostCount
from tests.unit.line.records import (
    BOOT,
    SECOND,
    START_NS,
    discharged,
    inducted,
    instructed,
    machine,
    scanned,
)
from tests.unit.line.test_loop import LINE, Rig, turn


class Left:
    """Keeps the questions that were left."""

    def __init__(self) -> None:
        self.questions: list[Records] = []

    def put(self, questions: Records, now_ns: int) -> None:
        assert (questions["asked_ns"] == now_ns).all()
        self.questions.append(questions.copy())


def rig_with(*turns: Records) -> tuple[Rig, Left]:
    rig, left = Rig(*turns), Left()
    desk = HostDesk("north", left)
    desk.set_names(["", "AX"], ["", "next_day"])
    rig.loop = LineLoop(
        LINE, "north", rig.adapter, rig.tracking, rig.decider, rig.journal, rig.outlet, rig.clock,
        desk,
    )  # fmt: skip
    return rig, left


def answers_for(*pieces: int, destination: int = 3207, boot: int = BOOT) -> Records:
    answers = np.zeros(len(pieces), HOST_ANSWER)
    answers["boot_id"], answers["piece_id"] = boot, pieces
    answers["answer"], answers["destination"] = HostAnswer.KNOWN, destination
    return answers


def offer(desk: HostDesk, answers: Records) -> int:
    return desk.offer(answers, ["AX"] * len(answers), [""] * len(answers))


def run(rig: Rig, turns: int) -> None:
    async def several() -> None:
        for _ in range(turns):
            await rig.loop.turn()

    asyncio.run(several())


def test_a_question_leaves_once_the_instruction_is_with_the_plc() -> None:
    rig, left = rig_with(turn(inducted(1), scanned(1, code=b"A077"), scanned(2, code=b"A001")))
    run(rig, 1)
    (instructions,) = rig.adapter.written
    assert instructions["chutes"].tolist() == [[0, 0, 0, 0], [1, 2, 3, 0]]
    ((question,),) = left.questions
    assert (question["line"], question["brand"]) == (b"north", b"AX")
    assert (question["boot_id"], question["piece_id"], question["lap"]) == (BOOT, 1, 0)
    assert question["waybill"][: question["waybill_length"]].tobytes() == b"A077"
    assert question["answer_by_ns"] == START_NS + 40 * SECOND - SECOND // 10
    assert not question["repeat"]


def test_an_answer_is_decided_in_the_next_turn_and_journaled_without_an_event() -> None:
    rig, _ = rig_with(turn(inducted(1), scanned(1, code=b"A077")))
    run(rig, 1)
    assert offer(rig.loop.desk, answers_for(1, 2)) == 2
    run(rig, 1)
    assert rig.adapter.written[1]["chutes"].tolist() == [[1, 2, 3, 0]]
    assert rig.adapter.written[1]["revision"].tolist() == [1]
    kept = rig.journal.kept[1]
    assert (len(kept.events), len(kept.decisions)) == (0, 1)
    assert kept.decisions["host_answer"].tolist() == [HostAnswer.KNOWN]
    assert kept.decisions["event_sequence"].tolist() == [2]
    counts = rig.loop.desk.counts
    assert counts[[HostCount.IN_TIME, HostCount.UNUSED, HostCount.LATE]].tolist() == [1, 1, 0]


def test_a_line_killed_after_an_answer_knows_it_and_one_killed_before_asks_again() -> None:
    heard = turn(*(event for n in (1, 2) for event in (inducted(n), scanned(n, code=b"A077"))))
    rig, _ = rig_with(heard)
    run(rig, 1)
    offer(rig.loop.desk, answers_for(1))
    run(rig, 1)
    tracking = Tracking(machine(), rows=8)
    entries = [batch._replace(line=0) for batch in rig.journal.kept]
    recover([tracking], entries)
    first, second = sorted(tracking.in_flight(), key=lambda piece: int(piece["piece_id"]))
    assert (first["destination"], first["disposition"]) == (3207, Disposition.ROUTED)
    assert first["chutes"].tolist() == [1, 2, 3, 0]
    assert second["disposition"] == Disposition.AWAITING_HOST
    left = Left()
    desk = HostDesk("north", left)
    desk.ask_again(tracking.in_flight(), tracking.chutes, START_NS)
    ((question,),) = left.questions
    assert (question["piece_id"], question["repeat"], question["brand"]) == (2, 1, b"")
    assert question["answer_by_ns"] == START_NS + 40 * SECOND


def test_a_piece_known_by_an_echo_alone_is_asked_for_once_its_waybill_is_known() -> None:
    # Its scan was answered and not journaled: a host killed between the two leaves this behind.
    waits = instructed(1, AnswerStatus.ACCEPTED, disposition=Disposition.AWAITING_HOST)
    rig, left = rig_with(turn(inducted(1), waits), turn(scanned(1, lap=1, code=b"A077"), first=3))
    run(rig, 1)
    (piece,) = rig.tracking.in_flight()
    assert (piece["disposition"], piece["waybill_length"]) == (Disposition.AWAITING_HOST, 0)
    rig.loop.desk.ask_again(rig.tracking.in_flight(), rig.tracking.chutes, START_NS)
    assert sum(map(len, left.questions)) == 0
    run(rig, 1)
    asked = left.questions[-1][0]
    assert asked["waybill"][: asked["waybill_length"]].tobytes() == b"A077"


def test_no_answer_asks_again_on_the_last_way_and_is_counted_at_the_end() -> None:
    rig, left = rig_with(
        turn(inducted(1), scanned(1, code=b"A077")),
        turn(scanned(1, lap=1), first=3),
        turn(discharged(1, DischargeStatus.SORTED, 4, lap=1), first=4),
    )
    run(rig, 3)
    assert [int(w["disposition"][0]) for w in rig.adapter.written] == [
        Disposition.AWAITING_HOST, Disposition.HOST_LATE,
    ]  # fmt: skip
    assert [int(q["repeat"][0]) for q in left.questions] == [0, 1]
    assert rig.loop.desk.counts[HostCount.UNANSWERED] == 1
    offer(rig.loop.desk, answers_for(1))
    run(rig, 1)
    assert rig.loop.desk.counts[HostCount.UNUSED] == 1
    assert len(rig.adapter.written) == 2


def test_answers_wait_in_order_and_no_more_of_them_than_there_is_room_for() -> None:
    desk = HostDesk()
    first = answers_for(*range(1, ANSWERS_MAX))
    assert offer(desk, first) == ANSWERS_MAX - 1
    assert offer(desk, answers_for(5001, 5002, 5003)) == 1
    assert desk.counts[HostCount.REFUSED] == 2
    taken = [desk.take(400)["piece_id"].tolist() for _ in range(4)]
    assert [*itertools.chain(*taken)] == [*range(1, ANSWERS_MAX), 5001]
    assert [len(each) for each in taken] == [400, 400, ANSWERS_MAX - 800, 0]
    assert not len(desk.take(0))


def test_a_turn_full_of_decisions_leaves_answers_for_the_next() -> None:
    rig, _ = rig_with()
    rig.tracking = Tracking(machine(), rows=1024)
    desk = rig.loop.desk
    offer(desk, answers_for(*range(1, 9)))
    decisions = np.zeros(510, rig.decider._decisions.dtype)
    rig.loop._hear_host(decisions, START_NS)
    assert desk.take(512)["piece_id"].tolist() == [3, 4, 5, 6, 7, 8]
