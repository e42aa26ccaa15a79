"""The line protocol that drives an image of plain memory; see ``tests/interop/node/image.mjs``."""

SEATS, EVENTS = 40, 1208


def apply(line: str, registers: list[int]) -> None:
    """Write the runs of one line."""
    for run in line.strip().split(";"):
        if run:
            at, _, digits = run.partition(":")
            values = [int(digits[i : i + 4], 16) for i in range(0, len(digits), 4)]
            registers[int(at) : int(at) + len(values)] = values


class Answers:
    """What to answer a line with."""

    def __init__(self) -> None:
        self._last = ""

    def to(self, registers: list[int]) -> str:
        seats = "".join(f"{value:04x}" for value in registers[SEATS:EVENTS])
        answer = "=" if seats == self._last else seats
        self._last = seats
        return answer
