"""Puts a sorter together from its file: registers, program, metal, books."""

from collections.abc import Iterator
from dataclasses import dataclass

from plc_adapters.emulator.cells import CellTracking
from plc_adapters.emulator.conveyor import ConveyorPlant
from plc_adapters.emulator.faults import memory_of
from plc_adapters.emulator.labels import Print, endless, listed, read_labels
from plc_adapters.emulator.loop import LoopPlant
from plc_adapters.emulator.memory import Memory
from plc_adapters.emulator.plant import Plant
from plc_adapters.emulator.plc import PlcProgram
from plc_adapters.emulator.sections import ChuteRow, EmulatorFile
from plc_adapters.emulator.tally import Tally
from plc_adapters.emulator.windows import WindowTracking


@dataclass(frozen=True, slots=True)
class Sorter:
    """A whole emulated sorter without socket and clock: step it with ``program.cycle(now_us)``."""

    file: EmulatorFile
    memory: Memory
    program: PlcProgram
    plant: Plant
    tally: Tally

    def status(self) -> dict[str, object]:
        """Return what happened since the start, for JSON."""
        program, plant = self.program, self.plant
        return {
            "seconds": round(plant.now_us / 1e6, 3),
            "machine_state": program.machine_state.name,
            "boot_id": program.boot_id,
            "granted_epoch": program.seats.granted_epoch,
            "host_silent": program.seats.host_silent,
            "on_sorter": len(program.pieces),
            "waiting": plant.waiting(),
            "feed_stopped": plant.feed_stopped,
            "exhausted": plant.exhausted,
            "head_sequence": program.ring.head,
            "acknowledged": program.ring.acknowledged,
            "backlog": program.ring.backlog,
            "overflow": program.ring.overflow_count,
            **self.tally.as_dict(),
        }


def build_sorter(file: EmulatorFile, chutes: list[ChuteRow], boot_id: int) -> Sorter:
    """Build the sorter of a checked file; ``boot_id`` is used where the file gives none.

    Raises:
        EmulatorConfigError: the label file can't be used.
    """
    if file.labels is None:
        prints = endless(file.seed)
    else:
        prints = listed(read_labels(file.labels), repeat=file.repeat_labels)
    plc = file.plc
    tally = Tally(plc.default_chute)
    memory = memory_of(plc, file.faults)
    program = PlcProgram(file, chutes, memory, tally, plc.boot_id or boot_id)
    _put_together(file, chutes, prints, program, tally)
    return Sorter(file, memory, program, program.plant, tally)


def _put_together(
    file: EmulatorFile,
    chutes: list[ChuteRow],
    prints: Iterator[Print],
    program: PlcProgram,
    tally: Tally,
) -> None:
    """Give the program its metal, and what follows pieces on it."""
    signal = program.on_chute_state
    if file.loop is not None:
        loop = LoopPlant(file, file.loop, chutes, prints, signal, tally)
        cells = CellTracking(program, loop, chutes)
        loop.sensors = cells
        program.plant, program.tracking = loop, cells
    elif file.diverter is not None:
        conveyor = ConveyorPlant(file, file.diverter, chutes, prints, signal, tally)
        windows = WindowTracking(program, conveyor, file.diverter, file.stations[0], chutes, tally)
        conveyor.sensors = windows
        program.plant, program.tracking = conveyor, windows
