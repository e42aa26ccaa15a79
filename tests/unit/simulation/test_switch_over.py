"""A line that is handed over, in virtual time: no piece is late for it."""

import asyncio

import pytest

from plc_adapters.contract import DischargeStatus
from sorter.simulation.settings import Settings
from sorter.simulation.virtual_loop import VirtualLoop
from sorter.simulation.world import PAIRED_EVERY, World

SEEDS = range(PAIRED_EVERY - 1, 10 * PAIRED_EVERY, PAIRED_EVERY)
SCALE = Settings(pieces=150, watchdog_ms=2000)
"""A watchdog longer than pieces travel: whoever is not answered meanwhile is late."""
TIMES = 3
EVERY_S = 2.5
LATE = (DischargeStatus.DEFAULT_NO_INSTRUCTION, DischargeStatus.DEFAULT_HOST_SILENT)


class ChangingOver(World):
    """Changes over several times, one way or the other, and does nothing else."""

    planned = True

    async def _befall(self) -> None:
        await asyncio.sleep(EVERY_S)
        for _ in range(TIMES):
            has = next(c for c in self._computers if c.host and not c.host.adapter.status.standby)
            if self.planned:
                await has.hand_over(EVERY_S)
                assert has.host is not None
                assert has.host.adapter.status.standby, "nobody took the line"
            else:
                await has.kill_host(EVERY_S, power_lost=False)


def late(seed: int, *, planned: bool) -> tuple[int, int]:
    """Pieces that ended late, and pieces in all."""
    loop = VirtualLoop(seed)
    world = ChangingOver(seed, loop, SCALE, None)
    world.planned = planned
    try:
        loop.run_until_complete(world.run())
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()

        async def end() -> None:
            await asyncio.gather(*tasks, return_exceptions=True)

        loop.run_until_complete(end())
        loop.close()
    ended = world.plc.ended().values()
    return sum(told.status in LATE for told in ended), len(ended)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_piece_is_late_where_a_line_is_handed_over(seed: int) -> None:
    missed, ended = late(seed, planned=True)
    assert ended == SCALE.pieces
    assert missed == 0


def test_pieces_are_late_where_a_host_is_killed() -> None:
    """Otherwise the test above could not fail."""
    assert sum(late(seed, planned=False)[0] for seed in SEEDS) > 0
