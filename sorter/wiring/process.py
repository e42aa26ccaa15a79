"""What every process of the service does alike: signals, the garbage collector, its end."""

import asyncio
import ctypes
import gc
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal this process gets when its parent dies."""
PARENT_VARIABLE = "SORTER_PARENT_PID"
"""Set by the supervisor for its children, so that none outlives it."""
GC_THRESHOLD = 50_000
"""Allocations between young collections once the start-up objects are frozen: measured, a full
collection over 200,000 live containers takes 15 ms, over frozen ones nothing."""


def end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the supervisor dies; does nothing when run alone."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        raise SystemExit(0)


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def settle_memory() -> None:
    """Freeze what start-up made, so that the collector never walks it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)
