"""Many questions at once, bounded; whatever the host does, nothing waits and each is counted."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from plc_adapters.contract import Records
from sorter.centre.asker import USELESS_LINES_MAX, Asker, Limits
from sorter.centre.host import HostError
from sorter.errors import CommandError, Refusal
from sorter.ports import QUESTION, HostFailure

WAIT_S = 60.0
LIMITS = Limits(
    deadline_s=50.0, in_flight_max=100, batch_max=8, requests_max=4, attempts_max=3,
    retry_first_s=0.01, retry_max_s=0.02, deliver_max=5,
)  # fmt: skip


class Source:
    """Questions put by hand."""

    def __init__(self) -> None:
        self.lost = 0
        self.waiting: list[Records] = []

    def put(self, *pieces: int, line: bytes = b"loop", age_ns: int = 0) -> None:
        made = np.zeros(len(pieces), QUESTION)
        made["line"], made["boot_id"], made["piece_id"] = line, 7, pieces
        made["asked_ns"] = Rig.now() - age_ns
        made["answer_by_ns"] = Rig.now() + 10**9
        made["waybill_length"], made["waybill"][:, 0] = 1, 65
        self.waiting.append(made)

    def read(self) -> Records:
        return self.waiting.pop(0) if self.waiting else np.empty(0, QUESTION)


class FakeHost:
    """Answers as a function of the test says."""

    def __init__(self) -> None:
        self.requests: list[list[dict[str, Any]]] = []
        self.now = 0
        self.most = 0
        self.closed = False
        self.answer: Callable[[list[dict[str, Any]]], AsyncGenerator[bytes, None]] = all_known

    async def ask(self, body: bytes) -> AsyncGenerator[bytes, None]:
        questions = [json.loads(line) for line in body.splitlines()]
        self.requests.append(questions)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            async for line in self.answer(questions):
                yield line
        finally:
            self.now -= 1

    async def close(self) -> None:
        self.closed = True


class FakeLines:
    """Takes answers, or refuses."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refusals: list[CommandError] = []
        self.room = 1000
        self.asked = 0

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["command"] == "host_answers"
        self.asked += 1
        if self.refusals:
            raise self.refusals.pop(0)
        answers = request["answers"][: self.room]
        self.taken += [{**answer, "line": request["line"]} for answer in answers]
        return {"taken": len(answers)}

    @property
    def pieces(self) -> list[int]:
        return sorted(answer["piece_id"] for answer in self.taken)


def said(question: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"id": question["id"], "destination": "320706", **more}).encode()


async def all_known(questions: list[dict[str, Any]]) -> AsyncGenerator[bytes, None]:
    for question in reversed(questions):
        yield said(question)


async def nothing(questions: list[dict[str, Any]]) -> AsyncGenerator[bytes, None]:
    for line in list[bytes]():
        yield line


async def down(questions: list[dict[str, Any]]) -> AsyncGenerator[bytes, None]:
    raise HostError(HostFailure.CONNECT, "no connection")
    yield b""


class Rig:
    def __init__(self, limits: Limits = LIMITS) -> None:
        self.source, self.host, self.lines = Source(), FakeHost(), FakeLines()
        self.asker = Asker("http://host", limits, self.host, self.source, self.lines)

    @staticmethod
    def now() -> int:
        return time.monotonic_ns()

    async def has_taken(self, piece: int) -> None:
        await until(lambda: piece in self.lines.pieces)

    def run(self, work: Callable[[], Awaitable[None]]) -> None:
        async def running() -> None:
            asking = asyncio.create_task(self.asker.run())
            try:
                await asyncio.wait_for(work(), WAIT_S)
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)

        asyncio.run(running())
        assert self.host.closed


async def until(condition: Callable[[], Any]) -> None:
    while not condition():  # noqa: ASYNC110 - it is about what several tasks did
        await asyncio.sleep(0.005)


def test_questions_are_asked_in_batches_and_answers_reach_their_lines() -> None:
    rig = Rig()

    async def work() -> None:
        rig.source.put(*range(1, 21))
        rig.source.put(50, line=b"other")
        await until(lambda: len(rig.lines.taken) == 21)

    rig.run(work)
    assert rig.lines.pieces == [*range(1, 21), 50]
    assert {a["line"] for a in rig.lines.taken if a["piece_id"] == 50} == {"other"}
    assert max(map(len, rig.host.requests)) <= 8
    status = rig.asker.status
    assert (status.asked, status.answered, status.in_flight, status.problem) == (21, 21, 0, "")
    assert not any(status.failures.values())


def test_no_more_requests_run_at_once_than_may() -> None:
    rig = Rig()
    gate = asyncio.Event()

    async def slow(questions: list[dict[str, Any]]) -> AsyncGenerator[bytes, None]:
        await gate.wait()
        for question in questions:
            yield said(question)

    rig.host.answer = slow

    async def work() -> None:
        rig.source.put(*range(1, 61))
        await until(lambda: rig.host.now == 4)
        assert rig.asker.status.in_flight == 60
        gate.set()
        await until(lambda: len(rig.lines.taken) == 60)

    rig.run(work)
    assert rig.host.most == 4


def test_beyond_the_limit_questions_are_not_asked_but_counted() -> None:
    rig = Rig(replace(LIMITS, in_flight_max=10))
    rig.host.answer = down

    async def work() -> None:
        rig.source.put(*range(1, 31))
        await until(lambda: rig.asker.status.overflow)

    rig.run(work)
    assert rig.asker.status.overflow == 20


