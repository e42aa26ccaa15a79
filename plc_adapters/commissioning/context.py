"""What every check gets: the session, where verdicts go, and what the machine is like."""

from collections.abc import Callable
from dataclasses import dataclass

from plc_adapters.commissioning.findings import Mark, Result
from plc_adapters.commissioning.session import Session
from plc_adapters.contract import CHUTE_NUMBER_MAX, EventKind, Records

REACT_S = 3.0
"""What a PLC gets to do something that takes it a cycle or two; only a failure waits so long."""
REACT_CYCLES = 10
"""Cycles that it gets at least, if they take longer than that."""
PIECE_S = 30.0
"""What is waited for a piece, at most, if nothing else is asked for."""
LOAD_S = 10.0
"""How long the load lasts, if nothing else is asked for."""
LOAD_RATE = 50.0
"""Instructions a second of the load, if nothing else is asked for."""
NO_PIECE = 0x8000_0000
"""Distance of a made-up piece id from the real ones: no piece that is on the sorter has it."""

Tell = Callable[[str, float], None]
"""Called with what is being done, and the share of the whole that is behind."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a PLC is to be checked."""

    chutes: tuple[int, ...]
    """Chutes of the machine, in the order of the belt."""
    first_chute_ms: int = 0
    """From the scanner to the first chute, less the PLC's reaction; 0 if not known."""
    piece_s: float = PIECE_S
    load_s: float = LOAD_S
    load_rate: float = LOAD_RATE
    read_only: bool = False


@dataclass(slots=True)
class Context:
    """One check of one PLC."""

    session: Session
    result: Result
    plan: Plan
    tell: Tell
    turns: int = 0
    """Scans answered so far."""

    @property
    def react_s(self) -> float:
        """What this PLC gets to do something that takes it a cycle or two."""
        return max(REACT_S, REACT_CYCLES * self.result.measured.cycle_ms / 1000)

    def judge(self, mark: Mark, *, holds: bool, seen: str, advice: str) -> bool:
        """Add ok or fail; or that it can't be judged, as there are always events still to be read.

        Where they come faster than the PLC's answers let them be read, what is missed may stand
        among them. Returns whether it holds.
        """
        if holds or not self.is_behind():
            return self.result.judge(mark, holds=holds, seen=seen, advice=advice)
        self.result.skip(
            mark,
            f"not judged, as the PLC tells faster than its answers let it be read; {seen}",
            "make answers faster, let more registers be read at once, or run fewer pieces, and "
            "check again",
        )
        return False

    async def answer_to(self, sequence: int) -> int:
        """Wait for an instruction's echo; return the status it has, 0 if it did not come."""
        echo = await self.session.echo_of(sequence, self.react_s)
        return int(echo["status"][0]) if echo is not None else 0

    def is_behind(self) -> bool:
        """Whether reading has not caught up for half of what the PLC gets to react in."""
        return self.session.heard.behind_s(self.session.clock()) >= self.react_s / 2

    @property
    def stranger(self) -> int:
        """A piece id that no piece on the sorter has."""
        newest = self.session.heard.last(EventKind.INDUCTED)
        known = int(newest["piece_id"][0]) if newest is not None else 0
        return (known + NO_PIECE) & 0xFFFF_FFFF or NO_PIECE

    @property
    def strange_chute(self) -> int:
        """A chute number that the machine does not have; 0 if it has all."""
        return next((n for n in range(CHUTE_NUMBER_MAX, 0, -1) if n not in self.plan.chutes), 0)

    def next_chute(self, _scan: Records) -> list[int]:
        """Answer a scan: every chute in turn, the last of the belt first."""
        self.turns += 1
        return [self.plan.chutes[-1 - (self.turns - 1) % len(self.plan.chutes)]]
