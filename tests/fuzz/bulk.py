"""Slots in bulk: seeds mutated by the thousand, read in long runs, tracked and decided.

Where the guided fuzzer asks one question after each input, this asks three times in every sixteen
slots, and gets through millions. A slot that is not a question counts as one input.
"""

import json
import sys
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from plc_adapters.mailbox.codec import EventDecoder
from plc_adapters.mailbox.sequences import advance
from plc_adapters.mailbox.table import EVENT_SLOT
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import (
    FIRST_PIECE,
    Line,
    bounded,
    piece_slot,
    slots_of,
    told,
)

GROUP, GROUPS = 16, 24
"""Slots in a group, of which the last two are a valid piece; groups in a round."""
QUESTIONS = 2
FLIPS_MAX = 6
"""Registers of a slot that are changed, at most."""
CODES = [b"A001", b"1234", b"6901234567892", b"]C0A001", b"]d2A00", "连云港".encode(), b"\xff\xfe"]
_KIND, _PARTS = EVENT_SLOT.field("kind").offset, EVENT_SLOT.field("parts").offset
_CODE, _END = EVENT_SLOT.field("code").offset, EVENT_SLOT.field("sequence_end").offset
_PIECE = EVENT_SLOT.field("piece_id").offset
Slots = NDArray[np.uint16]


class Bulk:
    """Rounds of mutated slots through one decoder and one line."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._pool: Slots = np.array(
            [slot for data in seeds().values() for slot in slots_of(data[2:])], np.uint16
        )
        codes = [np.frombuffer(code.ljust(40, b"\0"), ">u2") for code in CODES]
        self._codes: Slots = np.array(codes, np.uint16)
        self._decoder = EventDecoder("big", "big")
        self._line = Line()
        self._expected = 1
        self._piece = FIRST_PIECE
        self.inputs = 0
        self.answered = 0

    def round(self) -> None:
        """Read, track and decide one round; every valid piece in it must be told."""
        slots = self._mutated(GROUP * GROUPS)
        first = self._piece
        for group in range(GROUPS):
            at = (group + 1) * GROUP - QUESTIONS
            slots[at] = piece_slot(1, self._piece)
            slots[at + 1] = piece_slot(2, self._piece)
            self._piece = self._piece + 1 if self._piece < 0x7FFF_0000 else FIRST_PIECE
        if self._piece < first:
            first = FIRST_PIECE
        numbers = np.array(
            [advance(self._expected, place) for place in range(len(slots))], np.uint64
        )
        for at in (0, _END):
            slots[:, at], slots[:, at + 1] = numbers >> 16, numbers & 0xFFFF
        before = self._expected
        events, self._expected = self._decoder.decode(slots.ravel().tolist(), before)
        assert self._expected == advance(before, len(slots))
        bounded(events)
        decisions = self._line.apply(events)
        self.answered += told(decisions, first, self._piece - first)
        self.inputs += (GROUP - QUESTIONS) * GROUPS

    def _mutated(self, count: int) -> Slots:
        """Return seeds with registers, codes, kinds and parts changed; some slots all noise."""
        draw = self._random
        slots: Slots = self._pool[draw.integers(0, len(self._pool), count)].copy()
        for _ in range(FLIPS_MAX):
            rows = np.flatnonzero(draw.random(count) < 0.4)
            at = draw.integers(0, EVENT_SLOT.size, len(rows))
            noise = draw.integers(0, 0x1_0000, len(rows))
            bit = 1 << draw.integers(0, 16, len(rows))
            slots[rows, at] = np.where(draw.random(len(rows)) < 0.5, noise, slots[rows, at] ^ bit)
        coded = np.flatnonzero(draw.random(count) < 0.3)
        slots[coded, _CODE:_END] = self._codes[draw.integers(0, len(self._codes), len(coded))]
        known = np.flatnonzero(draw.random(count) < 0.7)
        slots[known, _KIND] = draw.integers(0, 9, len(known))
        parts = np.flatnonzero(draw.random(count) < 0.5)
        few = draw.integers(0, 6, len(parts)) << 8 | draw.integers(0, 6, len(parts))
        slots[parts, _PARTS] = few
        same = np.flatnonzero(draw.random(count) < 0.5)
        slots[same, _PIECE] = 0
        slots[same, _PIECE + 1] = draw.integers(0, 8, len(same))
        wild = np.flatnonzero(draw.random(count) < 0.05)
        slots[wild] = draw.integers(0, 0x1_0000, (len(wild), EVENT_SLOT.size))
        # A valid piece's number is no other's: what is asked must not be answered before.
        slots[:, _PIECE] &= 0x3FFF
        return slots


def resident_kib() -> int:
    """Return the memory that this process holds now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * 4


def run(inputs: int, seed: int) -> Iterator[dict[str, object]]:
    """Fuzz so many slots; yield what was found at each tenth."""
    bulk, began, warm = Bulk(seed), time.monotonic(), 0
    tenth = 1
    while bulk.inputs < inputs:
        bulk.round()
        warm = warm or resident_kib()
        if bulk.inputs >= inputs * tenth / 10:
            tenth += 1
            seconds = time.monotonic() - began
            yield {
                "target": "bulk",
                "inputs": bulk.inputs,
                "seed": seed,
                "seconds": round(seconds, 1),
                "inputs_per_second": round(bulk.inputs / seconds),
                "answered": bulk.answered,
                "kib_after_first_round": warm,
                "kib": resident_kib(),
                "crashes": 0,
            }


if __name__ == "__main__":
    for found in run(int(sys.argv[1]), int(sys.argv[2])):
        print(json.dumps(found), flush=True)  # noqa: T201
