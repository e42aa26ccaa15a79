"""An event loop whose time passes only when nothing is left to do, and whose order has a seed.

The standard library's loop with two things replaced: waiting moves the clock instead of the world,
and of the callbacks that are ready at one instant the seed says which comes first. Threads stand
still in it: work for an executor is done at once, when it is asked for.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any


class StalledError(Exception):
    """Nothing is ready, nothing is due, and the simulation has not ended."""


class _NoSelector:
    """Stands where the loop waits for sockets: there are none, so time passes."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Let the time pass that the loop would have waited."""
        if timeout is None:
            raise StalledError("everything waits for something that nobody will do")
        self._loop.pass_time(timeout)
        return []

    def close(self) -> None:
        """Nothing is open."""


class VirtualLoop(asyncio.BaseEventLoop):
    """A seeded loop in virtual time; the same seed gives the same run."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(f"{seed}:schedule")  # noqa: S311 - a run must be repeatable
        self._now_s = 0.0
        self._selector = _NoSelector(self)

    def time(self) -> float:
        """Return the seconds since the simulation began."""
        return self._now_s

    def now_ns(self) -> int:
        """Return the same in nanoseconds."""
        return round(self._now_s * 1e9)

    def pass_time(self, seconds: float) -> None:
        """Move on to where the next callback is due."""
        if seconds > 0:
            due: float = self._scheduled[0].when()  # type: ignore[attr-defined]
            self._now_s = max(self._now_s, due)

    def run_in_executor(  # type: ignore[override]
        self, _executor: object, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Do the work at once; its result is there at the next turn."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is the asker's
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        ready = self._ready  # type: ignore[attr-defined]
        if len(ready) > 1:
            shuffled = list(ready)
            self._chance.shuffle(shuffled)
            ready.clear()
            ready.extend(shuffled)
        super()._run_once()  # type: ignore[misc]

    def _process_events(self, _event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
