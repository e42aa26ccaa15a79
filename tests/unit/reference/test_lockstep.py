"""The reference program, run as it is printed, does in every cycle what the emulator's PLC does."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plc_adapters.contract import ChuteState
from plc_adapters.emulator.config import load_config
from plc_adapters.reference.constants import Size
from plc_adapters.reference.render import as_st
from tests.unit.emulator.conftest import CHUTES, TOML
from tests.unit.reference import lockstep
from tests.unit.reference.lockstep import EVENTS_AT, SEATS_AT, Pair, Reference
from tests.unit.reference.machine import TrapError

SEAT, MACHINE_STATE, HEAD_AT, INSTRUCTION_SLOTS = 584, 9, 12, 32
SLOTS = 32
TROUBLE = (
    "arrivals.pieces_per_hour=12000", "emptying.empty_after_ms=2000",
    "emptying.clear_jam_ms=3000", "chances.no_read=0.1", "chances.unknown_weight=0.2",
    "chances.discharge_failure=0.05", "chances.missorted=0.1", "chances.jam=0.03",
    "chances.removed=0.08", "chances.lost=0.08",
)  # fmt: skip
LABELS = "codes,weight_g,length_mm,width_mm,height_mm\n" + "".join(
    "|".join(f"]C0P{n:03d}-{i}" for i in range(n % 5 or 1))
    + "x" * (45 * (n % 5 == 4 or n % 4 == 0))
    + f",{100 * n},300,200,100\n"
    for n in range(1, 30)
)
"""Pieces of one to four codes, the last of them sometimes too long."""


class Folder:
    """A site's files, made once."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "emulator.toml"
        self.file.write_text(TOML.replace("repeat_labels = false", ""), encoding="utf-8")
        (folder / "chutes.csv").write_text(CHUTES, encoding="utf-8")
        (folder / "labels.csv").write_text(LABELS, encoding="utf-8")
        (folder / "plain.csv").write_text(LABELS[: LABELS.index("\n", 60) + 1], encoding="utf-8")

    def pair(self, *keys: str, backlog_slots: int = 512) -> Pair:
        return Pair(*load_config(self.file, keys), backlog_slots)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("lockstep"))


class Host:
    """Two hosts' hands on the registers: some of what they do is right."""

    def __init__(self, pair: Pair, seed: int = 0) -> None:
        self.pair = pair
        self.chance = random.Random(seed)
        self.alive = [False, False]
        self.epochs = [0, 0]
        self.beats = [0, 0]
        self.written = [0, 0]
        self.answering = -1
        self.answers = True
        self.acknowledging = True
        self.read = self.head()
        self.scanned: list[tuple[int, int]] = []
        self.seen: Counter[tuple[int, int]] = Counter()

    def u32(self, at: int) -> int:
        return self.pair.registers[at] << 16 | self.pair.registers[at + 1]

    def head(self) -> int:
        return self.u32(HEAD_AT)

    def run(self, cycles: int) -> None:
        for _ in range(cycles):
            for seat in (0, 1):
                if self.alive[seat]:
                    self.beats[seat] = (self.beats[seat] + 1) % 65536
                    self.pair.write(SEATS_AT + seat * SEAT, [self.beats[seat]])
            self.pair.cycle()
            self.poll()

    def poll(self) -> None:
        """Read what is new, and answer and acknowledge as a good host does, if it is one now."""
        while self.read != self.head():
            self.read = self.read % (2**32 - 1) + 1
            at = EVENTS_AT + self.read % SLOTS * 40
            slot = self.pair.registers[at : at + 40]
            assert slot[0] << 16 | slot[1] == self.read
            if slot[17] >> 8:
                continue
            self.seen[slot[2], slot[3]] += 1
            if slot[2] == 2:
                self.scanned.append((slot[4] << 16 | slot[5], slot[9]))
                if self.answering >= 0 and self.answers:
                    chutes = self.chance.sample(range(1, 10), self.chance.randrange(5))
                    piece, lap = self.scanned[-1]
                    self.instruct(self.answering, piece, lap, chutes)
        if self.answering >= 0 and self.acknowledging:
            self.acknowledge(self.answering, self.read)

    def acknowledge(self, seat: int, value: int) -> None:
        self.pair.write(SEATS_AT + seat * SEAT + 3, [value >> 16, value & 0xFFFF])

    def claim(self, seat: int, epoch: int) -> None:
        self.epochs[seat] = epoch
        self.pair.write(SEATS_AT + seat * SEAT + 1, [epoch >> 16, epoch & 0xFFFF])

    def instruct(
        self, seat: int, piece: int, lap: int, chutes: list[int], *, revision: int = 0,
        epoch: int | None = None, spoil: int = 0, skip: int = 0,
    ) -> None:  # fmt: skip
        sequence = self.written[seat]
        for _ in range(1 + skip):
            sequence = sequence % (2**32 - 1) + 1
        if not skip:
            self.written[seat] = sequence
        said = self.epochs[seat] if epoch is None else epoch
        body = [said >> 16, said & 0xFFFF, piece >> 16, piece & 0xFFFF, lap, revision]
        body += [*chutes, 0, 0, 0, 0][:4]
        body += [self.chance.randrange(40), 0, 7, self.chance.randrange(65536), 99]
        check = (sum(body) + spoil) % 65536
        at = SEATS_AT + seat * SEAT + 8 + sequence % INSTRUCTION_SLOTS * 18
        self.pair.write(at, [*body, check, sequence >> 16, sequence & 0xFFFF])


