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
from sorter.journal.reader import Follower, Position, entries, open_again, recovery
from sorter.journal.segment import SPARE
from sorter.journal.thread import CommitThread
from sorter.journal.writer import JournalWriter
from sorter.ports import Batch, Snapshot, Standing
from tests.unit.journal.conftest import Time, batch

WAIT_S = 10.0


class Journal(JournalWriter):
    """A writer that its thread commits."""

    def __init__(self, folder: Path, clock: Time, segment_bytes: int = 1 << 20) -> None:
        super().__init__(
            folder, ["a", "b"], [0, 0], clock, segment_bytes=segment_bytes, queue_max=64
        )
        self._thread = CommitThread(self, 0.001)
        self._thread.start()

    def end(self) -> None:
        self._thread.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "never came true"
        time.sleep(0.001)


def firsts(read: list[Batch | Snapshot | Standing] | list[Batch]) -> list[int]:
    return [int(e.events["sequence"][0]) for e in read if isinstance(e, Batch)]


def test_what_was_offered_is_read_again_byte_for_byte(tmp_path: Path, clock: Time) -> None:
    journal = Journal(tmp_path, clock)
    offered = [batch(1), batch(4, count=4), batch(8, count=1)]
    for one in offered:
        assert journal.offer(one)
    journal.end()
    assert journal.durable(0) == 8
    read = list(recovery(tmp_path / "a", 0))
    assert len(read) == len(offered)
    for one, other in zip(offered, read, strict=True):
        assert isinstance(other, Batch)
        assert one.events.tobytes() == other.events.tobytes()
        assert one.decisions.tobytes() == other.decisions.tobytes()
        assert one.pieces.tobytes() == other.pieces.tobytes()


def test_lines_are_kept_apart(tmp_path: Path, clock: Time) -> None:
    journal = Journal(tmp_path, clock)
    journal.offer(batch(1, line=0))
    journal.offer(batch(100, line=1))
    journal.end()
    assert (journal.durable(0), journal.durable(1)) == (3, 102)
    assert firsts(list(recovery(tmp_path / "b", 1))) == [100]


def test_a_full_queue_refuses_and_counts(tmp_path: Path, clock: Time) -> None:
    journal = JournalWriter(tmp_path, ["a"], [0], clock, segment_bytes=1 << 20, queue_max=2)
    assert journal.offer(batch(1))
    assert journal.offer(batch(4))
    assert not journal.offer(batch(7))
    assert journal.refused == 1
    clock.ns += 5
    assert journal.lag_ns == 5


def test_recovery_begins_at_the_newest_snapshot(tmp_path: Path, clock: Time) -> None:
    journal = Journal(tmp_path, clock, segment_bytes=1)
    journal.offer(batch(1))
    until(lambda: journal.wants_snapshot(0))
    journal.offer_snapshot(0, b"after 3")
    journal.offer(batch(4))
    journal.end()
    entries = list(recovery(tmp_path / "a", 0))
    assert entries[0] == Snapshot(0, b"after 3")
    assert firsts(entries) == [4]


@pytest.mark.parametrize("cut", [1, 20, 40, 300])
def test_a_torn_end_loses_only_the_torn_frame(tmp_path: Path, clock: Time, cut: int) -> None:
    journal = Journal(tmp_path, clock)
    journal.offer(batch(1))
    journal.offer(batch(4))
    journal.end()
    path = segment_path(tmp_path / "a", segments(tmp_path / "a")[0])
    os.truncate(path, path.stat().st_size - cut)
    assert firsts(list(recovery(tmp_path / "a", 0))) == [1]


