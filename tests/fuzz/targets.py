"""What is fuzzed: registers into events, those into decisions; what scanners tell
(:mod:`tests.fuzz.scanners`). Each input ends with a question.

After every input the same decoder is given a valid event, and must answer it as if nothing had
been; what it keeps must stay bounded.
"""

import struct
from collections.abc import Callable

import numpy as np

from bench import naive
from bench.naive_arrays import chute_records, plan_arrays, pre_advice_arrays
from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    CHUTES_MAX,
    CODES_MAX,
    LAPS_MAX,
    STATION_NUMBER_MAX,
    AdapterError,
    Disposition,
    EventKind,
    Records,
)
from plc_adapters.mailbox.codec import ByteOrder, EventDecoder, decode_header, decode_seat_head
from plc_adapters.mailbox.proof import prove_layout
from plc_adapters.mailbox.sequences import advance, distance
from plc_adapters.mailbox.table import EVENT_SLOT, HEADER, SEAT_HEAD
from sorter.assignment.decider import Decider
from sorter.line.tracking import Tracking
from tests.fuzz.scanners import Scanners

SLOTS_MAX = 4
"""Slots of one input, at most."""
ORDERS: tuple[ByteOrder, ByteOrder] = ("big", "little")
SLOT_BYTES = 2 * EVENT_SLOT.size
ROWS = 1024
NOW_NS = 1_800_000_000_000_000_000
_END = EVENT_SLOT.field("sequence_end").offset
_KIND, _PARTS = EVENT_SLOT.field("kind").offset, EVENT_SLOT.field("parts").offset
_CODE = EVENT_SLOT.field("code").offset
_PIECE = EVENT_SLOT.field("piece_id").offset
_STATION = EVENT_SLOT.field("station").offset
SCANNER = 255
WAYBILL = b"A001"
FIRST_PIECE = 0x4000_0000
D = Disposition

Target = Callable[[bytes], None]


class Codec:
    """One decoder for each order of words and bytes, each fed on and on."""

    def __init__(self) -> None:
        self._decoders = [EventDecoder(words, text) for words in ORDERS for text in ORDERS]
        self._expected = [1, 0xFFFF_FFFE, 7, 0xFFFF_FF00]
        self.answered = 0
        """Inputs after which the valid event was answered."""

    def __call__(self, data: bytes) -> None:
        """Read the input as slots (and as a header, and a seat), then ask for a valid event."""
        if len(data) < 2:
            return
        which, shape = data[0] & 3, data[1]
        self.headers(data[2:], ORDERS[which >> 1])
        self.slots(which, slots_of(data[2:]), shape)
        self._ask(which)

    def headers(self, data: bytes, order: ByteOrder) -> None:
        """Read the input as a header and as a seat; a wrong one is told, never a crash."""
        registers = registers_of(data, HEADER.size)
        header = decode_header(registers, order)
        assert 0 <= header.head_sequence <= 0xFFFF_FFFF
        decode_seat_head(registers[: SEAT_HEAD.size], order)
        try:
            prove_layout(registers, "fuzz", order, order)
        except AdapterError as error:
            assert str(error).startswith("fuzz: ")

    def slots(self, which: int, slots: list[list[int]], shape: int) -> Records:
        """Decode slots that claim the sequence expected, but where ``shape`` says otherwise."""
        decoder, expected = self._decoders[which], self._expected[which]
        registers: list[int] = []
        for place, slot in enumerate(slots):
            if not shape >> place & 1:
                number(slot, advance(expected, place), ORDERS[which >> 1])
            if shape >> 4 + place & 1:
                slot[_KIND] = EventKind.SCANNED
            registers += slot
        before = decoder.malformed
        events, self._expected[which] = decoder.decode(registers, expected)
        came = distance(self._expected[which], expected)
        assert 0 <= came <= len(slots)
        assert len(events) <= came + 1
        assert before <= decoder.malformed <= before + 3 * len(slots)
        bounded(events)
        return events

    def _ask(self, which: int) -> None:
        """A valid event is read as if nothing had been."""
        decoder, expected = self._decoders[which], self._expected[which]
        asked = valid(expected, ORDERS[which >> 1])
        events, self._expected[which] = decoder.decode(asked, expected)
        assert self._expected[which] == advance(expected, 1)
        last = events[-1]
        assert (last["kind"], last["sequence"], last["piece_id"]) == (
            EventKind.INDUCTED,
            expected,
            0x0001_0203,
        )
        assert len(decoder.flush()) == 0
        self.answered += 1


class Line:
    """Events into tracked pieces and decisions: a line without its clock and its link."""

    def __init__(self) -> None:
        plan = fuzz_plan()
        chutes = {
            number: naive.Chute(1_000_000, 10**9)
            for group in plan.groups.values()
            for number in group.chutes
        }
        self._tracking = Tracking(chute_records(chutes), rows=ROWS)
        advice = {b"A001": naive.Advice(1, 0, 320706), b"1234": naive.Advice(2, 0, 320722)}
        self._decider = Decider(plan_arrays(plan), pre_advice_arrays(advice))
        self._chutes = [0, *chutes]
        self._boot = 0

    def apply(self, events: Records) -> Records:
        """Apply events as those of a new boot, which ends all pieces before; return decisions."""
        self._boot = self._boot % 0xFFFF_FFFF + 1
        events["boot_id"] = self._boot
        events["event_ns"] = events["host_receive_ns"] = NOW_NS
        rows, _ = self._tracking.apply(events)
        assert rows.max(initial=-1) < ROWS
        decisions = self._decider.decide(events, rows, self._tracking, NOW_NS)
        assert len(decisions) <= np.count_nonzero(events["kind"] == EventKind.SCANNED)
        assert np.isin(decisions["chutes"], self._chutes).all()
        assert np.isin(decisions["disposition"], list(D)).all()
        return decisions


