"""The demo: writes a site, starts an emulated sorter and the service, watches, sums up."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from routing_tables.load import load_network
from routing_tables.schema import lianyungang
from sorter.clock import SystemClock
from sorter.config import load_site
from sorter.demo.manifest import write_manifest
from sorter.demo.view import Summary
from sorter.errors import UnavailableError
from sorter.wiring.paths import StatePaths
from sorter.wiring.process import stop_on_signals
from sorter.wiring.supervisor import Child, Supervisor

FILES = Path(__file__).parent / "files"
"""The site that the demo copies: plan, machine, emulator."""
READY_S = 60.0
"""Longest wait for the service to be ready; the first start compiles the kernels."""
DRAIN_S = 150.0
"""Longest wait, after induction stopped, until the sorter is empty: the laps a piece may take."""
RECORD_S = 20.0
"""Longest wait until the last piece is in the database."""
TICK_S = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """What a demo can be told."""

    state: Path
    seconds: float = 0.0
    """How long pieces are inducted; 0 for until Ctrl-C."""
    pieces_per_hour: int = 20_000
    http_port: int = 8080
    plc_port: int = 15_020
    seed: int = 1