def test_damage_in_the_middle_loses_only_what_it_hit(tmp_path: Path, clock: Time) -> None:
    journal = Journal(tmp_path, clock)
    for first in (1, 4, 7):
        journal.offer(batch(first))
    journal.end()
    path = segment_path(tmp_path / "a", segments(tmp_path / "a")[0])
    content = bytearray(path.read_bytes())
    frame = (len(content) - SEGMENT_HEAD.size) // 3
    content[SEGMENT_HEAD.size + frame + frame // 2] ^= 0xFF
    path.write_bytes(content)
    assert firsts(list(recovery(tmp_path / "a", 0))) == [1, 7]
    assert firsts(Follower(tmp_path / "a", 0, Position()).read()) == [1, 7]


def test_a_second_process_goes_on_in_a_new_segment(tmp_path: Path, clock: Time) -> None:
    for first in (1, 4):
        journal = Journal(tmp_path, clock)
        journal.offer(batch(first))
        journal.end()
    assert len(segments(tmp_path / "a")) == 2
    assert firsts(list(recovery(tmp_path / "a", 0))) == [1, 4]


def test_a_journal_moved_away_is_followed_from_its_new_beginning(
    tmp_path: Path, clock: Time
) -> None:
    journal = Journal(tmp_path, clock)
    journal.offer(batch(1))
    journal.end()
    follower = Follower(tmp_path / "a", 0, Position())
    assert firsts(follower.read()) == [1]
    (tmp_path / "a").rename(tmp_path / "away")
    clock.ns += 1_000_000_000
    journal = Journal(tmp_path, clock)
    journal.offer(batch(50))
    journal.end()
    later = Follower(tmp_path / "a", 0, follower.position)
    assert firsts(later.read()) == [50]


def test_a_follower_reads_each_batch_once_across_segments_and_restarts(
    tmp_path: Path, clock: Time
) -> None:
    journal = Journal(tmp_path, clock, segment_bytes=1)
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
    journal.end()
    follower = Follower(tmp_path / "a", 0, position)
    while read := follower.read():
        seen += firsts(read)
    assert seen == list(range(1, 40, 3))
    assert len(segments(tmp_path / "a")) > 3


def test_read_segments_are_removed_but_never_the_newest(tmp_path: Path, clock: Time) -> None:
    journal = Journal(tmp_path, clock, segment_bytes=1)
    for first in (1, 4, 7, 10):
        journal.offer(batch(first))
        until(lambda: journal.wants_snapshot(0))
        journal.offer_snapshot(0, b"state")
    journal.offer(batch(13))
    journal.end()
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
    monkeypatch.setattr("sorter.journal.thread.RETRY_S", 0.001)
    real = getattr(os, call)
    failures = iter([False, False, True, True, True])

    def refuse(*arguments: object) -> object:
        if next(failures, False):
            if call == "pwrite":  # a full disk takes a part before it refuses
                real(arguments[0], bytes(arguments[1])[:10], arguments[2])  # type: ignore[call-overload]
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, call, refuse)
    journal = Journal(tmp_path, clock)
    for first in range(1, 31, 3):
        journal.offer(batch(first))
        until(lambda f=first: journal.durable(0) == f + 2)  # type: ignore[misc]
    assert journal.commits.failures == 3
    assert journal.problem == ""
    journal.end()
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
    monkeypatch.setattr("sorter.journal.thread.RETRY_S", 0.001)
    monkeypatch.setattr("sorter.journal.thread.CLOSE_S", 0.05)

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    journal = Journal(tmp_path, clock)
    journal.offer(batch(1))
    until(lambda: journal.problem != "")
    assert "No space left" in journal.problem
    assert journal.durable(0) == 0
    with pytest.raises(JournalError, match="1 batches could not be written"):
        journal.end()


def test_another_versions_journal_is_refused_by_name(
    tmp_path: Path, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, clock)
    journal.offer(batch(1))
    journal.end()
    monkeypatch.setattr(journal_format, "LAYOUT", 1)
    with pytest.raises(JournalError, match=r"a/\d+\.journal: written by another version"):
        list(recovery(tmp_path / "a", 0))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, clock: Time) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(JournalError, match="give site"):
        Journal(tmp_path, clock)


def test_a_torn_end_is_recovered_or_refused_wherever_it_is_torn(
    tmp_path: Path, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """Cut at every byte of the last frame, with and without the room that was taken ahead."""
    journal = Journal(tmp_path, clock)
    for first in (1, 4):
        journal.offer(batch(first, count=1))
        until(lambda f=first: journal.durable(0) == f)  # type: ignore[misc]
    journal.end()
    path = segment_path(tmp_path / "a", segments(tmp_path / "a")[0])
    whole = path.read_bytes()
    frame = (len(whole) - SEGMENT_HEAD.size) // 2
    for cut in range(1, frame + 1):
        for room in (0, 4096):
            path.write_bytes(whole[:-cut] + bytes(room))
            expected = [1] if whole[-cut:].strip(b"\0") else [1, 4]
            if not room:
                expected = [1]
            assert firsts(list(recovery(tmp_path / "a", 0))) == expected, cut
            assert open_again(tmp_path / "a") == len(expected)
            assert path.stat().st_size == SEGMENT_HEAD.size + frame * len(expected)
    assert not caplog.records


def test_damage_before_the_end_is_told(
    tmp_path: Path, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path, clock)
    for first in (1, 4, 7):
        journal.offer(batch(first))
    journal.end()
    path = segment_path(tmp_path / "a", segments(tmp_path / "a")[0])
    content = bytearray(path.read_bytes())
    content[SEGMENT_HEAD.size + 50] ^= 0xFF
    path.write_bytes(content)
    assert firsts(list(recovery(tmp_path / "a", 0))) == [4, 7]
    follower = Follower(tmp_path / "a", 0, Position())
    assert firsts(follower.read()) == [4, 7]
    assert follower.damaged == 1
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert all(f"{path}: bytes {SEGMENT_HEAD.size} to " in text for text in told)


def test_a_damaged_end_of_an_older_segment_is_told(tmp_path: Path, clock: Time) -> None:
    for first in (1, 4):
        journal = Journal(tmp_path, clock)
        journal.offer(batch(first))
        journal.end()
    path = segment_path(tmp_path / "a", segments(tmp_path / "a")[0])
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 0xFF]))
    follower = Follower(tmp_path / "a", 0, Position())
    assert firsts(follower.read()) == [4]
    assert follower.damaged == 1


