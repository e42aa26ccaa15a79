import asyncio

import pytest

from sorter.simulation.virtual_loop import StalledError, VirtualLoop


def order(seed: int) -> list[int]:
    loop = VirtualLoop(seed)
    seen: list[int] = []

    async def note(number: int) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            seen.append(number)

    async def main() -> None:
        await asyncio.gather(*(note(number) for number in range(5)))

    loop.run_until_complete(main())
    loop.close()
    return seen


def test_an_hour_passes_as_soon_as_nothing_is_left_to_do() -> None:
    loop = VirtualLoop(1)
    loop.run_until_complete(asyncio.sleep(3600))
    assert loop.time() == 3600
    assert loop.now_ns() == 3_600_000_000_000
    loop.close()


def test_the_seed_gives_the_order() -> None:
    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(10)}) > 1


def test_work_for_a_thread_is_done_at_once() -> None:
    loop = VirtualLoop(1)
    assert loop.run_until_complete(loop.run_in_executor(None, lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        loop.run_until_complete(loop.run_in_executor(None, lambda: 1 // 0))
    loop.close()


def test_waiting_for_nothing_is_told() -> None:
    loop = VirtualLoop(1)
    with pytest.raises(StalledError):
        loop.run_until_complete(loop.create_future())
    loop.close()
