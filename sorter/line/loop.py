"""The loop of one line, the way of data: event, piece, decision, instruction, copies."""

import asyncio
from typing import Protocol

import numpy as np

from plc_adapters.contract import INSTRUCTION, Adapter, EventKind, LinkStatus, Records, Resume
from sorter.assignment.decider import Decider
from sorter.clock import Clock
from sorter.errors import FencedError
from sorter.line.commands import CommandQueue
from sorter.line.host_desk import HostDesk
from sorter.line.tracking import Tracking
from sorter.ports import BATCH_MAX, Batch, JournalPort

JOURNAL_RETRY_S = 0.01
"""Pause before a full journal queue is tried again; meanwhile the PLC keeps its events."""

INDUCTED = int(EventKind.INDUCTED)


class Outlet(Protocol):
    """Takes copies of a turn without waiting and never calls back."""

    def record(self, batch: Batch, tracking: Tracking, link: LinkStatus, answered_ns: int) -> None:
        """Count a turn; ``answered_ns`` is when its instructions were with the PLC, 0 if none."""


class LineLoop:
    """Runs one line: reads its PLC, answers, and leaves copies; see :meth:`turn`."""

    def __init__(
        self,
        line: int,
        name: str,
        adapter: Adapter,
        tracking: Tracking,
        decider: Decider,
        journal: JournalPort,
        outlet: Outlet,
        clock: Clock,
        desk: HostDesk | None = None,
    ) -> None:
        self.line = line
        self.name = name
        self._adapter = adapter
        self._tracking = tracking
        self._decider = decider
        self._journal = journal
        self._outlet = outlet
        self._clock = clock
        self._instructions = np.zeros(BATCH_MAX, INSTRUCTION)
        self.steps = 0
        """Grows while the loop goes on: with each turn, and while one waits for the journal."""
        self.commands = CommandQueue()
        self.desk = desk or HostDesk()

    async def run(self, resume: Resume, stop: asyncio.Event) -> None:
        """Open the link where the journal left off and turn until told to stop.

        Raises:
            FencedError: another host was granted this line.
            AdapterError: the PLC's mailbox can't be used.
        """
        await self._adapter.open(resume)
        try:
            while not stop.is_set():
                await self.turn()
        finally:
            # Whoever waits for a command of a line that has ended must not wait for ever.
            self.commands.end_batch()
            await self._adapter.close()

    async def turn(self) -> None:
        """Take what the PLC has to say, answer it, then leave the copies."""
        self.steps += 1
        self.commands.end_batch()
        events = await self._adapter.read()
        self.commands.begin_batch()
        self._note_version(events)
        rows, ended = self._tracking.apply(events)
        now_ns = self._clock.now_ns()
        decisions = self._decider.decide(events, rows, self._tracking, now_ns)
        decisions = self._hear_host(decisions, now_ns)
        decisions = self._decider.withdraw(self._tracking, now_ns, len(decisions))
        answered_ns = 0
        if len(decisions):
            await self._adapter.write(self.as_instructions(decisions))
            answered_ns = self._clock.now_ns()
            self.desk.ask(decisions, answered_ns)
        batch = Batch(self.line, events, decisions, ended)
        while len(events) + len(decisions) and not self._journal.offer(batch):
            # The journal's thread frees it.
            self.steps += 1
            await asyncio.sleep(JOURNAL_RETRY_S)
        if self._journal.wants_snapshot(self.line):
            self._journal.offer_snapshot(self.line, self._tracking.snapshot())
        self._adapter.acknowledge(self._journal.durable(self.line))
        self.desk.note_ended(ended)
        self._outlet.record(batch, self._tracking, self._adapter.status, answered_ns)
        if self._adapter.status.fenced:
            raise FencedError(
                f"line {self.name}: the PLC has granted it to another host; "
                "stop one of the two before starting this one again"
            )

    def _hear_host(self, decisions: Records, now_ns: int) -> Records:
        """Return the turn's decisions and after them those that the upstream host's answers make.

        They come last, so that they find each piece as the turn's events leave it, live and at a
        recovery alike.
        """
        answers = self.desk.take(BATCH_MAX - len(decisions))
        if not len(answers):
            return decisions
        rows = self._tracking.rows_of(answers)
        made, became = self._decider.decide_answers(
            answers, rows, self._tracking, now_ns, len(decisions)
        )
        self.desk.note_answers(became)
        return made

    def _note_version(self, events: Records) -> None:
        """Write the active plan version into each induction: the piece keeps it to its end.

        It stands in the event and not beside it, so that the journal has it and a recovered line
        and the database know it too.
        """
        if len(events):
            inducted = events["kind"] == INDUCTED
            np.putmask(events["plan_version"], inducted, self._decider.plan_version)

    def as_instructions(self, decisions: Records) -> Records:
        """Return the decisions as the PLC gets them; epoch and sequence are the adapter's."""
        instructions = self._instructions[: len(decisions)]
        for field in ("line", "lap", "revision", "disposition", "piece_id", "plan_version"):
            instructions[field] = decisions[field]
        instructions["chutes"] = decisions["chutes"]
        instructions["deadline_ns"] = decisions["deadline_ns"]
        return instructions
