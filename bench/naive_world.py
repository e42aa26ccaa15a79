"""What the plain-Python oracle decides about: plans, pre-advice, chutes, pieces, scans."""

from dataclasses import dataclass, field
from datetime import date

from plc_adapters.contract import ChuteState, Disposition


@dataclass(slots=True)
class Group:
    """A chute group. ``policy`` is ordered, balanced or filling; ``overflow`` 0 is none."""

    chutes: list[int]
    policy: str = "ordered"
    overflow: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """The heaviest and the largest piece that may be sorted; 0 is no limit."""

    weight_g: int = 0
    sizes_mm: tuple[int, int, int] = (0, 0, 0)
    """Length, width, height."""
    unknown_is_held: bool = False


@dataclass(slots=True)
class Plan:
    """A sort plan. Brands, classes and groups are numbers from 1; 0 is unknown or none."""

    version: int
    lap_limit: int
    margin_ns: int
    brands: list[list[str]]
    """The waybill patterns of brand 1, 2, ..."""
    places: dict[str, int]
    """Division code to zone."""
    routes: list[dict[tuple[int, int], int]]
    """For each zone the group by brand and class; nothing where there is no route."""
    classes: int
    groups: dict[int, Group]
    exceptions: dict[Disposition, int]
    others: list[tuple[str, str]] = field(default_factory=list)
    """Class and pattern of codes that are no waybills."""
    unproved: set[str] = field(default_factory=set)
    """Waybill patterns whose match alone does not prove the brand: bare digits."""
    checks: dict[str, str] = field(default_factory=dict)
    """The check digit, s10 or gs1, that a code must have to match a pattern."""
    limits: Limits = Limits()
    keep_free: list[int] = field(default_factory=lambda: [0])
    """Per cent of a chute's room that a class leaves to more urgent ones; the first is for unknown
    classes."""
    labels: list[tuple[int, str, str]] = field(default_factory=list)
    """Brand, form (opaque, segments or keyed) and pattern of route labels."""
    label_rows: dict[tuple[int, str], int] = field(default_factory=dict)
    """Brand and segments, joined by ``-``, to the division code they stand for."""
    host_laps: int | None = None
    """Laps that a piece waits for the upstream host; None where it is not asked."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a brand told of a waybill beforehand; 0 is unknown."""

    brand: int = 0
    service_class: int = 0
    destination: int = 0
    holds: frozenset[Disposition] = frozenset()
    expires: date | None = None
    """The last day, in UTC, on which this counts; None for ever."""


@dataclass(slots=True)
class Chute:
    """A chute as the line knows it."""

    capacity: int
    travel_ns: int
    fill: int = 0
    reserved: int = 0
    state: int = ChuteState.OPEN
    locked: bool = False
    per_minute: int = 0
    """Most pieces in any minute; 0 is no limit."""
    tokens_ns: int = 0
    """What its bucket holds at ``drawn_ns``; a piece draws the time that one has to wait."""
    drawn_ns: int | None = None
    """When the bucket was last drawn from; it is full before the first time."""

    def may_take(self, now_ns: int) -> bool:
        """Return whether its rate allows one more piece."""
        return not self.per_minute or self._tokens_ns(now_ns) >= self._wait_ns()

    def take(self, now_ns: int) -> None:
        """Draw one piece from its bucket."""
        if self.per_minute:
            self.tokens_ns, self.drawn_ns = self._tokens_ns(now_ns) - self._wait_ns(), now_ns

    def _tokens_ns(self, now_ns: int) -> int:
        full_ns = self._at_once() * self._wait_ns()
        if self.drawn_ns is None:
            return full_ns
        return min(full_ns, self.tokens_ns + now_ns - self.drawn_ns)

    def _at_once(self) -> int:
        return max(1, self.per_minute // 12)

    def _wait_ns(self) -> int:
        """Return the time to wait, so that burst and all that follow make a minute's rate."""
        following = self.per_minute - self._at_once() + 1
        return (60_000_000_000 + following - 1) // following


@dataclass(frozen=True, slots=True)
class Answer:
    """What the upstream host says of a piece; nothing known is an answer too."""

    piece_id: int
    facts: Advice | None
    """Brand and class 0 leave what was known; None where it does not know the waybill."""


@dataclass(slots=True)
class Piece:
    """What is remembered of a piece between its scans."""

    plan: Plan
    """The one that was active as it was first heard of: it is decided under that to its end."""
    lap: int = 0
    waybill: bytes = b""
    facts: Advice = field(default_factory=Advice)
    conflict: bool = False
    was_held: bool = False
    """On its last decision with a waybill; only pre-advice may give it a destination then."""
    disposition: Disposition = Disposition.NONE
    revision: int = 0
    kept_in: int = 0
    counted_at: int = 0
    """Chute against whose rate it counts on this lap."""
    first_chute: int = 0
    weight_g: int = 0
    sizes_mm: tuple[int, int, int] = (0, 0, 0)
    scanned_ns: int = 0
    first_asked: int | None = None
    """Lap on which it first waited for the upstream host."""
    host: Answer | None = None
    """What the host said."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One SCANNED event."""

    piece_id: int
    lap: int
    event_ns: int
    codes: list[bytes]
    status: int = 0
    weight_g: int = -1
    sizes_mm: tuple[int, int, int] = (-1, -1, -1)
    """Length, width, height; zero and less is not measured, as with the weight."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for a scan."""

    piece_id: int
    lap: int
    revision: int
    disposition: Disposition
    group: int
    chutes: list[int]
    deadline_ns: int
    waybill: bytes
    facts: Advice
