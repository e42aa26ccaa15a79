"""Whatever a host does on its socket is bounded, counted, told, and harms no other piece.

A real server misbehaves whenever it is asked for one piece, and answers well for all others.
"""

import asyncio
import gzip
import json
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sorter.centre.asker import Asker
from sorter.centre.contract import ANSWER_LINE_BYTES_MAX
from sorter.centre.host import ANSWER_BYTES_MAX, HttpHost
from sorter.ports import HostFailure, HostStatus
from tests.certificates import Authority
from tests.unit.centre.test_asker import LIMITS, WAIT_S, Rig, said, until

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
UNTIL_CLOSED = HEAD + b"Connection: close\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SILENCE_S = 30.0
"""Where silence is not what is looked at."""
BAD, GOOD = 1, (2, 3, 4, 5, 6)
ATTEMPTS = 3
BIG = 10_000_000

Question = dict[str, Any]
Behaviour = Callable[[asyncio.StreamWriter, Question], Coroutine[Any, Any, None]]


class Server:
    """Speaks HTTP by hand; behaves badly to whoever asks for the piece BAD."""

    def __init__(self, bad: Behaviour) -> None:
        self._bad = bad
        self.asked_badly = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            questions = await _questions(reader)
            bad = [q for q in questions if q["id"] == f"loop/7/{BAD}"]
            if bad:
                self.asked_badly += 1
                await _until_left(reader, self._bad(writer, bad[0]))
            else:
                writer.write(UNTIL_CLOSED + b"".join(said(q) + b"\n" for q in questions))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The client has had enough of it.
        finally:
            writer.close()


async def _until_left(reader: asyncio.StreamReader, behaving: Coroutine[Any, Any, None]) -> None:
    """Behave until it is done, or the client has closed the connection."""
    tasks = [asyncio.create_task(behaving), asyncio.create_task(reader.read())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _questions(reader: asyncio.StreamReader) -> list[Question]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    body = await reader.readexactly(length)
    return [json.loads(line) for line in body.splitlines()]


def ask(
    bad: Behaviour,
    silence_s: float = SILENCE_S,
    server_tls: ssl.SSLContext | None = None,
    ca: Path | None = None,
    expected: tuple[int, ...] = GOOD,
    deadline_s: float = LIMITS.deadline_s,
) -> tuple[Rig, HostStatus, Server]:
    """Ask for one piece that the host is bad to and five others; return once all have ended."""
    rig = Rig()
    server = Server(bad)
    status = HostStatus("")

    async def running() -> None:
        nonlocal status
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=server_tls)
        port = listening.sockets[0].getsockname()[1]
        url = f"{'https' if ca else 'http'}://127.0.0.1:{port}/destinations"
        # One question a request, so that a request is all bad or all good.
        limits = replace(LIMITS, batch_max=1, attempts_max=ATTEMPTS, deadline_s=deadline_s)
        host = HttpHost(url, "", ca, silence_s, limits.requests_max)
        asker = Asker(url, limits, host, rig.source, rig.lines)
        asking = asyncio.create_task(asker.run())
        try:
            rig.source.put(BAD)
            await until(lambda: asker.status.unanswered or BAD in rig.lines.pieces)
            # The host is well again for others, also once it counts as out of order.
            rig.source.put(*GOOD)
            wanted = sorted({*rig.lines.pieces, *expected})
            await until(lambda: rig.lines.pieces == wanted or not expected)
            status = asker.status
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            listening.close()

    asyncio.run(asyncio.wait_for(running(), WAIT_S))
    return rig, status, server


def failed(status: HostStatus) -> dict[HostFailure, int]:
    return {cause: count for cause, count in status.failures.items() if count}


def test_an_answer_that_does_not_end_is_cut_off() -> None:
    sent = 0

    async def flood(writer: asyncio.StreamWriter, _: Question) -> None:
        nonlocal sent
        writer.write(UNTIL_CLOSED)
        while True:
            writer.write(b" " * 4000 + b"\n")
            await writer.drain()
            sent += 4001

    _, status, server = ask(flood)
    assert failed(status) == {HostFailure.TOO_LARGE: ATTEMPTS}
    assert (status.unanswered, status.in_flight, server.asked_badly) == (1, 0, ATTEMPTS)
    assert status.answered == len(GOOD)
    # What sockets hold is sent beyond the limit, and no more.
    assert sent < ATTEMPTS * (ANSWER_BYTES_MAX + BIG)


