"""Asks the upstream host for the lines' pieces: many at once, bounded, each until it is answered.

A question is open from the instant it is read until its answer has come, or its time is over, or it
was sent as often as it may. Open questions are sent in batches; what a request leaves unanswered is
sent again with ``repeat``. While the host fails, one request at a time is tried, after a pause that
doubles. Answers go back to the line that asked; one that can't take them now gets them again.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from plc_adapters.contract import Records
from sorter.centre.contract import (
    Answer,
    AnswerError,
    Question,
    parse_answer,
    question_line,
    question_of,
)
from sorter.centre.host import HostError
from sorter.errors import CommandError, Refusal
from sorter.ports import HostFailure, HostStatus

FOLLOW_S = 0.01
"""Pause between two looks for new questions."""
DELIVER_AGAIN_S = 0.2
"""Pause before a line that could not take its answers gets them again."""
ANSWERS_KEPT_S = 120.0
"""Longest time that answers are kept for a line that does not take them."""
LINGER_S = 0.2
"""Time that a host has to end a request once all of it is answered."""
USELESS_LINES_MAX = 100
"""Lines of one request that are no answer, or nobody's, before it is given up."""
CRASH_PAUSE_S = 1.0
FAILURES_OF_OUTAGE = 3
"""Requests that fail one after the other before the host counts as out of order and it is told."""
GARBAGE_TOLD_S = 60.0
"""Pause between two words to the log about lines that are no answers."""

_logger = logging.getLogger(__name__)


