"""What an emulated day brings: pieces with waybills of the network's brands, bound for real places.

Makes three files from one seed: the labels the emulator puts on its pieces, the pre-advice that the
brands sent ahead, and what the upstream host knows of the rest. Shares follow the express domain:
most pieces are advised and clean, some carry a product code beside the waybill, some are bound for
where their route label says, few are bad in each way a sorter knows.
"""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES
from routing_tables.codes import compile_codes
from routing_tables.labels import Labels
from routing_tables.schema import Network
from sorter.assignment.arrays import DFA_START

PIECES = 20_000
"""An hour of the demo's sorter; the emulator starts over when they are used up."""
SHARE_PRODUCT_CODE = 0.20
SHARE_CONFLICT = 0.003
SHARE_NOT_A_WAYBILL = 0.003
SHARE_NOT_ADVISED = 0.006
SHARE_BY_HOST = 0.05
"""Pieces that were not advised and that the upstream host knows."""
SHARE_INTERCEPTED = 0.002
"""Pieces that their sender or the police called back while they travelled."""
SHARE_LABELLED = 0.06
"""Pieces advised without a destination, which their route label tells instead."""
SHARE_OUTBOUND = 0.15
"""Pieces bound for places outside the city."""
LANE_SLOPE = 0.7
"""Rank-size slope of destinations (measured over 74,000 lanes of 57 centres: 0.61 to 0.76)."""
WEIGHT_LOG_MEAN, WEIGHT_LOG_SIGMA = 6.73, 1.35
"""Log-normal weight in grams (112,650 orders of a Brazilian marketplace; median about 700 g)."""
WEIGHT_MAX_G = 30_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a manifest."""

    labels: Path
    pre_advice: Path
    host: Path
    """What the upstream host knows."""


def write_manifest(
    folder: Path, network: Network, seed: int, pieces: int = PIECES, share_by_host: float = 0.0
) -> Manifest:
    """Write ``labels.csv``, ``pre_advice.csv`` and ``host.csv``; the same seed, the same files.

    Args:
        folder: Where to write.
        network: Whose brands and places.
        seed: Of all that is drawn.
        pieces: How many.
        share_by_host: Pieces that are not advised and known to the upstream host, 0 to 1.
    """
    rng = np.random.default_rng(seed)
    brand_of = rng.integers(0, len(network.brands), pieces)
    waybills = _waybills(network, brand_of, rng)
    destinations = _destinations(network, pieces, rng)
    classes = rng.choice(network.service_classes, pieces)
    kind = rng.random(pieces)
    manifest = Manifest(folder / "labels.csv", folder / "pre_advice.csv", folder / "host.csv")
    conflict = kind < SHARE_CONFLICT
    bare = (kind >= SHARE_CONFLICT) & (kind < SHARE_CONFLICT + SHARE_NOT_A_WAYBILL)
    called_back = SHARE_CONFLICT + SHARE_NOT_A_WAYBILL
    intercepted = (kind >= called_back) & (kind < called_back + SHARE_INTERCEPTED)
    unadvised = kind > 1 - SHARE_NOT_ADVISED
    product = rng.random(pieces) < SHARE_PRODUCT_CODE
    labels = _labels(network, brand_of, rng.random(pieces) < SHARE_LABELLED, rng)
    # Drawn by itself, so that the rest of a manifest is the same with and without a host.
    by_host = np.random.default_rng([seed, 1]).random(pieces) < share_by_host
    by_host &= ~unadvised & np.array([not label for label in labels])
    with manifest.host.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["waybill", "brand", "service_class", "destination"])
        for i in np.flatnonzero(by_host).tolist():
            brand = network.brands[brand_of[i]].code
            writer.writerow([waybills[i], brand, classes[i], destinations[i]])
    with manifest.pre_advice.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["waybill", "brand", "service_class", "destination", "holds"])
        for i in np.flatnonzero(~unadvised & ~by_host).tolist():
            brand = network.brands[brand_of[i]].code
            hold = "INTERCEPTED" if intercepted[i] else ""
            destination = "" if labels[i] else destinations[i]
            writer.writerow([waybills[i], brand, classes[i], destination, hold])
    sizes = _sizes(pieces, rng)
    with manifest.labels.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["codes", "weight_g", "length_mm", "width_mm", "height_mm"])
        for i in range(pieces):
            codes = [] if bare[i] else ["]C0" + waybills[i]]
            if conflict[i]:
                codes.append("]C0" + waybills[i - 1])
            if labels[i] and not bare[i]:
                codes.append(labels[i])
            if product[i] or bare[i]:
                codes.append(_ean13(rng))
            writer.writerow(["|".join(codes), *sizes[i]])
    return manifest


def _labels(
    network: Network,
    brand_of: NDArray[np.int64],
    labelled: NDArray[np.bool_],
    rng: np.random.Generator,
) -> list[str]:
    """Return the route label of each piece that is to have one, of its brand's tables; else empty.

    The places that labels name are as good as any: such a piece is bound for what its label says.
    """
    labels = np.full(len(brand_of), "", dtype=object)
    for number, brand in enumerate(network.brands):
        forms = Labels(brand)
        texts = [
            whole.decode()
            for row in network.labels
            if row.brand == brand.code
            for _, whole in forms.examples(row.segments)
        ]
        mine = np.flatnonzero(labelled & (brand_of == number))
        if texts:
            labels[mine] = rng.choice(np.array(texts, dtype=object), len(mine))
    return [str(label) for label in labels]


def _waybills(network: Network, brand_of: NDArray[np.int64], rng: np.random.Generator) -> list[str]:
    """Return a waybill for each piece, walked at random through its brand's own patterns.

    All pieces of a brand step through the brand's automaton together; a state with nowhere to go
    but out is an end, any other accepting state ends by the toss of a coin.
    """
    waybills = np.full(len(brand_of), "", dtype=object)
    for number, brand in enumerate(network.brands):
        mine = np.flatnonzero(brand_of == number)
        following, accept, _ = compile_codes((replace(brand, labels=()),))
        texts = np.zeros((len(mine), CODE_BYTES), np.uint8)
        states = np.full(len(mine), DFA_START, np.int64)
        walking = np.ones(len(mine), bool)
        for position in range(CODE_BYTES - 3):
            for state in np.unique(states[walking]):
                here = np.flatnonzero(walking & (states == state))
                live = np.flatnonzero(following[state] != 0)
                ends = accept[state] != 0
                if ends and (not len(live) or position):
                    stay = (
                        np.zeros(len(here), bool) if not len(live) else rng.random(len(here)) < 0.5
                    )
                    walking[here[~stay]] = False
                    here = here[stay]
                texts[here, position] = rng.choice(live, len(here)) if len(live) else 0
                states[here] = following[state, texts[here, position]]
        waybills[mine] = [bytes(text).rstrip(b"\0").decode("ascii") for text in texts]
    return [str(waybill) for waybill in waybills]


def _destinations(network: Network, pieces: int, rng: np.random.Generator) -> list[str]:
    """Return a division code for each piece: villages of the city by rank and size, and others."""
    villages = rng.permutation([d.code for d in network.divisions if len(d.code) == 12])
    weights = np.arange(1, len(villages) + 1) ** -LANE_SLOPE
    chosen = rng.choice(villages, pieces, p=weights / weights.sum())
    outside = rng.random(pieces) < SHARE_OUTBOUND
    provinces = [d.prefix for d in network.directions if len(d.prefix) == 2]
    chosen[outside] = [p + "0100" for p in rng.choice(provinces, int(outside.sum()))]
    return [str(code) for code in chosen]


def _sizes(pieces: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return weight in g and length, width, height in mm, shape (pieces, 4)."""
    weight = np.minimum(rng.lognormal(WEIGHT_LOG_MEAN, WEIGHT_LOG_SIGMA, pieces), WEIGHT_MAX_G)
    side = 120 + 90 * np.cbrt(weight / 700)[:, None] * rng.uniform(0.6, 1.6, (pieces, 3))
    return np.column_stack([weight, -np.sort(-side, axis=1)]).astype(np.int64)


def _ean13(rng: np.random.Generator) -> str:
    """Return a product code: 13 digits with their check digit (GS1 General Specifications)."""
    digits = [6, 9, *rng.integers(0, 10, 10).tolist()]
    check = -sum(d * (3 if i % 2 else 1) for i, d in enumerate(digits)) % 10
    return "".join(map(str, [*digits, check]))
