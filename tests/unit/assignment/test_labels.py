"""Route labels: where they lead, when they count, and that no two are mistaken for each other."""

from datetime import UTC, datetime

import numpy as np
import pytest

from bench import naive
from bench.naive_arrays import plan_arrays
from plc_adapters.contract import CODE_BYTES, Disposition, ScanStatus
from sorter.assignment.labels import build_labels, closer, find_label, hash_label
from tests.unit.assignment.driver import Compiled
from tests.unit.assignment.test_tables import padded, twins

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NOW = 1_800_000_000 * SECOND
TODAY = datetime.fromtimestamp(NOW // SECOND, UTC).date()
D = Disposition
CITY, AREA, STREET, AWAY, ODD, HELD = 1, 2, 3, 4, 5, 6
CAINIAO, SF, YTO = 1, 2, 3
QR = b"MMM={'k1':'710','k2':'710BF','k3':'001','k4':'T4','k5':'SF7551234567890'}"
WAYBILL = {CAINIAO: b"LP00000000000001", SF: b"SF7551234567890", YTO: b"YT1234567890123"}


def plan() -> naive.Plan:
    everywhere = [(brand, 0) for brand in range(4)]
    return naive.Plan(
        version=3,
        lap_limit=3,
        margin_ns=0,
        brands=[["LP[0-9]{14}"], ["SF[0-9]{13}"], ["YT[0-9]{13}"]],
        places={"3207": 0, "320706": 1, "320706001": 2, "33": 3},
        routes=[dict.fromkeys(everywhere, group) for group in (CITY, AREA, STREET, AWAY)],
        classes=1,
        groups={n: naive.Group([n * 10]) for n in (CITY, AREA, STREET, AWAY, ODD, HELD)},
        exceptions=dict.fromkeys([*D], ODD) | dict.fromkeys(naive.HOLDS, HELD),
        labels=[
            (CAINIAO, "segments", "[0-9]{3}(-[A-Z0-9]{1,8}(-[A-Z0-9 ]{1,12}){0,2})?"),
            (SF, "opaque", "[0-9]{3}[A-Z]{0,3}-[0-9]{3}[A-Z]?[0-9]{0,2}"),
            (SF, "keyed", "MMM=[{]'k1':.*"),
        ],
        label_rows={
            (CAINIAO, "721"): 3207,
            (CAINIAO, "721-A010"): 320706,
            (CAINIAO, "721-A010-J9 47"): 320706001002,
            (CAINIAO, "721-B1-C1-D1"): 330106,
            (SF, "755WE-571A3"): 320706001,
            (SF, "755-571"): 33,
            (SF, "710"): 3207,
            (SF, "710-710BF"): 320706,
            (SF, "710-710BF-001"): 320706001,
            (SF, "710-7"): 33,
        },
    )


class Both:
    """The compiled decision and the oracle, asked the same."""

    def __init__(self, advices: dict[bytes, naive.Advice] | None = None) -> None:
        chutes = {n * 10: naive.Chute(9, n * SECOND) for n in range(1, 7)}
        self._compiled = Compiled(plan(), advices or {}, chutes)
        self._plain = naive.Line(
            plan(), advices or {}, {n: naive.Chute(9, c.travel_ns) for n, c in chutes.items()}
        )

    def decided(
        self, *codes: bytes, piece: int = 1, lap: int = 0, status: int = 0, day: int = 0
    ) -> naive.Decision:
        now = NOW + day * DAY
        cut = [code[:CODE_BYTES] for code in codes]
        scans = [naive.Scan(piece, lap, now, cut, status)]
        (decision,) = self._compiled.batch(scans, now)
        assert [decision] == self._plain.batch(scans, now)
        return decision

    def advise(self, advices: dict[bytes, naive.Advice]) -> None:
        self._plain.pre_advice = advices
        self._compiled.advise(advices)

    def outcome(self, *codes: bytes, status: int = 0) -> tuple[Disposition, int, int]:
        decision = self.decided(*codes, status=status)
        return decision.disposition, decision.group, decision.facts.destination


UNKNOWN = (D.UNKNOWN_DESTINATION, ODD, 0)


@pytest.mark.parametrize(
    ("brand", "labels", "expected"),
    [
        # The longest match of the leading segments; AIM prefix or not; before or behind others.
        (CAINIAO, [b"721-A010-J9 47"], (D.ROUTED, STREET, 320706001002)),
        (CAINIAO, [b"]Q1721-A010-J9 47"], (D.ROUTED, STREET, 320706001002)),
        (CAINIAO, [b"721-A010-J9 48"], (D.ROUTED, AREA, 320706)),
        (CAINIAO, [b"721-A010-J9"], (D.ROUTED, AREA, 320706)),
        (CAINIAO, [b"721-A010"], (D.ROUTED, AREA, 320706)),
        (CAINIAO, [b"721-A01"], (D.ROUTED, CITY, 3207)),
        (CAINIAO, [b"721"], (D.ROUTED, CITY, 3207)),
        (CAINIAO, [b"721-B1-C1-D1"], (D.ROUTED, AWAY, 330106)),
        (CAINIAO, [b"721-B1-C1-D2"], (D.ROUTED, CITY, 3207)),
        (CAINIAO, [b"722-A010-J9 47"], UNKNOWN),
        (CAINIAO, [b"721-A010-J9 47-1-1"], UNKNOWN),
        # An opaque label is not split, although its head is in the table.
        (SF, [b"755WE-571A3"], (D.ROUTED, STREET, 320706001)),
        (SF, [b"755WE-571A"], UNKNOWN),
        (SF, [b"755-571B1"], UNKNOWN),
        (SF, [b"710-710"], UNKNOWN),
        (SF, [b"571A3-755WE"], UNKNOWN),
        # A label counts for its own brand alone.
        (SF, [b"721-A010-J9 47"], UNKNOWN),
        (CAINIAO, [b"755WE-571A3"], UNKNOWN),
        (CAINIAO, [QR], UNKNOWN),
        (YTO, [b"721", b"755WE-571A3"], UNKNOWN),
        # Two that agree, two of which one is closer, two that contradict each other.
        (CAINIAO, [b"721", b"721-A010"], (D.ROUTED, AREA, 320706)),
        (CAINIAO, [b"721-A010", b"721", b"721"], (D.ROUTED, AREA, 320706)),
        (CAINIAO, [b"721-A010", b"721-B1-C1-D1"], UNKNOWN),
        (CAINIAO, [b"721-B1-C1-D1", b"721", b"721-B1-C1-D1"], UNKNOWN),
        (CAINIAO, [b"755WE-571A3", b"721"], (D.ROUTED, CITY, 3207)),
    ],
)
def test_where_a_label_leads(
    brand: int, labels: list[bytes], expected: tuple[Disposition, int, int]
) -> None:
    assert Both().outcome(WAYBILL[brand], *labels) == expected
    assert Both().outcome(*labels, WAYBILL[brand]) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        # The 40 bytes that a slot holds end behind k3; an AIM prefix takes three of them.
        (QR, (D.ROUTED, STREET, 320706001)),
        (b"]Q1" + QR, (D.ROUTED, AREA, 320706)),
        (QR.replace(b"001", b"0012"), (D.ROUTED, AREA, 320706)),
        (QR.replace(b"710BF", b"7"), (D.ROUTED, AWAY, 33)),
        (QR.replace(b"710BF", b"999BF"), (D.ROUTED, CITY, 3207)),
        (b"MMM={'k1':'710','k2':'710BF','k3':'001'}", (D.ROUTED, AREA, 320706)),
        (b"MMM={'k1':'710','k2':'710BF", (D.ROUTED, CITY, 3207)),
        (b"MMM={'k1':'7", UNKNOWN),
        (b"MMM={'k2':'710','k1':'710',", UNKNOWN),
    ],
)
def test_the_head_of_a_qr_code(label: bytes, expected: tuple[Disposition, int, int]) -> None:
    status = int(ScanStatus.CODE_CUT) if len(label) > CODE_BYTES else 0
    assert Both().outcome(WAYBILL[SF], label, status=status) == expected


