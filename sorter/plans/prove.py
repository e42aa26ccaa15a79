"""Proves a plan by asking the compiled decision itself about everything that can come.

Every destination of the network, the directions out of it and every prefix of a route, with every
brand and service class and with unknown ones, is put to the decision as a scan, and so is every
route label: first with the machine whole, then with each single chute out
(:mod:`sorter.plans.proof_outages`). Nothing of the decision is told again here; only which route
ought to hold comes from the plan's compiler (:mod:`sorter.plans.rules`).

A plan that names every village of the country (620,573 routes), with 3 brands and 4 service
classes, is 12 million cases: some 41 s of a core and 670 MB (measured on CPython 3.11).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plc_adapters.contract import CHUTES_MAX, CODE_BYTES, Disposition, Records
from routing_tables.compile import digits_of
from routing_tables.schema import NO_ROUTE, Network
from sorter.assignment.arrays import POLICY_ORDERED, SCALAR_MARGIN_NS, no_pre_advice
from sorter.assignment.choice import name_chutes
from sorter.assignment.warmup import mapped_pre_advice
from sorter.plans.crosscheck import DECIDED_BY_ROUTE, unused_chutes
from sorter.plans.plan import Plan
from sorter.plans.proof_bench import FIRST_LAP, Bench, named
from sorter.plans.proof_cases import Cases, ask, cases_of
from sorter.plans.proof_labels import check_labels, label_cases
from sorter.plans.proof_outages import Outages
from sorter.plans.proof_report import Case, Proof
from sorter.plans.proof_rules import check_rules
from sorter.plans.rules import destinations_of

REACTION_MS = 20
"""What a PLC needs between holding an instruction and acting on it, unless the site says more."""
PRODUCT_CODE = b"6901234567892"
"""An EAN-13 of a product (GS1 prefix 690 to 699); no waybill."""
AREA_DIGITS = 6
"""Places without a route are told by area."""
CASES_SHARE = 0.95
"""How far cases with the machine whole bring the progress; outages, labels and rules are the rest
(2 s of 41 s, measured with 620,573 routes)."""


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
        TableError: the routes make more zones, or name more places, than a plan can hold.
    """
    bench = Bench(plan, network, chutes, centre, reaction_ms)
    destinations = destinations_of(network, bench.rules)
    asked = deliberate = 0
    every = len(destinations) * (len(network.brands) + 1) * (len(network.service_classes) + 1)
    outages = Outages(bench)
    for cases in cases_of(network, bench.arrays, bench.chutes, destinations):
        deliberate += _check_cases(bench, cases, outages)
        asked += len(cases)
        if progress:
            progress(CASES_SHARE * asked / every)
    outages.check()
    labels = _check_labels(bench)
    barcodes = ["", *(texts[0].decode() for texts in bench.waybills)]
    check_rules(bench.rules, network, destinations, bench.verdicts, barcodes, bench.source)
    _check_exceptions(bench)
    for chute in unused_chutes(plan, chutes):
        bench.verdicts.fail(
            "unused-chute", chute,
            f"{plan.source}: chute {chute}: no group uses it; give it to one, or list it in spare",
        )  # fmt: skip
    if progress:
        progress(1.0)
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


def _check_cases(bench: Bench, cases: Cases, outages: Outages) -> int:
    """Check some cases with the machine whole; return how many have no route on purpose."""
    rule = bench.rules.holding_for(cases.destination, cases.brand, cases.service_class)
    expected = bench.groups[rule]
    whole = cases.ask(np.arange(len(cases)), bench.chutes, bench.arrays, FIRST_LAP)
    bench.decisions += len(cases)
    disposition = whole["disposition"]
    _check_gaps(bench, cases, rule, whole)
    routed = (expected > 0) & (disposition == Disposition.ROUTED) & (whole["chutes"][:, 0] > 0)
    wrong = (routed & (whole["group"] != expected)) | (
        (expected == 0) & (disposition != Disposition.NO_ROUTE)
    )
    for number, count in _firsts(np.flatnonzero(wrong), rule):
        bench.verdicts.fail(
            "wrong-group", int(rule[number]),
            f"{bench.rules.told(int(rule[number]))}: the decision says otherwise; this is a fault "
            "of the program, don't use the plan and report it",
            partial(bench.case, cases, number, int(rule[number]), whole[number], 0), count,
        )  # fmt: skip
    for number, count in _firsts(np.flatnonzero((expected > 0) & ~routed), expected):
        name = bench.group_names[int(expected[number])]
        bench.verdicts.fail(
            "no-open-chute", name,
            f"{bench.plan.source}: groups.{name}: no chute of it can be reached with the machine "
            "whole; give it a chute that the PLC can still switch for",
            partial(bench.case, cases, number, int(rule[number]), whole[number], 0), count,
        )  # fmt: skip
    _check_order(bench, cases, rule, whole)
    outages.add(cases, rule, whole)
    return int(np.count_nonzero((rule > 0) & (expected == 0)))