def test_a_full_disk_is_known_while_the_present_segment_has_room(
    tmp_path: Path, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sorter.journal.thread.RETRY_S", 0.001)
    journal = Journal(tmp_path, clock)
    journal.offer(batch(1))
    until(lambda: journal.durable(0) == 3 and (tmp_path / "a" / SPARE).exists())
    real = os.posix_fallocate

    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    journal.offer_snapshot(0, b"takes the spare")
    until(lambda: "only the room of the present segment is left" in journal.problem)
    journal.offer(batch(4))
    until(lambda: journal.durable(0) == 6)
    assert journal.commits.failures == 0
    monkeypatch.setattr(os, "posix_fallocate", real)
    until(lambda: journal.problem == "")
    journal.end()
    assert not (tmp_path / "a" / SPARE).exists()


def test_recorded_segments_stay_up_to_a_size(tmp_path: Path, clock: Time) -> None:
    journal = Journal(tmp_path, clock, segment_bytes=1)
    for first in (1, 4, 7, 10):
        journal.offer(batch(first))
        until(lambda: journal.wants_snapshot(0))
        journal.offer_snapshot(0, b"state")
    journal.offer(batch(13))
    journal.end()
    numbers = segments(tmp_path / "a")
    sizes = [segment_path(tmp_path / "a", n).stat().st_size for n in numbers]
    follower = Follower(tmp_path / "a", 0, Position())
    while follower.read():
        pass
    assert follower.remove_read(follower.position, sum(sizes)) == 0
    assert follower.remove_read(follower.position, sum(sizes) - 1) == 1
    assert segments(tmp_path / "a") == numbers[1:]


def standing(plan: int) -> Standing:
    return Standing(0, plan, "pre_advice-1.image", (2, 5), (3, 8), 1_800_000_000_000_000_000)


def told(folder: Path) -> list[str]:
    """The line's journal in short: batches by their first event, S for state, plan versions."""
    found = []
    for _, _, entry in entries(folder, 0):
        if isinstance(entry, Batch):
            found.append(str(int(entry.events["sequence"][0])))
        else:
            found.append("S" if isinstance(entry, Snapshot) else f"v{entry.plan}")
    return found


def test_what_decisions_stand_on_is_kept_and_follows_each_snapshot(
    tmp_path: Path, clock: Time
) -> None:
    journal = Journal(tmp_path, clock)
    journal.offer_snapshot(0, b"state")
    journal.offer_standing(standing(1))
    journal.offer(batch(1))
    journal.offer_standing(standing(2))
    journal.offer(batch(4))
    journal.offer_snapshot(0, b"state")
    journal.offer(batch(7))
    journal.end()
    folder = tmp_path / "a"
    assert told(folder) == ["S", "v1", "1", "v2", "4", "S", "v2", "7"]
    assert standing(1) in [each.entry for each in entries(folder, 0)]
    assert firsts(Follower(folder, 0, Position()).read()) == [1, 4]
    assert firsts(list(recovery(folder, 0))) == [7]


def test_what_decisions_stand_on_waits_for_the_next_batch_while_the_queue_is_full(
    tmp_path: Path, clock: Time
) -> None:
    journal = JournalWriter(tmp_path, ["a"], [0], clock, segment_bytes=1 << 20, queue_max=2)
    assert journal.offer(batch(1))
    assert journal.offer(batch(4))
    for plan in range(1, 100):
        journal.offer_standing(standing(plan))
    assert journal.waiting == 2
    assert not journal.offer(batch(7))
    journal.commit()
    assert journal.offer(batch(7))
    journal.commit()
    journal.close()
    assert told(tmp_path / "a") == ["1", "4", "v99", "7"]


def test_the_newest_state_is_not_removed_with_what_is_recorded(tmp_path: Path, clock: Time) -> None:
    """Failed syncs begin segments without a state: a line recovers from an older one then."""
    journal = Journal(tmp_path, clock)
    journal.offer_snapshot(0, b"state")
    journal.offer(batch(1))
    journal.end()
    for first in (4, 7, 10, 13):
        journal = Journal(tmp_path, clock)
        journal.offer(batch(first))
        journal.end()
    follower = Follower(tmp_path / "a", 0, Position())
    while follower.read():
        pass
    assert follower.remove_read(follower.position) == 0
    assert told(tmp_path / "a") == ["S", "1", "4", "7", "10", "13"]
    journal = Journal(tmp_path, clock)
    journal.offer_snapshot(0, b"state")
    journal.offer(batch(16))
    journal.end()
    while follower.read():
        pass
    assert follower.remove_read(follower.position) == 4
    assert told(tmp_path / "a") == ["13", "S", "16"]
