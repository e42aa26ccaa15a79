"""What the emulator listens with: one protocol's server over the sorter's registers."""

import os
import socket
from collections.abc import Callable
from typing import Protocol

HostWrite = Callable[[int, list[int]], bool]
"""Takes a host's write at an address of the image; False if those registers are not the host's."""


class ListenError(Exception):
    """The address can't be listened on: says which, why, and what to do."""


class Front(Protocol):
    """One protocol's server. A cut cable is hung up, and listened on again, with all it knows."""

    async def listen(self, address: tuple[str, int]) -> tuple[str, int]:
        """Take connections; return where, with the real port. Raises ListenError."""

    async def hang_up(self) -> None:
        """Drop all connections and take no new ones."""

    async def after_cycle(self) -> None:
        """Tell whoever has subscribed to it what a scan cycle changed."""

    async def end(self) -> None:
        """Hang up for good."""


def why_not(host: str, port: int) -> str:
    """Return why that address can't be listened on, by trying it once more."""
    reason = "it was refused"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return (
        f"{host}:{port}: can't listen there: {reason}; end the other program, or give another "
        "listen.host or listen.port"
    )