def good(host: Host, seat: int = 0, epoch: int = 1) -> None:
    """Let a host sit down that does everything right from now on."""
    host.claim(seat, epoch)
    host.alive[seat] = True
    host.answering = seat


def test_a_good_host_for_a_minute_of_trouble(folder: Folder) -> None:
    pair = folder.pair(*TROUBLE, "chances.several_codes=0.2", "chances.jam=0.1", "plc.lap_limit=1")
    host = Host(pair)
    good(host)
    host.run(12_000)
    kinds = {kind for kind, _ in host.seen}
    assert kinds == {1, 2, 3, 4, 5}
    ways = {status for kind, status in host.seen if kind == 4}
    assert ways >= {1, 4, 5, 6, 7}, "sorted, at the lap limit, removed, lost, missed"
    aborted = {status & 112 for kind, status in host.seen if kind == 2}
    assert aborted >= {0, 16, 32, 64}
    assert {status & 3 for kind, status in host.seen if kind == 2} >= {0, 1, 3}
    assert host.seen[3, 1] > 100
    assert pair.emulated.program.ring.overflow_count == 0


def test_a_machine_with_packml_inducts_in_its_execute(folder: Folder) -> None:
    pair = folder.pair("plc.packml=true")
    host = Host(pair)
    good(host)
    host.run(2_000)
    assert host.seen[1, 0] > 5
    assert pair.registers[MACHINE_STATE] == 106


@pytest.mark.parametrize(("sorting", "waiting"), [(2, 4), (106, 105), (111, 111)])
def test_a_machine_that_would_sort_waits_for_its_first_host(sorting: int, waiting: int) -> None:
    reference = Reference(Size(), {"waitforhost": True}, {})
    reference.happen = lambda: None
    for _ in range(3):
        reference.cycle(77, 5, 0, sorting)
    assert reference.registers[MACHINE_STATE] == waiting
    assert not reference.tell("MayInduct", 1)
    reference.host_write(SEATS_AT + 1, [0, 1])
    for beat in range(3):
        reference.host_write(SEATS_AT, [beat + 1])
        reference.cycle(77, 5, 0, sorting)
    assert reference.registers[MACHINE_STATE] == sorting
    assert reference.tell("MayInduct", 1) == (sorting in (2, 106))


