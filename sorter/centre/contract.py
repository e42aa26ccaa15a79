"""What is said to the upstream host and what it says, one JSON object a line; see docs/upstream.md.

Nothing here waits or knows HTTP. Whatever a line from outside holds, it becomes an answer or an
AnswerError.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from routing_tables.schema import code_problem
from sorter.ports import HoldKind

VERSION = "1"
"""Of the contract; sent with every request. It rises when a field changes its meaning or goes."""
ANSWER_LINE_BYTES_MAX = 4_096
"""Longest line of an answer, its newline left out."""
NAME_MAX = 32
HOLDS_MAX = 16
"""Holds that one answer can give."""
MS_NS = 1_000_000


class AnswerError(ValueError):
    """A line that is no answer; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A piece that the host is asked for; instants are of the machine's monotonic clock."""

    line: str
    boot_id: int
    piece_id: int
    lap: int
    waybill: str
    brand: str
    """Code of the brand, empty where it is not known."""
    asked_ns: int
    answer_by_ns: int
    repeat: bool

    @property
    def id(self) -> str:
        """What names the piece to the host; the same on every lap and in every repetition."""
        return f"{self.line}/{self.boot_id}/{self.piece_id}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the host says of a piece."""

    id: str
    known: bool
    """Whether it knows the piece at all."""
    destination: int = 0
    brand: str = ""
    service_class: str = ""
    holds: int = 0
    """Bits of HoldKind. A hold whose name is not known counts as INTERCEPTED."""


class _Line(BaseModel):
    # Keys that are not known are passed over, so that a host may say more than this service reads.
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    id: Annotated[str, Field(min_length=1, max_length=80)]
    unknown: bool = False
    destination: Annotated[str, Field(max_length=12)] | None = None
    brand: Annotated[str, Field(max_length=NAME_MAX)] | None = None
    service_class: Annotated[str, Field(max_length=NAME_MAX)] | None = None
    holds: Annotated[
        list[Annotated[str, Field(max_length=NAME_MAX)]], Field(max_length=HOLDS_MAX)
    ] = []


def question_of(record: np.void) -> Question:
    """Return a QUESTION as it is kept here."""
    waybill = record["waybill"][: int(record["waybill_length"])].tobytes()
    return Question(
        line=bytes(record["line"]).decode(),
        boot_id=int(record["boot_id"]),
        piece_id=int(record["piece_id"]),
        lap=int(record["lap"]),
        waybill=waybill.decode("utf-8", "backslashreplace"),
        brand=bytes(record["brand"]).decode("utf-8", "replace"),
        asked_ns=int(record["asked_ns"]),
        answer_by_ns=int(record["answer_by_ns"]),
        repeat=bool(record["repeat"]),
    )


def question_line(question: Question, now_ns: int, *, repeat: bool) -> bytes:
    """Return a question as it is sent, its newline included.

    Args:
        question: The question.
        now_ns: The monotonic clock now.
        repeat: Whether this service has sent it before.
    """
    said: dict[str, Any] = {
        "id": question.id,
        "line": question.line,
        "waybill": question.waybill,
        "brand": question.brand or None,
        "lap": question.lap,
        "answer_within_ms": max((question.answer_by_ns - now_ns) // MS_NS, 0),
        "repeat": repeat or question.repeat,
    }
    return orjson.dumps(said) + b"\n"


def parse_answer(line: bytes) -> Answer:
    """Return what a line from the host says.

    Raises:
        AnswerError: it is no answer of this contract.
    """
    if len(line) > ANSWER_LINE_BYTES_MAX:
        raise AnswerError(f"a line of {len(line)} bytes; at most {ANSWER_LINE_BYTES_MAX}")
    try:
        said = _Line.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "line"
        raise AnswerError(f"{where}: {first['msg']}") from None
    if said.unknown:
        if said.destination or said.holds:
            raise AnswerError("unknown: true beside a destination or holds; give one of them")
        return Answer(said.id, known=False)
    if not said.destination and not said.holds:
        raise AnswerError("neither destination nor holds nor unknown: true; give one of them")
    problem = code_problem(said.destination) if said.destination else ""
    if problem:
        raise AnswerError(f"destination: {problem}")
    return Answer(
        said.id,
        known=True,
        destination=int(said.destination or 0),
        brand=said.brand or "",
        service_class=said.service_class or "",
        holds=_bits(said.holds),
    )


def _bits(names: list[str]) -> int:
    """Return holds as bits of HoldKind, failing closed."""
    bits = 0
    for name in names:
        bits |= HoldKind.__members__.get(name.upper(), HoldKind.INTERCEPTED)
    return int(bits)
