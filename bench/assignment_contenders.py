"""The contenders of the assignment bench: the decision itself and what it is held against."""

from typing import Any, Protocol

import numpy as np
import zen
from numpy.typing import NDArray

from bench import naive
from bench.assignment_inputs import NO_READS, NOW_NS, OWN_ZONES, ZONES, Inputs
from bench.naive_arrays import chute_records, plan_arrays, pre_advice_arrays, scan_events
from plc_adapters.contract import CODES_MAX, Disposition, Records
from sorter.assignment.arrays import (
    ACCEPT_SEGMENTS,
    CHECK_NONE,
    PlanArrays,
    PreAdviceArrays,
)
from sorter.assignment.classify import code_end, code_start, match_code
from sorter.assignment.compiled import compiled
from sorter.assignment.decider import Decider
from sorter.assignment.labels import find_label
from sorter.assignment.tables import find_place, find_waybill
from sorter.ports import DECISION, PIECE

LINE, BOOT = 1, 1


class Contender(Protocol):
    """One way to decide scans ``start`` to ``stop``."""

    name: str

    def reset(self) -> None:
        """Forget every piece and free every chute; not measured."""

    def decide(self, start: int, stop: int) -> object:
        """Decide; this is what is measured."""


class Service:
    """The compiled decision as a line asks it. It is also the State that the decider is given."""

    name = "decision"

    def __init__(self, inputs: Inputs) -> None:
        self.quarantined = False
        self.decisions = np.zeros(0, DECISION)
        """What the scans have to end in, each time, once it is proven."""
        self.events = scan_events(inputs.scans, LINE, BOOT, 1)
        self.decider = Decider(plan_arrays(inputs.plan), pre_advice_arrays(inputs.pre_advice))
        self.pieces = np.zeros(len(self.events), PIECE)
        self._empty = chute_records(inputs.chutes())
        self.chutes = self._empty.copy()
        self._rows = np.arange(len(self.events), dtype=np.int32)

    def reset(self) -> None:
        """Forget every piece and free every chute."""
        self.pieces[:] = np.zeros((), PIECE)
        self.pieces["boot_id"] = BOOT
        self.pieces["piece_id"] = self.events["piece_id"]
        self.chutes[:] = self._empty

    def decide(self, start: int, stop: int) -> Records:
        """Return the decisions; a view, valid until the next call."""
        return self.decider.decide(self.events[start:stop], self._rows[start:stop], self, NOW_NS)


@compiled
def probe_batch(
    events: Records, n: int, plan: PlanArrays, pre: PreAdviceArrays, found: NDArray[np.int64]
) -> None:
    """Walk the automaton and probe the tables for every code; add up what was found.

    A route label is looked up once, as it was read.
    """
    for i in range(n):
        event = events[i]
        codes = event["codes"]
        for j in range(min(int(event["code_count"]), CODES_MAX)):
            start = code_start(codes[j])
            code, length = codes[j][start:], code_end(codes[j]) - start
            if length > 0:
                accepted = match_code(code, length, plan)
                found[0] += accepted
                slot = find_waybill(code, length, pre.length, pre.waybill)
                if slot >= 0:
                    found[1] += 1
                    destination = int(pre.destination[slot])
                    found[2] += find_place(destination, plan.place_keys, plan.place_zone)
                elif plan.accept_sets[accepted, CHECK_NONE, ACCEPT_SEGMENTS] != 0:
                    found[3] += find_label(code, length, 1, plan)


class Probe:
    """The least that any decision over these tables costs: the look-ups and nothing else."""

    name = "bare probe"

    def __init__(self, service: Service) -> None:
        self._service = service
        self.found = np.zeros(4, np.int64)

    def reset(self) -> None:
        """Start adding up anew."""
        self.found[:] = 0

    def decide(self, start: int, stop: int) -> None:
        """Look up."""
        decider = self._service.decider
        events = self._service.events[start:stop]
        probe_batch(events, stop - start, decider.plan, decider.pre_advice, self.found)


