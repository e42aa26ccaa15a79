"""The PLC's events go on whole and in order, with the codes that are surely theirs."""

import asyncio
from collections.abc import Sequence

import numpy as np

from plc_adapters.autoid.codes import CodeFilter, CodeReader, Read
from plc_adapters.autoid.tie import NS_PER_MS, Result, Window
from plc_adapters.autoid.tied_adapter import HELD_MAX, RELEASED_MAX, ScannerStatus, TiedAdapter
from plc_adapters.contract import EVENT, EventKind, LinkStatus, Records, Resume, ScanStatus

START = 1_800_000_000_000 * NS_PER_MS
ELSEWHERE = ScanStatus.CODES_ELSEWHERE
BY_WINDOW = Window(offset_ms=0, window_ms=100, delivery_ms=100)


class Plc:
    """Tells what a test puts into it, a batch a read; polls an empty ring otherwise."""

    def __init__(self) -> None:
        self.status = LinkStatus(connected=True)
        self.batches: list[Records] = []
        self.calls: list[object] = []

    async def open(self, resume: Resume) -> None:
        self.calls.append(resume)

    def follow(self, resume: Resume) -> None:
        self.calls.append(("follow", resume))

    def hand_over(self, *, begins: bool) -> None:
        self.calls.append(("hand over", begins))

    async def read(self) -> Records:
        if self.status.connected:
            self.status.polls += 1
            if self.batches:
                return self.batches.pop(0)
        return np.empty(0, EVENT)

    async def write(self, instructions: Records) -> None:
        self.calls.append(instructions)

    def acknowledge(self, sequence: int) -> None:
        self.calls.append(sequence)

    async def close(self) -> None:
        self.calls.append("close")


class Eye:
    """A scanner of the tests."""

    def __init__(self, station: int, window: Window) -> None:
        self.name = f"eye{station}"
        self.station, self.window = station, window
        self.status = ScannerStatus()
        self.waiting: list[Result] = []
        self.is_open = False

    def open(self) -> None:
        self.is_open = True

    def take(self) -> list[Result]:
        taken, self.waiting = self.waiting, []
        return taken

    async def close(self) -> None:
        self.is_open = False


class World:
    def __init__(self, window: Window = BY_WINDOW, stations: Sequence[int] = (1,)) -> None:
        self.ms = 0
        self.plc = Plc()
        self.eyes = [Eye(station, window) for station in stations]
        self.adapter = TiedAdapter(self.plc, self.eyes, lambda: START + self.ms * NS_PER_MS)
        self.sequence = 0
        self._reader = CodeReader(CodeFilter())

    def tell(
        self, *kinds: tuple[EventKind, int, int, int], boot: int = 7, station: int = 1
    ) -> None:
        """Add a batch of events, each by kind, piece, status and instant in ms."""
        events = np.zeros(len(kinds), EVENT)
        for event, (kind, piece, status, ms) in zip(events, kinds, strict=True):
            self.sequence += 1
            event["kind"], event["piece_id"], event["status"] = kind, piece, status
            event["boot_id"], event["sequence"], event["station"] = boot, self.sequence, station
            event["event_ns"] = START + ms * NS_PER_MS
        self.plc.batches.append(events)

    def see(self, *codes: bytes, ms: int, trigger: int = 0, eye: int = 0) -> None:
        found = self._reader.read(map(Read, codes))
        now = START + self.ms * NS_PER_MS
        self.eyes[eye].waiting.append(Result(found, START + ms * NS_PER_MS, now, trigger))

    def read(self, ms: int) -> Records:
        self.ms = ms
        return asyncio.run(self.adapter.read())


def first_code(event: np.void) -> bytes:
    return bytes(event["codes"][0].tobytes().rstrip(b"\0"))


SCAN, OUT = EventKind.SCANNED, EventKind.DISCHARGED


def test_a_scan_goes_on_with_its_codes_and_what_followed_it_behind_it() -> None:
    world = World()
    world.tell((EventKind.INDUCTED, 1, 0, -500), (SCAN, 1, ELSEWHERE, 0), (OUT, 9, 1, 5))
    world.ms = 40
    world.see(b"JD001", ms=30)
    assert world.read(40)["sequence"].tolist() == [1]
    assert len(world.read(150)) == 0
    events = world.read(260)
    assert events["sequence"].tolist() == [2, 3]
    assert (first_code(events[0]), events[0]["code_count"], events[0]["status"]) == (b"JD001", 1, 0)
    assert world.eyes[0].status.ties.tied == 1


