"""The metrics: read from the boards at every scrape, so that counting costs the line nothing.

Names, units and labels follow https://prometheus.io/docs/practices/naming: one prefix, base units,
``_total`` on counters, ratios from 0 to 1, and labels with few values (never a piece or a waybill).
Every child is there from the first scrape on, at 0.
"""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from sorter.errors import UnavailableError
from sorter.outlets.chute_metrics import chute_metrics
from sorter.outlets.families import Families
from sorter.outlets.host_metrics import HostCollector
from sorter.outlets.line_metrics import line_metrics
from sorter.outlets.pauses import GcPauses
from sorter.outlets.process_metrics import collections, line_process, recording
from sorter.outlets.reading import ProcessView, RecorderView
from sorter.outlets.scanner_metrics import scanner_metrics
from sorter.outlets.seat_metrics import seat_metrics, with_pieces
from sorter.outlets.sensor_metrics import SensorBoards, SensorCollector
from sorter.outlets.shadows import Shadows, shadow_metrics
from sorter.ports import HostStatus

View = TypeVar("View")


class LineBoards(Protocol):
    """Where the line process is read."""

    def read(self) -> ProcessView:
        """Return it as it stands; UnavailableError where there is nothing to read."""


class RecorderBoards(Protocol):
    """Where the recorder is read."""

    def read(self) -> RecorderView:
        """Return it as it stands; UnavailableError where there is nothing to read."""


class BoardCollector(Collector):
    """Makes the metrics of one site out of its boards."""

    def __init__(
        self,
        site: str,
        lines: LineBoards,
        recorder: RecorderBoards,
        shadows: Shadows,
        own: GcPauses,
    ) -> None:
        """Read nothing yet; ``own`` is what garbage collection costs the process that is asked."""
        self._families = Families(site)
        self._lines = lines
        self._recorder = recorder
        self._shadows = shadows
        self._own = own

    def describe(self) -> Iterator[Metric]:
        """Return nothing: the names are known at a scrape, boards or not."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read the boards once and return every metric."""
        line, recorder = _read(self._lines.read), _read(self._recorder.read)
        paused = {"face": self._own}
        yield from line_process(self._families, line)
        if line is not None and not line.problem:
            paused["line"] = line.gc
            own = with_pieces(line.lines)
            yield from seat_metrics(self._families, line.lines)
            yield from line_metrics(self._families, own)
            yield from scanner_metrics(self._families, line.lines)
            yield from chute_metrics(self._families, own)
        yield from recording(self._families, recorder)
        if recorder is not None and recorder.alive:
            paused["recorder"] = recorder.gc
        yield from collections(self._families, paused)
        yield from shadow_metrics(self._families.site, self._shadows.read())


def _read(read: Callable[[], View]) -> View | None:
    try:
        return read()
    except UnavailableError:
        return None


class Exposition:
    """What a scrape gets."""

    def __init__(
        self,
        site: str,
        lines: LineBoards,
        recorder: RecorderBoards,
        shadows: Shadows,
        host: Callable[[], HostStatus] | None = None,
        own: GcPauses | None = None,
        sensors: SensorBoards | None = None,
    ) -> None:
        """Expose a site's boards.

        Args:
            site: Its name.
            lines: Where the line process is read.
            recorder: Where the recorder is read.
            shadows: What candidate plans found.
            host: How it stands with the upstream host, if the site has one.
            own: What garbage collection costs this process, where it is watched.
            sensors: Where the sensors process is read, if the site has sensors.
        """
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(BoardCollector(site, lines, recorder, shadows, own or GcPauses()))
        if host is not None:
            self._registry.register(HostCollector(site, lines, host))
        if sensors is not None:
            self._registry.register(SensorCollector(site, sensors))

    @property
    def registry(self) -> CollectorRegistry:
        """What the client library's own exporters take."""
        return self._registry

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics in the format that an Accept header asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
