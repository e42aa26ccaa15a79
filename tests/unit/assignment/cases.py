"""Small worlds for the decision: few codes, places and chutes, so that everything collides."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from bench import naive
from plc_adapters.contract import CODE_BYTES, ChuteState, Disposition, ScanStatus

SECOND = 1_000_000_000
START_NS = 1_800_000_000 * SECOND
TODAY = datetime.fromtimestamp(START_NS // SECOND, UTC).date()
CHUTE_NUMBERS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1023]
PLACES = [
    "32", "33", "3207", "320706", "320706001", "320706001002", "320706001003", "320722",
    "320", "3", "32070600100", "110000000000", "999999999999",
]  # fmt: skip
"""Places of all levels inside each other, and three codes of no level, which no prefix reaches."""
DESTINATIONS = [
    0, 3, 32, 33, 320, 3207, 32070, 320706, 3207061, 320706001, 3207060011, 320706001002,
    320706001009, 320722999001, 339999, 440305, 110000000000, 999999999999,
]  # fmt: skip
EXCEPTIONS = [
    Disposition.NO_READ, Disposition.CONFLICT, Disposition.NOT_A_WAYBILL,
    Disposition.UNKNOWN_DESTINATION, Disposition.NO_ROUTE, Disposition.LAP_LIMIT, *naive.HOLDS,
    Disposition.AMBIGUOUS, Disposition.BAG, Disposition.SCAN_NOT_TIED,
    Disposition.QUARANTINED,
]  # fmt: skip
CLASSES = 2
BRAND_SETS = [
    [],
    [["A[0-9]{3}", "A[0-9]{3}-[0-9]"], ["[0-9]{4}"]],
    [["[A-Z]{2}[0-9]{2}"], ["[0-9]{4}", r"\]{2}[0-9]"], ["X[0-9]{36}", "Y[0-9]{39}"]],
    [["[0-9]{4}", "A[0-9]{3}"], ["1[0-9]{3}", "[A-Z0-9]{4}"], ["[0-9]{8}", "[0-9]{13}"]],
    [["[A-Z]{2}[0-9]{9}CN"], ["[A-Z]{2}[0-9]{9}[A-Z]{2}", "[0-9]{13}"], ["[0-9]{8}"]],
]
OTHERS = [
    ("product", "[0-9]{8}"), ("product", "[0-9]{12,14}"), ("bag", "B-[0-9]"), ("bag", "[0-9]{8}"),
    ("packaging", "P[0-9]"), ("packaging", "B-1"), ("packaging", "[0-9]{4}"),
]  # fmt: skip
CHECKED = {
    "[A-Z]{2}[0-9]{9}CN": "s10", "[A-Z]{2}[0-9]{9}[A-Z]{2}": "s10", "[0-9]{12,14}": "gs1",
    "[0-9]{8}": "gs1",
}  # fmt: skip
LABELS = [
    (1, "segments", "[0-9]{1,3}(-[0-9A-B ]{1,3}){0,3}"), (2, "segments", "[0-9]-[0-9]"),
    (2, "opaque", "[0-9A]-[0-9]{1,3}(-1)?"), (3, "opaque", "[A-Z]{2}[0-9]{2}"),
    (1, "keyed", "MMM=[{]'k1':.*"), (3, "keyed", "MMM=.*"),
]  # fmt: skip
"""Of several brands, in all forms; some that look like waybills, too."""
SEGMENTS = ["1", "1-2", "1-2-3", "1-2-3 A", "1-2-3 A-B", "12", "A-1", "1-2-1", "AB12", "9", "B"]
LABEL_TEXTS = [
    b"1", b"1-2", b"1-2-3", b"1-2-3 A", b"1-2-3 A-B", b"1-9-3", b"9-1", b"12-2", b"A-1", b"2-2-2",
    b"MMM={'k1':'1','k2':'2','k3':'3','k4':'T4'", b"MMM={'k1':'1','k2':'2','k3':'3', 'k4':'",
    b"MMM={'k1':'1'", b"MMM={'k1':'12','k9':'2',", b"MMM={'k1':'9','k2':'2", b"MMM=",
]  # fmt: skip
LONG_X = b"X" + b"7" * 36
LONG_Y = b"Y" + b"7" * 39
CHINESE = "连云港7".encode()
LONG_CHINESE = "物".encode() * 13 + b"!"
WAYBILLS = [
    b"A123", b"A124", b"A123-4", b"1234", b"AB12", b"]]1", LONG_X, LONG_Y, CHINESE, LONG_CHINESE,
    b"\xff\xfe", b"1", b"]", b"]C", b"C1A123", b"EA123456785CN", b"EA123456785DE", b"96385074",
    b"6901234567892",
]  # fmt: skip
NO_WAYBILLS = [b"", b"]C1", b"]C1]C1", b"HTTP://X", b"a123", b"A12", b"A1234", b"\0A123", b"6901"]
NO_WAYBILLS += [
    b"EA123456784CN",
    b"96385075",
    b"6901234567893",
    b"036000291452",
    b"B-1",
    b"B-2",
    b"P1",
]


def prefixed(code: bytes, prefix: bytes) -> bytes:
    """A code as a scanner sends it; one that is too long is cut, as the slot cuts it."""
    return (prefix + code)[:CODE_BYTES]


CODES = st.builds(
    prefixed,
    st.sampled_from(WAYBILLS)
    | st.sampled_from(NO_WAYBILLS)
    | st.sampled_from(LABEL_TEXTS)
    | st.binary(max_size=CODE_BYTES),
    st.sampled_from([b"", b"]C1", b"]d2", b"]Q\0", b"]1A", b"]zz", b"]E0"]),
)
STATUSES = st.sampled_from([
    0, ScanStatus.CODE_CUT, ScanStatus.MORE_CODES, ScanStatus.ABORTED_FULL,
    ScanStatus.TIE_AMBIGUOUS,
])  # fmt: skip


@dataclass(slots=True)
class Turn:
    """What happens to the chutes before one turn, and its scans."""

    scans: list[naive.Scan]
    now_ns: int
    chutes: dict[int, tuple[int, bool, int]] = field(default_factory=dict)
    """By number: state, lock, fill."""
    quarantined: bool = False


@dataclass(slots=True)
class World:
    plan: naive.Plan
    pre_advice: dict[bytes, naive.Advice]
    chutes: dict[int, naive.Chute]
    turns: list[Turn]


def groups(*, friendly: bool) -> st.SearchStrategy[dict[int, naive.Group]]:
    """Up to twelve groups with any overflow (rings too), or each the next one's overflow."""

    def of(count: int) -> st.SearchStrategy[dict[int, naive.Group]]:
        one = st.builds(
            naive.Group,
            st.lists(
                st.sampled_from(CHUTE_NUMBERS), unique=True, min_size=int(friendly), max_size=7
            ),
            st.sampled_from(["ordered", "balanced", "filling"]),
            st.integers(0, count),
        )
        return st.lists(one, min_size=count, max_size=count).map(
            lambda made: dict(enumerate(made, 1))
        )

    free = (st.integers(3, 5) if friendly else st.integers(1, 12)).flatmap(of)
    return free | free.map(chained)