class Host(Protocol):
    """The upstream host."""

    def ask(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """Post question lines; yield the lines of the answer; HostError where it fails."""

    async def close(self) -> None:
        """Let it go."""


class QuestionSource(Protocol):
    """Where questions are read."""

    lost: int

    def read(self) -> Records:
        """Return the next QUESTIONs, none where there are no new ones."""


class Lines(Protocol):
    """The line process."""

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return what came of it; raises CommandError. May wait."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the site allows; the settings of its ``[upstream]``."""

    deadline_s: float
    in_flight_max: int
    batch_max: int
    requests_max: int
    attempts_max: int
    retry_first_s: float
    retry_max_s: float
    deliver_max: int
    """Answers of one command to a line."""


@dataclass(slots=True)
class _Open:
    """A question that is not answered yet."""

    question: Question
    deadline_ns: int
    attempts: int = 0


@dataclass(slots=True)
class _Kept:
    """An answer on its way to its line."""

    question: Question
    answer: Answer
    until_ns: int


class Asker:
    """Follows the questions of all lines, asks the host, brings the answers."""

    def __init__(
        self,
        url: str,
        limits: Limits,
        host: Host,
        source: QuestionSource,
        lines: Lines,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._limits = limits
        self._host = host
        self._source = source
        self._lines = lines
        self._now = monotonic_ns
        self._open: dict[str, _Open] = {}
        self._due: deque[str] = deque()
        self._requests: set[asyncio.Task[None]] = set()
        self._kept: deque[_Kept] = deque()
        self._has_answers = asyncio.Event()
        self._pause_s = limits.retry_first_s
        self._not_before_ns = 0
        self._failures = 0
        self._failing_since_ns = 0
        self._garbage_told_ns = -int(GARBAGE_TOLD_S * 1e9)
        self._told_line_problem = False
        self._status = HostStatus(url)

    @property
    def status(self) -> HostStatus:
        """How it stands with the host now."""
        status = self._status
        status.in_flight = len(self._open)
        status.requests_now = len(self._requests)
        status.to_deliver = len(self._kept)
        status.overwritten = self._source.lost
        return status

    async def run(self) -> None:
        """Ask until cancelled; a fault in here is logged and begins anew."""
        try:
            while True:
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._follow())
                        group.create_task(self._deliver())
                except Exception:
                    _logger.exception("asking the upstream host failed; beginning anew")
                    await asyncio.sleep(CRASH_PAUSE_S)
        finally:
            for task in self._requests:
                task.cancel()
            await asyncio.gather(*self._requests, return_exceptions=True)
            await self._host.close()

    async def _follow(self) -> None:
        while True:
            for record in self._source.read():
                self._take(question_of(record))
            self._expire()
            self._send()
            await asyncio.sleep(FOLLOW_S)

    def _take(self, question: Question) -> None:
        """Open a question, or let an open one go on with what is newer of it."""
        now_ns = self._now()
        deadline_ns = question.asked_ns + int(self._limits.deadline_s * 1e9)
        if deadline_ns <= now_ns:
            self._status.stale += 1
            return
        known = self._open.get(question.id)
        if known is not None:
            known.question, known.deadline_ns = question, deadline_ns
            return
        if len(self._open) + len(self._kept) >= self._limits.in_flight_max:
            self._status.overflow += 1
            return
        self._open[question.id] = _Open(question, deadline_ns)
        self._due.append(question.id)
        self._status.asked += 1

    def _expire(self) -> None:
        now_ns = self._now()
        over = [name for name, each in self._open.items() if each.deadline_ns <= now_ns]
        for name in over:
            self._give_up(name)

    def _give_up(self, name: str) -> None:
        del self._open[name]
        self._status.unanswered += 1

    def _send(self) -> None:
        """Start requests for what is due, as many as may run."""
        most = 1 if self._status.problem else self._limits.requests_max
        while self._due and len(self._requests) < most and self._now() >= self._not_before_ns:
            names: list[str] = []
            while self._due and len(names) < self._limits.batch_max:
                name = self._due.popleft()
                if name in self._open:
                    names.append(name)
            if names:
                task = asyncio.create_task(self._request(names))
                self._requests.add(task)
                task.add_done_callback(self._end_request)

    def _end_request(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        if not task.cancelled() and task.exception():
            _logger.error("a request to the upstream host failed", exc_info=task.exception())

    async def _request(self, names: list[str]) -> None:
        """Send questions and take what comes back; what stays open is sent again."""
        asked = [self._open[name] for name in names]
        now_ns = self._now()
        body = b"".join(
            question_line(each.question, now_ns, repeat=each.attempts > 0) for each in asked
        )
        for each in asked:
            each.attempts += 1
        self._status.requests += 1
        answered_before = self._status.answered
        try:
            await self._converse(body, names)
        except HostError as error:
            self._fail(error.cause, str(error))
        else:
            heard = self._status.answered > answered_before
            if heard or not self._left(names):
                self._recover()
            else:
                self._fail(HostFailure.INCOMPLETE, "it ended a request without an answer")
        finally:
            for name in self._left(names):
                if self._open[name].attempts >= self._limits.attempts_max:
                    self._give_up(name)
                else:
                    self._due.append(name)

    async def _converse(self, body: bytes, names: list[str]) -> None:
        useless = 0
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.deadline_s) as limit, AsyncExitStack() as stack:
                lines = await stack.enter_async_context(aclosing(self._host.ask(body)))
                async for line in lines:
                    useless += not self._hear(line)
                    if useless > USELESS_LINES_MAX:
                        raise HostError(HostFailure.GARBAGE, "most of what it says is no answer")
                    if not self._left(names):
                        limit.reschedule(loop.time() + LINGER_S)

    def _left(self, names: list[str]) -> list[str]:
        return [name for name in names if name in self._open]

    def _hear(self, line: bytes) -> bool:
        """Take a line of an answer; return whether it was of use."""
        if not line.strip():
            return True
        try:
            answer = parse_answer(line)
        except AnswerError as error:
            self._status.failures[HostFailure.GARBAGE] += 1
            self._tell_garbage(error)
            return False
        known = self._open.pop(answer.id, None)
        if known is None:
            self._status.unasked += 1
            return False
        self._status.answered += 1
        until_ns = self._now() + int(ANSWERS_KEPT_S * 1e9)
        self._kept.append(_Kept(known.question, answer, until_ns))
        self._has_answers.set()
        return True

    def _fail(self, cause: HostFailure, problem: str) -> None:
        """Note a request that failed, and pause; several failing at once make one pause."""
        self._status.failures[cause] += 1
        now_ns = self._now()
        if not self._failures:
            self._failing_since_ns = now_ns
        self._failures += 1
        if self._failures >= FAILURES_OF_OUTAGE:
            if not self._status.problem:
                _logger.warning(
                    "upstream host %s: %s; pieces without a destination wait as their plan says",
                    self._status.url, problem,
                )  # fmt: skip
            self._status.problem = problem
        if now_ns >= self._not_before_ns:
            self._not_before_ns = now_ns + int(self._pause_s * 1e9)
            self._pause_s = min(self._pause_s * 2, self._limits.retry_max_s)

    def _recover(self) -> None:
        """Note a request that went well."""
        if self._status.problem:
            lasted_s = (self._now() - self._failing_since_ns) / 1e9
            _logger.warning(
                "upstream host %s: answers again after %.1f s", self._status.url, lasted_s
            )
        self._status.problem = ""
        self._failures = 0
        self._pause_s = self._limits.retry_first_s
        self._not_before_ns = 0

    def _tell_garbage(self, error: AnswerError) -> None:
        now_ns = self._now()
        if now_ns - self._garbage_told_ns >= GARBAGE_TOLD_S * 1e9:
            self._garbage_told_ns = now_ns
            _logger.warning(
                "upstream host %s: a line that is no answer: %s", self._status.url, error
            )

    async def _deliver(self) -> None:
        """Bring answers to their lines, the oldest first."""
        while True:
            await self._has_answers.wait()
            while self._kept:
                if not await self._deliver_some():
                    await asyncio.sleep(DELIVER_AGAIN_S)
            self._has_answers.clear()

    async def _deliver_some(self) -> bool:
        """Bring what one line can take at once; return whether it took all of it."""
        now_ns = self._now()
        while self._kept and self._kept[0].until_ns <= now_ns:
            self._kept.popleft()
            self._status.undelivered += 1
        if not self._kept:
            return True
        line = self._kept[0].question.line
        some = [each for each in self._kept if each.question.line == line]
        some = some[: self._limits.deliver_max]
        request = {"command": "host_answers", "line": line, "answers": list(map(_row, some))}
        try:
            told = await asyncio.to_thread(self._lines.ask, request)
            taken = min(int(told["taken"]), len(some))
        except CommandError as error:
            # A line that is not there any more, or refuses the answer itself, never takes it.
            if error.refusal is not Refusal.UNAVAILABLE:
                _logger.warning("line %s does not take answers: %s", line, error)
                self._status.undelivered += len(some)
                self._forget(some)
                return True
            if not self._told_line_problem:
                _logger.warning("line %s can't take answers now: %s", line, error)
            self._told_line_problem = True
            self._kept.rotate(-1)
            return False
        self._told_line_problem = False
        self._forget(some[:taken])
        return taken == len(some)

    def _forget(self, some: list[_Kept]) -> None:
        gone = {id(each) for each in some}
        self._kept = deque(each for each in self._kept if id(each) not in gone)


def _row(kept: _Kept) -> dict[str, Any]:
    """Return an answer as a line takes it."""
    return {
        "boot_id": kept.question.boot_id,
        "piece_id": kept.question.piece_id,
        "known": kept.answer.known,
        "destination": kept.answer.destination,
        "brand": kept.answer.brand,
        "service_class": kept.answer.service_class,
        "holds": kept.answer.holds,
    }
