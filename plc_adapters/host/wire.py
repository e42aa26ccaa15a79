"""What the host's side needs of a connection, whatever protocol it speaks."""

from typing import Literal, Protocol


class LinkError(Exception):
    """The connection can't be used any more; the text names the peer, what happened, what to do."""


class RefusedError(LinkError):
    """The peer answered, and refuses this request; the connection itself can still be used."""


class Wire(Protocol):
    """One connection, used until it first fails and then thrown away: it never heals itself.

    A request that may have been executed is judged by what the PLC's mailbox says afterwards, and a
    connection made anew may lead to a PLC started anew; so both are the host's to settle. One task
    uses it, one call at a time. Addresses count registers from the start of the mailbox.

    Every call ends within a time that the wire's settings bound, and raises :class:`LinkError`
    when it came to nothing; whether a write was carried out is then unknown.
    """

    async def connect(self) -> None:
        """Connect. Raises AdapterError as well, for what waiting can't cure."""

    async def read(self, address: int, count: int) -> list[int]:
        """Return ``count`` registers, each 0 to 65535."""

    async def write(self, address: int, registers: list[int]) -> None:
        """Write registers in one request, within one seat."""

    async def pause(self, seconds: float) -> None:
        """Return after so long, or earlier once the PLC is known to have told something new."""

    async def close(self) -> None:
        """Let the connection go; never raises."""


class MailboxLink(Protocol):
    """What the host's side needs to know of a link, whatever its protocol; times in ms."""

    @property
    def peer(self) -> str:
        """The PLC as messages name it."""

    @property
    def seat(self) -> int:
        """Seat of the mailbox that this host sits in."""

    @property
    def word_order(self) -> Literal["big", "little"]:
        """Which word of a 32-bit value comes first."""

    @property
    def string_byte_order(self) -> Literal["big", "little"]:
        """Which byte of a register comes first in a text."""

    @property
    def words_per_read(self) -> int:
        """At least 40: the header and an event slot are read whole."""

    @property
    def words_per_write(self) -> int:
        """At least 18: an instruction is written whole."""

    @property
    def poll_period_ms(self) -> int:
        """Pause after a read that found nothing more."""

    @property
    def heartbeat_ms(self) -> int:
        """Between two heartbeats."""

    @property
    def watch_ms(self) -> int:
        """Between two looks of a standby whether the line's host is alive."""

    @property
    def silence_ms(self) -> int:
        """A PLC whose heartbeat stands still for so long is taken for gone."""

    @property
    def reconnect_max_ms(self) -> int:
        """Longest pause between two attempts to connect."""
