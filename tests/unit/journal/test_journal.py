"""The journal keeps what it took, in order, whatever befalls its files."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sorter.errors import JournalError
from sorter.journal import format as journal_format
from sorter.journal.format import SEGMENT_HEAD, segment_path, segments
from sorter.journal.reader import Follower, Position, recovery
from sorter.journal.writer import JournalWriter
from sorter.ports import Batch, Snapshot
from tests.unit.journal.conftest import Time, batch

WAIT_S = 10.0


def writer(folder: Path, clock: Time, **settings: int) -> JournalWriter:
    journal = JournalWriter(
        folder,
        ["a", "b"],
        [0, 0],
        clock,
        segment_bytes=settings.get("segment_bytes", 1 << 20),
        commit_interval_s=0.001,
        queue_max=settings.get("queue_max", 64),
    )
    journal.start()
    return journal


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "never came true"
        time.sleep(0.001)


def firsts(entries: list[Batch | Snapshot] | list[Batch]) -> list[int]:
    return [int(e.events["sequence"][0]) for e in entries if isinstance(e, Batch)]


def test_what_was_offered_is_read_again_byte_for_byte(tmp_path: Path, clock: Time) -> None:
    journal = writer(tmp_path, clock)
    offered = [batch(1), batch(4, count=4), batch(8, count=1)]
    for one in offered:
        assert journal.offer(one)
    journal.close()
    assert journal.durable(0) == 8
    read = list(recovery(tmp_path / "a", 0))
    assert len(read) == len(offered)
    for one, other in zip(offered, read, strict=True):
        assert isinstance(other, Batch)
        assert one.events.tobytes() == other.events.tobytes()
        assert one.decisions.tobytes() == other.decisions.tobytes()
        assert one.pieces.tobytes() == other.pieces.tobytes()


def test_lines_are_kept_apart(tmp_path: Path, clock: Time) -> None:
    journal = writer(tmp_path, clock)
    journal.offer(batch(1, line=0))
    journal.offer(batch(100, line=1))
    journal.close()
    assert (journal.durable(0), journal.durable(1)) == (3, 102)
    assert firsts(list(recovery(tmp_path / "b", 1))) == [100]


def test_a_full_queue_refuses_and_counts(tmp_path: Path, clock: Time) -> None:
    journal = JournalWriter(
        tmp_path, ["a"], [0], clock, segment_bytes=1 << 20, commit_interval_s=1, queue_max=2
    )
    assert journal.offer(batch(1))
    assert journal.offer(batch(4))
    assert not journal.offer(batch(7))
    assert journal.refused == 1
    clock.ns += 5
    assert journal.lag_ns == 5


def test_recovery_begins_at_the_newest_snapshot(tmp_path: Path, clock: Time) -> None:
    journal = writer(tmp_path, clock, segment_bytes=1)
    journal.offer(batch(1))
    until(lambda: journal.wants_snapshot(0))
    journal.offer_snapshot(0, b"after 3")
    journal.offer(batch(4))
    journal.close()
    entries = list(recovery(tmp_path / "a", 0))
    assert entries[0] == Snapshot(0, b"after 3")
    assert firsts(entries) == [4]


@pytest.mark.parametrize("cut", [1, 20, 40, 300])
def test_a_torn_end_loses_only_the_torn_frame(tmp_path: Path, clock: Time, cut: int) -> None:
    journal = writer(tmp_path, clock)
    journal.offer(batch(1))
    journal.offer(batch(4))
    journal.close()
    path = segment_path(tmp_path / "a", segments(tmp_path / "a")[0])
    os.truncate(path, path.stat().st_size - cut)
    assert firsts(list(recovery(tmp_path / "a", 0))) == [1]


def test_damage_in_the_middle_loses_only_what_it_hit(tmp_path: Path, clock: Time) -> None:
    journal = writer(tmp_path, clock)
    for first in (1, 4, 7):
        journal.offer(batch(first))
    journal.close()
    path = segment_path(tmp_path / "a", segments(tmp_path / "a")[0])
    content = bytearray(path.read_bytes())
    frame = (len(content) - SEGMENT_HEAD.size) // 3
    content[SEGMENT_HEAD.size + frame + frame // 2] ^= 0xFF
    path.write_bytes(content)
    assert firsts(list(recovery(tmp_path / "a", 0))) == [1, 7]
    assert firsts(Follower(tmp_path / "a", 0, Position()).read()) == [1, 7]


def test_a_second_process_goes_on_in_a_new_segment(tmp_path: Path, clock: Time) -> None:
    for first in (1, 4):
        journal = writer(tmp_path, clock)
        journal.offer(batch(first))
        journal.close()
    assert len(segments(tmp_path / "a")) == 2
    assert firsts(list(recovery(tmp_path / "a", 0))) == [1, 4]


def test_a_journal_moved_away_is_followed_from_its_new_beginning(
    tmp_path: Path, clock: Time
) -> None:
    journal = writer(tmp_path, clock)
    journal.offer(batch(1))
    journal.close()
    follower = Follower(tmp_path / "a", 0, Position())
    assert firsts(follower.read()) == [1]
    (tmp_path / "a").rename(tmp_path / "away")
    clock.ns += 1_000_000_000
    journal = writer(tmp_path, clock)
    journal.offer(batch(50))
    journal.close()
    later = Follower(tmp_path / "a", 0, follower.position)
    assert firsts(later.read()) == [50]


def test_a_follower_reads_each_batch_once_across_segments_and_restarts(
    tmp_path: Path, clock: Time
) -> None:
    journal = writer(tmp_path, clock, segment_bytes=1)
    position = Position()
    seen: list[int] = []
    for first in range(1, 40, 3):
        if journal.wants_snapshot(0):
            journal.offer_snapshot(0, b"state")
        journal.offer(batch(first))
        until(lambda f=first: journal.durable(0) == f + 2)  # type: ignore[misc]
        follower = Follower(tmp_path / "a", 0, position)
        while read := follower.read():
            seen += firsts(read)
        position = follower.position
    journal.close()
    follower = Follower(tmp_path / "a", 0, position)
    while read := follower.read():
        seen += firsts(read)
    assert seen == list(range(1, 40, 3))
    assert len(segments(tmp_path / "a")) > 3


def test_read_segments_are_removed_but_never_the_newest(tmp_path: Path, clock: Time) -> None:
    journal = writer(tmp_path, clock, segment_bytes=1)
    for first in (1, 4, 7, 10):
        journal.offer(batch(first))
        until(lambda: journal.wants_snapshot(0))
        journal.offer_snapshot(0, b"state")
    journal.offer(batch(13))
    journal.close()
    follower = Follower(tmp_path / "a", 0, Position())
    assert follower.remove_read(Position()) == 0
    while follower.read():
        pass
    numbers = segments(tmp_path / "a")
    assert follower.remove_read(follower.position) == len(numbers) - 2
    assert segments(tmp_path / "a") == numbers[-2:]
    assert firsts(list(recovery(tmp_path / "a", 0))) == [13]


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_disk_that_refuses_for_a_while_loses_nothing(
    tmp_path: Path, clock: Time, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr("sorter.journal.writer.RETRY_S", 0.001)
    real = getattr(os, call)
    failures = iter([False, False, True, True, True])

    def refuse(*arguments: object) -> object:
        if next(failures, False):
            if call == "pwrite":  # a full disk takes a part before it refuses
                real(arguments[0], bytes(arguments[1])[:10], arguments[2])  # type: ignore[call-overload]
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, call, refuse)
    journal = writer(tmp_path, clock)
    for first in range(1, 31, 3):
        journal.offer(batch(first))
        until(lambda f=first: journal.durable(0) == f + 2)  # type: ignore[misc]
    assert journal.commits.failures == 3
    assert journal.commits.problem == ""
    journal.close()
    assert firsts(list(recovery(tmp_path / "a", 0))) == list(range(1, 31, 3))
    follower = Follower(tmp_path / "a", 0, Position())
    seen: list[int] = []
    while read := follower.read():
        seen += firsts(read)
    assert seen == list(range(1, 31, 3))
    assert len(segments(tmp_path / "a")) == (1 if call == "pwrite" else 2)


def test_a_disk_that_refuses_is_named_and_nothing_of_it_is_durable(
    tmp_path: Path, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sorter.journal.writer.RETRY_S", 0.001)
    monkeypatch.setattr("sorter.journal.writer.CLOSE_S", 0.05)

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    journal = writer(tmp_path, clock)
    journal.offer(batch(1))
    until(lambda: journal.commits.problem != "")
    assert "No space left" in journal.commits.problem
    assert journal.durable(0) == 0
    with pytest.raises(JournalError, match="1 batches could not be written"):
        journal.close()


def test_another_versions_journal_is_refused_by_name(
    tmp_path: Path, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = writer(tmp_path, clock)
    journal.offer(batch(1))
    journal.close()
    monkeypatch.setattr(journal_format, "LAYOUT", 1)
    with pytest.raises(JournalError, match=r"a/\d+\.journal: written by another version"):
        list(recovery(tmp_path / "a", 0))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, clock: Time) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(JournalError, match="give site"):
        writer(tmp_path, clock)
