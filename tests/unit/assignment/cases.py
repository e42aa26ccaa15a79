"""Small worlds for the decision: few codes, places and chutes, so that everything collides."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from bench import naive
from plc_adapters.contract import CODE_BYTES, ChuteState, Disposition, ScanStatus

SECOND = 1_000_000_000
START_NS = 1_800_000_000 * SECOND
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
CLASSES = 2
BRAND_SETS = [
    [],
    [["A[0-9]{3}", "A[0-9]{3}-[0-9]"], ["[0-9]{4}"]],
    [["[A-Z]{2}[0-9]{2}"], ["[0-9]{4}", r"\]{2}[0-9]"], ["X[0-9]{36}", "Y[0-9]{39}"]],
]
LONG_X = b"X" + b"7" * 36
LONG_Y = b"Y" + b"7" * 39
CHINESE = "连云港7".encode()
LONG_CHINESE = "物".encode() * 13 + b"!"
WAYBILLS = [
    b"A123", b"A124", b"A123-4", b"1234", b"AB12", b"]]1", LONG_X, LONG_Y, CHINESE, LONG_CHINESE,
    b"\xff\xfe", b"1", b"]", b"]C", b"C1A123",
]  # fmt: skip
NO_WAYBILLS = [b"", b"]C1", b"]C1]C1", b"HTTP://X", b"a123", b"A12", b"A1234", b"\0A123", b"6901"]


def prefixed(code: bytes, prefix: bytes) -> bytes:
    """A code as a scanner sends it; one that is too long is cut, as the slot cuts it."""
    return (prefix + code)[:CODE_BYTES]


CODES = st.builds(
    prefixed,
    st.sampled_from(WAYBILLS) | st.sampled_from(NO_WAYBILLS) | st.binary(max_size=CODE_BYTES),
    st.sampled_from([b"", b"]C1", b"]d2", b"]Q\0", b"]1A", b"]zz", b"]E0"]),
)
STATUSES = st.sampled_from([0, ScanStatus.CODE_CUT, ScanStatus.MORE_CODES, ScanStatus.ABORTED_FULL])


@dataclass(slots=True)
class Turn:
    """What happens to the chutes before one turn, and its scans."""

    scans: list[naive.Scan]
    now_ns: int
    chutes: dict[int, tuple[int, bool, int]] = field(default_factory=dict)
    """By number: state, lock, fill."""


@dataclass(slots=True)
class World:
    plan: naive.Plan
    pre_advice: dict[bytes, naive.Advice]
    chutes: dict[int, naive.Chute]
    turns: list[Turn]


def groups(numbers: list[int]) -> st.SearchStrategy[dict[int, naive.Group]]:
    """Up to twelve groups, each with any overflow: chains of any length, and rings."""
    count = st.integers(1, 12)

    def of(count: int) -> st.SearchStrategy[dict[int, naive.Group]]:
        # Often the next group, so that chains grow beyond the limit.
        overflow = st.integers(0, count)
        one = st.builds(
            naive.Group,
            st.lists(st.sampled_from(numbers), unique=True, max_size=7),
            st.sampled_from(["ordered", "balanced", "filling"]),
            overflow,
        )
        return st.lists(one, min_size=count, max_size=count).map(
            lambda made: dict(enumerate(made, 1))
        )

    def chained(made: dict[int, naive.Group]) -> dict[int, naive.Group]:
        for number, group in made.items():
            group.overflow = number + 1 if number < len(made) else 0
        return made

    free = count.flatmap(of)
    return free | free.map(chained)


@st.composite
def plans(draw: st.DrawFn) -> naive.Plan:
    brands = draw(st.sampled_from(BRAND_SETS))
    made = draw(groups(CHUTE_NUMBERS))
    group = st.integers(0, len(made))
    key = st.tuples(st.integers(0, len(brands)), st.integers(0, CLASSES))
    zones = draw(st.lists(st.dictionaries(key, group, max_size=12), min_size=1, max_size=3))
    everywhere = draw(group)
    for zone in zones:
        for brand in range(len(brands) + 1):
            for service_class in range(CLASSES + 1):
                zone.setdefault((brand, service_class), everywhere)
    zone_number = st.integers(0, len(zones) - 1)
    exceptions = [
        Disposition.NO_READ, Disposition.CONFLICT, Disposition.NOT_A_WAYBILL,
        Disposition.UNKNOWN_DESTINATION, Disposition.NO_ROUTE, Disposition.LAP_LIMIT,
    ]  # fmt: skip
    return naive.Plan(
        version=draw(st.integers(1, 2**32 - 1)),
        lap_limit=draw(st.integers(1, 3)),
        margin_ns=draw(st.sampled_from([0, SECOND // 5, 2 * SECOND])),
        brands=brands,
        places=draw(st.dictionaries(st.sampled_from(PLACES), zone_number)),
        routes=zones,
        classes=CLASSES,
        groups=made,
        exceptions={each: draw(group) for each in exceptions},
    )


def advices() -> st.SearchStrategy[dict[bytes, naive.Advice]]:
    """Pre-advice of brands and classes that the plan may not know."""
    advice = st.builds(
        naive.Advice,
        st.sampled_from([0, 1, 2, 3, 31]),
        st.integers(0, CLASSES + 1),
        st.sampled_from(DESTINATIONS),
    )
    return st.dictionaries(
        st.sampled_from(WAYBILLS) | st.sampled_from([b"6901", b"a123"]), advice
    )


def machines() -> st.SearchStrategy[dict[int, naive.Chute]]:
    chute = st.builds(
        naive.Chute,
        capacity=st.integers(0, 4),
        travel_ns=st.integers(1, 40).map(lambda halves: halves * SECOND // 2),
        fill=st.integers(0, 3),
        state=st.sampled_from([*ChuteState, 0]),
        locked=st.integers(0, 5).map(lambda n: n == 0),
    )
    good = st.builds(
        naive.Chute,
        capacity=st.integers(1, 4),
        travel_ns=st.integers(1, 40).map(lambda halves: halves * SECOND // 2),
    )
    return st.dictionaries(st.sampled_from(CHUTE_NUMBERS), chute | good)


@st.composite
def turns(draw: st.DrawFn, numbers: list[int]) -> Turn:
    now_ns = START_NS + draw(st.integers(0, 40)) * SECOND // 4
    scan = st.builds(
        naive.Scan,
        piece_id=st.integers(1, 4),
        lap=st.integers(0, 4),
        # Now and then in the future: two clocks are mapped, not equal.
        event_ns=st.integers(-1, 40).map(lambda quarters: now_ns - quarters * SECOND // 4),
        codes=st.lists(CODES, max_size=4),
        status=STATUSES,
    )
    change = st.tuples(
        st.sampled_from([int(state) for state in ChuteState]), st.booleans(), st.integers(0, 4)
    )
    return Turn(
        scans=draw(st.lists(scan, min_size=1, max_size=6)),
        now_ns=now_ns,
        chutes=draw(st.dictionaries(st.sampled_from(numbers), change, max_size=2))
        if numbers
        else {},
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    chutes = draw(machines())
    return World(
        plan=draw(plans()),
        pre_advice=draw(advices()),
        chutes=chutes,
        turns=draw(st.lists(turns(sorted(chutes)), min_size=1, max_size=5)),
    )
