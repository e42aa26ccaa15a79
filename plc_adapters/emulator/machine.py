"""The machine's state as its PLC tells it: plain words, or PackML's with the ways between them."""

from plc_adapters.contract import MachineState
from plc_adapters.emulator.sections import Halt

CHANGE_US = 100_000
"""Time a machine with PackML takes from one state to the next."""
INDUCTING = (MachineState.EXECUTE, MachineState.PACKML_EXECUTE)

_S = MachineState
_PACKML = {
    _S.EXECUTE: _S.PACKML_EXECUTE,
    _S.HELD: _S.PACKML_HELD,
    _S.SUSPENDED: _S.PACKML_SUSPENDED,
}
_ENTERING = {_S.HELD: _S.PACKML_HOLDING, _S.SUSPENDED: _S.PACKML_SUSPENDING}
_LEAVING = {_S.HELD: _S.PACKML_UNHOLDING, _S.SUSPENDED: _S.PACKML_UNSUSPENDING}


class Machine:
    """Goes from state to state: on its own, as its file says, and as it is told."""

    def __init__(self, halts: list[Halt], *, packml: bool, suspended: bool) -> None:
        """Begin.

        Args:
            halts: When it is held or suspended by itself.
            packml: Whether it knows PackML's states.
            suspended: Whether it begins suspended.
        """
        self._halts = halts
        self._packml = packml
        self._rests = MachineState.SUSPENDED if suspended else MachineState.EXECUTE
        """Where it is, or where it is on its way to, as a plain state."""
        self._way = self._rests
        """The PackML state it passes, up to ``_there_us``."""
        self._there_us = 0

    def state(self, now_us: int, *, suspended: bool) -> MachineState:
        """Return the state at that instant, no earlier than the one asked before.

        Args:
            now_us: The plant's time.
            suspended: Whether it has to be suspended now.
        """
        halts = (MachineState[halt.state.upper()] for halt in self._halts if halt.holds(now_us))
        wanted = MachineState.SUSPENDED if suspended else next(halts, MachineState.EXECUTE)
        if not self._packml:
            return wanted
        if now_us < self._there_us:
            return self._way
        if wanted is not self._rests:
            self._there_us = now_us + CHANGE_US
            if self._rests is MachineState.EXECUTE:
                self._way, self._rests = _ENTERING[wanted], wanted
            else:  # What ended is left by way of execute, as PackML knows no other.
                self._way, self._rests = _LEAVING[self._rests], MachineState.EXECUTE
            return self._way
        return _PACKML[self._rests]
