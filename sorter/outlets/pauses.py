"""Pauses of the garbage collector, as a process measures its own and tells on its board."""

import gc
import time
from dataclasses import dataclass, fields


@dataclass(slots=True)
class GcPauses:
    """What the collector has cost one process since it is watched."""

    count: int = 0
    total_ns: int = 0
    longest_ns: int = 0


GC_NUMBERS = tuple(field.name for field in fields(GcPauses))
"""The numbers of GcPauses, in their own order."""


class GcWatch:
    """Measures each collection of this process from :meth:`start` on."""

    def __init__(self) -> None:
        self.pauses = GcPauses()
        self._began_ns = 0

    def start(self) -> "GcWatch":
        """Be called by the collector from here on; returns itself."""
        gc.callbacks.append(self._note)
        return self

    def stop(self) -> None:
        """Be called no more."""
        gc.callbacks.remove(self._note)

    def _note(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._began_ns = time.perf_counter_ns()
        elif self._began_ns:
            pause_ns = time.perf_counter_ns() - self._began_ns
            self.pauses.count += 1
            self.pauses.total_ns += pause_ns
            self.pauses.longest_ns = max(self.pauses.longest_ns, pause_ns)
