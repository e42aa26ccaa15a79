"""What a line tells the log: each thing once, and anew only after it was over."""

import numpy as np
import pytest

from plc_adapters.contract import EVENT, EventKind, LinkStatus, MachineState
from sorter.line.tracking import Tracking
from sorter.wiring.line_words import LineWords
from tests.unit.line.records import events, inducted, machine

BELONGS = "interlock the inductions"


class Rig:
    def __init__(self) -> None:
        self.tracking = Tracking(machine(), rows=32)
        self.status = LinkStatus(problem="")
        self.words = LineWords("loop", self.tracking, self.status)
        self._piece = 0

    def hear(self, *states: MachineState, pieces: int = 0) -> None:
        """Go through states, then induct."""
        heard = [{"kind": EventKind.MACHINE_STATE, "status": state} for state in states]
        for _ in range(pieces):
            self._piece += 1
            heard.append(inducted(self._piece))
        self.tracking.apply(events(*heard) if heard else np.empty(0, EVENT))
        self.words.tell()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if BELONGS in record.message]


def test_inductions_outside_execute_are_told_once_an_episode(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.hear(MachineState.EXECUTE, pieces=3)
    assert told(caplog) == []
    for _ in range(3):
        rig.hear(MachineState.PACKML_HELD, pieces=2)
    rig.hear(MachineState.PACKML_UNHOLDING, pieces=1)
    assert len(told(caplog)) == 1
    assert told(caplog)[0].startswith(
        "line loop: pieces are inducted though its PLC says that the sorter is held"
    )
    rig.hear(MachineState.PACKML_EXECUTE, pieces=5)
    rig.hear(MachineState.SUSPENDED)
    assert len(told(caplog)) == 1
    rig.hear(pieces=1)
    assert len(told(caplog)) == 2
    assert "is suspended" in told(caplog)[1]


def test_an_episode_between_two_looks_is_told_too(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.tracking.apply(
        events(
            {"kind": EventKind.MACHINE_STATE, "status": MachineState.HELD},
            inducted(1),
            {"kind": EventKind.MACHINE_STATE, "status": MachineState.EXECUTE},
        )
    )
    rig.words.tell()
    assert len(told(caplog)) == 1


def test_what_was_counted_before_a_start_is_not_told_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.hear(MachineState.HELD, pieces=1)
    caplog.clear()
    LineWords("loop", rig.tracking, rig.status).tell()
    assert told(caplog) == []


def test_a_problem_of_the_link_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    for problem in ("cable cut", "cable cut", ""):
        rig.status.problem = problem
        rig.words.tell()
    assert [record.message for record in caplog.records] == [
        "line loop: cable cut", "line loop: all well again",
    ]  # fmt: skip