def test_nothing_is_held_without_a_trigger() -> None:
    world = World()
    world.tell((SCAN, 1, 0, 0), (SCAN, 2, ELSEWHERE, 1), station=3)
    events = world.read(1)
    assert events["status"].tolist() == [0, ELSEWHERE]
    assert world.adapter.unknown_stations == 1


def test_both_pieces_of_an_ambiguous_result_say_so_and_carry_no_code() -> None:
    world = World()
    world.tell((SCAN, 1, ELSEWHERE | ScanStatus.ABORTED_FULL, 0), (SCAN, 2, ELSEWHERE, 50))
    world.ms = 80
    world.see(b"JD001", ms=70)
    assert len(world.read(80)) == 0
    events = world.read(400)
    ambiguous = ScanStatus.TIE_AMBIGUOUS
    assert events["status"].tolist() == [ambiguous | ScanStatus.ABORTED_FULL, ambiguous]
    assert not events["codes"].any()
    assert not events["code_count"].any()


def test_a_dead_scanner_makes_no_reads_that_say_so() -> None:
    world = World()
    world.tell((SCAN, 1, ELSEWHERE, 0))
    assert len(world.read(10)) == 0
    events = world.read(400)
    assert (events["status"].tolist(), events["code_count"].tolist()) == ([ELSEWHERE], [0])
    assert world.eyes[0].status.ties.unanswered == 1


def test_a_scanner_that_tells_of_a_no_read_is_no_dead_scanner() -> None:
    world = World()
    world.tell((SCAN, 1, ELSEWHERE, 0))
    world.ms = 20
    world.see(ms=10)
    world.read(20)
    assert world.read(400)["status"].tolist() == [0]


def test_an_event_waits_while_the_plc_cant_be_reached() -> None:
    world = World()
    world.tell((SCAN, 1, ELSEWHERE, 0))
    world.ms = 20
    world.see(b"JD002", ms=90)
    world.read(20)
    world.plc.status.connected = False
    assert len(world.read(5000)) == 0
    world.plc.status.connected = True
    world.tell((SCAN, 2, ELSEWHERE, 60))
    world.read(5001)
    assert world.read(5002)["status"].tolist() == [ScanStatus.TIE_AMBIGUOUS] * 2


def test_a_restarted_plc_lets_go_of_what_was_held() -> None:
    world = World(Window(0, 100, 100, by_trigger=True))
    world.tell((SCAN, 1, ELSEWHERE, 0))
    assert len(world.read(1)) == 0
    world.tell((SCAN, 1, ELSEWHERE, 30), boot=8)
    assert world.read(31)["boot_id"].tolist() == [7]
    world.see(b"JD001", ms=40, trigger=1)
    events = world.read(41)
    assert (events["boot_id"].tolist(), first_code(events[0])) == ([8], b"JD001")


def test_what_is_held_is_bounded_and_loses_no_event() -> None:
    world = World()
    world.plc.status.polls = 0
    for _ in range((HELD_MAX + 300) // 100):
        world.tell(*((SCAN, 1 + world.sequence, ELSEWHERE, 0) for _ in range(100)))
    got: list[int] = []
    while world.plc.batches:
        events = world.read(1)
        assert len(events) <= RELEASED_MAX
        got += events["sequence"].tolist()
    assert got
    assert world.sequence - len(got) <= HELD_MAX
    while events := world.read(1000).tolist():
        got += [event[EVENT.names.index("sequence")] for event in events]  # type: ignore[union-attr]
    assert got == list(range(1, world.sequence + 1))


def test_two_stations_do_not_mix() -> None:
    world = World(stations=(1, 2))
    world.tell((SCAN, 1, ELSEWHERE, 0), station=1)
    world.tell((SCAN, 2, ELSEWHERE, 0), station=2)
    world.ms = 20
    world.see(b"JD002", ms=10, eye=1)
    world.read(20)
    world.read(21)
    events = world.read(400)
    assert [first_code(event) for event in events] == [b"", b"JD002"]
    assert events["status"].tolist() == [ELSEWHERE, 0]


def test_the_rest_goes_to_the_plc() -> None:
    world = World()
    instructions = np.empty(0, EVENT)

    async def use() -> None:
        await world.adapter.open(Resume(1, 2, 3))
        assert world.eyes[0].is_open
        await world.adapter.write(instructions)
        world.adapter.acknowledge(5)
        world.adapter.hand_over(begins=True)
        world.adapter.follow(Resume(1, 2, 3))
        await world.adapter.close()

    asyncio.run(use())
    assert world.plc.calls == [
        Resume(1, 2, 3),
        instructions,
        5,
        ("hand over", True),
        ("follow", Resume(1, 2, 3)),
        "close",
    ]
    assert not world.eyes[0].is_open
