"""Makes every compiled part of a line ready before its link opens."""

import time

from plc_adapters.mailbox import warmup as mailbox
from sorter.assignment import warmup
from sorter.line import tracking


def warm_up() -> float:
    """Compile the kernels of a line, or load them; return the seconds it took."""
    began = time.perf_counter()
    warmup.warm_up()
    tracking.warm_up()
    mailbox.warm_up()
    return time.perf_counter() - began
