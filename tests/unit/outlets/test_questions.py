"""The ring of questions: each read once, whole, or counted as lost; across restarts."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from plc_adapters.contract import Records
from sorter.outlets.questions import READ_MAX, SLOTS, QuestionReader, QuestionRing
from sorter.ports import QUESTION

SECOND_NS = 1_000_000_000


def questions(*pieces: int) -> Records:
    made = np.zeros(len(pieces), QUESTION)
    made["piece_id"], made["line"] = pieces, b"loop"
    made["asked_ns"], made["answer_by_ns"] = 100 * SECOND_NS, 140 * SECOND_NS
    return made


def pieces_of(reader: QuestionReader) -> list[int]:
    read: list[int] = reader.read()["piece_id"].tolist()
    return read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "line.questions"


def test_each_question_is_read_once_with_instants_of_the_shared_clock(path: Path) -> None:
    ring = QuestionRing(path, 1, lambda: 7 * SECOND_NS)
    reader = QuestionReader(path)
    assert pieces_of(reader) == []
    ring.put(questions(1, 2), 101 * SECOND_NS)
    read = reader.read()
    assert read["piece_id"].tolist() == [1, 2]
    assert read["asked_ns"].tolist() == [6 * SECOND_NS] * 2
    assert read["answer_by_ns"].tolist() == [46 * SECOND_NS] * 2
    assert pieces_of(reader) == []
    ring.put(questions(3), 0)
    assert pieces_of(reader) == [3]


def test_a_reader_that_comes_late_finds_what_is_still_there(path: Path) -> None:
    ring = QuestionRing(path, 1)
    ring.put(questions(*range(1, SLOTS + 11)), 0)
    reader = QuestionReader(path)
    read = [pieces_of(reader) for _ in range(SLOTS // READ_MAX + 1)]
    assert [*itertools.chain(*read)] == list(range(11, SLOTS + 11))
    assert max(map(len, read)) == READ_MAX
    assert reader.lost == 0


def test_what_was_written_over_is_counted(path: Path) -> None:
    ring = QuestionRing(path, 1)
    reader = QuestionReader(path)
    ring.put(questions(1), 0)
    assert pieces_of(reader) == [1]
    ring.put(questions(*range(2, SLOTS + 5)), 0)
    assert pieces_of(reader)[0] == 5
    assert reader.lost == 3


def test_a_question_torn_by_its_writer_is_passed_over(path: Path) -> None:
    ring = QuestionRing(path, 1)
    ring.put(questions(1, 2, 3), 0)
    ring._slots[2]["begin"] = SLOTS + 2
    reader = QuestionReader(path)
    assert pieces_of(reader) == [1, 3]
    assert reader.lost == 1


def test_a_writer_started_anew_is_read_from_its_beginning(path: Path) -> None:
    ring = QuestionRing(path, 1)
    reader = QuestionReader(path)
    ring.put(questions(1, 2, 3), 0)
    assert pieces_of(reader) == [1, 2, 3]
    QuestionRing(path, 2).put(questions(8), 0)
    assert pieces_of(reader) == [8]


def test_without_a_ring_there_is_nothing_to_read(path: Path) -> None:
    assert pieces_of(QuestionReader(path)) == []
    path.write_bytes(b"x" * 100)
    assert pieces_of(QuestionReader(path)) == []
