"""A plan, pre-advice and scans of the plain-Python oracle as the arrays and records of the service.

Only the tests and the bench translate in this direction: both sides then decide the same thing.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from bench import naive
from plc_adapters.contract import (
    CHUTE_NUMBER_MAX,
    CHUTES_MAX,
    CODE_BYTES,
    DISPOSITIONS_MAX,
    EVENT,
    Disposition,
    EventKind,
    Records,
)
from routing_tables.codes import compile_codes
from routing_tables.labels import Key, key_arrays
from routing_tables.schema import (
    Brand,
    Check,
    CodeClass,
    CodePattern,
    Format,
    LabelForm,
    LabelFormat,
)
from sorter.assignment.arrays import (
    POLICY_BALANCED,
    POLICY_FILLING,
    POLICY_ORDERED,
    SCALARS,
    PlanArrays,
    PreAdviceArrays,
)
from sorter.assignment.labels import build_labels
from sorter.assignment.tables import build_places, build_pre_advice
from sorter.assignment.warmup import mapped, mapped_pre_advice
from sorter.ports import CHUTE, HOST_ANSWER, HostAnswer

POLICIES = {
    "ordered": POLICY_ORDERED,
    "balanced": POLICY_BALANCED,
    "filling": POLICY_FILLING,
}


UNIX_EPOCH = date(1970, 1, 1)


def plan_arrays(plan: naive.Plan) -> PlanArrays:
    """Return a plan as the kernels read it; its groups are numbered from 1 without a gap."""
    brands = [
        Brand(
            f"B{number}",
            "",
            "",
            synthetic=True,
            waybills=(),
            formats=tuple(
                Format(pattern, pattern not in plan.unproved, _check(plan, pattern))
                for pattern in patterns
            ),
            labels=tuple(
                LabelFormat(pattern, LabelForm[form.upper()])
                for brand, form, pattern in plan.labels
                if brand == number
            ),
        )
        for number, patterns in enumerate(plan.brands, 1)
    ]
    others = [
        CodePattern(CodeClass[kind.upper()], pattern, _check(plan, pattern))
        for kind, pattern in plan.others
    ]
    dfa_next, dfa_accept, accept_sets = compile_codes(brands, codes=others)
    codes = np.fromiter(map(int, plan.places), np.int64, len(plan.places))
    zones = np.fromiter(plan.places.values(), np.int32, len(plan.places))
    keys, key_zones = build_places(codes, zones)
    zone_group = np.zeros((len(plan.routes), len(brands) + 1, plan.classes + 1), np.uint16)
    for zone, routes in enumerate(plan.routes):
        for (brand, service_class), group in routes.items():
            zone_group[zone, brand, service_class] = group
    label_length, label_brand, label_text, label_place = build_labels(*key_arrays(_keys(plan)))
    groups = [plan.groups[number] for number in range(1, len(plan.groups) + 1)]
    dispositions = np.zeros(DISPOSITIONS_MAX, np.uint16)
    for disposition, group in plan.exceptions.items():
        dispositions[disposition] = group
    limits = plan.limits
    waits = 0 if plan.host_laps is None else plan.host_laps + 1
    scalars = [plan.version, plan.lap_limit, plan.margin_ns, 0, limits.weight_g, *limits.sizes_mm,
               int(limits.unknown_is_held), 0, 0, waits]  # fmt: skip
    arrays = PlanArrays(
        scalars=np.array(scalars + [0] * (SCALARS - len(scalars)), np.int64),
        dfa_next=dfa_next,
        dfa_accept=dfa_accept,
        accept_sets=accept_sets,
        place_keys=keys,
        place_zone=key_zones,
        zone_group=zone_group,
        label_length=label_length,
        label_brand=label_brand,
        label_text=label_text,
        label_place=label_place,
        group_first=np.cumsum([0, 0, *(len(group.chutes) for group in groups)], dtype=np.int32),
        group_chutes=np.array([n for group in groups for n in group.chutes], np.uint16),
        group_policy=np.array([0, *(POLICIES[group.policy] for group in groups)], np.uint16),
        group_overflow=np.array([0, *(group.overflow for group in groups)], np.uint16),
        class_keep=np.array(plan.keep_free, np.uint16),
        disposition_group=dispositions,
    )
    return mapped(arrays)


def _keys(plan: naive.Plan) -> list[Key]:
    """Return the bytes that each row of labels begins with, in each form its brand has."""
    keys: dict[tuple[int, bytes], int] = {}
    for (brand, segments), place in plan.label_rows.items():
        forms = {form for number, form, _ in plan.labels if number == brand}
        if forms & {"opaque", "segments"}:
            keys[brand, segments.encode()] = place
        if "keyed" in forms:
            parts = (f"'k{n}':'{part}'" for n, part in enumerate(segments.split("-"), 1))
            keys[brand, ("MMM={" + ",".join(parts)).encode()] = place
    return [
        Key(brand, text, place) for (brand, text), place in keys.items() if len(text) <= CODE_BYTES
    ]


def _check(plan: naive.Plan, pattern: str) -> Check:
    return Check[plan.checks.get(pattern, "none").upper()]


def pre_advice_arrays(table: Mapping[bytes, naive.Advice]) -> PreAdviceArrays:
    """Return pre-advice as the kernels probe it."""
    waybills = np.zeros((len(table), CODE_BYTES), np.uint8)
    for row, waybill in enumerate(table):
        waybills[row, : len(waybill)] = list(waybill)
    facts = list(table.values())
    arrays = build_pre_advice(
        waybills,
        np.array([len(waybill) for waybill in table], np.uint16),
        np.array([fact.brand for fact in facts], np.uint16),
        np.array([fact.service_class for fact in facts], np.uint16),
        np.array([fact.destination for fact in facts], np.int64),
        np.array(
            [sum(1 << naive.HOLDS.index(hold) for hold in fact.holds) for fact in facts], np.uint16
        ),
        np.array(
            [(fact.expires - UNIX_EPOCH).days if fact.expires else 0 for fact in facts], np.int32
        ),
    )
    return mapped_pre_advice(arrays)


def chute_records(chutes: Mapping[int, naive.Chute]) -> Records:
    """Return CHUTE[CHUTE_NUMBER_MAX + 1] by number."""
    records = np.zeros(CHUTE_NUMBER_MAX + 1, CHUTE)
    for number, chute in chutes.items():
        record = records[number]
        record["exists"], record["state"], record["locked"] = 1, chute.state, chute.locked
        record["capacity"], record["fill"] = chute.capacity, chute.fill
        record["reserved"], record["travel_ns"] = chute.reserved, chute.travel_ns
        record["per_minute"] = chute.per_minute
    records[0]["travel_ns"] = records["travel_ns"].max()
    return records


def scan_events(scans: Sequence[naive.Scan], line: int, boot_id: int, sequence: int) -> Records:
    """Return EVENTs of these scans, numbered from ``sequence``."""
    events = np.zeros(len(scans), EVENT)
    events["line"], events["kind"], events["boot_id"] = line, EventKind.SCANNED, boot_id
    events["sequence"] = np.arange(sequence, sequence + len(scans))
    for event, scan in zip(events, scans, strict=True):
        event["piece_id"], event["lap"] = scan.piece_id, scan.lap
        event["event_ns"], event["status"] = scan.event_ns, scan.status
        event["weight_g"] = scan.weight_g
        event["length_mm"], event["width_mm"], event["height_mm"] = scan.sizes_mm
        event["code_count"] = len(scan.codes)
        for row, code in enumerate(scan.codes):
            event["codes"][row, : len(code)] = np.frombuffer(code, np.uint8)
    return events


def answer_records(answers: Sequence[naive.Answer], boot_id: int) -> Records:
    """Return HOST_ANSWERs of what the host says of pieces."""
    records = np.zeros(len(answers), HOST_ANSWER)
    records["boot_id"] = boot_id
    for record, answer in zip(records, answers, strict=True):
        facts = answer.facts
        record["piece_id"] = answer.piece_id
        record["answer"] = HostAnswer.KNOWN if facts else HostAnswer.UNKNOWN
        if facts:
            record["brand"], record["service_class"] = facts.brand, facts.service_class
            record["destination"] = facts.destination
            record["holds"] = sum(1 << naive.HOLDS.index(hold) for hold in facts.holds)
    return records


def decision_of(record: np.void) -> naive.Decision:
    """Return a DECISION as the oracle says it."""
    chutes = [int(number) for number in record["chutes"]]
    named = [number for number in chutes if number]
    if chutes != named + [0] * (CHUTES_MAX - len(named)):
        raise ValueError(f"chutes {chutes}: a gap before the last one named")
    length = int(record["waybill_length"])
    if record["waybill"][length:].any():
        raise ValueError(f"waybill {bytes(record['waybill'])!r}: longer than {length} bytes")
    return naive.Decision(
        piece_id=int(record["piece_id"]),
        lap=int(record["lap"]),
        revision=int(record["revision"]),
        disposition=Disposition(int(record["disposition"])),
        group=int(record["group"]),
        chutes=named,
        deadline_ns=int(record["deadline_ns"]),
        waybill=record["waybill"][:length].tobytes(),
        facts=naive.Advice(
            int(record["brand"]), int(record["service_class"]), int(record["destination"])
        ),
    )


def columns_of(decisions: Records) -> dict[str, NDArray[np.generic]]:
    """Return each field of DECISIONs but the instant of deciding, without padding between them."""
    names = [name for name in decisions.dtype.names or () if name != "decided_ns"]
    return {name: np.ascontiguousarray(decisions[name]) for name in names}
