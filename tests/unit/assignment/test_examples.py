"""The decision by examples: each rule once, with its outcome written out."""

import pytest

from bench import naive
from plc_adapters.contract import ChuteState, Disposition, ScanStatus
from tests.unit.assignment.driver import Compiled

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
CHINESE = "连云港0042".encode()
LONG = b"Z" * 40
"""As long as a code can be."""
LONG_BESIDE_PREFIX = b"Z" * 37
"""As long as a code can be behind an AIM prefix."""
HAIZHOU, GUANYUN, ELSEWHERE, RING = 1, 2, 3, 4
NO_READS, CONFLICTS, ODD, REJECTS = 5, 6, 7, 8
D = Disposition


def plan() -> naive.Plan:
    return naive.Plan(
        version=12,
        lap_limit=2,
        margin_ns=SECOND // 10,
        brands=[["A[0-9]{3}"], ["[0-9]{4}"]],
        places={"3207": 0, "320706": 1, "320706001": 2, "33": 3, "34": 4},
        routes=[
            {(0, 0): GUANYUN, (1, 0): GUANYUN, (2, 0): GUANYUN},
            {(0, 0): HAIZHOU, (1, 0): HAIZHOU, (1, 1): ELSEWHERE},
            {(2, 1): HAIZHOU},
            {},
            {(0, 0): RING, (1, 0): RING, (2, 0): RING},
        ],
        classes=1,
        groups={
            HAIZHOU: naive.Group([11, 12, 13], "ordered", overflow=ELSEWHERE),
            GUANYUN: naive.Group([21, 22, 23, 24, 25], "balanced"),
            ELSEWHERE: naive.Group([31]),
            RING: naive.Group([], overflow=RING),
            NO_READS: naive.Group([50], overflow=REJECTS),
            CONFLICTS: naive.Group([60]),
            ODD: naive.Group([70]),
            REJECTS: naive.Group([80, 81], "filling"),
        },
        exceptions={
            D.NO_READ: NO_READS, D.CONFLICT: CONFLICTS, D.NOT_A_WAYBILL: ODD,
            D.UNKNOWN_DESTINATION: ODD, D.NO_ROUTE: ODD, D.LAP_LIMIT: REJECTS,
        },
    )  # fmt: skip


PRE_ADVICE = {
    b"A001": naive.Advice(0, 0, 320706), b"A002": naive.Advice(1, 1, 320706002001),
    b"A003": naive.Advice(1, 0, 320722), b"A004": naive.Advice(1, 0, 330106),
    b"A005": naive.Advice(1, 0, 340000), b"A006": naive.Advice(1, 0, 990000),
    b"A007": naive.Advice(9, 9, 320706), b"1234": naive.Advice(1, 0, 320706),
    b"2345": naive.Advice(0, 1, 320706001005),
    CHINESE: naive.Advice(2, 0, 3207), LONG: naive.Advice(2, 0, 3207),
    LONG_BESIDE_PREFIX: naive.Advice(2, 0, 3207),
}  # fmt: skip


@pytest.fixture
def chutes() -> dict[int, naive.Chute]:
    numbers = [11, 12, 13, 21, 22, 23, 24, 25, 31, 50, 60, 70, 80, 81]
    return {n: naive.Chute(capacity=2, travel_ns=n * SECOND) for n in numbers}


@pytest.fixture
def line(chutes: dict[int, naive.Chute]) -> Compiled:
    return Compiled(plan(), PRE_ADVICE, chutes)


def scan(*codes: bytes, piece: int = 1, lap: int = 0, status: int = 0, ago: int = 0) -> naive.Scan:
    return naive.Scan(piece, lap, NOW - ago * SECOND, list(codes), status)


def decided(line: Compiled, *codes: bytes, piece: int = 1, lap: int = 0, status: int = 0,
            ago: int = 0) -> naive.Decision:  # fmt: skip
    (decision,) = line.batch([scan(*codes, piece=piece, lap=lap, status=status, ago=ago)], NOW)
    return decision


def outcome(decision: naive.Decision) -> tuple[Disposition, int, list[int]]:
    return decision.disposition, decision.group, decision.chutes


