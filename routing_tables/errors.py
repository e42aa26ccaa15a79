"""Errors of tables: one line for each, every one of them at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field

PROBLEMS_MAX = 100
"""Problems told one by one; the rest are counted. A table in the wrong encoding has thousands."""


class TableError(Exception):
    """Tables are wrong. Each of ``problems`` names file, line, field, and what to do."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(slots=True)
class Problems:
    """Collects problems up to :data:`PROBLEMS_MAX` and counts what comes after."""

    _lines: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, where: object, what: str) -> None:
        """Note a problem; ``where`` is a file, or a file with line or key."""
        self.extend((f"{where}: {what}",))

    def extend(self, lines: Iterable[str]) -> None:
        """Note problems that are whole lines already."""
        for line in lines:
            self.count += 1
            if len(self._lines) < PROBLEMS_MAX:
                self._lines.append(line)

    def lines(self) -> tuple[str, ...]:
        """Return the problems, and as the last line how many more there are."""
        hidden = self.count - len(self._lines)
        more = (f"{hidden} more problems are not listed; mend these first",) if hidden else ()
        return (*self._lines, *more)

    def raise_any(self) -> None:
        """Raise :class:`TableError` if there is any problem."""
        if self.count:
            raise TableError(*self.lines())
