"""The way to one AutoID device (OPC 30010): what it reads, as results for the tie.

A session that breaks is thrown away and made anew. What the scanner read meanwhile can't be had
back; the pieces it was read from get no result, and go where unread pieces go. So a gap costs reads
and never ties a code to another piece.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from asyncua import Client, ua

from plc_adapters.autoid.codes import CodeReader, Codes
from plc_adapters.autoid.device_clock import DeviceClock, Span
from plc_adapters.autoid.results import ResultError, Told, instant_ns, piece_id, results_of, told
from plc_adapters.autoid.settings import ScannerSettings
from plc_adapters.autoid.structures import SCAN_EVENTS
from plc_adapters.autoid.subscription import OVERFLOW_BITS, Subscription
from plc_adapters.autoid.tie import RESULTS_MAX, Result
from plc_adapters.autoid.tied_adapter import ScannerStatus
from plc_adapters.contract import AdapterError
from plc_adapters.host.wire import LinkError
from plc_adapters.opcua.explain import explain_status
from plc_adapters.opcua.session import (
    close,
    connect,
    load_credentials,
    new_client,
    told_as_link_error,
)

_log = logging.getLogger(__name__)

RECONNECT_FIRST_MS = 50
"""Pause before the first new attempt; it doubles up to the settings' ``reconnect_max_ms``."""
LOOK_S = 0.25
"""How often it is looked whether the server still speaks; and what its clock says, where its
messages do not tell."""
SEQUENCE_MAX = 0xFFFF_FFFF
CURRENT_TIME = ua.NodeId(ua.Int32(ua.ObjectIds.Server_ServerStatus_CurrentTime))
OVERFLOW_EVENT = ua.NodeId(ua.Int32(ua.ObjectIds.EventQueueOverflowEventType))


class Scan(NamedTuple):
    """One scan as the scanner told it, before it is tied."""

    told: list[Told]
    codes: Codes
    time_ns: int
    """Of the event or the value, by the scanner's clock; 0 where it does not tell."""
    arrived_ns: int
    piece: int
    """The piece id that it bears; 0 where none is asked for."""


class Tap(Protocol):
    """Who is told each scan as it comes: the check of a scanner."""

    def scan(self, scan: Scan) -> None:
        """Take one that could be read."""

    def unread(self, error: Exception) -> None:
        """Take why one could not; its cause is a ResultError, if the scanner is to blame."""


