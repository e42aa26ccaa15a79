"""Puts a sorter together from its file: registers, program, metal, books."""

from dataclasses import dataclass

from plc_adapters.emulator.config import ChuteRow, EmulatorFile
from plc_adapters.emulator.labels import endless, listed, read_labels
from plc_adapters.emulator.memory import Memory
from plc_adapters.emulator.plant import Plant
from plc_adapters.emulator.plc import PlcProgram
from plc_adapters.emulator.tally import Tally


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
            "on_loop": len(program.pieces),
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
    tally = Tally()
    plc = file.plc
    memory = Memory(plc.event_slots, plc.word_order, plc.string_byte_order)
    program = PlcProgram(file, chutes, memory, tally, plc.boot_id or boot_id)
    plant = Plant(file, chutes, prints, program)
    program.plant = plant
    return Sorter(file, memory, program, plant, tally)
