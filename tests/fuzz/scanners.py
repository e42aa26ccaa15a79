"""What is fuzzed of scanners: their messages, into results, tied to the pieces that a PLC tells of.

After every input a piece passes and is read as it should be, and must go on with its own code;
whatever came before, the events go on whole and in order, and what is kept stays bounded.
"""

from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from asyncua import ua

from plc_adapters.autoid.client import AutoIdScanner
from plc_adapters.autoid.codes import CodeFilter
from plc_adapters.autoid.device_clock import AGE_MAX_NS, SAMPLES_MAX, SAMPLES_MIN
from plc_adapters.autoid.settings import ScannerSettings
from plc_adapters.autoid.tie import (
    CANDIDATES_MAX,
    LATE_KEEP_NS,
    NS_PER_MS,
    RESULTS_MAX,
    TRIGGERS_MAX,
    Window,
)
from plc_adapters.autoid.tied_adapter import HELD_MAX, RELEASED_MAX, TiedAdapter
from plc_adapters.contract import EVENT, EventKind, LinkStatus, Records, Resume, ScanStatus
from plc_adapters.emulator.scan_results import OPTICAL_ENCODING, optical_result
from plc_adapters.opcua.settings import Endpoint
from tests.fuzz.scanner_values import AUTOID, Draw, node, result, value, variant
from tests.fuzz.scanner_values import instant as drawn_instant

START_NS = 1_800_000_000_000_000_000
STATION = 255
OTHER_STATION = 254
MESSAGES_MAX = 8
"""Of one input."""
PIECES = 8
"""Piece ids that an input may give; those asked for are beyond them."""
OVERFLOWED = 0x480
ANSWER_TURNS = 10
ELSEWHERE = int(ScanStatus.CODES_ELSEWHERE)
OPTICAL_EVENT = node(1009, AUTOID)
WINDOW = Window(offset_ms=0, window_ms=100, delivery_ms=200)
BY_TRIGGER = Window(window_ms=100, delivery_ms=200, by_trigger=True)


