"""The shadow process: candidates that decide beside the active plans, on the lines' own journals.

A process of its own, so that no line ever feels it; the journal is a few milliseconds behind the
line. What each line is shadowed by stands in a file that the line process writes when it is told;
what was found goes to ``run/shadow.json`` for everybody to read.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from sorter.assignment.arrays import PlanArrays, PreAdviceArrays, no_pre_advice
from sorter.config import SiteFile
from sorter.errors import SorterError
from sorter.journal.reader import Follower, newest_snapshot
from sorter.line.shadow import Shadow
from sorter.line.tracking import Tracking
from sorter.plans.image import map_image
from sorter.plans.machine import load_chutes
from sorter.plans.versions import need_version, write_whole
from sorter.wiring.active import read_active, read_json
from sorter.wiring.paths import StatePaths
from sorter.wiring.process import stop_on_signals

LOOK_S = 0.5
"""Pause between two looks at the journals, and at what is to be shadowed."""
TOLD_MAX = 200
"""Differences told one by one, those of most pieces first."""
DAMAGED = (SorterError, OSError, KeyError, TypeError, ValueError)

_logger = logging.getLogger(__name__)


class LineShadow:
    """One line: what shadows it, if anything does."""

    def __init__(self, site: SiteFile, number: int) -> None:
        self._line = site.lines[number]
        self._number = number
        self._state = StatePaths(site.site.state_dir)
        self._order: dict[str, Any] | None = None
        self._shadow: Shadow | None = None
        self._follower: Follower | None = None
        self._advice: Path | None = None
        self._problem = ""

    @property
    def name(self) -> str:
        """Of the line."""
        return self._line.name

    def look(self) -> None:
        """Take up what is ordered, and follow the journal to its end. For a thread."""
        try:
            order = read_json(self._state.shadow(self.name))
            if order != self._order:
                self._order, self._shadow, self._problem = order, None, ""
                if order:
                    self._begin(order)
            if self._shadow and self._follower:
                self._renew(self._shadow)
                while batches := self._follower.read():
                    for batch in batches:
                        self._shadow.follow(batch)
        except DAMAGED as error:
            if str(error) != self._problem:
                _logger.warning("line %s: not shadowed: %s", self.name, error)
            self._shadow, self._problem = None, str(error)

    def _begin(self, order: dict[str, Any]) -> None:
        version = need_version(self._state.versions(self.name), order["version"])
        plan, _ = map_image(version.image, PlanArrays)
        machine = self._line.machine
        tracking = Tracking(load_chutes(machine.chutes, machine.speed_mm_s))
        position, snapshot = newest_snapshot(self._state.journal / self.name, self._number)
        if snapshot is not None:
            tracking.restore(snapshot.content)
        since_ns = int(datetime.fromisoformat(order["since"]).timestamp() * 1e9)
        self._shadow = Shadow(tracking, plan, no_pre_advice(), since_ns)
        self._follower = Follower(self._state.journal / self.name, self._number, position)
        self._advice = None

    def _renew(self, shadow: Shadow) -> None:
        """Use the pre-advice and the locks that the line has now."""
        active = read_active(self._state.pre_advice)
        if active is not None and active.image != self._advice:
            shadow.decider.pre_advice = map_image(active.image, PreAdviceArrays)[0]
            self._advice = active.image
        locks = read_json(self._state.locks(self.name)) or {}
        shadow.tracking.lock_only(map(int, locks))

    def told(self) -> dict[str, Any] | None:
        """Return what was found; None where nothing shadows the line."""
        if not self._order:
            return None
        if self._shadow is None:
            return {**self._order, "problem": self._problem or "begins"}
        seen = self._shadow.seen
        shown = seen.differences.most_common(TOLD_MAX)
        hidden = seen.differ - sum(count for _, count in shown)
        return {
            **self._order,
            "problem": "",
            "decisions": seen.decisions,
            "differ": seen.differ,
            "chute_differs": seen.chute_differs,
            "disposition_differs": seen.disposition_differs,
            "differences": [{**each._asdict(), "pieces": count} for each, count in shown],
            "not_shown": hidden,
        }


async def run_shadow(site: SiteFile) -> None:
    """Shadow what is ordered until SIGTERM."""
    stop = stop_on_signals()
    state = StatePaths(site.site.state_dir)
    state.make()
    lines = [LineShadow(site, number) for number in range(len(site.lines))]
    told: dict[str, Any] = {}
    while not stop.is_set():
        for line in lines:
            await asyncio.to_thread(line.look)
        now = {line.name: found for line in lines if (found := line.told())}
        if now != told or not state.shadows.exists():
            with suppress(OSError):  # a full disk: told at the next look
                await asyncio.to_thread(write_whole, state.shadows, now)
                told = now
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_S)
