"""The timing diagrams: what they show is what the printed program does; drawn whole and current."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from plc_adapters.mailbox.register_map import MapError
from plc_adapters.mailbox.table import Writer
from plc_adapters.reference.constants import Size
from plc_adapters.reference.exchanges import EVENT_SLOTS, EXCHANGES, WATCHDOG_MS, Exchange, Lane
from plc_adapters.reference.timing import as_svg, as_text, names
from tests.unit.reference.lockstep import SEATS_AT, Reference

FOLDER = Path(__file__).parents[3] / "docs" / "timing"
CYCLE_MS = 5
BOOT_ID, RUNNING = 100, 2
SIZE = Size(event_slots=EVENT_SLOTS, cells=40, chutes=9, backlog_slots=64)
SETTINGS = {
    "defaultchute": 9, "laplimit": 3, "watchdogms": WATCHDOG_MS, "waitforhost": True,
    "lastsequence": 0, "lastpieceid": 0,
}  # fmt: skip


class Played:
    """An exchange on the printed program: the metal and the hosts do what the diagram says."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.boot_id = BOOT_ID
        self.now_ms = 0
        self.started = Reference(SIZE, SETTINGS, {9: 1_000_000})
        self.started.happen = self.metal
        self.to_do: list[str] = []

    def metal(self) -> None:
        tell, now = self.started.tell, self.started.sorter.timems
        for what in self.to_do:
            if what == "inducted":
                tell("PieceInducted", 1, 1, now)
            elif what == "scanned":
                tell("PieceScanned", 11, 1, now, 0)
            else:
                assert what == "default"
                tell("PieceLeft", 1, tell("ChutePassed", 1, 9, 1_000_000), 9, now)
        self.to_do = []

    def cycles(self, ms: int) -> None:
        for _ in range(ms // CYCLE_MS):
            self.now_ms += CYCLE_MS
            self.started.cycle(self.boot_id, CYCLE_MS, 0, RUNNING)

    def write(self, lane: Lane, value: int) -> None:
        words = [value >> 16, value & 0xFFFF] if lane.size == 2 else [value]
        if lane.block.name == "instruction slot":
            body = [0, self.value_of("epoch", lane.seat), 0, 1, 0, 0, 9, 0, 0, 0, 1, 0, 1, 0, 0]
            words = [*body, sum(body), *words]
            self.started.host_write(lane.address - 16, words)
        else:
            self.started.host_write(lane.address, words)

    def value_of(self, field: str, seat: int) -> int:
        for lane in self.exchange.lanes:
            if (lane.block.name, lane.field, lane.seat) == ("seat", field, seat):
                return lane.values[0]
        return 1

    def read(self, lane: Lane) -> int:
        words = self.started.registers[lane.address : lane.address + lane.size]
        return words[0] << 16 | words[1] if lane.size == 2 else words[0]

    def prepare(self) -> None:
        """Come to the first instant: the first host sits, and what the diagram begins with is."""
        self.cycles(CYCLE_MS)
        epoch = self.value_of("epoch", 0)
        self.started.host_write(SEATS_AT, [8, 0, epoch, 0, 0])
        self.cycles(CYCLE_MS)
        lanes = {lane.field: lane for lane in self.exchange.lanes if lane.writer is Writer.PLC}
        if "boot_id" in lanes:
            self.started.host_write(SEATS_AT + 8 + 18 + 16, [0, 1])
        self.to_do = self.exchange.instants[0].metal.split()
        self.cycles(CYCLE_MS)
        if "heartbeat" in lanes:
            self.started.sorter.heartbeat = lanes["heartbeat"].values[0] - 1
        for lane in self.exchange.lanes:
            if lane.writer is Writer.HOST and lane.field != "sequence":
                self.write(lane, lane.values[0])
        self.cycles(CYCLE_MS)


def seen(exchange: Exchange) -> Iterator[tuple[int, Lane, int]]:
    """Play an exchange; what each of the PLC's lanes shows at each instant."""
    played = Played(exchange)
    played.prepare()
    for number, instant in enumerate(exchange.instants):
        restarted = instant.metal == "restarted"
        if number:
            if restarted:
                played.started.program = played.started.machine.instance("SorterProgram")
                played.boot_id += 1
            elif instant.metal:
                played.cycles(instant.after_ms - CYCLE_MS)
                played.to_do = instant.metal.split(" at ")[-1].split()[:1]
                if instant.metal.startswith("at "):
                    played.to_do = ["default"]
                played.cycles(CYCLE_MS)
            if restarted or not instant.metal:
                played.cycles(instant.after_ms)
        for lane in exchange.lanes:
            if lane.writer is Writer.PLC or restarted:
                yield number, lane, played.read(lane)
            elif number and lane.values[number] != lane.values[number - 1]:
                played.write(lane, lane.values[number])


@pytest.mark.parametrize("exchange", EXCHANGES, ids=names())
def test_what_is_drawn_is_what_the_program_does(exchange: Exchange) -> None:
    wrong = [
        f"instant {number + 1}, {lane.name}: drawn {lane.values[number]}, is {value}"
        for number, lane, value in seen(exchange)
        if lane.values[number] != value
    ]
    assert not wrong


@pytest.mark.parametrize("exchange", EXCHANGES, ids=names())
def test_every_lane_has_a_value_for_every_instant(exchange: Exchange) -> None:
    assert {len(lane.values) for lane in exchange.lanes} == {len(exchange.instants)}


def test_committed_pictures_are_current() -> None:
    remedy = "draw them anew: make maps"
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(names())
    for name in names():
        assert (FOLDER / f"{name}.svg").read_text(encoding="utf-8") == as_svg(name), remedy


def test_pictures_hold_everything_within_their_frame() -> None:
    for name in ("", *names()):
        root = ET.fromstring(as_svg(name))
        width, height = int(root.get("width", "0")), int(root.get("height", "0"))
        texts = root.findall("{http://www.w3.org/2000/svg}text")
        for text in texts:
            x, y = int(text.get("x", "0")), int(text.get("y", "0"))
            letters = len(text.text or "") * 8
            end = x + letters // 2 if text.get("class") in ("value", "when", "number") else x
            assert 0 <= x <= end <= width
            assert 0 < y < height
        spots = [(text.get("x"), text.get("y")) for text in texts]
        assert len(spots) == len(set(spots)), "two texts lie on one another"
        for exchange in EXCHANGES:
            if name in ("", exchange.name):
                words = " ".join(text.text or "" for text in texts)
                assert all(lane.name in words for lane in exchange.lanes)


def test_text_has_every_lane_and_every_word() -> None:
    text = as_text()
    for exchange in EXCHANGES:
        assert as_text(exchange.name) in text
        joined = " ".join(text.split())
        assert all(" ".join(instant.said.split()) in joined for instant in exchange.instants)
        assert all(lane.name in text for lane in exchange.lanes)


def test_unknown_diagram_is_refused() -> None:
    for print_as in (as_text, as_svg):
        with pytest.raises(MapError, match="no 'x'; give one of answer, watchdog") as refused:
            print_as("x")
        assert refused.value.setting == "diagram"