class Plc:
    """Tells of the pieces that it is given, a batch at each read."""

    def __init__(self) -> None:
        self.status = LinkStatus(connected=True)
        self.sequence = 0
        self.boot = 1
        self._waiting: list[Records] = []

    def passes(self, piece: int, at_ns: int, station: int = STATION) -> None:
        self.sequence += 1
        event = np.zeros(1, EVENT)
        event["kind"], event["status"], event["boot_id"] = EventKind.SCANNED, ELSEWHERE, self.boot
        event["sequence"], event["piece_id"] = self.sequence, piece
        event["station"], event["event_ns"] = station, at_ns
        self._waiting.append(event)

    async def open(self, resume: Resume) -> None:
        """Nothing is to be opened."""

    def follow(self, resume: Resume) -> None:
        """Nobody stands by."""

    def hand_over(self, *, begins: bool) -> None:
        """Nobody stands by."""

    async def read(self) -> Records:
        self.status.polls += 1
        waiting, self._waiting = self._waiting, []
        return np.concatenate(waiting) if waiting else np.empty(0, EVENT)

    async def write(self, instructions: Records) -> None:
        """Nothing is instructed."""

    def acknowledge(self, sequence: int) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is to be closed."""


class Eye:
    """One scanner of one kind, its station's tie, and the line that reads both."""

    def __init__(self, window: Window, *, by_value: bool = False) -> None:
        settings = ScannerSettings(
            "eye", STATION, Endpoint("opc.tcp://x:4840", security_policy="None"),
            mode="last_scan_data" if by_value else "events",
            device="s=E", device_namespace="urn:e", window=window,
            trigger_field="Id" if window.by_trigger else "",
            trigger_namespace="urn:e" if window.by_trigger else "",
            codes=CodeFilter(no_read=("noread",)),
        )  # fmt: skip
        self.now_ns = START_NS
        self.plc = Plc()
        self.scanner = AutoIdScanner(settings, lambda: self.now_ns)
        self.adapter = TiedAdapter(self.plc, [self.scanner], lambda: self.now_ns)
        self._tie = self.adapter._ties[STATION]
        self._by_value = by_value
        self._number = 0
        self._next = 1
        self._asked = 0

    def message(self, draw: Draw) -> None:
        """Let something happen: at the scanner, at the PLC, or to time."""
        match draw.number(8):
            case 0:
                self.now_ns += draw.number(256) * draw.one((1, 40, 1000)) * NS_PER_MS
            case 1:
                station = draw.one((STATION, STATION, OTHER_STATION))
                ago_ns = draw.number(256) * NS_PER_MS
                self.plc.passes(1 + draw.number(PIECES), self.now_ns - ago_ns, station)
            case 2:
                self.plc.boot += draw.number(4) == 0
                self.turn()
            case 3:
                status = ua.StatusChangeNotification()
                status.Status = ua.StatusCode(draw.number(256) << 24)  # type: ignore[arg-type]
                self.publish(draw.one((status, None, 7)), drawn_instant(draw, self.now_ns))
            case _:
                told = (self._value if draw.number(2) else self._event)(draw)
                self.publish(told, drawn_instant(draw, self.now_ns), gap=draw.number(3))

    def publish(self, told: object, sent: Any, gap: int = 0) -> None:
        """Hand the client one message, as the library does."""
        self._number = (self._number + 1 + gap) % 2**32
        message = ua.NotificationMessage()
        message.SequenceNumber = ua.Counter(self._number)
        message.PublishTime = sent
        message.NotificationData = [told] if told is not None else None  # type: ignore[assignment]
        published = ua.PublishResult()
        published.NotificationMessage = message
        self.scanner._on_publish(published, AUTOID)

    def turn(self) -> dict[int, Any]:
        """Read once, as the line does; return the events by their pieces."""
        events = done(self.adapter.read())
        assert len(events) <= RELEASED_MAX
        count = len(events)
        assert events["sequence"].tolist() == list(range(self._next, self._next + count))
        self._next += count
        self._expect_bounded()
        return {int(event["piece_id"]): event for event in events}

    def ask(self) -> None:
        """A piece that is read as it should be gets its own code, whatever has been."""
        self._asked += 1
        piece, code = PIECES + self._asked, b"JD%012d" % self._asked
        # What is known of the clock, and what may still be tied, is forgotten.
        self.now_ns += LATE_KEEP_NS + AGE_MAX_NS
        self.turn()
        for _ in range(SAMPLES_MIN):
            self.now_ns += NS_PER_MS
            self.publish(None, at(self.now_ns))
        self.plc.passes(piece, self.now_ns)
        self.now_ns += 50 * NS_PER_MS
        self.publish(self._right(code, piece), at(self.now_ns))
        told: dict[int, Any] = {}
        for _ in range(ANSWER_TURNS):
            told |= self.turn()
            self.now_ns += 100 * NS_PER_MS
        event = told[piece]
        assert (int(event["status"]), int(event["code_count"])) == (0, 1)
        assert event["codes"][0].tobytes().rstrip(b"\0") == code

    def _right(self, code: bytes, piece: int) -> object:
        body = optical_result(code, self.now_ns - 10 * NS_PER_MS)
        result: Any = [
            ua.ExtensionObject(ua.NodeId(OPTICAL_ENCODING, AUTOID), body)  # type: ignore[arg-type]
        ]
        if self._by_value:
            read_at: Any = at(self.now_ns)
            return changed(ua.DataValue(ua.Variant(result), SourceTimestamp=read_at))
        return happened([
            ua.Variant(OPTICAL_EVENT), ua.Variant(at(self.now_ns)), ua.Variant(result),
            ua.Variant(piece),
        ][: 4 if self.scanner.window.by_trigger else 3])  # fmt: skip

    def _event(self, draw: Draw) -> object:
        results = [result(draw, self.now_ns) for _ in range(draw.number(6))]
        fields = [
            draw.one((OPTICAL_EVENT, OPTICAL_EVENT, node(3035, 0), None, "x")),
            drawn_instant(draw, self.now_ns),
            value(draw, self.now_ns) if draw.number(2) else results,
            draw.one((value(draw, self.now_ns), 1 + draw.number(PIECES))),
        ]
        count = 4 if self.scanner.window.by_trigger else 3
        if draw.number(16) == 15:
            count = draw.number(5)
        told = [variant(draw, one) for one in fields[:count]]
        return happened(told if draw.number(32) else None)

    def _value(self, draw: Draw) -> object:
        told = variant(draw, result(draw, self.now_ns) if draw.number(2) else value(draw, 0))
        code = draw.one((0, OVERFLOWED, 0x8000_0000, 0x80AB_0000, 0xDEAD_BEEF))
        return changed(
            ua.DataValue(
                told if draw.number(16) else None,
                StatusCode=ua.StatusCode(code),
                SourceTimestamp=drawn_instant(draw, self.now_ns),
            )
        )

    def _expect_bounded(self) -> None:
        assert len(self.adapter._held) <= HELD_MAX
        assert len(self.scanner._waiting) + len(self.scanner._undated) <= 2 * RESULTS_MAX
        assert len(self.scanner._device_clock._samples) <= SAMPLES_MAX
        assert len(self._tie._results) <= RESULTS_MAX
        assert len(self._tie._triggers) <= TRIGGERS_MAX
        assert all(len(one.candidates) <= CANDIDATES_MAX for one in self._tie._triggers)


class Scanners:
    """Scanners of each kind, each heard on and on."""

    def __init__(self) -> None:
        self._eyes = [Eye(BY_TRIGGER), Eye(WINDOW), Eye(WINDOW, by_value=True)]
        self.answered = 0
        """Inputs after which the valid piece went on with its code."""

    def __call__(self, data: bytes) -> None:
        """Let the input's messages happen, then ask for a valid piece."""
        if len(data) < 2:
            return
        draw = Draw(data)
        eye = draw.one(tuple(self._eyes))
        for _ in range(MESSAGES_MAX):
            if not draw.is_over:
                eye.message(draw)
        eye.ask()
        self.answered += 1


def at(ns: int) -> datetime:
    """Return an instant as the library gives it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000)


def happened(fields: list[ua.Variant] | None) -> ua.EventNotificationList:
    """Return the notification of one event."""
    return ua.EventNotificationList([ua.EventFieldList(ua.IntegerId(1), fields)])  # type: ignore[arg-type]


def changed(to: ua.DataValue) -> ua.DataChangeNotification:
    """Return the notification of one value."""
    item = ua.MonitoredItemNotification(ua.IntegerId(1), to)
    return ua.DataChangeNotification([item])


def done(reading: Coroutine[Any, Any, Records]) -> Records:
    """Return what a reading gives that waits for nothing."""
    try:
        reading.send(None)
    except StopIteration as stop:
        events: Records = stop.value
        return events
    raise AssertionError("the reading waits for something")