class AutoIdScanner:
    """See :class:`plc_adapters.autoid.tied_adapter.Scanner`.

    Args:
        settings: what to know of it.
        clock: tells nanoseconds that never step back.
        tap: is told each scan too.

    Raises:
        AdapterError: the settings contradict each other, or a file that they name is of no use.
    """

    def __init__(
        self,
        settings: ScannerSettings,
        clock: Callable[[], int],
        tap: Tap | None = None,
    ) -> None:
        settings.expect_sound()
        self.late_ms = 0.0
        """How late results are published at most, by what the server agreed to."""
        self.name = settings.name
        self.station = settings.station
        self.window = settings.window
        self.status = ScannerStatus()
        self._settings = settings
        self._credentials = load_credentials(settings.endpoint)
        self._clock = clock
        self._tap = tap
        self._reader = CodeReader(settings.codes)
        self._device_clock = DeviceClock()
        self._waiting: deque[Result] = deque(maxlen=RESULTS_MAX)
        self._undated: deque[tuple[Codes, Span]] = deque(maxlen=RESULTS_MAX)
        """Results with their instants by the scanner's clock."""
        self._tells_time = True
        """Whether the server's messages tell when they were sent; some leave it out."""
        self._asks_clock = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        """Ends a session; a library call that is cut short there would leave it open."""
        self._sessions = 0
        self._autoid = 0
        self._heard_ns = 0
        self._sequence = 0
        """Of the newest message that held anything; 0 before the first of a session."""
        self._last_value: object = None
        """LastScanData as last taken, and its instant: a new session tells it once more."""
        self._ended = ""
        """Why the server ended the subscription."""
        self._told_malformed = False

    @property
    def knows_clock(self) -> bool:
        """Whether it can be told when results were read; always so by trigger ids."""
        return self.window.by_trigger or self._device_clock.span(0, 0) is not None

    def open(self) -> None:
        """Begin to connect."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def take(self) -> list[Result]:
        """Return the results that came since the last call, in order."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    async def close(self) -> None:
        """Let the scanner go."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._closing is not None:
            await self._closing
        self.status.connected = False
        self.status.problem = "closed"

    # The session.

    async def _run(self) -> None:
        """Keep a session, for ever."""
        pause_ms = RECONNECT_FIRST_MS
        while True:
            client = new_client(self._settings.endpoint, self._credentials)
            try:
                await self._listen(client)
            except (LinkError, AdapterError) as error:
                if self.status.connected:
                    pause_ms = RECONNECT_FIRST_MS
                    self.status.gaps += 1
                self.status.connected = False
                self.status.problem = str(error)
            finally:
                self._closing = asyncio.create_task(close(client, self._settings.endpoint))
                await asyncio.shield(self._closing)
            await asyncio.sleep(pause_ms / 1000)
            pause_ms = min(2 * pause_ms, self._settings.reconnect_max_ms)

    async def _listen(self, client: Client) -> None:
        """Connect, subscribe, and hear the server until it falls silent.

        Raises:
            LinkError: why that came to its end.
        """
        await connect(client, self._settings.endpoint, self._credentials)
        self._sequence, self._ended, self._told_malformed = 0, "", False
        self._undated.clear()
        self._heard_ns = self._clock()
        subscription = Subscription(client, self._settings)
        await subscription.open(lambda published: self._on_publish(published, subscription.autoid))
        self.late_ms = subscription.late_ms
        self.status.reconnects += self._sessions > 0
        self._sessions += 1
        self.status.connected = True
        self.status.problem = ""
        while not self._ended and client.uaclient.has_transport:
            if self._clock() - self._heard_ns > subscription.silence_ns:
                raise LinkError(f"{self._peer}: has fallen silent")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._asks_clock.wait()
            if not self._tells_time and not self.window.by_trigger:
                await self._ask_clock(client)
        raise LinkError(f"{self._peer}: {self._ended or 'the connection was closed'}")

    async def _ask_clock(self, client: Client) -> None:
        """Learn the scanner's clock, and by it when the results were read that wait for it."""
        self._asks_clock.clear()
        with told_as_link_error(self._peer, "can't read its clock"):
            (value,) = await client.uaclient.read_attributes([CURRENT_TIME], ua.AttributeIds.Value)
        now_ns = self._clock()
        told_ns = instant_ns(value.Value.Value if value.Value is not None else None)
        if told_ns:
            self._device_clock.sample(told_ns, now_ns)
        self._date(now_ns)

    @property
    def _peer(self) -> str:
        return self._settings.endpoint.peer

    # What the server says.

    def _on_publish(self, published: ua.PublishResult, autoid: int) -> None:
        """Take in one message, or a keep-alive."""
        self._autoid = autoid
        self._heard_ns = arrived_ns = self._clock()
        message = published.NotificationMessage
        sent_ns = instant_ns(message.PublishTime)
        self._tells_time = sent_ns != 0
        if sent_ns:
            self._device_clock.sample(sent_ns, arrived_ns)
        # The library tells of a lost connection by a message of its own, without a number.
        if message.NotificationData and message.SequenceNumber:
            self._follow(message.SequenceNumber)
        for notification in message.NotificationData or ():
            if isinstance(notification, ua.EventNotificationList):
                for event in notification.Events:
                    self._take_in(self._on_event, event.EventFields, arrived_ns)
            elif isinstance(notification, ua.DataChangeNotification):
                for item in notification.MonitoredItems:
                    self._take_in(self._on_value, item.Value, arrived_ns)
            elif isinstance(notification, ua.StatusChangeNotification):
                self._ended = "has ended the subscription: " + explain_status(
                    notification.Status.value
                )
        if self._tells_time:
            self._date(arrived_ns)
        elif self._undated:
            self._asks_clock.set()

    def _follow(self, sequence: int) -> None:
        """Notice a message that is missing before this one."""
        expected = self._sequence % SEQUENCE_MAX + 1
        if self._sequence and sequence != expected:
            self._note_gap(f"messages {expected} to {sequence - 1} are missing")
        self._sequence = sequence

    def _note_gap(self, what: str) -> None:
        self.status.gaps += 1
        _log.warning("%s: %s; the pieces scanned then are taken for unread", self._peer, what)

    def _take_in(self, hear: Callable[[Any, int], None], what: Any, arrived_ns: int) -> None:
        """Hear one scan; one that can't be read is counted, and told once a session."""
        try:
            with told_as_link_error(self._peer, "a scan can't be read"):
                hear(what, arrived_ns)
        except LinkError as error:
            self.status.malformed += 1
            if self._tap is not None:
                self._tap.unread(error)
            if not self._told_malformed:
                self._told_malformed = True
                _log.warning("%s; its piece is taken for unread", error)

    def _on_event(self, fields: list[ua.Variant], arrived_ns: int) -> None:
        event_type, time, results, *bearer = (field.Value for field in fields)
        if event_type == OVERFLOW_EVENT:
            self._note_gap("its queue has overflowed")
            return
        if results is None and not self._is_scan(event_type):
            return
        found = [told(one) for one in results_of(results, self._autoid)]
        piece = piece_id(bearer[0]) if self._settings.trigger_field else 0
        self._add(found, instant_ns(time), arrived_ns, piece)

    def _is_scan(self, event_type: Any) -> bool:
        return (
            isinstance(event_type, ua.NodeId)
            and event_type.NamespaceIndex == self._autoid
            and event_type.Identifier in SCAN_EVENTS
        )

    def _on_value(self, value: ua.DataValue, arrived_ns: int) -> None:
        status = value.StatusCode
        if status is not None and status.value & OVERFLOW_BITS == OVERFLOW_BITS:
            self._note_gap("its queue has overflowed")
        told_now = (value.SourceTimestamp, value.Value)
        if told_now == self._last_value or value.Value is None:
            return
        self._last_value = told_now
        if status is not None and not status.is_good():
            raise ResultError(f"LastScanData is {explain_status(status.value)}")
        found = [told(one) for one in results_of(value.Value.Value, self._autoid)]
        self._add(found, instant_ns(value.SourceTimestamp), arrived_ns, 0)

    def _add(self, found: list[Told], time_ns: int, arrived_ns: int, piece: int) -> None:
        """Queue a scan for the tie, if it can be told when it was read."""
        self.status.results += 1
        codes = self._reader.read(one.read for one in found)
        self.status.no_reads += codes.count == 0
        self.status.left_out += codes.left_out
        if self._tap is not None:
            self._tap.scan(Scan(found, codes, time_ns, arrived_ns, piece))
        if self.window.by_trigger:
            self._waiting.append(Result(codes, arrived_ns, arrived_ns, piece))
            return
        instants = [one.read_ns for one in found if one.read_ns] or [time_ns]
        if min(instants) == 0:
            raise ResultError("bears no instant; without a clock a scanner needs trigger ids")
        self._undated.append((codes, Span(min(instants), max(instants))))

    def _date(self, now_ns: int) -> None:
        """Queue what has come for the tie, with instants by what is known of the clock now."""
        while self._undated:
            codes, told_at = self._undated.popleft()
            span = self._device_clock.span(*told_at)
            if span is None or span.first_ns > now_ns:
                self.status.untimed += 1
                continue
            spread_ns = min(span.last_ns, now_ns) - span.first_ns
            self._waiting.append(Result(codes, span.first_ns, now_ns, spread_ns=spread_ns))
