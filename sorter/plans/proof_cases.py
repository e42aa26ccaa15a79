"""The cases of a proof: every destination with every brand and class, as scans the line could see.

Each case is a waybill of the brand's own patterns, the pre-advice row that gives its destination,
and the scan that reads it. Brand 0 is a waybill that no brand's pattern knows, advised without one;
class 0 is a row without a class.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES, EVENT, Disposition, EventKind, Records
from routing_tables.codes import compile_codes
from routing_tables.schema import Network
from sorter.assignment.apart import decide_apart
from sorter.assignment.arrays import PlanArrays, PreAdviceArrays, no_pre_advice
from sorter.assignment.tables import build_pre_advice
from sorter.assignment.warmup import mapped_pre_advice
from sorter.plans.barcodes import waybills_of
from sorter.ports import DECISION, PIECE

CASES_MAX = 65_536
"""Cases asked at once: some 40 MB of records."""
UNBRANDED = "UNBRANDED-{:07d}"
SCANNED_NS = 1_800_000_000_000_000_000
"""Instant of every made-up scan: any will do, as each is answered at once."""
BOOT = 1


@dataclass(frozen=True, slots=True)
class Cases:
    """Some cases; all arrays are of one length."""

    destination: NDArray[np.int64]
    brand: NDArray[np.uint16]
    service_class: NDArray[np.uint16]
    waybills: NDArray[np.uint8]
    """uint8[n, CODE_BYTES], NUL-padded."""
    pre_advice: PreAdviceArrays
    """A row for each case."""
    labels: NDArray[np.uint8] | None = None
    """uint8[n, CODE_BYTES], a route label read beside the waybill; None where it has none."""

    @classmethod
    def of(
        cls,
        destination: NDArray[np.int64],
        brand: NDArray[np.uint16],
        service_class: NDArray[np.uint16],
        waybills: NDArray[np.uint8],
        labels: NDArray[np.uint8] | None = None,
    ) -> "Cases":
        """Return cases and the pre-advice they need; where a label tells the destination, none."""
        lengths = np.count_nonzero(waybills, axis=1).astype(np.uint16)
        advised = destination if labels is None else np.zeros(len(destination), np.int64)
        table = build_pre_advice(waybills, lengths, brand, service_class, advised)
        return cls(destination, brand, service_class, waybills, mapped_pre_advice(table), labels)

    def pick(self, which: NDArray[np.intp]) -> "Cases":
        """Return some of the cases, by themselves."""
        return Cases.of(
            self.destination[which],
            self.brand[which],
            self.service_class[which],
            self.waybills[which],
            None if self.labels is None else self.labels[which],
        )

    def __len__(self) -> int:
        return len(self.destination)

    def barcode(self, case: int) -> str:
        """Return a case's waybill, as its bars say it."""
        return str(self.waybills[case].tobytes().rstrip(b"\0"), "ascii")

    def label(self, case: int) -> str:
        """Return a case's route label, empty where it has none."""
        label = b"" if self.labels is None else self.labels[case].tobytes()
        return str(label.rstrip(b"\0"), "ascii")

    def ask(self, which: NDArray[np.intp], chutes: Records, plan: PlanArrays, lap: int) -> Records:
        """Return DECISION[len(which)]: what the line decides for these cases, each alone on it."""
        read = [self.waybills] if self.labels is None else [self.waybills, self.labels]
        codes = np.stack([column[which] for column in read], axis=1)
        return ask(codes, lap, chutes, plan, self.pre_advice)


def ask(
    codes: NDArray[np.uint8], lap: int, chutes: Records, plan: PlanArrays, pre: PreAdviceArrays
) -> Records:
    """Return what the line decides for scans with these codes, each piece alone on the machine.

    Args:
        codes: uint8[n, codes of a scan, CODE_BYTES].
        lap: The lap they are on.
        chutes: CHUTE by number.
        plan: The plan, read-only as the line maps it.
        pre: The pre-advised waybills, read-only likewise.
    """
    events = np.zeros(len(codes), EVENT)
    events["kind"], events["boot_id"], events["lap"] = EventKind.SCANNED, BOOT, lap
    events["event_ns"], events["code_count"] = SCANNED_NS, codes.shape[1]
    events["codes"][:, : codes.shape[1]] = codes
    pieces = np.zeros(len(codes), PIECE)
    pieces["boot_id"], pieces["lap"] = BOOT, lap
    for records in (events, pieces):
        for measure in ("weight_g", "length_mm", "width_mm", "height_mm"):
            records[measure] = 1  # Measured, and small: no rule about sizes is at stake.
    decisions = np.zeros(len(codes), DECISION)
    decide_apart(events, pieces, chutes, plan, pre, decisions)
    return decisions


def cases_of(
    network: Network, plan: PlanArrays, chutes: Records, destinations: NDArray[np.int64]
) -> Iterator[Cases]:
    """Yield all cases of these destinations, up to CASES_MAX at once.

    Unknown brands are left out where the brands' patterns know any text.
    """
    classes = len(network.service_classes) + 1
    most = min(CASES_MAX, len(destinations) * classes)
    codes = compile_codes(network.brands)
    texts = [_unbranded(plan, chutes, most)]
    texts += [waybills_of(codes, brand, most) for brand in range(1, len(network.brands) + 1)]
    asked = [brand for brand, known in enumerate(texts) if len(known)]
    # So many that each has a waybill of its own, even if a brand's pattern knows few.
    together = min(CASES_MAX, *(len(texts[brand]) for brand in asked))
    total = len(destinations) * len(asked) * classes
    for first in range(0, total, together):
        case = np.arange(first, min(first + together, total))
        brand = np.array(asked, np.uint16)[case // classes % len(asked)]
        waybills = np.zeros((len(case), CODE_BYTES), np.uint8)
        for number in asked:
            mine = brand == number
            waybills[mine] = texts[number][: np.count_nonzero(mine)]
        yield Cases.of(
            destinations[case // (classes * len(asked))],
            brand,
            (case % classes).astype(np.uint16),
            waybills,
        )


def _unbranded(plan: PlanArrays, chutes: Records, most: int) -> NDArray[np.uint8]:
    """Return waybills that no pattern knows; none where some pattern knows even these."""
    texts: NDArray[Any] = np.array([UNBRANDED.format(n) for n in range(most)], f"S{CODE_BYTES}")
    waybills = texts.view(np.uint8).reshape(most, CODE_BYTES)
    nothing = mapped_pre_advice(no_pre_advice())
    decided = ask(waybills[:, None, :], 0, chutes, plan, nothing)["disposition"]
    return waybills if (decided == Disposition.NOT_A_WAYBILL).all() else waybills[:0]