def test_a_segment_that_was_cut_is_not_guessed() -> None:
    """A label of 40 bytes ends where the slot ends: it may be longer, and its last part another."""
    label = b"721-A010-J9 47".ljust(CODE_BYTES, b"7")
    world = plan()
    world.labels = [(CAINIAO, "segments", "[0-9]{3}-[A-Z0-9]{4}-[A-Z0-9 ]{31}")]
    world.label_rows = {(CAINIAO, label.decode()): 33, (CAINIAO, "721-A010"): 320706}
    for status, place in ((0, 33), (int(ScanStatus.CODE_CUT), 320706)):
        line = Compiled(world, {}, {10: naive.Chute(9, SECOND)})
        (decision,) = line.batch([naive.Scan(1, 0, NOW, [WAYBILL[1], label], status)], NOW)
        assert decision.facts.destination == place


def test_a_label_alone_identifies_nothing() -> None:
    assert Both().outcome(b"721-A010-J9 47") == (D.NOT_A_WAYBILL, ODD, 0)


def test_pre_advice_comes_first_and_may_leave_the_destination_to_the_label() -> None:
    waybill = WAYBILL[CAINIAO]
    first = Both({waybill: naive.Advice(CAINIAO, 1, 33)})
    assert first.decided(waybill, b"721-A010").facts.destination == 33
    second = Both({waybill: naive.Advice(0, 1, 0)})
    decision = second.decided(waybill, b"721-A010")
    assert decision.facts == naive.Advice(CAINIAO, 1, 320706)
    # The brand that pre-advice names is the one whose labels count.
    third = Both({waybill: naive.Advice(SF, 0, 0)})
    assert third.decided(waybill, b"721-A010").disposition == D.UNKNOWN_DESTINATION


