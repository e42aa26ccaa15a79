"""Proves a plan by asking the compiled decision itself about everything that can come.

Every destination of the network, the directions out of it and every prefix of a route, with every
brand and service class and with unknown ones, is put to the decision as a scan, and so is every
route label: first with the machine whole, then with each single chute out. Nothing of the decision
is told again here; only which route ought to hold comes from the plan's compiler
(:mod:`sorter.plans.rules`).

With a chute out, only the cases are asked again whose group, or a group it overflows to, has that
chute: a decision reads no other chute but to bound its deadline.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    CHUTES_MAX,
    CODE_BYTES,
    ChuteState,
    Disposition,
    Records,
)
from routing_tables.codes import compile_codes
from routing_tables.schema import NO_ROUTE, LabelRow, Network
from sorter.assignment.arrays import (
    POLICY_ORDERED,
    SCALAR_MARGIN_NS,
    PlanArrays,
    no_pre_advice,
)
from sorter.assignment.choice import OVERFLOW_HOPS_MAX, name_chutes
from sorter.assignment.warmup import mapped, mapped_pre_advice
from sorter.plans.barcodes import waybills_of
from sorter.plans.compile import compile_plan, group_numbers
from sorter.plans.crosscheck import DECIDED_BY_ROUTE, crosscheck, unused_chutes
from sorter.plans.plan import Plan
from sorter.plans.proof_cases import Cases, ask, cases_of
from sorter.plans.proof_labels import check_labels, label_cases
from sorter.plans.proof_report import Case, Proof, Verdicts
from sorter.plans.proof_rules import check_rules
from sorter.plans.rules import Rules, destinations_of, rules_of

REACTION_MS = 20
"""What a PLC needs between holding an instruction and acting on it, unless the site says more."""
PRODUCT_CODE = b"6901234567892"
"""An EAN-13 of a product (GS1 prefix 690 to 699); no waybill."""
FIRST_LAP = 0
"""What finds no chute stays on, or goes as an exception where there is no further lap; it shows."""
AREA_DIGITS = 6
"""Places without a route are told by area."""


class _Bench:
    """What the checks of one proof share."""

    def __init__(
        self, plan: Plan, network: Network, chutes: Records, centre: str, reaction_ms: int
    ) -> None:
        arrays, names = compile_plan(plan, network, chutes, 1, centre, reaction_ms)
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
        self.rules: Rules = rules_of(network, crosscheck(plan, network, chutes, centre).routes)
        codes = compile_codes(network.brands)
        few = [waybills_of(codes, n, 2) for n in range(1, len(network.brands) + 1)]
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


def prove(
    plan: Plan,
    network: Network,
    chutes: Records,
    centre: str,
    reaction_ms: int = REACTION_MS,
    progress: Callable[[float], None] | None = None,
) -> Proof:
    """Prove a plan for a centre and its machine.

    Args:
        plan: The plan.
        network: The network it is for.
        chutes: CHUTE by number, the machine, all of it open.
        centre: The centre it is to run in.
        reaction_ms: What the PLC needs between holding an instruction and acting on it.
        progress: Called with the share done, 0 to 1.

    Raises:
        ConfigError: the plan can't be compiled, every error in it; or it has too many routes.
        TableError: the routes make more zones than a plan can hold.
    """
    bench = _Bench(plan, network, chutes, centre, reaction_ms)
    destinations = destinations_of(network, bench.rules)
    asked = deliberate = 0
    every = len(destinations) * (len(network.brands) + 1) * (len(network.service_classes) + 1)
    for cases in cases_of(network, bench.arrays, bench.chutes, destinations):
        deliberate += _check_cases(bench, cases)
        asked += len(cases)
        if progress:
            progress(asked / every)
    labels = sum(_check_labels(bench, rows, cases) for rows, cases in label_cases(network))
    barcodes = ["", *(texts[0].decode() for texts in bench.waybills)]
    check_rules(bench.rules, network, destinations, bench.verdicts, barcodes, bench.source)
    _check_exceptions(bench)
    for chute in unused_chutes(plan, chutes):
        bench.verdicts.fail(
            "unused-chute", chute,
            f"{plan.source}: chute {chute}: no group uses it; give it to one, or list it in spare",
        )  # fmt: skip
    return Proof(
        name=plan.name,
        centre=centre,
        destinations=len(destinations),
        cases=asked,
        decisions=bench.decisions,
        labels=labels,
        deliberate=deliberate,
        spare=plan.spare,
        failures=bench.verdicts.failures(),
        warnings=bench.verdicts.warnings(),
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


def _check_cases(bench: _Bench, cases: Cases) -> int:
    """Check some cases, whole and with each chute out; return how many have no route on purpose."""
    holding = bench.rules.holding(cases.destination)
    rule = holding[np.arange(len(cases)), cases.brand, cases.service_class]
    expected = bench.rules.groups(group_numbers(bench.plan))[rule]
    whole = cases.ask(np.arange(len(cases)), bench.chutes, bench.arrays, FIRST_LAP)
    bench.decisions += len(cases)
    disposition = whole["disposition"]
    for number in np.flatnonzero(rule == 0).tolist():
        _no_rule(bench, cases, number, whole[number])
    routed = (expected > 0) & (disposition == Disposition.ROUTED) & (whole["chutes"][:, 0] > 0)
    wrong = (routed & (whole["group"] != expected)) | (
        (expected == 0) & (disposition != Disposition.NO_ROUTE)
    )
    for number in np.flatnonzero(wrong).tolist():
        bench.verdicts.fail(
            "wrong-group", int(rule[number]),
            f"{bench.rules.told(int(rule[number]))}: the decision says otherwise; this is a fault "
            "of the program, don't use the plan and report it",
            partial(bench.case, cases, number, int(rule[number]), whole[number], 0),
        )  # fmt: skip
    for number in np.flatnonzero((expected > 0) & ~routed).tolist():
        name = bench.group_names[int(expected[number])]
        bench.verdicts.fail(
            "no-open-chute", name,
            f"{bench.plan.source}: groups.{name}: no chute of it can be reached with the machine "
            "whole; give it a chute that the PLC can still switch for",
            partial(bench.case, cases, number, int(rule[number]), whole[number], 0),
        )  # fmt: skip
    _check_order(bench, cases, rule, whole)
    for chute in np.flatnonzero(bench.chutes["exists"]).tolist():
        _check_outage(bench, cases, rule, whole, chute)
    return int(np.count_nonzero((rule > 0) & (expected == 0)))


def _check_labels(bench: _Bench, rows: list[LabelRow], cases: Cases) -> int:
    """Check some labels, whole and with each chute out; return how many."""
    whole = cases.ask(np.arange(len(cases)), bench.chutes, bench.arrays, FIRST_LAP)
    bench.decisions += len(cases)
    check_labels(bench.network, bench.rules, rows, cases, whole, bench.verdicts, bench.case)
    rule = bench.rules.holding(cases.destination)[np.arange(len(cases)), cases.brand, 0]
    for chute in np.flatnonzero(bench.chutes["exists"]).tolist():
        _check_outage(bench, cases, rule, whole, chute)
    return len(cases)


def _no_rule(bench: _Bench, cases: Cases, number: int, decision: Any) -> None:
    """Tell of a place that the routes forget; an unknown brand or class is worth a warning."""
    known = cases.brand[number] > 0 and cases.service_class[number] > 0
    tell = bench.verdicts.fail if known else bench.verdicts.warn
    area = str(cases.destination[number])[:AREA_DIGITS]
    who = "some brand or class" if known else "unknown brands or classes"
    tell(
        "no-route", area,
        f"{bench.source}: {area}: places without a route for {who}; add one, to group "
        f"{NO_ROUTE!r} if that is meant",
        partial(bench.case, cases, number, 0, decision, 0),
    )  # fmt: skip


def _check_order(bench: _Bench, cases: Cases, rule: NDArray[np.uint16], whole: Records) -> None:
    """Check that what an ordered group names second lies behind what it names first.

    The PLC passes a chute as long as a more preferred one lies ahead: if that one then refuses,
    what was passed is lost for the lap. In groups of other policies the load makes the order.
    """
    travel = np.where(
        whole["chutes"] > 0, bench.chutes["travel_ns"][whole["chutes"]], np.iinfo(np.int64).max
    )
    ordered = bench.arrays.group_policy[whole["group"]] == POLICY_ORDERED
    for number in np.flatnonzero(ordered & (np.diff(travel, axis=1) < 0).any(axis=1)).tolist():
        name = bench.group_names[int(whole[number]["group"])]
        bench.verdicts.fail(
            "alternates", name,
            f"{bench.plan.source}: groups.{name}.chutes: {named(whole[number])} are not in the "
            "order in which a piece passes them, so that one named later is passed already when "
            "an earlier one refuses; list them downstream",
            partial(bench.case, cases, number, int(rule[number]), whole[number], 0),
        )  # fmt: skip


def _check_outage(
    bench: _Bench, cases: Cases, rule: NDArray[np.uint16], whole: Records, chute: int
) -> None:
    """Ask again, with one chute out, the cases that could have gone there."""
    which = np.flatnonzero(
        bench.in_reach[whole["group"], chute] & (whole["disposition"] == Disposition.ROUTED)
    )
    if not len(which):
        return
    after = cases.ask(which, bench.with_out(chute), bench.arrays, FIRST_LAP)
    bench.decisions += len(which)
    into = after["chutes"][:, 0]
    sorted_still = (after["disposition"] == Disposition.ROUTED) | (
        after["disposition"] == Disposition.OVERFLOW
    )
    for k in np.flatnonzero((into == 0) | (into == chute) | ~sorted_still).tolist():
        number = int(which[k])
        name = bench.group_names[int(whole[number]["group"])]
        bench.verdicts.fail(
            "chute-out", (name, chute),
            f"{bench.plan.source}: groups.{name}: with chute {chute} out, no chute takes its "
            "pieces; give the group another chute or an overflow",
            partial(bench.case, cases, number, int(rule[number]), after[k], chute),
        )  # fmt: skip


def _check_exceptions(bench: _Bench) -> None:
    """Check that every exception has its chute, whole and with each chute of its groups out."""
    for disposition in Disposition:
        if disposition in DECIDED_BY_ROUTE:
            continue
        group, first, code = _ask_exception(bench, disposition, bench.chutes)
        name = bench.group_names[group]
        told = f"{bench.plan.source}: exceptions: {disposition.name.lower()} pieces go to {name}, "
        shown = Case(code, "", 0, (f"group {name or 'none'}", f"disposition {disposition.name}"))
        if group != bench.arrays.disposition_group[disposition] or first == 0:
            bench.verdicts.fail(
                "exception", disposition,
                f"{told}where no chute can be reached; give {name} another chute",
                partial(replace, shown),
            )  # fmt: skip
            continue
        for chute in np.flatnonzero(bench.in_reach[group]).tolist():
            # On the only lap that there is, a chute that is out is named as well.
            if _ask_exception(bench, disposition, bench.with_out(chute))[1] in (0, chute):
                bench.verdicts.warn(
                    "exception-chute-out", (name, chute),
                    f"{bench.plan.source}: groups.{name}: with chute {chute} out, its exceptions "
                    "stay on to the lap limit; give it another chute or an overflow",
                    partial(replace, shown, closed_chute=chute),
                )  # fmt: skip


def _ask_exception(
    bench: _Bench, disposition: Disposition, chutes: Records
) -> tuple[int, int, str]:
    """Return group and first chute of an exception, and the codes that show it.

    What a scan alone can show is asked as a scan. The rest comes to a piece by other ways, and
    only the naming of chutes is asked.
    """
    known = [text for texts in bench.waybills for text in texts]
    texts = {
        Disposition.NO_READ: [],
        Disposition.CONFLICT: known[:2],
        Disposition.NOT_A_WAYBILL: [PRODUCT_CODE],
        Disposition.UNKNOWN_DESTINATION: known[:1],
    }.get(disposition)
    if texts is not None:
        codes = np.zeros((1, len(texts), CODE_BYTES), np.uint8)
        for k, text in enumerate(texts):
            codes[0, k, : len(text)] = list(text)
        made = ask(codes, FIRST_LAP, chutes, bench.arrays, mapped_pre_advice(no_pre_advice()))[0]
        if made["disposition"] == disposition:
            bench.decisions += 1
            shown = " ".join(text.decode() for text in texts)
            return int(made["group"]), int(made["chutes"][0]), shown
    first = np.zeros(CHUTES_MAX, np.uint16)
    gone_ns = int(bench.arrays.scalars[SCALAR_MARGIN_NS])
    _, group = name_chutes(
        int(disposition), 0, 0, FIRST_LAP, chutes, bench.arrays, 0, gone_ns, first
    )
    return int(group), int(first[0]), ""
