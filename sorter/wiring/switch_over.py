"""A line handed over to the host that stands by, for an update of this one: no piece is late."""

import asyncio
import logging
from typing import Any

from plc_adapters.contract import StandbyAdapter
from sorter.clock import Clock
from sorter.errors import CommandError, Refusal

HAND_OVER_S = 10.0
"""A line that no other host has been granted after so long is kept: a PLC's watchdog takes one or
two, and the one that stands by claims within milliseconds."""
LOOK_S = 0.01

_logger = logging.getLogger(__name__)


class SwitchOver:
    """Hands one line over.

    This host goes on beating and answering, but claims the line no more. So the PLC calls it silent
    after its watchdog time and grants the line to the host that stands by; until then it takes
    this one's answers.
    """

    def __init__(self, name: str, adapter: StandbyAdapter, clock: Clock) -> None:
        self._name = name
        self._adapter = adapter
        self._clock = clock

    async def run(self) -> dict[str, Any]:
        """Return once the other host has the line.

        Raises:
            CommandError: this host does not have it, nobody stands by, or nobody took it in
                HAND_OVER_S; this host keeps it then.
        """
        status = self._adapter.status
        if status.standby or status.fenced:
            raise self._refused("another host has it; switch there")
        if not status.connected:
            raise self._refused(f"its PLC is away ({status.problem})")
        if not status.has_peer(self._clock.now_ns()):
            raise self._refused(
                "no host stands by: the other seat's heartbeat stands still; start both hosts with "
                "'sorter run --standby'"
            )
        self._adapter.hand_over(begins=True)
        try:
            async with asyncio.timeout(HAND_OVER_S):
                while not (status.standby or status.fenced):  # noqa: ASYNC110 - no event tells it
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise self._refused(
                f"no other host was granted it in {HAND_OVER_S:.0f} s; it is kept. See the log of "
                "the other host"
            ) from None
        finally:
            if not (status.standby or status.fenced):
                self._adapter.hand_over(begins=False)
        _logger.warning("line %s: handed over to the other host", self._name)
        return {"line": self._name, "epoch": status.granted_epoch}

    def _refused(self, why: str) -> CommandError:
        return CommandError(Refusal.REFUSED, f"line {self._name}: not switched: {why}")