def test_what_a_request_leaves_open_is_asked_again_as_a_repetition() -> None:
    rig = Rig()

    async def odd_first(questions: list[dict[str, Any]]) -> AsyncGenerator[bytes, None]:
        for question in questions:
            if question["repeat"] or int(question["id"].split("/")[2]) % 2:
                yield said(question)

    rig.host.answer = odd_first

    async def work() -> None:
        rig.source.put(1, 2, 3, 4)
        await until(lambda: len(rig.lines.taken) == 4)

    rig.run(work)
    first, second = rig.host.requests
    assert [q["repeat"] for q in first + second] == [False] * 4 + [True] * 2
    assert [q["id"] for q in second] == ["loop/7/2", "loop/7/4"]


def test_a_question_is_given_up_after_its_attempts_and_may_be_put_again() -> None:
    rig = Rig()
    rig.host.answer = nothing

    async def work() -> None:
        rig.source.put(1)
        await until(lambda: rig.asker.status.unanswered == 1)
        assert len(rig.host.requests) == 3
        assert rig.asker.status.failures[HostFailure.INCOMPLETE] == 3
        rig.host.answer = all_known
        rig.source.put(1)
        await until(lambda: rig.lines.pieces == [1])

    rig.run(work)


def test_an_outage_is_told_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(replace(LIMITS, attempts_max=100))
    rig.host.answer = down

    async def work() -> None:
        rig.source.put(*range(1, 41))
        await until(lambda: rig.asker.status.failures[HostFailure.CONNECT] > 6)
        assert rig.asker.status.problem == "no connection"
        assert rig.asker.status.requests_now <= 1
        rig.host.answer = all_known
        await until(lambda: len(rig.lines.taken) == 40)

    rig.run(work)
    told = [r.message for r in caplog.records if "upstream host" in r.message]
    assert len(told) == 2
    assert "no connection; pieces without a destination wait" in told[0]
    assert "answers again after" in told[1]
    assert rig.asker.status.problem == ""


def test_garbage_beside_answers_is_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()

    async def muddled(questions: list[dict[str, Any]]) -> AsyncGenerator[bytes, None]:
        yield b""
        yield b"<html>out of order</html>"
        yield b'{"id":"loop/7/999","destination":"32"}'
        for question in questions:
            yield said(question)
            yield said(question, destination="33")

    rig.host.answer = muddled

    async def work() -> None:
        for piece in (1, 2, 3):
            rig.source.put(piece)
            await rig.has_taken(piece)

    rig.run(work)
    assert {answer["destination"] for answer in rig.lines.taken} == {320706}
    assert rig.asker.status.failures[HostFailure.GARBAGE] == 3
    assert rig.asker.status.unasked >= 3
    assert sum("no answer" in r.message for r in caplog.records) == 1


def test_a_host_that_says_nothing_but_garbage_is_cut_short() -> None:
    rig = Rig()
    said_lines = 0

    async def endless(questions: list[dict[str, Any]]) -> AsyncGenerator[bytes, None]:
        nonlocal said_lines
        while True:
            said_lines += 1
            yield b"x"

    rig.host.answer = endless

    async def work() -> None:
        rig.source.put(1)
        await until(lambda: rig.asker.status.unanswered)

    rig.run(work)
    assert said_lines == 3 * (USELESS_LINES_MAX + 1)
    assert rig.asker.status.problem == "most of what it says is no answer"


def test_a_host_that_does_not_end_its_answer_holds_nobody_up() -> None:
    rig = Rig(replace(LIMITS, requests_max=1))

    async def hangs(questions: list[dict[str, Any]]) -> AsyncGenerator[bytes, None]:
        for question in questions:
            yield said(question)
        await asyncio.sleep(WAIT_S)

    rig.host.answer = hangs

    async def work() -> None:
        for piece in (1, 2):
            rig.source.put(piece)
            await rig.has_taken(piece)

    rig.run(work)
    assert not any(rig.asker.status.failures.values())


def test_questions_whose_time_is_over_are_dropped() -> None:
    rig = Rig(replace(LIMITS, deadline_s=0.3))

    async def silent(questions: list[dict[str, Any]]) -> AsyncGenerator[bytes, None]:
        await asyncio.sleep(WAIT_S)
        yield b""

    rig.host.answer = silent

    async def work() -> None:
        rig.source.put(1, age_ns=10**9)
        rig.source.put(2)
        await until(lambda: rig.asker.status.unanswered)

    rig.run(work)
    status = rig.asker.status
    assert (status.stale, status.asked, status.unanswered, status.in_flight) == (1, 1, 1, 0)


def test_a_line_that_is_away_gets_its_answers_when_it_is_back() -> None:
    rig = Rig()
    away = CommandError(Refusal.UNAVAILABLE, "the line process does not answer")
    rig.lines.refusals = [away, away]
    rig.lines.room = 2

    async def work() -> None:
        rig.source.put(*range(1, 8))
        await until(lambda: rig.lines.pieces == [*range(1, 8)])

    rig.run(work)
    assert rig.asker.status.to_deliver == 0


def test_answers_that_a_line_refuses_for_good_are_counted() -> None:
    rig = Rig()
    rig.lines.refusals = [CommandError(Refusal.UNKNOWN, "no line")]

    async def work() -> None:
        rig.source.put(1, 2)
        await until(lambda: rig.asker.status.undelivered == 2)
        rig.source.put(3)
        await until(lambda: rig.lines.pieces == [3])

    rig.run(work)


def test_a_fault_in_reading_begins_anew() -> None:
    rig = Rig()
    read, broken = rig.source.read, [ValueError("torn")]

    def once_broken() -> Records:
        if broken:
            raise broken.pop()
        return read()

    rig.source.read = once_broken  # type: ignore[method-assign]

    async def work() -> None:
        rig.source.put(1)
        await until(lambda: rig.lines.pieces == [1])

    rig.run(work)
