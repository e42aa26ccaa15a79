"""Chutes as metal and people make them: they fill, are emptied, jam, are locked."""

from collections.abc import Callable
from typing import Protocol

from plc_adapters.contract import ChuteState
from plc_adapters.emulator.sections import ChuteRow, Emptying, Jam, Lock

Signal = Callable[[int, ChuteState, int], None]
"""Called with chute, new state and instant in microseconds."""


class Agenda(Protocol):
    """Where something can be put off to."""

    def at(self, instant_us: int, what: Callable[[int], None]) -> None:
        """Have ``what`` called with its instant when that has come."""

    def soon(self, what: Callable[[int], None]) -> None:
        """Have ``what`` called right after what happens now, before anything else does."""


class Bin:
    """One chute. It takes pieces while it is free; its state is what its sensors say."""

    def __init__(self, row: ChuteRow, emptying: Emptying, agenda: Agenda, signal: Signal) -> None:
        self.number = row.chute
        self.position_mm = row.position_mm
        self.capacity = row.capacity_pieces
        self.state = ChuteState.OPEN
        self.endless = False
        """Whether it is a conveyor's end: it takes what comes, its bag is changed under it."""
        self.count = 0
        self._emptying = emptying
        self._agenda = agenda
        self._signal = signal
        self._holds = 0
        self._change = 0
        if emptying.empty_every_ms:
            agenda.at(emptying.empty_every_ms * 1000, self._periodic)

    @property
    def free(self) -> bool:
        """Whether it takes a piece at this instant."""
        return self.state in (ChuteState.OPEN, ChuteState.EMPTIED)

    def drop(self, now_us: int, *, jams: bool) -> None:
        """Take a piece; it may be the one that fills the chute, or that jams it."""
        self.count += 1
        if self.endless:
            if self.count >= self.capacity:
                self._empty()
        elif jams:
            self.close(now_us, ChuteState.BLOCKED, self._emptying.clear_jam_ms)
        elif self.count >= self.capacity:
            self._fill(now_us)

    def close(self, now_us: int, state: ChuteState, for_ms: int) -> None:
        """Block or lock the chute for a while; whoever held it last opens it."""
        self._holds += 1
        self._become(state)
        self._agenda.at(now_us + for_ms * 1000, self._reopen)

    def plan(self, fault: Lock | Jam, state: ChuteState) -> None:
        """Have the chute locked at its panel, or blocked, later."""
        self._agenda.at(
            fault.after_ms * 1000,
            lambda instant_us: self.close(instant_us, state, fault.for_ms),
        )

    def _reopen(self, now_us: int) -> None:
        """End one hold; the last one to end shows what is below it."""
        self._holds -= 1
        if self._holds:
            return
        if self.count >= self.capacity:
            self._fill(now_us)
        else:
            self._become(ChuteState.OPEN)

    def _fill(self, now_us: int) -> None:
        """Become full, and call for somebody to change the bag."""
        self._become(ChuteState.FULL)
        change = self._change
        self._agenda.at(
            now_us + self._emptying.empty_after_ms * 1000,
            lambda _instant_us: self._empty() if change == self._change else None,
        )

    def _empty(self) -> None:
        """Change the bag, unless the chute is locked or blocked: then it waits for its opening."""
        if not self._holds:
            self._change += 1
            self.count = 0
            self._become(ChuteState.EMPTIED)

    def _periodic(self, now_us: int) -> None:
        """Change a bag that is not empty, and come back."""
        if self.count:
            self._empty()
        self._agenda.at(now_us + self._emptying.empty_every_ms * 1000, self._periodic)

    def _become(self, state: ChuteState) -> None:
        """Take a state and let the sensors report it right after whatever caused it.

        Nothing may come between: a discharge reported before the emptying that made room for it
        would look like one too many.
        """
        self.state = state
        self._agenda.soon(lambda instant_us: self._signal(self.number, state, instant_us))
