"""A sorter in virtual time and a host that speaks to its registers by hand-typed addresses."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from plc_adapters.emulator.build import Sorter, build_sorter
from plc_adapters.emulator.config import load_config

TOML = """
chutes = "chutes.csv"
labels = "labels.csv"
repeat_labels = false

[listen]
port = 0

[plc]
default_chute = 9
lap_limit = 3
event_slots = 32

[loop]
length_mm = 20000
speed_mm_s = 2000
cell_pitch_mm = 500
scanner = 11

[arrivals]
pieces_per_hour = 7200
spacing = "fixed"

[[stations]]
number = 1
position_mm = 18000
"""
"""A lap takes 10 s, station to scanner 1 s, scanner to chute n: 0.5 s + n times 0.5 s."""
CHUTES = "chute,position_mm,capacity_pieces\n" + "".join(
    f"{number},{1000 + 1000 * number},{3 if number < 9 else 100}\n" for number in range(1, 10)
)
LABELS = "codes,weight_g,length_mm,width_mm,height_mm\n" + "".join(
    f"]C0P{number:03d},{100 * number},300,200,100\n" for number in range(1, 41)
)

HEARTBEAT, MACHINE_STATE, HEAD = 8, 9, 12
GRANTED_EPOCH, GRANTED_SEAT, HOST_SILENT = 18, 20, 21
CONSUMED, DEFAULTED = 24, 32
SEAT_AT = (40, 624)
RING_AT = 1208


@dataclass
class Seen:
    """An event as the host reads it from its slots."""

    sequence: int
    kind: int
    status: int
    piece: int
    station: int
    chute: int
    cell: int
    lap: int
    time_ms: int
    weight: int
    codes: list[bytes]
    raw: list[int]


@dataclass
class Rig:
    """The sorter, its virtual time, and a host in one seat."""

    sorter: Sorter
    slots: int = 32
    now_us: int = 0
    seat: int = 0
    alive: bool = False
    acknowledging: bool = True
    read: int = 0
    written: int = 0
    events: list[Seen] = field(default_factory=list)
    beat: int = 0
    epoch: int = 1

    def u32(self, at: int) -> int:
        registers = self.sorter.memory.registers
        return registers[at] << 16 | registers[at + 1]

    @property
    def heartbeat(self) -> int:
        return self.sorter.memory.registers[HEARTBEAT]

    @property
    def machine_state(self) -> int:
        return self.sorter.memory.registers[MACHINE_STATE]

    @property
    def head(self) -> int:
        return self.u32(HEAD)

    @property
    def granted(self) -> tuple[int, int]:
        """Epoch and seat."""
        return self.u32(GRANTED_EPOCH), self.sorter.memory.registers[GRANTED_SEAT]

    @property
    def host_silent(self) -> int:
        return self.sorter.memory.registers[HOST_SILENT]

    @property
    def defaulted(self) -> int:
        return self.u32(DEFAULTED)

    def put(self, at: int, values: list[int]) -> bool:
        return self.sorter.memory.host_write(at, values, self.now_us)

    def claim(self, epoch: int, seat: int = 0) -> None:
        self.seat, self.epoch, self.alive = seat, epoch, True
        self.written = self.u32(CONSUMED + 2 * seat)
        self.step()

    def step(self) -> None:
        """One PLC cycle of 5 ms, and what the host does around it."""
        if self.alive:
            self.beat = (self.beat + 1) & 0xFFFF
            self.put(SEAT_AT[self.seat], [self.beat, self.epoch >> 16, self.epoch & 0xFFFF])
        self.now_us += 5000
        self.sorter.program.cycle(self.now_us)
        self.poll()

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 200)):
            self.step()

    def poll(self) -> None:
        while True:
            expected = 1 if self.read == 0xFFFFFFFF else self.read + 1
            at = RING_AT + expected % self.slots * 40
            if self.u32(at) != expected or self.u32(at + 38) != expected:
                break
            self.read = expected
            self.keep(expected, at)
        if self.alive and self.acknowledging:
            self.put(SEAT_AT[self.seat] + 3, [self.read >> 16, self.read & 0xFFFF])

    def keep(self, sequence: int, at: int) -> None:
        raw = self.sorter.memory.registers[at : at + 40]
        part, codes = raw[17] >> 8, raw[17] & 0xFF
        text = b"".join(word.to_bytes(2, "big") for word in raw[18:38]).rstrip(b"\0")
        if part == 0:
            weight = raw[12] << 16 | raw[13]
            signed = weight - (weight >> 31 << 32)
            piece, time_ms = raw[4] << 16 | raw[5], raw[10] << 16 | raw[11]
            kind, status = raw[2:4]
            station, chute, cell, lap = raw[6:10]
            seen = Seen(
                sequence, kind, status, piece, station, chute, cell, lap, time_ms, signed, [], raw
            )
            self.events.append(seen)
        if codes:
            self.events[-1].codes.append(text)
            self.events[-1].sequence = sequence

    def instruct(
        self,
        piece: int,
        *chutes: int,
        lap: int = 0,
        revision: int = 0,
        epoch: int | None = None,
        spoil: int = 0,
        seat: int | None = None,
    ) -> int:
        """Write an instruction as the layout says; return its sequence."""
        seat = self.seat if seat is None else seat
        epoch = self.epoch if epoch is None else epoch
        self.written += 1
        body = [epoch >> 16, epoch & 0xFFFF, piece >> 16, piece & 0xFFFF, lap, revision]
        body += [*chutes, 0, 0, 0, 0][:4]
        body += [1, 0, 7, 0, 4242]
        check = (sum(body) + spoil) & 0xFFFF
        at = SEAT_AT[seat] + 8 + self.written % 32 * 18
        assert self.put(at, [*body, check, self.written >> 16, self.written & 0xFFFF])
        return self.written

    def of(self, kind: int, piece: int | None = None) -> list[Seen]:
        return [e for e in self.events if e.kind == kind and piece in (None, e.piece)]

    def until(self, kind: int, piece: int, seconds: float = 30.0) -> Seen:
        """Run until an event of that kind and piece that was not there before."""
        before = len(self.of(kind, piece))
        for _ in range(round(seconds * 200)):
            self.step()
            found = self.of(kind, piece)
            if len(found) > before:
                return found[-1]
        raise AssertionError(f"no event of kind {kind} for piece {piece} in {seconds} s")


class Bench:
    """Makes rigs from the small site, with keys replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "emulator.toml"
        self.config.write_text(TOML, encoding="utf-8")
        (folder / "chutes.csv").write_text(CHUTES, encoding="utf-8")
        (folder / "labels.csv").write_text(LABELS, encoding="utf-8")

    def rig(self, *settings: str, **attributes: Any) -> Rig:
        file, chutes = load_config(self.config, settings)
        return Rig(build_sorter(file, chutes, boot_id=77), file.plc.event_slots, **attributes)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)