class Scans:
    """Slots into events, and those into decisions."""

    def __init__(self) -> None:
        self._codec = Codec()
        self._line = Line()
        self._piece = FIRST_PIECE
        self.answered = 0
        """Inputs after which a valid scan was decided as it should be."""

    def __call__(self, data: bytes) -> None:
        """Send the input through, then a piece that must be told by its waybill."""
        if len(data) < 2:
            return
        self._line.apply(self._codec.slots(0, slots_of(data[2:]), data[1]))
        self._piece += 1
        slots = [piece_slot(kind, self._piece) for kind in (1, 2)]
        decisions = self._line.apply(self._codec.slots(0, slots, 0))
        self.answered += told(decisions, self._piece, 1)


def told(decisions: Records, first_piece: int, count: int) -> int:
    """Check that these pieces were each told by their waybill; return how many there are."""
    mine = decisions[
        (decisions["piece_id"] >= first_piece) & (decisions["piece_id"] < first_piece + count)
    ]
    assert len(mine) == count
    assert (mine["waybill_length"] == len(WAYBILL)).all()
    assert (mine["waybill"][:, : len(WAYBILL)] == np.frombuffer(WAYBILL, np.uint8)).all()
    return count


def fuzz_plan() -> naive.Plan:
    """Return a plan with a brand of letters and one of bare digits."""
    exceptions = (
        D.NO_READ, D.CONFLICT, D.NOT_A_WAYBILL, D.UNKNOWN_DESTINATION, D.NO_ROUTE, D.LAP_LIMIT,
    )  # fmt: skip
    return naive.Plan(
        version=3,
        lap_limit=2,
        margin_ns=0,
        brands=[["A[0-9]{3}"], ["[0-9]{4}"]],
        places={"3207": 0},
        routes=[{(0, 0): 1, (1, 0): 1, (2, 0): 1}],
        classes=1,
        groups={1: naive.Group([11, 12], "balanced", overflow=2), 2: naive.Group([50], "ordered")},
        exceptions=dict.fromkeys(exceptions, 2),
        others=[("product", "6[0-9]{12}")],
    )


def registers_of(data: bytes, count: int) -> list[int]:
    """Return so many registers of the input, zeros where it ends."""
    return list(struct.unpack(f">{count}H", data[: 2 * count].ljust(2 * count, b"\0")))


def slots_of(data: bytes) -> list[list[int]]:
    """Return the input as whole slots, at least one, the last filled up with zeros."""
    ends = range(0, min(len(data), SLOTS_MAX * SLOT_BYTES) or 1, SLOT_BYTES)
    return [registers_of(data[at:], EVENT_SLOT.size) for at in ends]


def number(slot: list[int], sequence: int, order: ByteOrder) -> None:
    """Write a sequence to both ends of a slot."""
    words = [sequence >> 16, sequence & 0xFFFF]
    slot[0:2] = slot[_END : _END + 2] = words if order == "big" else words[::-1]


def valid(sequence: int, order: ByteOrder) -> list[int]:
    """Return the slot of an induction of piece 16#00010203."""
    slot = [0] * EVENT_SLOT.size
    words = [0x0001, 0x0203]
    slot[_KIND] = EventKind.INDUCTED
    slot[_PIECE : _PIECE + 2] = words if order == "big" else words[::-1]
    number(slot, sequence, order)
    return slot


def piece_slot(kind: int, piece: int) -> list[int]:
    """Return a slot of that kind for that piece, in big order; a scan shows the waybill."""
    slot = [0] * EVENT_SLOT.size
    slot[_KIND] = kind
    slot[_PIECE : _PIECE + 2] = [piece >> 16, piece & 0xFFFF]
    slot[EVENT_SLOT.field("cell").offset] = 1
    if kind == EventKind.SCANNED:
        slot[_PARTS], slot[_STATION] = 1, SCANNER
        slot[_CODE : _CODE + 2] = struct.unpack(">2H", WAYBILL)
    return slot


def bounded(events: Records) -> None:
    """Everything that arrays are indexed by is within its limit."""
    if not len(events):
        return
    assert events["station"].max() <= STATION_NUMBER_MAX
    assert events["chute"].max() <= CHUTE_NUMBER_MAX
    assert events["lap"].max() <= LAPS_MAX
    assert events["code_count"].max() <= CODES_MAX
    assert events["chutes"].shape == (len(events), CHUTES_MAX)
    assert events["chutes"].max() <= CHUTE_NUMBER_MAX
    assert events["sequence"].min() > 0


def targets() -> dict[str, Codec | Scans | Scanners]:
    """Return each target by its name, freshly made."""
    return {"codec": Codec(), "scans": Scans(), "scanners": Scanners()}
