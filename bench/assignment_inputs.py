"""The inputs of the assignment bench: a country's places, a night's pre-advice, some scans.

All but the places is computed, and the same numbers come out on every machine.
"""

from dataclasses import dataclass

import numpy as np

from bench import naive
from bench.villages import village_codes
from plc_adapters.contract import Disposition

SECOND = 1_000_000_000
NOW_NS = 1_800_000_000 * SECOND
LABELS = 20_000
"""Rows of brand 1's route labels: outlets, each in a village."""
ZONES = 200
"""Destinations that the centre tells apart, each a chute group of three."""
OWN_ZONES = 10
"""Every so many zones one brand has a group of its own."""
CHUTES_OF_GROUP = 3
NO_READS, CONFLICTS, REJECTS = ZONES + 1, ZONES + 2, ZONES + 3
CLASSES = 4
BRANDS = [
    ["LXE[0-9]{10}", "LXE[0-9]{10}-[0-9]{2}"], ["Y[0-9]{3}L[0-9]{9}"], ["QF[A-Z][0-9]{8}[A-Z]"],
]  # fmt: skip
CHUTE_CAPACITY = 100_000
"""More than there are scans: which group has room is not what is measured."""
INTERCEPTED, NO_HOLDS = frozenset([Disposition.INTERCEPTED]), frozenset[Disposition]()
SEED = 7
STEP = 2_654_435_761
"""Odd and no multiple of 5: steps through all numbers of up to nine digits before it repeats."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What all contenders are given."""

    plan: naive.Plan
    pre_advice: dict[bytes, naive.Advice]
    scans: list[naive.Scan]
    source: str
    """Where the places are from."""

    @staticmethod
    def chutes() -> dict[int, naive.Chute]:
        """Return the machine: every chute of every group, empty, none of them passed."""
        count = (ZONES + 3) * CHUTES_OF_GROUP
        return {n: naive.Chute(CHUTE_CAPACITY, n * SECOND) for n in range(1, count + 1)}


def make_inputs(advised: int, scans: int) -> Inputs:
    """Make the inputs.

    Args:
        advised: Pre-advised waybills.
        scans: Scans, each of a piece of its own.
    """
    codes, source = village_codes()
    villages = [int(code) for code in codes]
    pre_advice = {_waybill(n): _advice(n, villages) for n in range(advised)}
    rows = {(1, _segments(n)): villages[n * STEP % len(villages)] for n in range(LABELS)}
    return Inputs(_plan(_places(codes), rows), pre_advice, _scans(scans, advised), source)


def _places(villages: list[str]) -> dict[str, int]:
    """Return the zone of every division code.

    All that lies in a city is of the city's zone; a province as such has none (zone ZONES).
    """
    cities = dict.fromkeys(code[:4] for code in villages)
    zones = {city: number % ZONES for number, city in enumerate(cities)}
    places = {city[:2]: ZONES for city in cities} | zones
    for digits in (6, 9, 12):
        places.update((code[:digits], zones[code[:4]]) for code in villages)
    return places


def _plan(places: dict[str, int], label_rows: dict[tuple[int, str], int]) -> naive.Plan:
    keys = [(b, c) for b in range(len(BRANDS) + 1) for c in range(CLASSES + 1)]
    routes: list[dict[tuple[int, int], int]] = [dict.fromkeys(keys, z + 1) for z in range(ZONES)]
    for zone in range(0, ZONES, OWN_ZONES):
        routes[zone].update({(1, c): zone + 2 for c in range(CLASSES + 1)})
    policies = ("ordered", "balanced", "filling")
    return naive.Plan(
        version=1,
        lap_limit=3,
        margin_ns=SECOND // 5,
        brands=BRANDS,
        places=places,
        routes=[*routes, {}],
        classes=CLASSES,
        groups={
            number: naive.Group(
                [(number - 1) * CHUTES_OF_GROUP + k for k in range(1, CHUTES_OF_GROUP + 1)],
                policies[number % len(policies)],
                overflow=REJECTS if number < REJECTS else 0,
            )
            for number in range(1, REJECTS + 1)
        },
        exceptions={
            Disposition.NO_READ: NO_READS,
            Disposition.CONFLICT: CONFLICTS,
            Disposition.NOT_A_WAYBILL: NO_READS,
            Disposition.UNKNOWN_DESTINATION: REJECTS,
            Disposition.NO_ROUTE: REJECTS,
            Disposition.LAP_LIMIT: REJECTS,
            Disposition.INTERCEPTED: CONFLICTS,
        },
        limits=naive.Limits(30_000, (1200, 800, 800)),
        keep_free=[15, 0, 5, 10, 15],
        labels=[(1, "segments", "[0-9]{3}(-[A-Z][0-9]{3}(-[A-Z][0-9] [0-9]{2})?)?")],
        label_rows=label_rows,
    )


def _waybill(number: int) -> bytes:
    """Return a waybill of brand 1, 2 or 3 in turn; none twice."""
    digits = number * STEP % 100_000_000
    if number % 3 == 0:
        return b"LXE%010d" % digits
    if number % 3 == 1:
        return b"Y%03dL%09d" % (digits % 1000, digits)
    return b"QF%c%08d%c" % (65 + digits % 26, digits, 65 + digits % 25)


def _advice(number: int, villages: list[int]) -> naive.Advice:
    """Return brand, class and a village; of a hundred, one is unknown and one a mere province.

    One of five hundred is intercepted.
    """
    place = villages[number * STEP % len(villages)]
    if number % 100 == 0:
        place = 0
    elif number % 100 == 1:
        place //= 10**10
    holds = INTERCEPTED if number % 500 == 2 else NO_HOLDS
    return naive.Advice(number % 3 + 1, number % CLASSES + 1, place, holds)


def _segments(number: int) -> str:
    """Return transfer centre and outlet of a label; none twice."""
    return f"{number // 20 % 1000:03d}-{chr(65 + number % 20)}{number % 1000:03d}"


def _scans(count: int, advised: int) -> list[naive.Scan]:
    """Return scans of pieces 1, 2, ...: nine of ten read one pre-advised waybill."""
    random = np.random.RandomState(SEED)  # Frozen by numpy: the same on every version.
    shares, first, second = random.randint(0, 100, count), *random.randint(0, advised, (2, count))
    scans = []
    for k in range(count):
        share, one, other = int(shares[k]), _waybill(int(first[k])), _waybill(int(second[k]))
        codes = [b"]C1" + one] if share % 2 else [b"HTTP://Q.CN/" + one, one]
        if share >= 99:
            codes = [b"6901234567892"]
        elif share == 98:  # Not pre-advised, but its route label says where to.
            label = _segments(int(first[k]) % LABELS) + "-J9 47"
            codes = [b"]C1" + _waybill(3 * (advised + k)), label.encode()]
        elif share >= 97:
            codes = [_waybill(advised + k)]  # A brand's pattern, but not pre-advised.
        elif share >= 95:
            codes = [one, other]
        elif share >= 93:
            codes = [b"]C1" + one, b"]Q3" + one]
        elif share >= 90:
            codes = []
        scans.append(naive.Scan(k + 1, 0, NOW_NS, codes))
    return scans