class Plain:
    """The oracle in plain Python: the same decision, dicts and lists."""

    name = "plain Python"

    def __init__(self, inputs: Inputs) -> None:
        self._scans = inputs.scans
        self._line = naive.Line(inputs.plan, inputs.pre_advice, inputs.chutes())

    def reset(self) -> None:
        """Forget every piece and free every chute."""
        self._line.pieces.clear()
        for chute in self._line.chutes.values():
            chute.reserved = 0

    def decide(self, start: int, stop: int) -> list[naive.Decision]:
        """Return the decisions."""
        return self._line.batch(self._scans[start:stop], NOW_NS)


class Rules:
    """zen-engine: the step from zone, brand and finding to disposition and group, and no other.

    It is spared what no decision table can hold: the waybill is identified, its pre-advice and its
    zone are looked up, and the question is made before the clock starts; nor does it choose chutes
    or keep room. Its table has a row for each route of the centre; asked by ``evaluate`` of an
    engine whose static loader compiled it once, the fastest way of the package (a decision object
    or ``evaluate_batch`` take longer).
    """

    name = "zen-engine (route)"

    def __init__(self, questions: list[dict[str, object]], plan: naive.Plan) -> None:
        content = _decision_model(plan)
        self._engine = zen.ZenEngine({"loader": {"type": "static", "content": {"route": content}}})
        self._questions = questions

    def reset(self) -> None:
        """It remembers nothing."""

    def decide(self, start: int, stop: int) -> list[Any]:
        """Return disposition and group of each question."""
        evaluate = self._engine.evaluate
        return [evaluate("route", question) for question in self._questions[start:stop]]


def questions_of(
    inputs: Inputs, decisions: list[naive.Decision]
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return what the rules engine is asked for each scan, and what it has to answer."""
    questions: list[dict[str, object]] = []
    answers: list[dict[str, object]] = []
    for decision in decisions:
        text, zone = str(decision.facts.destination), -1
        for digits in naive.PREFIX_DIGITS:
            if len(text) >= digits and text[:digits] in inputs.plan.places:
                zone = inputs.plan.places[text[:digits]]
                break
        by_route = decision.disposition in (Disposition.ROUTED, Disposition.NO_ROUTE)
        finding = "ROUTED" if by_route else decision.disposition.name
        questions.append({"finding": finding, "zone": zone, "brand": decision.facts.brand})
        answers.append({"disposition": decision.disposition.name, "group": decision.group})
    return questions, answers


def _decision_model(plan: naive.Plan) -> dict[str, Any]:
    """Return the JDM document: one table, first hit, rows of a brand before rows for any."""
    columns = ("finding", "zone", "brand", "disposition", "group")
    rows = [
        ("ROUTED", str(zone), "1", "ROUTED", plan.routes[zone][1, 0])
        for zone in range(0, ZONES, OWN_ZONES)
    ]
    rows += [("ROUTED", str(zone), "", "ROUTED", plan.routes[zone][0, 0]) for zone in range(ZONES)]
    rows.append(("ROUTED", "", "", "NO_ROUTE", plan.exceptions[Disposition.NO_ROUTE]))
    for each in (Disposition.NO_READ, Disposition.CONFLICT, Disposition.NOT_A_WAYBILL,
                 Disposition.UNKNOWN_DESTINATION, Disposition.INTERCEPTED):  # fmt: skip
        rows.append((each.name, "", "", each.name, plan.exceptions.get(each, NO_READS)))
    table = {
        "hitPolicy": "first",
        "inputs": [{"id": name, "name": name, "field": name} for name in columns[:3]],
        "outputs": [{"id": name, "name": name, "field": name} for name in columns[3:]],
        "rules": [
            {"_id": str(k), "finding": f'"{finding}"', "zone": zone, "brand": brand,
             "disposition": f'"{disposition}"', "group": str(group)}
            for k, (finding, zone, brand, disposition, group) in enumerate(rows)
        ],
    }  # fmt: skip
    return {
        "contentType": "application/vnd.gorules.decision",
        "nodes": [
            {"id": "in", "type": "inputNode", "name": "in"},
            {"id": "routes", "type": "decisionTableNode", "name": "routes", "content": table},
            {"id": "out", "type": "outputNode", "name": "out"},
        ],
        "edges": [
            {"id": "1", "type": "edge", "sourceId": "in", "targetId": "routes"},
            {"id": "2", "type": "edge", "sourceId": "routes", "targetId": "out"},
        ],
    }