def _firsts(which: NDArray[np.intp], key: NDArray[Any]) -> list[tuple[int, int]]:
    """Return the first of these cases with each value of a key, in order, and how many have it."""
    _, first, counts = np.unique(key[which], return_index=True, return_counts=True)
    return sorted(zip(which[first].tolist(), counts.tolist(), strict=True))


def _check_labels(bench: Bench) -> int:
    """Check all labels, whole and with each chute out; return how many."""
    labels, outages = 0, Outages(bench)
    for rows, cases in label_cases(bench.network):
        whole = cases.ask(np.arange(len(cases)), bench.chutes, bench.arrays, FIRST_LAP)
        rule = bench.rules.holding_for(cases.destination, cases.brand, cases.service_class)
        check_labels(
            bench.network, bench.rules, rows, cases, rule, whole, bench.verdicts, bench.case
        )
        outages.add(cases, rule, whole)
        bench.decisions += len(cases)
        labels += len(cases)
    outages.check()
    return labels


def _check_gaps(bench: Bench, cases: Cases, rule: NDArray[np.uint32], whole: Records) -> None:
    """Tell of places that the routes forget; for an unknown brand or class that is a warning."""
    digits = digits_of(cases.destination)
    area = cases.destination // 10 ** np.maximum(digits - AREA_DIGITS, 0)
    known = (cases.brand > 0) & (cases.service_class > 0)
    for told, tell, who in (
        (known, bench.verdicts.fail, "some brand or class"),
        (~known, bench.verdicts.warn, "unknown brands or classes"),
    ):
        for number, count in _firsts(np.flatnonzero((rule == 0) & told), area):
            tell(
                "no-route", int(area[number]),
                f"{bench.source}: {area[number]}: places without a route for {who}; add one, to "
                f"group {NO_ROUTE!r} if that is meant",
                partial(bench.case, cases, number, 0, whole[number], 0), count,
            )  # fmt: skip


def _check_order(bench: Bench, cases: Cases, rule: NDArray[np.uint32], whole: Records) -> None:
    """Check that what an ordered group names second lies behind what it names first.

    The PLC passes a chute as long as a more preferred one lies ahead: if that one then refuses,
    what was passed is lost for the lap. In groups of other policies the load makes the order.
    """
    travel = np.where(
        whole["chutes"] > 0, bench.chutes["travel_ns"][whole["chutes"]], np.iinfo(np.int64).max
    )
    ordered = bench.arrays.group_policy[whole["group"]] == POLICY_ORDERED
    wrong = np.flatnonzero(ordered & (np.diff(travel, axis=1) < 0).any(axis=1))
    for number, count in _firsts(wrong, whole["group"]):
        name = bench.group_names[int(whole[number]["group"])]
        bench.verdicts.fail(
            "alternates", name,
            f"{bench.plan.source}: groups.{name}.chutes: {named(whole[number])} are not in the "
            "order in which a piece passes them, so that one named later is passed already when "
            "an earlier one refuses; list them downstream",
            partial(bench.case, cases, number, int(rule[number]), whole[number], 0), count,
        )  # fmt: skip


def _check_exceptions(bench: Bench) -> None:
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


def _ask_exception(bench: Bench, disposition: Disposition, chutes: Records) -> tuple[int, int, str]:
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