def chained(made: dict[int, naive.Group]) -> dict[int, naive.Group]:
    """Let each group overflow into the next: twelve are more than a piece may try."""
    for number, group in made.items():
        group.overflow = number + 1 if number < len(made) else 0
    return made


KEEPS = st.just([0]) | st.lists(st.sampled_from([0, 0, 25, 34, 50, 90]), min_size=1, max_size=3)
RATES = st.sampled_from([0, 0, 0, 1, 2, 30, 60, 240])
MEASURES = [-1, 0, 1, 99, 100, 101]
LIMITS = st.just(naive.Limits()) | st.builds(
    naive.Limits,
    st.sampled_from([0, 100]),
    st.tuples(*[st.sampled_from([0, 0, 100])] * 3),
    st.booleans(),
)


@st.composite
def plans(draw: st.DrawFn, *, friendly: bool) -> naive.Plan:
    brands = draw(st.sampled_from(BRAND_SETS))
    patterns = [pattern for brand in brands for pattern in brand]
    made = draw(groups(friendly=friendly))
    group = st.integers(int(friendly), len(made))
    keys = [(b, c) for b in range(len(brands) + 1) for c in range(CLASSES + 1)]
    one_zone = st.builds(
        lambda everywhere, own: dict.fromkeys(keys, everywhere) | own,
        group,
        st.dictionaries(st.sampled_from(keys), st.integers(0, len(made)), max_size=3),
    )
    zones = draw(st.lists(one_zone, min_size=1, max_size=3))
    zone = st.integers(0, len(zones) - 1)
    places = (
        st.lists(zone, min_size=len(PLACES), max_size=len(PLACES)).map(
            lambda drawn: dict(zip(PLACES, drawn, strict=True))
        )
        if friendly
        else st.dictionaries(st.sampled_from(PLACES), zone)
    )
    labels = [label for label in LABELS if label[0] <= len(brands)]
    rows = st.dictionaries(
        st.tuples(st.integers(1, 3), st.sampled_from(SEGMENTS)),
        st.sampled_from(DESTINATIONS[1:]),
        max_size=12,
    )
    return naive.Plan(
        version=draw(st.integers(1, 2**32 - 1)),
        lap_limit=draw(st.integers(0, 3)),
        margin_ns=draw(st.sampled_from([0, SECOND // 5, 2 * SECOND])),
        brands=brands,
        places=draw(places),
        routes=zones,
        classes=CLASSES,
        groups=made,
        exceptions={each: draw(group) for each in EXCEPTIONS},
        others=draw(st.lists(st.sampled_from(OTHERS), unique=True)),
        unproved=draw(st.sets(st.sampled_from(patterns))) if patterns else set(),
        checks=CHECKED if draw(st.booleans()) else {},
        limits=draw(LIMITS),
        keep_free=draw(KEEPS),
        labels=draw(st.lists(st.sampled_from(labels), unique=True)) if labels else [],
        label_rows=draw(rows),
    )


@st.composite
def advices(draw: st.DrawFn, *, friendly: bool) -> dict[bytes, naive.Advice]:
    """Pre-advice, also of brands and classes that the plan does not know."""
    advice = st.builds(
        naive.Advice,
        st.sampled_from([0, 1, 2, 3, 31]),
        st.integers(0, CLASSES + 1),
        st.sampled_from(DESTINATIONS[2:] if friendly else DESTINATIONS),
        st.just(frozenset()) | st.frozensets(st.sampled_from(naive.HOLDS[:5])),
        st.sampled_from([None, None, TODAY, TODAY - timedelta(1), TODAY + timedelta(1)]),
    )
    if friendly:
        return {waybill: draw(advice) for waybill in WAYBILLS}
    return draw(st.dictionaries(st.sampled_from([*WAYBILLS, b"6901", b"a123"]), advice))


def machines(*, friendly: bool) -> st.SearchStrategy[dict[int, naive.Chute]]:
    travel = st.integers(1, 40).map(lambda halves: halves * SECOND // 2)
    good = st.builds(
        naive.Chute, capacity=st.sampled_from([2, 1, 3, 4]), travel_ns=travel, per_minute=RATES
    )
    if friendly:
        return st.fixed_dictionaries(dict.fromkeys(CHUTE_NUMBERS, good))
    any_chute = st.builds(
        naive.Chute,
        capacity=st.integers(0, 4),
        travel_ns=travel,
        fill=st.integers(0, 3),
        state=st.sampled_from([0, *map(int, ChuteState)]),
        locked=st.booleans(),
        per_minute=RATES,
    )
    return st.dictionaries(st.sampled_from(CHUTE_NUMBERS), any_chute | good)


@st.composite
def turns(draw: st.DrawFn, numbers: list[int], *, friendly: bool) -> Turn:
    now_ns = START_NS + draw(st.integers(0, 40)) * SECOND // 4
    good = st.lists(st.sampled_from(WAYBILLS[:3]), min_size=1, max_size=1)
    codes = st.lists(CODES, max_size=4)
    labelled = st.tuples(
        st.sampled_from(WAYBILLS[:5]),
        *[st.sampled_from(LABEL_TEXTS).map(lambda text: text[:CODE_BYTES])] * 2,
    ).map(list)
    scan = st.builds(
        naive.Scan,
        piece_id=st.integers(1, 6),
        lap=st.integers(0, 4),
        # Now and then in the future: two clocks are mapped, not equal.
        event_ns=st.integers(-1, 8 if friendly else 40).map(
            lambda quarters: now_ns - quarters * SECOND // 4
        ),
        codes=good | labelled | codes if friendly else labelled | codes,
        status=STATUSES,
        weight_g=st.sampled_from(MEASURES),
        sizes_mm=st.tuples(*[st.sampled_from(MEASURES)] * 3),
    )
    change = st.tuples(
        st.sampled_from([int(ChuteState.FULL), *map(int, ChuteState)]),
        st.booleans(),
        st.integers(0, 4),
    )
    return Turn(
        scans=draw(st.lists(scan, min_size=1, max_size=6)),
        now_ns=now_ns,
        chutes=draw(st.dictionaries(st.sampled_from(numbers), change)) if numbers else {},
        quarantined=draw(st.integers(0, 5)) == 0,
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world where most pieces find their way, or one where anything is missing."""
    friendly = draw(st.booleans())
    chutes = draw(machines(friendly=friendly))
    return World(
        plan=draw(plans(friendly=friendly)),
        pre_advice=draw(advices(friendly=friendly)),
        chutes=chutes,
        turns=draw(st.lists(turns(sorted(chutes), friendly=friendly), min_size=1, max_size=5)),
    )
