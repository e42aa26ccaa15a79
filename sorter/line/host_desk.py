"""What one line asks the upstream host and what it is told, bounded in both directions.

A question leaves the line once the piece's instruction is with the PLC; whoever asks the host
follows the questions and brings the answers, which wait here for the next turn of the loop.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import Disposition, Records
from sorter.assignment.answers import IN_TIME, LATE, UNUSED
from sorter.ports import BATCH_MAX, HOST_ANSWER, QUESTION, HostCount

ANSWERS_MAX = 2 * BATCH_MAX
"""Answers that wait for the next turn; what comes beyond is not taken and brought again."""
AWAITING, GONE_BY = int(Disposition.AWAITING_HOST), int(Disposition.HOST_LATE)
"""Dispositions of pieces that the host is asked for."""
NOTHING = np.zeros(0, HOST_ANSWER)
COUNTED = {UNUSED: HostCount.UNUSED, IN_TIME: HostCount.IN_TIME, LATE: HostCount.LATE}


class Questions(Protocol):
    """Where questions are left; takes them without waiting."""

    def put(self, questions: Records, now_ns: int) -> None:
        """Leave QUESTIONs whose instants are of the line's clock, on which it is now ``now_ns``."""


class NoQuestions:
    """Leaves questions with nobody: of a line that has no host to ask."""

    def put(self, questions: Records, now_ns: int) -> None:
        """Forget them."""


class HostDesk:
    """Questions out, answers in. Used by the line's own thread only."""

    def __init__(self, name: str = "", questions: Questions | None = None) -> None:
        """Know no brand and no class yet.

        Args:
            name: Of the line.
            questions: Where they are left.
        """
        self.counts = np.zeros(len(HostCount), np.int64)
        """int64[HostCount], since the process began."""
        self._name = name.encode()
        self._questions = questions or NoQuestions()
        self._brands: list[str] = [""]
        self._brand_numbers: dict[str, int] = {}
        self._class_numbers: dict[str, int] = {}
        self._waiting = np.zeros(ANSWERS_MAX, HOST_ANSWER)
        self._count = 0

    @property
    def waiting(self) -> int:
        """Answers that wait for the next turn, of ANSWERS_MAX."""
        return self._count

    def set_names(self, brands: Sequence[str], classes: Sequence[str]) -> None:
        """Tell the codes of brands and service classes by number; number 0 is none."""
        self._brands = list(brands)
        self._brand_numbers = {name: number for number, name in enumerate(brands) if number}
        self._class_numbers = {name: number for number, name in enumerate(classes) if number}

    def ask(self, decisions: Records, now_ns: int) -> None:
        """Leave a question for each decision that waits for the host, or has waited in vain."""
        waiting = _asked(decisions)
        if len(waiting):
            repeat = waiting["lap"] > 0
            self._put(waiting, waiting["deadline_ns"], repeat, now_ns)

    def ask_again(self, pieces: Records, chutes: Records, now_ns: int) -> None:
        """Leave the questions of pieces in flight once more: whoever had them may have died too.

        Args:
            pieces: PIECE, in flight.
            chutes: CHUTE by number.
            now_ns: The line's clock.
        """
        waiting = _asked(pieces)
        if len(waiting):
            last_ns = int(chutes["travel_ns"].max())
            always = np.ones(len(waiting), bool)
            self._put(waiting, waiting["scanned_ns"] + last_ns, always, now_ns)

    def _put(
        self, of: Records, answer_by_ns: NDArray[Any], repeat: NDArray[np.bool_], now_ns: int
    ) -> None:
        """Leave questions of DECISIONs or PIECEs."""
        questions = np.zeros(len(of), QUESTION)
        for field in ("boot_id", "piece_id", "lap", "waybill_length", "waybill"):
            questions[field] = of[field]
        questions["line"] = self._name
        known = len(self._brands)
        questions["brand"] = [
            self._brands[number].encode() if number < known else b""
            for number in of["brand"].tolist()
        ]
        questions["asked_ns"] = now_ns
        questions["answer_by_ns"] = answer_by_ns
        questions["repeat"] = repeat
        self._questions.put(questions, now_ns)
        self.counts[HostCount.QUESTIONS] += len(of)

    def offer(self, answers: Records, brands: Sequence[str], classes: Sequence[str]) -> int:
        """Take answers for the next turn; return how many, the first ones, had room.

        Args:
            answers: HOST_ANSWER[n]; their brands and classes are set here.
            brands: Code of each one's brand, empty where the answer has none.
            classes: Code of each one's service class, likewise.
        """
        room = min(len(answers), ANSWERS_MAX - self._count)
        taken = self._waiting[self._count : self._count + room]
        taken[:] = answers[:room]
        taken["brand"] = self._numbers(brands[:room], self._brand_numbers)
        taken["service_class"] = self._numbers(classes[:room], self._class_numbers)
        self._count += room
        self.counts[HostCount.REFUSED] += len(answers) - room
        return room

    def _numbers(self, names: Sequence[str], numbers: dict[str, int]) -> list[int]:
        found = [numbers.get(name, 0) for name in names]
        self.counts[HostCount.MISNAMED] += sum(
            bool(name) and not number for name, number in zip(names, found, strict=True)
        )
        return found

    def take(self, most: int) -> Records:
        """Return HOST_ANSWERs that wait, the oldest first and no more than that many."""
        count = min(self._count, most)
        if not count:
            return NOTHING
        taken = self._waiting[:count].copy()
        if count < self._count:
            self._waiting[: self._count - count] = self._waiting[count : self._count].copy()
        self._count -= count
        return taken

    def note_answers(self, became: NDArray[np.uint8]) -> None:
        """Count what became of answers, as the decision tells it."""
        for outcome, number in COUNTED.items():
            self.counts[number] += np.count_nonzero(became == outcome)

    def note_ended(self, pieces: Records) -> None:
        """Count the PIECEs among those that ended which the host said nothing of."""
        if len(pieces):
            late = pieces["disposition"] == Disposition.HOST_LATE
            self.counts[HostCount.UNANSWERED] += np.count_nonzero(late)


def _asked(of: Records) -> Records:
    """Return those of some DECISIONs or PIECEs that the host is asked for.

    After a kill a piece may be known to wait by the PLC's echo alone, before its waybill is: asked
    without one the host would say that it knows no such piece, and that would hold to its end.
    """
    disposition = of["disposition"]
    waits = (disposition == AWAITING) | (disposition == GONE_BY)
    asked: Records = of[waits & (of["waybill_length"] > 0)]
    return asked
