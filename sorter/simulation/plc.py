"""The simulated PLC: the emulator's program on virtual time, and what it really said and did.

What is noted here comes from the PLC's own side and passes no codec, so that what the service holds
can be compared with it.
"""

import asyncio
import random
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from plc_adapters.contract import EventKind
from sorter.simulation.plant import FOLDER
from sorter.simulation.settings import Settings
from sorter.simulation.trace import Trace, Violation

DOWN_MS = (50, 400)
"""How long a PLC needs to start anew."""


class Told(NamedTuple):
    """An event as the PLC told it."""

    kind: int
    status: int
    piece_id: int
    chute: int
    lap: int


@cache
def _file() -> tuple[Any, Any]:
    """Return the emulator's file and chutes; imported by name, as no adapter is built in."""
    file, chutes = import_module("plc_adapters.emulator.config").load_config(
        FOLDER / "emulator.toml"
    )
    return file, chutes


class SimulatedPlc:
    """One line's PLC and metal, over all its boots."""

    def __init__(
        self,
        seed: int,
        settings: Settings,
        trace: Trace,
        now_ns: Callable[[], int],
        strip: Callable[[Any], None],
    ) -> None:
        self.told: dict[tuple[int, int], Told] = {}
        """By boot and sequence."""
        self.acknowledged: dict[int, int] = {}
        """Newest acknowledged sequence of each boot."""
        self.feeding = True
        self.down = False
        self.inducted = 0
        self.two_instructions = 0
        self.stale_accepted = 0
        self.restarts = 0
        self.repeats = 0.0
        self.fates = {"discharge_failure": 0.0, "missorted": 0.0, "jam": 0.0, "lost": 0.0,
                      "removed": 0.0}  # fmt: skip
        self._seed = seed
        self._settings = settings
        self._trace = trace
        self._now_ns = now_ns
        self._strip = strip
        self._chance = random.Random(f"{seed}:plc")  # noqa: S311 - a run must be repeatable
        self._boot = 0
        self._highest_epoch = 0
        self._begun_ns = 0
        self._held: dict[int, Any] = {}
        self.sorter: Any = None

    def start(self) -> None:
        """Start a boot: memory and belt are empty."""
        file, chutes = _file()
        settings = self._settings
        self._boot += 1
        file = file.model_copy(
            update={
                "seed": self._seed + self._boot,
                "arrivals": file.arrivals.model_copy(
                    update={
                        "pieces_max": max(1, settings.pieces - self.inducted),
                        "pieces_per_hour": settings.pieces_per_hour,
                    }
                ),
                "plc": file.plc.model_copy(
                    update={
                        "cycle_ms": settings.cycle_ms,
                        "host_watchdog_ms": settings.watchdog_ms,
                        "first_sequence": self._chance.choice((1, 0xFFFFFFF0)),
                    }
                ),
                "chances": file.chances.model_copy(
                    update={**self.fates, "repeated_event": self.repeats}
                ),
            }
        )
        boot_id = 1000 + self._boot
        self._begun_ns = self._now_ns()
        self._highest_epoch = 0
        self._held = {}
        self.sorter = import_module("plc_adapters.emulator.build").build_sorter(
            file, chutes, boot_id
        )
        self._strip(self.sorter)
        # A boot that ends before its first cycle was told to forget nothing.
        self.acknowledged[boot_id] = int(self.sorter.program.ring.acknowledged)
        self._listen(boot_id, file.plc.first_sequence)
        self._trace.note("plc", f"boot {boot_id}")

    @property
    def boot_id(self) -> int:
        """Id of the present boot."""
        return int(self.sorter.program.boot_id)

    @property
    def on_belt(self) -> int:
        """Pieces on the belt."""
        return len(self.sorter.program.pieces)

    @property
    def exhausted(self) -> bool:
        """Whether no further piece will come."""
        plant = self.sorter.plant
        return bool(plant.exhausted) and plant.waiting() == 0

    def now_us(self) -> int:
        """Return the plant's own time."""
        return (self._now_ns() - self._begun_ns) // 1000

    async def run(self) -> None:
        """Run cycle after cycle; never returns."""
        while True:
            if not self.down:
                self.cycle()
            await asyncio.sleep(self._settings.cycle_ms / 1000)

    def cycle(self) -> None:
        """Run one scan cycle, and look at what it did."""
        program = self.sorter.program
        before = program.tally.two_instructions
        program.cycle(self.now_us())
        self.two_instructions += program.tally.two_instructions - before
        epoch = int(program.seats.granted_epoch)
        if epoch < self._highest_epoch:
            raise Violation(3, f"the PLC went from epoch {self._highest_epoch} to {epoch}")
        if epoch > self._highest_epoch:
            self._trace.note("plc", f"grants epoch {epoch}")
        self._highest_epoch = epoch
        self.acknowledged[self.boot_id] = int(program.ring.acknowledged)
        self._watch_instructions(program)
        if self.two_instructions:
            raise Violation(3, "the PLC took two instructions of one piece, lap and revision")

    def _watch_instructions(self, program: Any) -> None:
        """Check that what was accepted in this cycle came from the host that may instruct."""
        seats = program.seats
        for piece in program.pieces.values():
            held = piece.held
            if held is None or self._held.get(piece.piece_id) is held:
                continue
            self._held[piece.piece_id] = held
            if held.epoch != seats.granted_epoch or held.seat != seats.granted_seat:
                raise Violation(
                    3, f"the PLC took an instruction of epoch {held.epoch}, seat {held.seat}, while"
                    f" epoch {seats.granted_epoch}, seat {seats.granted_seat} is granted",
                )  # fmt: skip
        if len(self._held) > 4 * len(program.pieces) + 64:
            self._held = {number: self._held[number] for number in program.pieces
                          if number in self._held}  # fmt: skip

    async def restart(self) -> None:
        """Be down for a while, then start anew."""
        self.restarts += 1
        self.down = True
        self.inducted += int(self.sorter.tally.inducted)
        self._trace.note("plc", "loses power")
        await asyncio.sleep(self._chance.randint(*DOWN_MS) / 1000)
        self.start()
        self.down = False

    def _listen(self, boot_id: int, first_sequence: int) -> None:
        """Note every event that the program tells, with the sequence it will get."""
        ring = self.sorter.program.ring
        offer = ring.offer
        advance = import_module("plc_adapters.mailbox.sequences").advance
        last = first_sequence - 1

        def listen(report: Any) -> bool:
            nonlocal last
            taken = bool(offer(report))
            if taken:
                last = advance(last, report.slots)
                told = Told(int(report.kind), int(report.status), report.piece_id, report.chute,
                            report.lap)  # fmt: skip
                self.told[boot_id, last] = told
                if told.kind in (EventKind.DISCHARGED, EventKind.INSTRUCTED):
                    self._trace.note("plc", f"{last} {told}")
            return taken

        # What the program told while it was built is in the ring already.
        for report in list(ring._backlog):  # noqa: SLF001 - the emulator has no other way to look
            last = advance(last, report.slots)
            self.told[boot_id, last] = Told(
                int(report.kind), int(report.status), report.piece_id, report.chute, report.lap
            )
        ring.offer = listen

    def ended(self) -> dict[tuple[int, int], Told]:
        """Return how each piece of each boot ended, by boot and piece."""
        return {
            (boot, told.piece_id): told
            for (boot, _), told in self.told.items()
            if told.kind == EventKind.DISCHARGED
        }
