"""When a standby may claim a line: the PLC itself says that no host is alive."""

from plc_adapters.mailbox.codec import Header


class Vigil:
    """Judges by one header after another whether the line needs another host.

    The PLC's own watchdog is the one judge of a host: it grants nothing before that, so nothing
    seen beside it could make a takeover earlier. A PLC that started anew has granted nobody; the
    host it had is left ``grace_ns`` to ask first, as that one lost no piece's state.

    Args:
        grace_ns: how long a PLC that has granted nobody is left to the others.
    """

    def __init__(self, grace_ns: int) -> None:
        self.since_ns = 0
        """Since when headers have shown that no host is alive; 0 while one is."""
        self.due_ns = 0
        """Since when a claim has been due; 0 while none is."""
        self._grace_ns = grace_ns

    def is_due(self, header: Header, now_ns: int) -> bool:
        """Take in what a header says, and return whether this host should claim."""
        if header.granted_epoch and not header.host_silent:
            self.begin()
            return False
        self.since_ns = self.since_ns or now_ns
        is_due = header.granted_epoch != 0 or now_ns - self.since_ns >= self._grace_ns
        if is_due:
            self.due_ns = self.due_ns or now_ns
        return is_due

    def begin(self) -> None:
        """Judge anew."""
        self.since_ns = self.due_ns = 0
