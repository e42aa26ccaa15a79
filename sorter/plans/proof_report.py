"""What a proof found: each fault once, with its first case as a concrete barcode."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

FINDINGS_MAX = 100
"""Findings told one by one; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Case:
    """One piece that shows a finding."""

    barcode: str
    """What the scanner reads; codes are parted by blanks, empty for none."""
    pre_advice: str
    """Its row: waybill,brand,service_class,destination; empty where it has none."""
    closed_chute: int
    """The chute that is out of order in this case, 0 for none."""
    path: tuple[str, ...]
    """The way of the decision, step by step."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``text`` names the culprit and what to do."""

    kind: str
    text: str
    cases: int
    """How many of the cases asked show it."""
    example: Case | None


@dataclass(frozen=True, slots=True)
class Proof:
    """What was asked, and what does not hold."""

    name: str
    centre: str
    destinations: int
    cases: int
    """Destinations times brands times service classes, unknown ones included."""
    decisions: int
    """Decisions asked: of every case with the machine whole; with a chute out of one case for each
    group, brand and service class that could have gone there."""
    labels: int
    """Route labels asked: every row of the network's tables, in each form its brand shows."""
    deliberate: int
    """Cases whose route is to group ``none``."""
    spare: tuple[int, ...]
    failures: tuple[Finding, ...]
    warnings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing failed."""
        return not self.failures


@dataclass(slots=True)
class _Entry:
    kind: str
    text: str
    example: Case | None
    cases: int


_Table = dict[tuple[str, Hashable], _Entry]


@dataclass(slots=True)
class Verdicts:
    """Collects findings; what is found again for the same key is only counted."""

    _failures: _Table = field(default_factory=dict)
    _warnings: _Table = field(default_factory=dict)

    def fail(
        self, kind: str, key: Hashable, text: str, example: Callable[[], Case] | None = None,
        cases: int = 1,
    ) -> None:  # fmt: skip
        """Note what must not be in so many cases; ``example`` is asked for the first time only."""
        _note(self._failures, kind, key, text, example, cases)

    def warn(
        self, kind: str, key: Hashable, text: str, example: Callable[[], Case] | None = None,
        cases: int = 1,
    ) -> None:  # fmt: skip
        """Note what is worth a second look."""
        _note(self._warnings, kind, key, text, example, cases)

    def failures(self) -> tuple[Finding, ...]:
        """Return what must not be."""
        return _findings(self._failures)

    def warnings(self) -> tuple[Finding, ...]:
        """Return what is worth a second look."""
        return _findings(self._warnings)


def _note(
    table: _Table, kind: str, key: Hashable, text: str, example: Callable[[], Case] | None,
    cases: int,
) -> None:  # fmt: skip
    entry = table.get((kind, key))
    if entry is None:
        table[kind, key] = _Entry(kind, text, example() if example else None, cases)
    else:
        entry.cases += cases


def _findings(table: _Table) -> tuple[Finding, ...]:
    found = [Finding(e.kind, e.text, e.cases, e.example) for e in table.values()]
    hidden = found[FINDINGS_MAX:]
    if not hidden:
        return tuple(found)
    more = Finding(
        "more", f"{len(hidden)} more findings are not listed; mend these first", len(hidden), None
    )
    return (*found[:FINDINGS_MAX], more)
