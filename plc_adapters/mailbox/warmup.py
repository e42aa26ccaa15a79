"""Compiles the mailbox's kernels, or loads them from numba's cache, before a link opens."""

import numpy as np

from plc_adapters.contract import EVENT, INSTRUCTION
from plc_adapters.mailbox.clock_map import ClockMap
from plc_adapters.mailbox.codec import EventDecoder, InstructionEncoder
from plc_adapters.mailbox.slot_kernels import last_taken, mark
from plc_adapters.mailbox.table import EVENT_SLOT


def warm_up() -> None:
    """Run every kernel once on next to nothing."""
    clock_map = ClockMap()
    times = clock_map.to_plc_ms(clock_map.to_host_ns(np.zeros(1, np.uint32)))
    InstructionEncoder("big").encode(np.zeros(1, INSTRUCTION), times)
    # A slot that holds the sequence before the first: never written, and nothing is expected.
    EventDecoder("big", "big").decode([0] * EVENT_SLOT.size, 0)
    events = np.zeros(1, EVENT)
    mark(events, 0, 0, 0, clock_map.latest_ms, clock_map.offset_ns)
    last_taken(events, 0)
