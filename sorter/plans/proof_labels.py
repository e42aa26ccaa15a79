"""Checks a plan's route labels: each row of the network's tables leads where it says."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CODE_BYTES, Disposition, Records
from routing_tables.codes import compile_codes
from routing_tables.labels import DELIMITERS, Labels
from routing_tables.schema import LabelRow, Network
from sorter.plans.barcodes import waybills_of
from sorter.plans.labels import unrouted_labels
from sorter.plans.proof_cases import CASES_MAX, Cases
from sorter.plans.proof_report import Case, Verdicts
from sorter.plans.rules import Rules

ENDS = bytes(DELIMITERS.values())
"""Bytes before which a label's leading segments may end."""


def label_cases(network: Network) -> Iterator[tuple[list[LabelRow], Cases]]:
    """Yield a case for each label that a row of the network's tables stands for, and its row.

    A case is a waybill advised with its brand alone, and the label beside it. Its destination is
    the one that the label has to lead to: where a longer row begins the whole label, that row's.
    """
    labels = {brand.code: Labels(brand) for brand in network.brands}
    numbers = network.brand_numbers()
    shown = [
        (row, text, whole)
        for row in network.labels
        for text, whole in labels[row.brand].examples(row.segments)
    ]
    places = {(row.brand, text): int(row.destination) for row, text, _ in shown}
    codes = compile_codes(network.brands)
    known = {code: waybills_of(codes, number, 1) for code, number in numbers.items()}
    for first in range(0, len(shown), CASES_MAX):
        some = [each for each in shown[first : first + CASES_MAX] if len(known[each[0].brand])]
        texts = np.zeros((len(some), CODE_BYTES), np.uint8)
        for number, (_, _, whole) in enumerate(some):
            texts[number, : len(whole)] = np.frombuffer(whole, np.uint8)
        rows = [row for row, _, _ in some]
        brand = np.array([numbers[row.brand] for row in rows], np.uint16)
        waybills = np.stack([known[row.brand][0] for row in rows])
        unknown = np.zeros(len(rows), np.uint16)
        ends = [_destination(row, text, whole, places) for row, text, whole in some]
        yield rows, Cases.of(np.array(ends, np.int64), brand, unknown, waybills, texts)


def _destination(
    row: LabelRow, text: bytes, whole: bytes, places: dict[tuple[str, bytes], int]
) -> int:
    """Return where a whole label leads: by the longest row that begins it."""
    for end in range(len(whole), len(text), -1):
        if end == len(whole) or whole[end] in ENDS:
            place = places.get((row.brand, whole[:end]))
            if place is not None:
                return place
    return int(row.destination)


def check_labels(
    network: Network, rules: Rules, rows: list[LabelRow], cases: Cases,
    rule: NDArray[np.uint32], decided: Records, verdicts: Verdicts,
    case: Callable[[Cases, int, int, Any, int], Case],
) -> None:  # fmt: skip
    """Check what was decided for some labels, with the machine whole.

    Args:
        network: The network.
        rules: The plan's routes.
        rows: The row of each case.
        cases: The cases.
        rule: The number of the route that holds for each.
        decided: DECISION of each.
        verdicts: Gets what is found.
        case: Makes a case to show of cases, number, rule, decision and chute out.
    """
    wrong = decided["destination"] != cases.destination
    for number in np.flatnonzero(wrong).tolist():
        verdicts.fail(
            "label", rows[number].where,
            f"{rows[number].where}: this label is not taken for one of {rows[number].brand}, but "
            f"as {Disposition(int(decided[number]['disposition'])).name.lower()}; make the label "
            "patterns and the waybill patterns of all brands tell them apart",
            partial(case, cases, number, int(rule[number]), decided[number], 0),
        )  # fmt: skip
    lost = {label.row.where: label for label in unrouted_labels(network, rules.routes)}
    for number, row in enumerate(rows):
        label = lost.get(row.where)
        if label is None and (rule[number] or wrong[number]):
            continue
        tell = verdicts.warn if label is None or label.deliberate else verdicts.fail
        what = label.told() if label else (
            f"destination: {row.destination} has no route for {row.brand} where pre-advice gives "
            "no service class; add one for any class"
        )  # fmt: skip
        tell(
            "label-no-route", row.where, f"{row.where}: {what}",
            partial(case, cases, number, int(rule[number]), decided[number], 0),
        )  # fmt: skip
