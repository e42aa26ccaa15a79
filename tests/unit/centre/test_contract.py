"""Whatever a host sends is an answer or an error, and what is sent to it can be read."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_tables.schema import code_problem
from sorter.centre.contract import (
    ANSWER_LINE_BYTES_MAX,
    Answer,
    AnswerError,
    parse_answer,
    question_line,
    question_of,
)
from sorter.ports import QUESTION, HoldKind

SECOND_NS = 1_000_000_000


def record(waybill: bytes = b"LXE0123456789", brand: bytes = b"LANXI") -> np.void:
    made = np.zeros(1, QUESTION)
    made["line"], made["brand"], made["lap"] = b"loop-1", brand, 1
    made["boot_id"], made["piece_id"] = 7, 2**32 - 1
    made["answer_by_ns"] = 100 * SECOND_NS
    made["waybill_length"] = len(waybill)
    made["waybill"][0, : len(waybill)] = list(waybill)
    question: np.void = made[0]
    return question


def test_a_question_says_what_the_contract_says() -> None:
    line = question_line(question_of(record()), 98 * SECOND_NS, repeat=False)
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "id": "loop-1/7/4294967295", "line": "loop-1", "waybill": "LXE0123456789",
        "brand": "LANXI", "lap": 1, "answer_within_ms": 2000, "repeat": False,
    }  # fmt: skip


def test_a_question_without_a_brand_and_beyond_its_time() -> None:
    said = json.loads(question_line(question_of(record(brand=b"")), 200 * SECOND_NS, repeat=True))
    assert (said["brand"], said["answer_within_ms"], said["repeat"]) == (None, 0, True)


@given(st.binary(min_size=1, max_size=40), st.booleans())
def test_any_waybill_makes_one_line(waybill: bytes, repeat: bool) -> None:
    line = question_line(question_of(record(waybill)), 0, repeat=repeat)
    assert line.count(b"\n") == 1
    assert isinstance(json.loads(line)["waybill"], str)


@pytest.mark.parametrize(("said", "answer"), [
    ({"destination": "320706"}, Answer("a", known=True, destination=320706)),
    ({"destination": "320706001002", "brand": "LANXI", "service_class": "same_day", "more": 1},
     Answer("a", True, 320706001002, "LANXI", "same_day")),
    ({"destination": None, "holds": ["INTERCEPTED", "damaged"]},
     Answer("a", True, holds=HoldKind.INTERCEPTED | HoldKind.DAMAGED)),
    ({"destination": "32", "holds": []}, Answer("a", True, 32)),
    # A hold with a name of its own must not let the piece go.
    ({"destination": "32", "holds": ["QUARANTINE"]},
     Answer("a", True, 32, holds=HoldKind.INTERCEPTED)),
    ({"unknown": True}, Answer("a", known=False)),
    ({"unknown": False, "destination": "32"}, Answer("a", True, 32)),
])  # fmt: skip
def test_answers(said: dict[str, object], answer: Answer) -> None:
    assert parse_answer(json.dumps({"id": "a", **said}).encode()) == answer


@pytest.mark.parametrize(("line", "problem"), [
    (b"", "line: Invalid JSON"),
    (b"<html>", "line: Invalid JSON"),
    (b"[1]", "line: "),
    (b'{"destination":"32"}', "id: Field required"),
    (b'{"id":"","destination":"32"}', "id: "),
    (b'{"id":1,"destination":"32"}', "id: "),
    (b'{"id":"a"}', "neither destination nor holds nor unknown"),
    (b'{"id":"a","unknown":false}', "neither destination"),
    (b'{"id":"a","unknown":true,"destination":"32"}', "unknown: true beside"),
    (b'{"id":"a","unknown":true,"holds":["DAMAGED"]}', "unknown: true beside"),
    (b'{"id":"a","unknown":"yes"}', "unknown: "),
    (b'{"id":"a","destination":320706}', "destination: "),
    (b'{"id":"a","destination":"320"}', "destination: '320' is no division code"),
    (b'{"id":"a","destination":"\xe4\xb8\x89\xe4\xba\x8c"}', "destination: "),
    (b'{"id":"a","destination":"32","brand":"' + b"x" * 33 + b'"}', "brand: "),
    (b'{"id":"a","destination":"32","holds":"INTERCEPTED"}', "holds: "),
    (b'{"id":"a","holds":[' + b'"DAMAGED",' * 16 + b'"DAMAGED"]}', "holds: "),
    (b'{"id":"a","destination":"32","more":"' + b"x" * ANSWER_LINE_BYTES_MAX + b'"}', "a line of"),
    (b"[" * 4000, "line: "),
])  # fmt: skip
def test_what_is_no_answer_is_told(line: bytes, problem: str) -> None:
    with pytest.raises(AnswerError) as caught:
        parse_answer(line)
    assert str(caught.value).startswith(problem)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON | st.text(min_size=1, max_size=20),
        "destination": JSON | st.sampled_from(["32", "3207", "320706", "320706001"]),
        "brand": JSON,
        "service_class": JSON,
        "holds": JSON | st.lists(st.sampled_from(["DAMAGED", "x"])),
        "unknown": JSON,
    },
)


@given(st.binary(max_size=200) | (FIELDS | JSON).map(lambda said: json.dumps(said).encode()))
def test_any_line_is_an_answer_or_an_error(line: bytes) -> None:
    try:
        answer = parse_answer(line)
    except AnswerError as error:
        assert str(error)
        return
    assert answer.known == bool(answer.destination or answer.holds)
    assert not answer.destination or not code_problem(str(answer.destination))
    assert 0 <= answer.holds < 32
