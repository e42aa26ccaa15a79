"""A line that two hosts can run: it follows while the other one answers, and takes over."""

import asyncio
import logging

from plc_adapters.contract import Resume, StandbyAdapter
from sorter.clock import Clock
from sorter.errors import FencedError
from sorter.line.following import Following
from sorter.line.keeper import Keeper
from sorter.line.loop import JOURNAL_RETRY_S, LineLoop, Outlet
from sorter.line.tracking import Tracking
from sorter.ports import Batch, TakeoverJournal

_logger = logging.getLogger(__name__)


class Standby:
    """Runs one line of a host that stands by; a host that loses the line stands by again.

    Args:
        loop: The line's loop, which turns while this host has the line.
        adapter: The loop's.
        tracking: The loop's.
        following: What is known while the other host has it.
        journal: The loop's.
        keeper: The line's.
        outlet: The loop's.
        clock: The loop's.
    """

    def __init__(
        self,
        loop: LineLoop,
        adapter: StandbyAdapter,
        tracking: Tracking,
        following: Following,
        journal: TakeoverJournal,
        keeper: Keeper,
        outlet: Outlet,
        clock: Clock,
    ) -> None:
        self._loop = loop
        self._adapter = adapter
        self._tracking = tracking
        self._following = following
        self._journal = journal
        self._keeper = keeper
        self._outlet = outlet
        self._clock = clock
        self._relearnings = 0

    async def run(self, resume: Resume, stop: asyncio.Event) -> None:
        """Follow, take over when it is time, and follow again once fenced, until told to stop.

        Raises:
            AdapterError: the PLC's mailbox can't be used.
        """
        name = self._loop.name
        self._adapter.follow(resume)
        _logger.info("line %s: stands by", name)
        try:
            while not stop.is_set():
                while self._adapter.status.standby and not stop.is_set():
                    await self.turn()
                try:
                    while not stop.is_set():
                        await self._loop.turn()
                except FencedError:
                    _logger.warning("line %s: another host has it; stands by", name)
                    self._following.begin()
                    self._adapter.follow(self._tracking.resume)
        finally:
            self._loop.commands.end_batch()
            await self._adapter.close()

    async def turn(self) -> None:
        """Take what the PLC has to say and leave the answer to the other host, or take over."""
        adapter, status = self._adapter, self._adapter.status
        self._loop.steps += 1
        self._loop.commands.end_batch()
        events = await adapter.read()
        self._loop.commands.begin_batch()
        if status.relearnings != self._relearnings:
            self._relearnings = status.relearnings
            self._following.forget()
        self._following.hear(events, self._clock.now_ns())
        self._following.acknowledged(status.acknowledged_sequence)
        if status.standby:
            adapter.acknowledge(self._journal.durable(self._loop.line))
            self._outlet.record(Batch.empty(self._loop.line), self._tracking, status, 0)
        else:
            await self._take_over()

    async def _take_over(self) -> None:
        """Answer what has no answer, and journal what no other journal may hold."""
        status, loop, line = self._adapter.status, self._loop, self._loop.line
        waiting, kept = self._following.unanswered, self._following.kept
        answers = []
        for batch in self._following.answers(self._clock.now_ns()):
            await self._adapter.write(loop.as_instructions(batch.decisions))
            self._outlet.record(batch, self._tracking, status, self._clock.now_ns())
            answers.append(batch)
        status.takeover_ns = self._clock.now_ns() - status.silence_seen_ns
        # What this journal knew before is of another time: nothing may be recovered on top of it.
        self._journal.offer_blank(line, self._following.blank)
        for batch in [*self._following.take_kept(), *answers]:
            while not self._journal.offer(batch):  # the journal's thread frees it
                self._loop.steps += 1
                await asyncio.sleep(JOURNAL_RETRY_S)
        self._keeper.keep_state()
        loop.desk.ask_again(self._tracking.in_flight(), self._tracking.chutes, self._clock.now_ns())
        _logger.warning(
            "line %s: taken over under epoch %d, %.0f ms after the PLC called its host silent; "
            "%d pieces were without an answer, %d events in no journal",
            loop.name, status.epoch, status.takeover_ns / 1e6, waiting, kept,
        )  # fmt: skip
