"""What a PLC was told: instructions as registers, and which of them it has echoed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from plc_adapters.contract import INSTRUCTION, Records
from plc_adapters.mailbox.codec import InstructionEncoder
from plc_adapters.mailbox.sequences import advance, distance
from plc_adapters.mailbox.table import INSTRUCTION_SLOT, INSTRUCTION_SLOTS

OUTSTANDING_MAX = INSTRUCTION_SLOTS - 1
"""Instructions without echo; one less than the slots, as the wrap skips one."""


@dataclass(slots=True)
class Sent:
    """An instruction that was written."""

    written_ns: int
    kept: bool
    """Whether its echo is wanted, not only that there was one."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an instruction says; the rest of it is made up."""

    piece_id: int
    epoch: int
    chutes: tuple[int, ...] = ()
    lap: int = 0
    revision: int = 0


class Told:
    """Instructions of this host, by sequence. An echo does not name its seat."""

    def __init__(self, encoder: InstructionEncoder) -> None:
        self._encoder = encoder
        self.given = 0
        """Sequence of the last instruction written."""
        self.sent: dict[int, Sent] = {}
        """Instructions without echo, by sequence."""
        self.echoes: dict[int, Records] = {}
        """Echoes by the sequence of their instruction."""
        self.written_ns: dict[int, int] = {}
        """When an instruction whose echo is kept was written."""

    @property
    def room(self) -> int:
        """How many more may be written before one is echoed."""
        return OUTSTANDING_MAX - len(self.sent)

    def next_sequence(self) -> int:
        """Return the sequence that the next instruction takes."""
        return advance(self.given, 1)

    def note(self, sequence: int, now_ns: int, *, kept: bool) -> None:
        """Expect an echo. One that another seat's instruction of that sequence had is forgotten."""
        self.echoes.pop(sequence, None)
        self.sent[sequence] = Sent(now_ns, kept)
        if kept:
            self.written_ns[sequence] = now_ns

    def hear(self, echo: Records) -> Sent | None:
        """Pair an echo with its instruction; None if none without echo has its sequence."""
        sequence = int(echo["instruction_sequence"][0])
        sent = self.sent.pop(sequence, None)
        if sent is not None and sent.kept:
            self.echoes[sequence] = echo
        return sent

    def encode(
        self, sequence: int, said: Said, plc_time_ms: int, spoil_check: int = 0
    ) -> list[int]:
        """Return the registers of an instruction that is due at once."""
        instruction = np.zeros(1, INSTRUCTION)
        instruction["sequence"], instruction["epoch"] = sequence, said.epoch
        instruction["piece_id"], instruction["lap"] = said.piece_id, said.lap
        instruction["revision"], instruction["disposition"] = said.revision, 1
        instruction["chutes"][0, : len(said.chutes)] = said.chutes
        deadline = np.array([plc_time_ms], np.uint32)
        registers: list[int] = self._encoder.encode(instruction, deadline)[0].tolist()
        check = INSTRUCTION_SLOT.field("check").offset
        registers[check] = registers[check] + spoil_check & 0xFFFF
        return registers

    def runs(self, count: int, words_per_write: int) -> Iterator[list[int]]:
        """Give out the next sequences, in runs whose slots stand side by side in one request."""
        room = words_per_write // INSTRUCTION_SLOT.size
        while count > 0:
            first = self.next_sequence()
            side_by_side = INSTRUCTION_SLOTS - first % INSTRUCTION_SLOTS
            sequences = [advance(first, place) for place in range(min(count, room, side_by_side))]
            # The wrap ends a run: the sequence after the highest stands in another slot.
            sequences = [s for s in sequences if distance(s, first) == s - first]
            self.given = sequences[-1]
            count -= len(sequences)
            yield sequences
