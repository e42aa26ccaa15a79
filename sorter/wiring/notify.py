"""What systemd is told: ready, alive, stopping (``Type=notify``, ``WatchdogSec=``; sd_notify(3)).

Where no service manager asks for it, nothing is told. A word is one datagram, sent without waiting.
"""

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Protocol

_logger = logging.getLogger(__name__)


class Turning(Protocol):
    """A line as the watchdog sees it."""

    @property
    def steps(self) -> int:
        """Grows while the loop goes on."""

    @property
    def waits(self) -> bool:
        """Whether the loop stands still with reason: its PLC is away, or granted to another."""


class Notifier:
    """Says a word to the service manager."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Take the manager's socket from ``NOTIFY_SOCKET``: a path, or ``@name`` in no folder."""
        self._address = environment.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        self._is_broken = False

    def say(self, *words: str) -> None:
        """Say words like ``READY=1``; one that can't be said is told in the log, once an outage."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaking:
                speaking.setblocking(False)  # noqa: FBT003 - the name of it in the library
                speaking.sendto("\n".join(words).encode(), self._address)
        except OSError as error:
            if not self._is_broken:
                _logger.warning(
                    "NOTIFY_SOCKET: systemd can't be told %s (%s); it restarts the service once "
                    "WatchdogSec is over", words[0], error,
                )  # fmt: skip
            self._is_broken = True
        else:
            self._is_broken = False


class Watchdog:
    """Tells systemd that the lines turn; called on their own event loop, it can't outlive it.

    It says so only if every line has gone on since it last did, but for those that wait for their
    PLC. A loop that hangs, alone or with all others, is so found within ``WatchdogSec``, and
    systemd starts the service anew; what it had not journaled is read again.
    """

    def __init__(self, notifier: Notifier, environment: Mapping[str, str] = os.environ) -> None:
        """Take the time allowed from ``WATCHDOG_USEC``; without it nothing is said."""
        self._notifier = notifier
        # Half of the time allowed, as sd_watchdog_enabled(3) recommends.
        self._every_ns = int(environment.get("WATCHDOG_USEC", "0")) * 1_000 // 2
        self._due_ns = 0
        self._steps: list[int] = []

    def feed(self, lines: Sequence[Turning], now_ns: int) -> bool:
        """Say that all is well, if it is and is due; return whether it was said.

        Args:
            lines: All of the process, always in the same order.
            now_ns: The monotonic clock.
        """
        if not self._every_ns or now_ns < self._due_ns:
            return False
        before = self._steps or [-1] * len(lines)
        if not all(
            line.waits or line.steps != steps for line, steps in zip(lines, before, strict=True)
        ):
            return False
        self._steps = [line.steps for line in lines]
        self._due_ns = now_ns + self._every_ns
        self._notifier.say("WATCHDOG=1")
        return True
