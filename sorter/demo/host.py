"""An upstream host made up: answers questions from a table, as slowly and as badly as it is told.

    python -m sorter.demo.host --table host.csv --port 15021 --delay-ms 100 --loss 0.02

Speaks the contract of docs/upstream.md and shares no code with the service's side of it.
"""

import argparse
import asyncio
import csv
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

QUESTIONS_MAX = 1_024
"""Questions of one request that it takes."""
MEDIA_TYPE = "application/x-ndjson"


@dataclass
class Behaviour:
    """How the host behaves; may be changed while it runs. Shares are 0 to 1, of the questions."""

    delay_ms: tuple[int, int] = (0, 0)
    """Least and most time that an answer takes."""
    loss: float = 0.0
    """Questions left unanswered."""
    errors: float = 0.0
    """Requests answered with status 503."""
    twice: float = 0.0
    """Answers given a second time, and another one for a piece that nobody asked for."""
    token: str = ""
    """What a request must bear, if anything."""
    preface: bytes = b""
    """Sent before the first answer: garbage, or far too much."""
    seed: int = 1


@dataclass
class Books:
    """What the host was asked and said."""

    requests: int = 0
    questions: int = 0
    repeats: int = 0
    answers: int = 0
    ids: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)


class MadeUpHost:
    """The host: its table, its behaviour, its books."""

    def __init__(self, table: dict[str, dict[str, Any]], behaviour: Behaviour) -> None:
        """Answer from a table.

        Args:
            table: By waybill what is said of it beside its id; one not there is unknown.
            behaviour: How to behave.
        """
        self.table = table
        self.behaviour = behaviour
        self.books = Books()
        self._chance = random.Random(behaviour.seed)  # noqa: S311 - no secret
        self.app = FastAPI(title="An upstream host made up", docs_url=None, redoc_url=None)
        self.app.post("/destinations")(self._answer)

    async def _answer(self, request: Request) -> Response:
        """Answer questions, each as soon as its delay is over."""
        behaviour, books = self.behaviour, self.books
        books.requests += 1
        books.versions.add(request.headers.get("sorter-contract", ""))
        if behaviour.token and request.headers.get("authorization") != f"Bearer {behaviour.token}":
            return Response("no token\n", 401)
        if self._chance.random() < behaviour.errors:
            return Response("out of order\n", 503)
        lines = (await request.body()).splitlines()
        if len(lines) > QUESTIONS_MAX:
            return Response("too many questions\n", 413)
        questions = [json.loads(line) for line in lines if line.strip()]
        books.questions += len(questions)
        books.repeats += sum(bool(question["repeat"]) for question in questions)
        books.ids.update(question["id"] for question in questions)
        return StreamingResponse(self._stream(questions), media_type=MEDIA_TYPE)

    async def _stream(self, questions: list[dict[str, Any]]) -> AsyncIterator[bytes]:
        """Yield the answers as they are ready, in whatever order."""
        if self.behaviour.preface:
            yield self.behaviour.preface
        heard = [q for q in questions if self._chance.random() >= self.behaviour.loss]
        slow = [(self._chance.randint(*self.behaviour.delay_ms) / 1000, q) for q in heard]
        waited_s = 0.0
        for after_s, question in sorted(slow, key=lambda each: each[0]):
            await asyncio.sleep(after_s - waited_s)
            waited_s = after_s
            said = {"id": question["id"], **self.table.get(question["waybill"], {"unknown": True})}
            self.books.answers += 1
            yield json.dumps(said, ensure_ascii=False).encode() + b"\n"
            if self._chance.random() < self.behaviour.twice:
                other = {**said, "id": "nobody/1/1"}
                yield json.dumps(said).encode() + b"\n" + json.dumps(other).encode() + b"\n"


def load_table(path: Path) -> dict[str, dict[str, Any]]:
    """Return what to say by waybill, from a CSV: waybill,brand,service_class,destination,holds."""
    table: dict[str, dict[str, Any]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            said: dict[str, Any] = {key: value for key, value in row.items() if value}
            holds = said.pop("holds", "")
            table[said.pop("waybill")] = {**said, "holds": holds.split("|") if holds else []}
    return table


def main() -> None:
    """Run it until it is told to end."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay-ms", type=int, nargs=2, default=(50, 400))
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--errors", type=float, default=0.0)
    told = parser.parse_args()
    behaviour = Behaviour(tuple(told.delay_ms), told.loss, told.errors)
    host = MadeUpHost(load_table(told.table), behaviour)
    uvicorn.run(host.app, host="127.0.0.1", port=told.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