PIECES = st.one_of(st.integers(0, 5), st.just(2**32 - 1))
ACTIONS = st.one_of(
    st.tuples(st.just("run"), st.integers(1, 400)),
    st.tuples(st.just("alive"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("claim"), st.integers(0, 1), st.sampled_from([0, 1, 2, 3, 4, 2**32 - 1])),
    st.tuples(st.just("answering"), st.integers(-1, 1)),
    st.tuples(st.just("acknowledging"), st.booleans()),
    st.tuples(st.just("acknowledge"), st.integers(0, 1), st.integers(-40, 3)),
    st.tuples(st.just("takeover"), st.integers(0, 1)),
    st.tuples(
        st.just("instruct"), st.integers(0, 1), st.integers(0, 8), st.integers(-1, 1),
        st.lists(st.sampled_from([0, 1, 2, 3, 5, 8, 9, 10, 1023, 65535]), max_size=4),
        st.integers(0, 3), st.sampled_from([None, None, None, 0, 1, 2**32 - 1]),
        st.sampled_from([0, 0, 0, 1]), st.sampled_from([0, 0, 0, 1, 31]),
    ),
)  # fmt: skip


def do(host: Host, action: tuple[Any, ...]) -> None:
    match action:
        case ("run", cycles):
            host.run(cycles)
        case ("alive", seat, alive):
            host.alive[seat] = alive
        case ("claim", seat, epoch):
            host.claim(seat, epoch)
        case ("answering", seat):
            host.answering = seat
        case ("acknowledging", on):
            host.acknowledging = on
        case ("acknowledge", seat, beyond):
            host.acknowledge(seat, (host.head() + beyond) % 2**32)
        case ("takeover", seat):
            good(host, seat, max(host.epochs) % (2**32 - 1) + 1)
        case ("instruct", seat, back, laps, chutes, revision, epoch, spoil, skip):
            known = host.scanned[-1 - back % len(host.scanned)] if host.scanned else (back, 0)
            piece, lap = known if back < 7 else (back, 0)
            host.instruct(
                seat, piece, max(0, lap + laps), chutes,
                revision=revision, epoch=epoch, spoil=spoil, skip=skip,
            )  # fmt: skip


@settings(
    max_examples=50, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(seed=st.integers(0, 1000), actions=st.lists(ACTIONS, min_size=10, max_size=60))
def test_whatever_hosts_do(folder: Folder, seed: int, actions: list[tuple[Any, ...]]) -> None:
    near_the_wrap = [
        f"plc.first_sequence={2**32 - 1 - seed}", f"plc.first_piece_id={2**32 - 5}",
        f"plc.first_time_ms={2**32 - 1 - 10 * seed}",
    ] if seed % 2 else []  # fmt: skip
    waiting = f"plc.wait_for_host={str(seed % 3 == 0).lower()}"
    pair = folder.pair(*TROUBLE, *near_the_wrap, waiting, f"seed={seed}")
    host = Host(pair, seed)
    host.read = pair.emulated.program.ring.head
    good(host)
    host.run(300)
    for action in actions:
        do(host, action)
    host.run(50)


def test_every_answer_is_given(folder: Folder) -> None:
    pair = folder.pair("arrivals.pieces_per_hour=12000")
    host = Host(pair)
    good(host)
    host.answers = False
    while not host.scanned:
        host.run(1)
    piece, lap = host.scanned[0]
    for chutes, how in (
        ([8], {"spoil": 1}), ([0, 8], {}), ([10], {}), ([1023], {}), ([65535], {}),
        ([8], {"epoch": 9}), ([8], {}), ([7], {}), ([6], {"revision": 2}), ([5], {"revision": 1}),
        ([], {"revision": 3}), ([2], {"revision": 4}),
    ):  # fmt: skip
        host.instruct(0, piece, lap, chutes, **how)
    host.instruct(0, 4_000_000, 0, [1])
    host.instruct(0, piece, lap + 1, [1])
    host.instruct(1, piece, lap, [1], epoch=1)
    host.run(1)
    answers = {status: n for (kind, status), n in host.seen.items() if kind == 3}
    assert answers == {1: 4, 2: 2, 3: 2, 4: 2, 6: 5}
    known = len(host.scanned)
    while len(host.scanned) == known:
        host.run(1)
    host.run(250)
    host.instruct(0, *host.scanned[known], [1])
    host.run(1)
    assert host.seen[3, 5] == 1, "chute 1 is a second from the scanner"


def test_a_silent_host_and_its_successor(folder: Folder) -> None:
    pair = folder.pair("arrivals.pieces_per_hour=12000")
    host = Host(pair)
    good(host, 0, 5)
    host.run(1000)
    host.alive = [False, False]
    host.answering = -1
    host.run(2000)
    assert pair.registers[21] == 1
    assert host.seen[4, 3] > 0, "into the default chute, as the host is silent"
    held_back = pair.emulated.tally.held_back
    assert held_back, "the ring fills, and no piece is inducted"
    good(host, 1, 6)
    host.run(2000)
    assert (host.u32(18), pair.registers[20], pair.registers[21]) == (6, 1, 0)
    host.instruct(0, host.scanned[-1][0], 0, [1], epoch=5)
    host.run(1)
    assert host.seen[3, 2] == 1, "the host before is refused"


def fill(pair: Pair) -> list[bool]:
    """Let events come one by one until the ring is full; whether a piece may be inducted, each."""
    free = next(cell for cell in range(40) if cell not in pair.watched._by_cell)
    allowed = []
    for _ in range(SLOTS):
        pair.watched.on_chute_state(1, ChuteState.OPEN, pair.now_us)
        allowed.append(pair.watched.may_load(free))
    return allowed


def test_inductions_wait_while_three_quarters_of_the_ring_are_taken(folder: Folder) -> None:
    pair = folder.pair("arrivals.pieces_per_hour=1")
    assert fill(pair) == [taken < 24 for taken in range(2, SLOTS + 2)]
    pair.cycle()


def test_instructions_go_on_over_the_wrap_of_their_sequence(folder: Folder) -> None:
    pair = folder.pair("arrivals.pieces_per_hour=12000")
    host = Host(pair)
    start = 2**32 - 10
    pair.emulated.program.seats.consumed[0] = start
    pair.reference.sorter.consumed[0] = start
    host.written[0] = start
    good(host)
    host.run(4000)
    assert host.seen[3, 1] > 20
    assert host.written[0] < 2**31


def test_what_finds_no_room_is_lost_and_counted_alike(folder: Folder) -> None:
    pair = folder.pair(
        "arrivals.pieces_per_hour=12000", "plc.backlog_events_max=16", "chances.jam=0.5",
        "emptying.clear_jam_ms=50", "emptying.empty_every_ms=100", "labels=plain.csv",
        backlog_slots=16,
    )  # fmt: skip
    host = Host(pair)
    good(host)
    host.acknowledging = False
    for number in range(60):
        host.run(20)
        for _ in range(number % 3):
            host.instruct(0, number, 0, [1])
    assert pair.emulated.program.ring.overflow_count > 5
    host.acknowledging = True
    host.run(2000)


WRONG = (
    ("Sequence >= SEQUENCE_LAST", "Sequence > SEQUENCE_LAST"),
    ("SEQUENCE_LAST - Earlier + Later + 1", "SEQUENCE_LAST - Earlier + Later"),
    ("Sorter.Taken.Revision <= Sorter", "Sorter.Taken.Revision < Sorter"),
    ("AND Steps <= Distance", "AND Steps < Distance"),
    ("Earlier := Sorter.Acknowledged) > EVENT_SLOTS", "Earlier := Sorter.Acknowledged) > 24"),
    ("Claim > Highest", "Claim >= Highest"),
    (">= Sorter.WatchdogMs", "> Sorter.WatchdogMs"),
    ("Sorter.TakenLap > Sorter.Pieces[Cell].Lap", "Sorter.TakenLap >= Sorter.Pieces[Cell].Lap"),
    ("FOR Index := 0 TO INSTRUCTION_CHECK - 1 DO", "FOR Index := 0 TO INSTRUCTION_CHECK DO"),
    ("Sorter.HostSilent AND Highest", "Highest"),
    ("Sorter.Pieces[Cell].Lap < Sorter.LapLimit", "Sorter.Pieces[Cell].Lap <= Sorter.LapLimit"),
    ("Taken < NEARLY_FULL", "Taken <= NEARLY_FULL"),
    ("ELSIF Sorter.HostSilent THEN", "ELSIF NOT Sorter.HostSilent THEN"),
    ("Sorter.Draft.Held := Sorter.Pieces[Cell].Held", "Sorter.Draft.Held := Sorter.Taken"),
)


@pytest.mark.parametrize(("right", "wrong"), WRONG)
def test_a_program_with_one_fault_is_found_out(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, right: str, wrong: str
) -> None:
    def spoiled(size: Size) -> str:
        text = as_st(size)
        assert text.count(right) == 1, right
        return text.replace(right, wrong)

    monkeypatch.setattr(lockstep, "_text", spoiled)
    with pytest.raises((AssertionError, TrapError)):
        everything(folder)


def everything(folder: Folder) -> None:
    """A bit of all that the tests above do."""
    wraps = [
        f"plc.first_sequence={2**32 - 40}", f"plc.first_piece_id={2**32 - 9}",
        f"plc.first_time_ms={2**32 - 26_000}",
    ]  # fmt: skip
    pair = folder.pair(*TROUBLE, *wraps, "plc.lap_limit=1")
    host = Host(pair)
    host.read = host.head()
    good(host, 0, 5)
    host.run(4500)
    for revision in (0, 0, 2, 1):
        host.instruct(0, *host.scanned[-1], [8], revision=revision)
        host.instruct(0, *host.scanned[-1], [7], revision=revision, spoil=1)
    host.claim(1, 9)
    host.run(600)
    host.alive[0], host.answering = False, -1
    host.claim(1, 0)
    host.run(3000)
    host.claim(0, 7)
    host.claim(1, 7)
    host.run(400)
    host.epochs[0] = 7
    good(host, 0, 7)
    host.run(800)
    host.acknowledging = False
    fill(pair)
