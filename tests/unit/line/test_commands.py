"""The queue of commands: bounded, in order, never within a batch."""

import pytest

from sorter.line.commands import COMMANDS_MAX, CommandQueue, QueueFullError


def test_commands_wait_for_the_end_of_the_batch_and_keep_their_order() -> None:
    queue, done = CommandQueue(), list[int]()
    queue.end_batch()
    assert queue.submit(lambda: done.append(1)).done()
    queue.begin_batch()
    futures = [queue.submit(lambda n=n: done.append(n)) for n in (2, 3)]  # type: ignore[misc]
    assert (done, queue.waiting) == ([1], 2)
    assert not any(future.done() for future in futures)
    queue.end_batch()
    assert (done, queue.waiting) == ([1, 2, 3], 0)
    assert all(future.done() for future in futures)


def test_one_too_many_is_refused_and_the_others_are_applied() -> None:
    queue, done = CommandQueue(), list[int]()
    for n in range(COMMANDS_MAX):
        queue.submit(lambda n=n: done.append(n))  # type: ignore[misc]
    with pytest.raises(QueueFullError, match=f"{COMMANDS_MAX} commands wait"):
        queue.submit(lambda: done.append(-1))
    queue.end_batch()
    assert done == list(range(COMMANDS_MAX))


def test_a_fault_in_a_command_is_told_to_its_sender_alone() -> None:
    queue, done = CommandQueue(), list[int]()
    broken = queue.submit(lambda: done.append(1 // 0))
    given_up = queue.submit(lambda: done.append(1))
    good = queue.submit(lambda: done.append(2))
    given_up.cancel()
    queue.end_batch()
    assert isinstance(broken.exception(), ZeroDivisionError)
    assert good.done()
    assert done == [2]