def test_what_came_before_an_answer_grew_too_large_counts() -> None:
    async def first_good(writer: asyncio.StreamWriter, question: Question) -> None:
        writer.write(UNTIL_CLOSED + said(question) + b"\n")
        for _ in range(BIG // 4001):
            writer.write(b" " * 4000 + b"\n")
            await writer.drain()

    rig, status, _ = ask(first_good)
    assert rig.lines.pieces == [BAD, *GOOD]
    assert status.unanswered == 0


@pytest.mark.parametrize("size", [ANSWER_LINE_BYTES_MAX + 1, 60_000, BIG])
def test_a_line_that_is_too_long_ends_the_request(size: int) -> None:
    async def long_line(writer: asyncio.StreamWriter, question: Question) -> None:
        padded = said(question, more="x" * size)[: size - 2] + b'"}'
        writer.write(UNTIL_CLOSED + padded + b"\n" + said(question) + b"\n")

    _, status, _ = ask(long_line)
    assert failed(status) == {HostFailure.TOO_LARGE: ATTEMPTS}
    assert status.unanswered == 1


@pytest.mark.parametrize(
    ("head", "cause"),
    [
        # Without a length nobody can tell the cut from the end: what is left is no answer.
        (UNTIL_CLOSED, {HostFailure.GARBAGE: ATTEMPTS, HostFailure.INCOMPLETE: ATTEMPTS}),
        (HEAD + b"Content-Length: 5000\r\n\r\n", {HostFailure.BROKEN: ATTEMPTS}),
        (CHUNKED + b"400\r\n", {HostFailure.BROKEN: ATTEMPTS}),
    ],
)
def test_a_line_that_is_cut_is_no_answer(head: bytes, cause: dict[HostFailure, int]) -> None:
    async def cut(writer: asyncio.StreamWriter, question: Question) -> None:
        writer.write(head + said(question)[:-9])

    rig, status, _ = ask(cut)
    assert failed(status) == cause
    assert rig.lines.pieces == list(GOOD)


def test_a_line_in_many_parts_is_one() -> None:
    async def slowly(writer: asyncio.StreamWriter, question: Question) -> None:
        writer.write(UNTIL_CLOSED)
        for byte in said(question) + b"\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    rig, status, _ = ask(slowly)
    assert BAD in rig.lines.pieces
    assert failed(status) == {}


def test_a_host_that_accepts_and_stays_silent_is_left() -> None:
    async def silent(_: asyncio.StreamWriter, __: Question) -> None:
        await asyncio.sleep(WAIT_S)

    _, status, _ = ask(silent, silence_s=0.2)
    assert failed(status) == {HostFailure.SILENT: ATTEMPTS}
    assert status.unanswered == 1


def test_a_host_that_falls_silent_within_an_answer_is_left() -> None:
    async def stops(writer: asyncio.StreamWriter, question: Question) -> None:
        writer.write(UNTIL_CLOSED + said(question)[:20])
        await writer.drain()
        await asyncio.sleep(WAIT_S)

    _, status, _ = ask(stops, silence_s=0.2)
    assert failed(status) == {HostFailure.SILENT: ATTEMPTS}


def test_a_host_that_drips_for_ever_is_left_once_the_time_is_over() -> None:
    async def drips(writer: asyncio.StreamWriter, _: Question) -> None:
        writer.write(UNTIL_CLOSED)
        while True:
            writer.write(b"\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    _, status, server = ask(drips, deadline_s=1.0, expected=())
    assert (status.unanswered, status.in_flight, server.asked_badly) == (1, 0, 1)


@pytest.mark.parametrize(
    "garbage",
    [b"\xff\xfe\x00", "丰县".encode("gb18030"), b'{"id":"loop/7/1","destination":"32\xff0706"}',
     gzip.compress(b"{}"), b'{"id":"loop/7/1","destination":"999999999999999999"}', b"[" * 4000],
    ids=["bytes", "gb18030", "in a value", "gzip", "no place", "deep"],
)  # fmt: skip
def test_what_is_no_answer_is_counted_and_what_follows_heard(garbage: bytes) -> None:
    async def muddled(writer: asyncio.StreamWriter, question: Question) -> None:
        writer.write(UNTIL_CLOSED + garbage.replace(b"\n", b"") + b"\n" + said(question) + b"\n")

    rig, status, _ = ask(muddled)
    assert rig.lines.pieces == [BAD, *GOOD]
    assert failed(status) == {HostFailure.GARBAGE: 1}


def test_an_answer_for_another_piece_serves_nobody() -> None:
    async def other(writer: asyncio.StreamWriter, question: Question) -> None:
        writer.write(UNTIL_CLOSED)
        for name in ("loop/7/999", "other/7/1", "loop/8/1", "loop/7/1 ", "LOOP/7/1"):
            writer.write(said({**question, "id": name}) + b"\n")

    rig, status, _ = ask(other)
    assert rig.lines.pieces == list(GOOD)
    assert (status.unasked, status.unanswered) == (5 * ATTEMPTS, 1)
    assert failed(status) == {HostFailure.INCOMPLETE: ATTEMPTS}


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
         HostFailure.STATUS),
        (b"HTTP/1.1 503 Out\r\nContent-Length: 0\r\n\r\n", HostFailure.STATUS),
        (b"SSH-2.0-OpenSSH_9.2\r\n", HostFailure.BROKEN),
        (HEAD + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n", HostFailure.BROKEN),
        (b"", HostFailure.BROKEN),
    ],
    ids=["redirect", "status", "no http", "large head", "closes"],
)  # fmt: skip
def test_what_does_not_answer_fails_and_is_asked_again(answer: bytes, cause: HostFailure) -> None:
    async def odd(writer: asyncio.StreamWriter, _: Question) -> None:
        writer.write(answer)

    _, status, server = ask(odd)
    assert failed(status) == {cause: ATTEMPTS}
    assert server.asked_badly == ATTEMPTS


async def well(writer: asyncio.StreamWriter, question: Question) -> None:
    writer.write(UNTIL_CLOSED + said(question) + b"\n")


def _tls(folder: Path) -> tuple[ssl.SSLContext, Authority]:
    authority = Authority(folder)
    pair = authority.sign("host", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context, authority


def test_a_host_proved_by_its_authority_is_heard(tmp_path: Path) -> None:
    context, authority = _tls(tmp_path)
    rig, status, _ = ask(well, server_tls=context, ca=authority.pair.certificate)
    assert rig.lines.pieces == [BAD, *GOOD]
    assert failed(status) == {}


def test_a_host_of_another_authority_is_told_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context, _ = _tls(tmp_path)
    other = Authority(tmp_path, "another").pair.certificate
    rig, status, server = ask(well, server_tls=context, ca=other, expected=())
    assert rig.lines.pieces == []
    assert server.asked_badly == 0
    assert failed(status) == {HostFailure.CONNECT: ATTEMPTS}
    assert "its certificate is not trusted" in status.problem
    assert "name its authority in upstream.ca" in status.problem
    assert sum("upstream host" in record.message for record in caplog.records) == 1
