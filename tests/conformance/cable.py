"""A cable to a PLC that tests and benches of whole processes can pull."""

import asyncio
import threading

from tests.conformance.proxy import FaultProxy


class Cable:
    """A way to the PLC behind a port, on a thread of its own."""

    def __init__(self, target: int) -> None:
        """Begin to hand on what comes to ``port``."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._proxy = FaultProxy(target, seed=1)
        self.mend()
        self.port = self._proxy.port

    def cut(self) -> None:
        """Drop all connections and refuse new ones."""
        asyncio.run_coroutine_threadsafe(self._proxy.stop(), self._loop).result()

    def mend(self) -> None:
        """Take connections again."""
        asyncio.run_coroutine_threadsafe(self._proxy.start(), self._loop).result()

    def end(self) -> None:
        """Cut it for good."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
