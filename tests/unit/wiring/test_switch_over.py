"""A line is handed over only where another host is there to take it, and kept otherwise."""

import asyncio
from typing import cast

import pytest

from plc_adapters.contract import PEER_STALE_NS, LinkStatus, StandbyAdapter
from sorter.errors import CommandError
from sorter.wiring import switch_over
from sorter.wiring.switch_over import SwitchOver

NOW_NS = 100 * PEER_STALE_NS


class Clock:
    def now_ns(self) -> int:
        return NOW_NS


class Line:
    """The link of a line whose other host takes it, or does not."""

    def __init__(self, *, taken: bool = True, seen_ns: int = NOW_NS) -> None:
        self.status = LinkStatus(connected=True, problem="", peer_seen_ns=seen_ns, granted_epoch=4)
        self.told: list[bool] = []
        self._taken = taken

    def hand_over(self, *, begins: bool) -> None:
        self.told.append(begins)
        if begins and self._taken:
            self.status.granted_epoch = 5
            self.status.standby = True


def switch(line: Line) -> dict[str, object]:
    over = SwitchOver("north", cast("StandbyAdapter", line), Clock())
    return asyncio.run(over.run())


def test_a_line_is_handed_over() -> None:
    line = Line()
    assert switch(line) == {"line": "north", "epoch": 5}
    assert line.told == [True]


def test_a_line_that_nobody_takes_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch_over, "HAND_OVER_S", 0.05)
    line = Line(taken=False)
    with pytest.raises(CommandError, match="line north: not switched: no other host was granted"):
        switch(line)
    assert line.told == [True, False]


@pytest.mark.parametrize("seen_ns", [0, NOW_NS - PEER_STALE_NS])
def test_a_line_without_another_host_is_not_given_away(seen_ns: int) -> None:
    line = Line(seen_ns=seen_ns)
    with pytest.raises(CommandError, match="no host stands by"):
        switch(line)
    assert line.told == []


def test_only_the_host_that_has_the_line_can_hand_it_over() -> None:
    line = Line()
    line.status.standby = True
    with pytest.raises(CommandError, match="another host has it"):
        switch(line)


def test_a_line_whose_plc_is_away_is_not_switched() -> None:
    line = Line()
    line.status.connected, line.status.problem = False, "plc-1: cable"
    with pytest.raises(CommandError, match=r"its PLC is away \(plc-1: cable\)"):
        switch(line)
