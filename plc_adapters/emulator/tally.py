"""What the emulator counted: its own books, kept apart from the registers the service reads."""

from plc_adapters.contract import AnswerStatus, DischargeStatus

STEPS = 256
"""Linear steps per power of two: a latency is kept to within 1/256 of itself."""
BUCKETS = 32 * STEPS
"""Enough for 2**32 microseconds, more than an hour; what is longer counts in the last one."""
QUANTILES = (("p50", 0.5), ("p99", 0.99), ("p99_9", 0.999))


class Latencies:
    """Durations in microseconds, of any number, in bounded memory; the longest is exact."""

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self.count = 0
        self.longest_us = 0

    def add(self, duration_us: int) -> None:
        """Count a duration; one below 0 counts as 0."""
        duration_us = max(0, duration_us)
        octave = max(0, duration_us.bit_length() - STEPS.bit_length())
        bucket = octave * STEPS + (duration_us >> octave)
        self._counts[min(bucket, BUCKETS - 1)] += 1
        self.count += 1
        self.longest_us = max(self.longest_us, duration_us)

    def quantile(self, share: float) -> int:
        """Return the duration that so great a share did not exceed; 0 while there is none."""
        wanted = share * self.count
        seen = 0
        for upper_us, number in self.spectrum():
            seen += number
            if seen >= wanted:
                return upper_us
        return self.longest_us

    def spectrum(self) -> list[tuple[int, int]]:
        """Return (longest duration, number) of every bucket that is not empty, shortest first."""
        found: list[tuple[int, int]] = []
        for bucket, number in enumerate(self._counts):
            if number:
                octave = max(0, bucket // STEPS - 1)
                upper_us = (((bucket - octave * STEPS) + 1) << octave) - 1
                found.append((min(upper_us, self.longest_us), number))
        return found

    def as_dict(self) -> dict[str, int]:
        """Return count, quantiles and maximum for JSON."""
        quantiles = {name: self.quantile(share) for name, share in QUANTILES}
        return {"count": self.count, **quantiles, "max": self.longest_us}


class Tally:
    """Counts since the start of the emulator."""

    def __init__(self, default_chute: int) -> None:
        self._default_chute = default_chute
        self.inducted = 0
        self.scanned = 0
        self.no_reads = 0
        self.recirculated = 0
        """Passes of the scanner on a lap after the first."""
        self.ended = dict.fromkeys(DischargeStatus, 0)
        self.answers = dict.fromkeys(AnswerStatus, 0)
        self.deadline_misses = 0
        """Laps of a piece on which an alive host answered too late or not at all."""
        self.two_instructions = 0
        """Instructions accepted though the same piece, lap and revision had one; must stay 0."""
        self.revised = 0
        """Instructions accepted in place of one of a lower revision."""
        self.held_back = 0
        """Cells that passed a waiting piece empty because the host lagged with the events."""
        self.astray = 0
        """Pieces that fell into a chute which no instruction named for them, the default one left
        out: true mis-sorts, whether or not the program knows."""
        self.stuck_together = 0
        """Pieces that stuck to another one and have no id of their own."""
        self.unknown_edges = 0
        """Edges at a photo-eye where no piece was expected."""
        self.too_close = 0
        """Pieces not turned out because the wheels could take a neighbour along."""
        self.repeated = 0
        """Events reported twice, as asked for."""
        self.late_cycles = 0
        """Cycles that began more than one cycle late."""
        self.cycle_late_max_us = 0
        self.latency = Latencies()
        """From the instant a piece passed the scanner until its program accepted the first answer.

        The first instant is that of the metal, not of the cycle that noticed it, and pieces come
        at their own pace: a stall of whatever stands between counts for every piece it held up.
        """
        self.arrival = Latencies()
        """The same until the answer stood in the registers: without the last cycle's wait."""
        self._accepted: dict[int, tuple[int, int, tuple[int, ...]]] = {}

    def note_late_cycle(self, late_us: int) -> None:
        """Count a cycle that began so much later than it should have."""
        self.late_cycles += 1
        self.cycle_late_max_us = max(self.cycle_late_max_us, late_us)

    def accept(self, piece_id: int, lap: int, revision: int, chutes: tuple[int, ...]) -> None:
        """Check an accepted instruction against the one accepted before it for that piece."""
        before = self._accepted.get(piece_id)
        if before is not None and before[0] == lap:
            self.two_instructions += revision <= before[1]
            self.revised += revision > before[1]
        self._accepted[piece_id] = (lap, revision, chutes)

    def land(self, piece_id: int, chute: int) -> None:
        """Check where a piece fell, as the metal has it; 0 for one that the PLC does not know."""
        if piece_id and chute != self._default_chute:
            accepted = self._accepted.get(piece_id)
            self.astray += accepted is None or chute not in accepted[2]

    def end(self, piece_id: int, status: DischargeStatus) -> None:
        """Count a piece that left the sorter."""
        self.ended[status] += 1
        self._accepted.pop(piece_id, None)

    @property
    def ended_count(self) -> int:
        """Pieces that left the sorter in any way."""
        return sum(self.ended.values())

    @property
    def defaulted_count(self) -> int:
        """Pieces that went to the default chute without being told to."""
        return (
            self.ended[DischargeStatus.DEFAULT_NO_INSTRUCTION]
            + self.ended[DischargeStatus.DEFAULT_HOST_SILENT]
            + self.ended[DischargeStatus.DEFAULT_LAP_LIMIT]
        )

    def as_dict(self) -> dict[str, object]:
        """Return all counts for JSON."""
        ended = {status.name.lower(): number for status, number in self.ended.items()}
        return {
            "inducted": self.inducted,
            "scanned": self.scanned,
            "no_reads": self.no_reads,
            "recirculated": self.recirculated,
            "removed": ended.pop("removed"),
            "lost": ended.pop("lost"),
            "discharged": ended,
            "answers": {status.name.lower(): number for status, number in self.answers.items()},
            "revised": self.revised,
            "deadline_misses": self.deadline_misses,
            "two_instructions": self.two_instructions,
            "latency_us": self.latency.as_dict(),
            "arrival_us": self.arrival.as_dict(),
            "astray": self.astray,
            "stuck_together": self.stuck_together,
            "unknown_edges": self.unknown_edges,
            "too_close": self.too_close,
            "held_back": self.held_back,
            "repeated": self.repeated,
            "late_cycles": self.late_cycles,
            "cycle_late_max_us": self.cycle_late_max_us,
        }
