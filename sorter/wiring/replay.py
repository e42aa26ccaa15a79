"""A line's journal decided once more, with the plans and the pre-advice that its site keeps."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from sorter.assignment.arrays import PlanArrays, PreAdviceArrays, no_pre_advice
from sorter.config import SiteFile
from sorter.errors import ConfigError
from sorter.journal.format import segments
from sorter.journal.reader import entries
from sorter.line.again import Again, Compared, Sources
from sorter.plans.image import map_image
from sorter.plans.scans import Span
from sorter.plans.versions import need_version
from sorter.wiring.paths import StatePaths

Progress = Callable[[float], None]

SECOND_NS = 1_000_000_000


def replay(
    site: SiteFile, line: str, span: Span | None = None, progress: Progress | None = None
) -> Compared:
    """Decide what a line journaled once more, and compare; may run beside the line.

    Args:
        site: The site.
        line: One of its lines, by name.
        span: By instant of decision; all that the journal holds if None.
        progress: Called with the share read, 0 to 1.

    Raises:
        ConfigError: there is no journal.
        JournalError: a segment is of another version of the service, or a snapshot is damaged.
    """
    state = StatePaths(site.site.state_dir)
    folder = state.journal / line
    numbers = segments(folder)
    if not numbers:
        raise ConfigError(
            f"{folder}: no journal there; give the site file of the service that sorted, on the "
            "machine that has its state_dir"
        )
    first = _first_segment(numbers, span)
    numbers = [number for number in numbers if number >= first]
    sources = Sources(
        lru_cache(lambda version: _plan(state.versions(line), version)),
        lru_cache(maxsize=2)(lambda name: _pre_advice(state.plans, name)),
    )
    again = Again(sources, *((span.begin_ns, span.end_ns) if span else ()))
    for number, read, entry in entries(folder, 0, first):
        if span and number * SECOND_NS >= span.end_ns:
            break
        again.take(entry)
        if progress:
            progress((sum(n < number for n in numbers) + min(read, 1.0)) / len(numbers))
    return again.found


def _first_segment(numbers: list[int], span: Span | None) -> int:
    """Return the newest segment begun before the span: each is numbered by its first second."""
    if span is None:
        return 0
    return max((number for number in numbers if number * SECOND_NS < span.begin_ns), default=0)


def _plan(folder: Path, version: int) -> PlanArrays:
    return map_image(need_version(folder, version).image, PlanArrays)[0]


def _pre_advice(folder: Path, name: str) -> PreAdviceArrays:
    if not name:
        return no_pre_advice()
    if not (folder / name).exists():
        raise ConfigError(f"{name}: this pre-advice was replaced and is not kept any more")
    return map_image(folder / name, PreAdviceArrays)[0]
