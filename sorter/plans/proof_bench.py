"""What the checks of one proof share: the plan, compiled, its routes, and what was found."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CHUTE_NUMBER_MAX, ChuteState, Disposition, Records
from routing_tables.codes import compile_codes
from routing_tables.schema import Network
from sorter.assignment.arrays import PlanArrays
from sorter.assignment.choice import OVERFLOW_HOPS_MAX
from sorter.assignment.warmup import mapped
from sorter.plans.barcodes import waybills_of
from sorter.plans.compile import compile_plan, group_numbers
from sorter.plans.crosscheck import crosscheck
from sorter.plans.plan import Plan
from sorter.plans.proof_cases import Cases
from sorter.plans.proof_report import Case, Verdicts
from sorter.plans.rules import Rules, rules_of

FIRST_LAP = 0
"""What finds no chute stays on, or goes as an exception where there is no further lap; it shows."""


class Bench:
    """What the checks of one proof share."""

    def __init__(
        self, plan: Plan, network: Network, chutes: Records, centre: str, reaction_ms: int
    ) -> None:
        """Compile the plan.

        Raises:
            ConfigError: it can't be compiled, every error in it; or it has too many routes.
            TableError: the routes make more zones, or name more places, than a plan can hold.
        """
        findings = crosscheck(plan, network, chutes, centre)
        arrays, names = compile_plan(plan, network, chutes, 1, centre, reaction_ms, findings)
        self.plan = plan
        self.network = network
        self.chutes = chutes.copy()
        self.arrays: PlanArrays = mapped(arrays)
        self.group_names: list[str] = names["groups"]
        self.brands: list[str] = names["brands"]
        self.classes: list[str] = names["service_classes"]
        self.in_reach = chutes_in_reach(self.arrays)
        self.source = plan.routes or plan.source
        """File of the routes, to name in findings."""
        self.rules: Rules = rules_of(network, findings.routes)
        codes = compile_codes(network.brands)
        few = [waybills_of(codes, n, 2) for n in range(1, len(network.brands) + 1)]
        self.groups = self.rules.groups(group_numbers(plan))
        """uint16[routes + 1], the group of each route's number."""
        self.waybills = [texts_of(texts) for texts in few]
        self.verdicts = Verdicts()
        self.decisions = 0

    def with_out(self, chute: int) -> Records:
        """Return the machine with one chute out of order."""
        out = self.chutes.copy()
        out[chute]["state"] = ChuteState.BLOCKED
        return out

    def case(self, cases: Cases, number: int, rule: int, decision: Any, closed: int) -> Case:
        """Return a case as it is shown to a person."""
        brand, service_class = int(cases.brand[number]), int(cases.service_class[number])
        barcode, destination = cases.barcode(number), int(cases.destination[number])
        label = cases.label(number)
        told = "" if label else destination
        return Case(
            barcode=f"{barcode} {label}".rstrip(),
            pre_advice=f"{barcode},{self.brands[brand]},{self.classes[service_class]},{told}",
            closed_chute=closed,
            path=(
                f"destination {destination}",
                self.rules.told(rule),
                f"group {self.group_names[int(decision['group'])] or 'none'}",
                f"chutes {named(decision) or 'none'}",
                f"disposition {Disposition(int(decision['disposition'])).name.lower()}",
            ),
        )


def chutes_in_reach(plan: PlanArrays) -> NDArray[np.bool_]:
    """Return bool[groups + 1, chutes]: the chutes of a group and of those it overflows to."""
    count = len(plan.group_policy)
    reach = np.zeros((count, CHUTE_NUMBER_MAX + 1), bool)
    for start in range(1, count):
        group, hops = start, 0
        while group and hops <= OVERFLOW_HOPS_MAX:
            reach[
                start, plan.group_chutes[plan.group_first[group] : plan.group_first[group + 1]]
            ] = 1
            group, hops = int(plan.group_overflow[group]), hops + 1
    return reach


def texts_of(waybills: NDArray[np.uint8]) -> list[bytes]:
    """Return waybills as texts, without their padding."""
    return [waybill.tobytes().rstrip(b"\0") for waybill in waybills]


def named(decision: np.void) -> str:
    """Return the chutes a decision names, in words; empty for none."""
    return ", ".join(str(int(number)) for number in decision["chutes"] if number)
