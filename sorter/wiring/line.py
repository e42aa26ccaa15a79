"""The line process: the loops of a site's lines on one event loop, and the journal's thread."""

import asyncio
import logging

from plc_adapters.contract import AdapterError, Resume
from plc_adapters.registry import create
from sorter.assignment.arrays import PlanArrays, PreAdviceArrays, no_pre_advice
from sorter.assignment.decider import Decider
from sorter.assignment.warmup import warm_up
from sorter.clock import SystemClock
from sorter.config import Line, SiteFile
from sorter.errors import ConfigError, UnavailableError
from sorter.journal.writer import JournalWriter
from sorter.line.loop import LineLoop
from sorter.line.recovery import Recovered, recover
from sorter.line.tracking import Tracking
from sorter.outlets.board import BoardWriter
from sorter.plans.image import map_image
from sorter.plans.machine import load_chutes
from sorter.wiring.paths import StatePaths
from sorter.wiring.prepare import read_active
from sorter.wiring.process import settle_memory, stop_on_signals

_logger = logging.getLogger(__name__)


async def run_line(site: SiteFile) -> None:
    """Run all lines of the site until SIGTERM; raises what stopped them."""
    stop = stop_on_signals()
    state = StatePaths(site.site.state_dir)
    state.make()
    names = [line.name for line in site.lines]
    _logger.info("kernels ready after %.1f s", warm_up())
