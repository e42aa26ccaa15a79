"""The machine's state: whether it is one that there is, and whether pieces come in it."""

from collections import Counter

import numpy as np

from plc_adapters.commissioning.findings import Mark, Result
from plc_adapters.contract import NO_STATE, EventKind, MachineState, machine_word

INDUCTING = (MachineState.EXECUTE, MachineState.PACKML_EXECUTE)
WRITE_ONE = (
    "write 1 to 5 to machine_state and to the status of machine state events, or with PackML 100 "
    "and StateCurrent (106 in execute, 111 held, 105 suspended)"
)


class MachineWatch:
    """What the events tell of the machine's state, in their order."""

    def __init__(self) -> None:
        self.state = 0
        """As the newest event told it; 0 before the first."""
        self.unknown: list[int] = []
        """Codes of states that there are not."""
        self.outside: Counter[int] = Counter()
        """Pieces inducted in each state in which none should be."""

    def hear(self, event: np.void) -> None:
        """Take an event."""
        status = int(event["status"])
        if event["kind"] == EventKind.MACHINE_STATE:
            self.state = status
            if machine_word(status) == NO_STATE and status not in self.unknown:
                self.unknown.append(status)
        elif event["kind"] == EventKind.INDUCTED and self.state not in (0, *INDUCTING):
            self.outside[self.state] += 1


def judge_machine(result: Result, in_header: int, watch: MachineWatch, *, all_events: bool) -> None:
    """Judge the machine's state as header and events told it.

    Args:
        result: Gets the verdict.
        in_header: machine_state as last read.
        watch: What the events told.
        all_events: Whether every event came, and whole; else they prove nothing.
    """
    if not all_events:
        result.skip(
            Mark.MACHINE_STATE, "events are missing or torn", "mend the events, and check again"
        )
        return
    unknown = [code for code in dict.fromkeys((in_header, *watch.unknown)) if not _is_one(code)]
    if unknown:
        result.judge(
            Mark.MACHINE_STATE, holds=False, seen=", ".join(map(str, unknown)), advice=WRITE_ONE
        )
        return
    told = ", ".join(f"{count} while {_named(s)}" for s, count in watch.outside.items())
    result.judge(
        Mark.MACHINE_STATE,
        holds=not watch.outside,
        seen=f"pieces inducted: {told}" if told else _named(in_header),
        advice="induct in execute only, and report the state before the pieces that come in it",
    )


def _is_one(code: int) -> bool:
    return machine_word(code) != NO_STATE


def _named(code: int) -> str:
    return f"{machine_word(code)} ({code})"