def test_a_later_lap_keeps_what_the_label_said() -> None:
    waybill = WAYBILL[CAINIAO]
    both = Both({waybill: naive.Advice(0, 1, 0)})
    assert both.decided(waybill, b"721-A010").facts.destination == 320706
    assert both.decided(lap=1).facts.destination == 320706
    assert both.decided(waybill, b"721-B1-C1-D1", lap=2).facts.destination == 320706


def test_a_label_read_on_a_later_lap_counts() -> None:
    both = Both()
    assert both.decided(WAYBILL[CAINIAO]).disposition == D.UNKNOWN_DESTINATION
    assert both.decided(b"721-A010", lap=1).group == AREA


def test_a_held_piece_is_not_set_free_by_its_label() -> None:
    waybill = WAYBILL[CAINIAO]
    today = naive.Advice(0, 0, 0, frozenset([D.INTERCEPTED]), TODAY)
    both = Both({waybill: today})
    assert both.decided(waybill, b"721-A010").disposition == D.INTERCEPTED
    # The row expires: that releases nothing, on no later lap.
    for lap in (1, 2):
        late = both.decided(waybill, b"721-A010", lap=lap, day=1)
        assert (late.disposition, late.group) == (D.UNKNOWN_DESTINATION, ODD)
    fresh = both.decided(waybill, b"721-A010", piece=2, day=1)
    assert fresh.disposition == D.ROUTED, "it was never held, and no row says that it is"


def test_a_release_lets_the_label_count() -> None:
    waybill = WAYBILL[CAINIAO]
    advices = {waybill: naive.Advice(0, 0, 0, frozenset([D.INTERCEPTED]))}
    both = Both(advices)
    assert both.decided(waybill, b"721-A010").disposition == D.INTERCEPTED
    both.advise({waybill: naive.Advice(0, 0, 0)})
    assert both.decided(waybill, b"721-A010", lap=1).group == AREA


def test_labels_of_one_hash_are_told_apart() -> None:
    codes = twins(40)
    assert len({int(hash_label(padded(code), 16, 1)) for code in codes}) == 1
    inside, outside = codes[:20], codes[20:]
    text = np.stack([padded(code) for code in inside])
    ones = np.ones(20, np.uint16)
    length, brand, table_text, place = build_labels(ones, 16 * ones, text, np.arange(1, 21))
    table = plan_arrays(plan())._replace(
        label_length=length, label_brand=brand, label_text=table_text, label_place=place
    )
    assert [find_label(padded(code), 16, 1, table) for code in inside] == list(range(1, 21))
    assert {find_label(padded(code), 16, 1, table) for code in outside} == {0}
    assert {find_label(padded(code), 16, 2, table) for code in inside} == {0}
    assert {find_label(padded(code), 15, 1, table) for code in inside} == {0}


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [(32, 32, 32), (32, 3207, 3207), (320706001, 3207, 320706001), (33, 3207, 0), (3, 32, 32),
     (320706001002, 320706001003, 0)],
)  # fmt: skip
def test_the_closer_of_two_places(one: int, other: int, place: int) -> None:
    assert closer(one, other) == closer(other, one) == place
