"""Pushes the metrics to a Pushgateway, by the client library's own exporter.

For a site that Prometheus can't reach: it scrapes the gateway instead. The gateway keeps what it
was last told for ever, so the site's metrics are taken back as the service ends.
"""

import asyncio
import logging
import threading
from http.client import HTTPException

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import delete_from_gateway, push_to_gateway

JOB = "sorter"
"""The job of the metrics, as in deploy/prometheus/prometheus.yml."""
TIMEOUT_S = 5.0
"""Longest wait for the gateway, each time."""

_logger = logging.getLogger(__name__)


class Pusher:
    """Pushes one site's metrics; what it is told fails is told once an outage."""

    def __init__(
        self, gateway: str, site: str, registry: CollectorRegistry, every_s: float
    ) -> None:
        """Push nothing yet.

        Args:
            gateway: Its URL.
            site: Name of the site; the gateway keeps one group of metrics for it.
            registry: What is pushed; collected in a thread, so it shares no reader with others.
            every_s: Pause between two pushes.
        """
        self.problem = ""
        """What is wrong, empty while all is well or nothing was pushed yet."""
        self._gateway = gateway
        self._group = {"site": site}
        self._registry = registry
        self._every_s = every_s
        # A push that is still under way must not follow the taking back.
        self._turn = threading.Lock()

    async def run(self) -> None:
        """Push until cancelled, then take the metrics back."""
        try:
            while True:
                self._note(await asyncio.to_thread(self._push))
                await asyncio.sleep(self._every_s)
        finally:
            await asyncio.to_thread(self._take_back)

    def _push(self) -> str:
        """Push once; return what went wrong, empty if nothing did."""
        try:
            with self._turn:
                push_to_gateway(self._gateway, JOB, self._registry, self._group, TIMEOUT_S)
        except (OSError, HTTPException, ValueError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _take_back(self) -> None:
        try:
            with self._turn:
                delete_from_gateway(self._gateway, JOB, self._group, TIMEOUT_S)
        except (OSError, HTTPException, ValueError) as error:
            _logger.warning(
                "push.gateway: %s did not take the site's metrics back (%s); they stand there as "
                "they were last pushed until somebody deletes them", self._gateway, error,
            )  # fmt: skip

    def _note(self, problem: str) -> None:
        if problem and not self.problem:
            _logger.warning(
                "push.gateway: %s takes no metrics (%s); is it up, and is its address right? "
                "Pushing goes on", self._gateway, problem,
            )  # fmt: skip
        if self.problem and not problem:
            _logger.warning("push.gateway: %s takes metrics again", self._gateway)
        self.problem = problem
