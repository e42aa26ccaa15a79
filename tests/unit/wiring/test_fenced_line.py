"""A line that another host was granted ends alone; the last one ends the process."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from plc_adapters.contract import LinkStatus
from sorter.errors import FencedError
from sorter.line.tracking import Tracking
from sorter.wiring.control import Control
from sorter.wiring.line import RunningLine, _run
from sorter.wiring.notify import Notifier, Watchdog
from tests.unit.line.records import machine
from tests.unit.wiring.test_control import eventually


class Loop:
    """A line's loop that ends when the test says so."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fenced = asyncio.Event()
        self.turns = 0

    async def run(self, resume: object, stop: asyncio.Event) -> None:
        while not self.fenced.is_set() and not stop.is_set():
            self.turns += 1
            await asyncio.sleep(0)
        if self.fenced.is_set():
            raise FencedError(f"line {self.name}: granted to another host")


def line_of(loop: Loop) -> tuple[RunningLine, list[str]]:
    told: list[str] = []
    outlet = SimpleNamespace(
        publish=lambda tracking, status: told.append(status.problem), scanners=()
    )
    adapter = SimpleNamespace(status=LinkStatus(connected=True, problem=""))
    line = SimpleNamespace(
        loop=loop,
        runs=loop,
        resume=None,
        adapter=adapter,
        outlet=outlet,
        life=None,
        tracking=Tracking(machine(), rows=8),
    )
    return cast("RunningLine", line), told


@pytest.mark.parametrize("ends_by_itself", [True, False])
def test_others_go_on_until_the_last(ends_by_itself: bool) -> None:
    class Ear:
        async def run(self) -> None:
            await asyncio.Event().wait()

    async def work() -> None:
        stop = asyncio.Event()
        loops = [Loop("a"), Loop("b")]
        lines = [line_of(loop) for loop in loops]
        journal = SimpleNamespace(commits=SimpleNamespace(
            count=0, total_ns=0, longest_ns=0, written_bytes=0, failures=0,
        ), waiting=0, refused=0, lag_ns=0, problem="")  # fmt: skip
        board = SimpleNamespace(beat=lambda: None, set_journal=lambda status: None)
        committing: Any = SimpleNamespace(alive=True, journal=journal)
        whole = _run(
            [line for line, _ in lines], cast("Any", board), committing, 8,
            cast("Control", Ear()), stop, Watchdog(Notifier({}), {}),
        )  # fmt: skip
        running = asyncio.create_task(whole)
        loops[0].fenced.set()
        await eventually(lambda: bool(lines[0][1]))  # it tells the board why it ended
        assert "line a: granted to another host" in lines[0][1]
        before = loops[1].turns
        await eventually(lambda: loops[1].turns > before + 100)
        assert not running.done()
        if ends_by_itself:
            loops[1].fenced.set()
            with pytest.raises(FencedError, match="line b"):
                await running
        else:
            stop.set()
            await running

    asyncio.run(work())