@pytest.mark.parametrize(
    ("codes", "expected", "waybill"),
    [
        ([b"A001"], (D.ROUTED, HAIZHOU, [11, 12, 13]), b"A001"),
        ([b"]C1A001"], (D.ROUTED, HAIZHOU, [11, 12, 13]), b"A001"),
        ([b"A001", b"]C1A001", b"HTTP://X"], (D.ROUTED, HAIZHOU, [11, 12, 13]), b"A001"),
        # A class of its own, a brand and class that the plan does not know.
        ([b"A002"], (D.ROUTED, ELSEWHERE, [31]), b"A002"),
        ([b"A007"], (D.ROUTED, HAIZHOU, [11, 12, 13]), b"A007"),
        # 320722 has no entry: its city's counts. Balanced, all empty: in the group's order.
        ([b"A003"], (D.ROUTED, GUANYUN, [21, 22, 23, 24]), b"A003"),
        # Pre-advice brings its brand, although the pattern says brand 2, which has no route there.
        ([b"1234"], (D.ROUTED, HAIZHOU, [11, 12, 13]), b"1234"),
        # The pattern's brand, as pre-advice names none.
        ([b"2345"], (D.ROUTED, HAIZHOU, [11, 12, 13]), b"2345"),
        ([CHINESE], (D.ROUTED, GUANYUN, [21, 22, 23, 24]), CHINESE),
        ([b"]Q3" + CHINESE], (D.ROUTED, GUANYUN, [21, 22, 23, 24]), CHINESE),
        ([LONG], (D.ROUTED, GUANYUN, [21, 22, 23, 24]), LONG),
        ([b"A004"], (D.NO_ROUTE, ODD, [70]), b"A004"),
        ([b"A006"], (D.NO_ROUTE, ODD, [70]), b"A006"),
        ([b"A999"], (D.UNKNOWN_DESTINATION, ODD, [70]), b"A999"),
        ([b"A005"], (D.RECIRCULATED, RING, []), b"A005"),
        ([], (D.NO_READ, NO_READS, [50]), b""),
        ([b""], (D.NO_READ, NO_READS, [50]), b""),
        ([b"]C1"], (D.NO_READ, NO_READS, [50]), b""),
        ([b"HTTP://X"], (D.NOT_A_WAYBILL, ODD, [70]), b""),
        ([b"A0011"], (D.NOT_A_WAYBILL, ODD, [70]), b""),
        ([b"a001"], (D.NOT_A_WAYBILL, ODD, [70]), b""),
        ([CHINESE[:-1]], (D.NOT_A_WAYBILL, ODD, [70]), b""),
        ([CHINESE[:3]], (D.NOT_A_WAYBILL, ODD, [70]), b""),
        ([b"A001", b"A002"], (D.CONFLICT, CONFLICTS, [60]), b""),
        ([b"HTTP://X", b"A001", b"]C1A001", b"1234"], (D.CONFLICT, CONFLICTS, [60]), b""),
    ],
)
def test_each_rule(
    line: Compiled, codes: list[bytes], expected: tuple[Disposition, int, list[int]], waybill: bytes
) -> None:
    decision = decided(line, *codes)
    assert outcome(decision) == expected
    assert decision.waybill == waybill
    assert decision.revision == 0


def test_a_code_that_may_be_cut_is_no_waybill(line: Compiled) -> None:
    assert decided(line, LONG, status=ScanStatus.CODE_CUT).disposition == D.NOT_A_WAYBILL
    behind = b"]C1" + LONG_BESIDE_PREFIX
    assert decided(line, behind, piece=3, status=ScanStatus.CODE_CUT).disposition == D.NOT_A_WAYBILL
    assert decided(line, behind, piece=4).waybill == LONG_BESIDE_PREFIX
    both = decided(line, LONG, b"A001", piece=2, status=ScanStatus.CODE_CUT)
    assert (both.disposition, both.waybill) == (D.ROUTED, b"A001")


def test_a_scan_that_is_not_tied_counts_for_nothing(line: Compiled) -> None:
    first = decided(line, b"A001", status=ScanStatus.TIE_AMBIGUOUS)
    assert (first.disposition, first.waybill) == (D.SCAN_NOT_TIED, b"")
    again = decided(line, b"A001")
    assert (again.disposition, again.waybill, again.revision) == (D.ROUTED, b"A001", 1)
    lap = decided(line, b"A002", lap=1, status=ScanStatus.TIE_AMBIGUOUS)
    assert (lap.disposition, lap.waybill) == (D.ROUTED, b"A001")


def test_deadline_is_the_pass_of_the_first_chute_less_the_margin(line: Compiled) -> None:
    margin = SECOND // 10
    assert decided(line, b"A001", ago=3).deadline_ns == NOW - 3 * SECOND + 11 * SECOND - margin
    # Nothing named: the last chute of the machine, where it would leave by default.
    assert decided(line, b"A005", piece=2).deadline_ns == NOW + 81 * SECOND - margin


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (10, (D.ROUTED, HAIZHOU, [11, 12, 13])),
        (11, (D.ROUTED, HAIZHOU, [12, 13])),
        (13, (D.OVERFLOW, HAIZHOU, [31])),
        (31, (D.RECIRCULATED, HAIZHOU, [])),
    ],
)
def test_a_chute_behind_the_piece_is_not_named(
    line: Compiled, ago: int, expected: tuple[Disposition, int, list[int]]
) -> None:
    assert outcome(decided(line, b"A001", ago=ago)) == expected


def test_room_is_kept_within_one_batch(line: Compiled) -> None:
    decisions = line.batch([scan(b"A001", piece=n) for n in range(1, 11)], NOW)
    assert [d.chutes[:1] for d in decisions] == [
        [11], [11], [12], [12], [13], [13], [31], [31], [], [],
    ]  # fmt: skip
    assert [d.disposition for d in decisions[6:]] == [D.OVERFLOW] * 2 + [D.RECIRCULATED] * 2


def test_balanced_takes_the_least_loaded_and_filling_the_fullest(
    chutes: dict[int, naive.Chute],
) -> None:
    for number, fill in {21: 3, 22: 2, 23: 4, 24: 1, 25: 0}.items():
        chutes[number].fill, chutes[number].capacity = fill, 5
    chutes[24].capacity = 10
    for number, fill in {80: 1, 81: 2}.items():
        chutes[number].fill, chutes[number].capacity = fill, 3
    for number in (11, 12, 13, 31):
        chutes[number].state = ChuteState.FULL
    line = Compiled(plan(), PRE_ADVICE, chutes)
    assert decided(line, b"A003").chutes == [25, 24, 22, 21]
    assert outcome(decided(line, b"A001", piece=2, lap=2)) == (D.LAP_LIMIT, REJECTS, [81, 80])


def test_shut_chutes(chutes: dict[int, naive.Chute]) -> None:
    chutes[21].locked = True
    chutes[22].state = ChuteState.LOCKED
    chutes[23].state = ChuteState.BLOCKED
    chutes[24].state = ChuteState.EMPTIED
    del chutes[25]
    assert decided(Compiled(plan(), PRE_ADVICE, chutes), b"A003").chutes == [24]


def test_an_exception_without_room_waits_and_then_goes_anyway_but_for_a_lock(
    chutes: dict[int, naive.Chute],
) -> None:
    chutes[50].state = ChuteState.FULL
    chutes[80].fill = chutes[81].fill = 2
    line = Compiled(plan(), PRE_ADVICE, chutes)
    assert outcome(decided(line, lap=0)) == (D.NO_READ, NO_READS, [])
    assert outcome(decided(line, lap=1)) == (D.NO_READ, NO_READS, [])
    assert outcome(decided(line, lap=2)) == (D.NO_READ, NO_READS, [50])
    line.change(50, ChuteState.OPEN, locked=True, fill=0)
    assert outcome(decided(line, lap=3)) == (D.NO_READ, NO_READS, [])


def test_an_exception_keeps_its_reason_in_an_overflow_group(
    chutes: dict[int, naive.Chute],
) -> None:
    chutes[50].state = ChuteState.FULL
    line = Compiled(plan(), PRE_ADVICE, chutes)
    assert outcome(decided(line)) == (D.NO_READ, NO_READS, [80, 81])


@pytest.mark.parametrize(("groups", "found"), [(9, True), (10, False)])
def test_eight_overflow_groups_are_tried(
    chutes: dict[int, naive.Chute], groups: int, found: bool
) -> None:
    """A chain of groups of which only the last has a chute."""
    chained = plan()
    chained.groups = {n: naive.Group([], overflow=n + 1) for n in range(1, groups)}
    chained.groups[groups] = naive.Group([31])
    chained.exceptions = {}
    decision = decided(Compiled(chained, PRE_ADVICE, chutes), b"A001")
    expected = (D.OVERFLOW, 1, [31]) if found else (D.RECIRCULATED, 1, [])
    assert outcome(decision) == expected


def test_a_waybill_read_on_the_second_scan_of_a_lap_replaces_the_no_read(line: Compiled) -> None:
    assert decided(line).disposition == D.NO_READ
    assert line.batch([scan(), scan(b"HTTP://X")], NOW) == []
    better = decided(line, b"A001")
    assert (better.disposition, better.revision, better.chutes) == (D.ROUTED, 1, [11, 12, 13])
    assert line.batch([scan(b"A001"), scan(), scan(b"HTTP://X")], NOW) == []
    assert int(line.tracking.chutes[50]["reserved"]) == 0
    assert int(line.tracking.chutes[11]["reserved"]) == 1


def test_a_second_waybill_makes_a_conflict_for_ever(line: Compiled) -> None:
    assert decided(line, b"A001").disposition == D.ROUTED
    second = decided(line, b"A002")
    assert (second.disposition, second.revision, second.chutes) == (D.CONFLICT, 1, [60])
    assert line.batch([scan(b"A001")], NOW) == []
    later = decided(line, b"A001", lap=1)
    assert (later.disposition, later.revision, later.waybill) == (D.CONFLICT, 0, b"")


def test_another_waybill_on_a_later_lap_is_a_conflict(line: Compiled) -> None:
    assert decided(line, b"A001").disposition == D.ROUTED
    assert decided(line, b"A003", lap=1).disposition == D.CONFLICT


def test_a_lap_that_reads_nothing_keeps_the_waybill(line: Compiled) -> None:
    assert decided(line, b"A001").waybill == b"A001"
    again = decided(line, b"HTTP://X", lap=1)
    assert (again.disposition, again.waybill) == (D.ROUTED, b"A001")
    assert again.facts == naive.Advice(1, 0, 320706)


def test_a_scan_of_a_lap_gone_by_is_passed_over(line: Compiled) -> None:
    decided(line, b"A001", lap=2)
    assert line.batch([scan(b"A003", lap=1)], NOW) == []
    # So is one that the same batch overtakes.
    decisions = line.batch([scan(b"A001", piece=2), scan(b"A001", piece=2, lap=1)], NOW)
    assert [decision.lap for decision in decisions] == [1]
