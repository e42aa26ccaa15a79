"""Verdicts on what a scanner told: whether it can be read, dated, and tied to the PLC's pieces."""

import re
from collections import Counter
from collections.abc import Iterator

from plc_adapters.autoid.results import BYTE_STRING, CUSTOM, EPC, STRING
from plc_adapters.autoid.tie import (
    LATE_KEEP_NS,
    NS_PER_MS,
    Outcome,
    Result,
    StationTie,
    Trigger,
)
from plc_adapters.commissioning.ear import Ear
from plc_adapters.commissioning.findings import Measured, Passed, ScannerMark, Verdict

NO_READ_WORD = re.compile(
    rb"\W*(no[\W_]?(read|code|label|data|barcode)|err(or)?|br|fail(ed)?|\?+)\W*", re.IGNORECASE
)
"""What makers have a scanner say that read nothing: SICK NoRead and no code!, Microscan No Read,
Panasonic BR; none of them is a waybill of anybody."""
KINDS = {
    0: "a bare value", BYTE_STRING: "ByteString", STRING: "String", EPC: "Epc", CUSTOM: "custom",
}  # fmt: skip
"""Arms of ScanData's union."""
TIED_MIN = 0.98
"""Share of pieces that must be tied: what the alert ScannerResultsUntied allows in operation."""
NOT_HEARD = "let pieces pass the scanner meanwhile, and check again"


def judge(ear: Ear, measured: Measured) -> None:
    """Judge everything that needs scans.

    Args:
        ear: what was heard; its result gets the verdicts.
        measured: what the PLC told meanwhile.
    """
    result = ear.result
    result.scans = len(ear.scans) + sum(ear.unread_why.values())
    if result.passed:
        _judge_delivery(ear)
    here = [one for one in measured.at_scanners if one.station == result.station]
    if result.scans:
        result.add(ScannerMark.SCAN, Verdict.OK, f"{result.scans} came")
    elif here and result.passed:
        result.add(
            ScannerMark.SCAN, Verdict.FAIL,
            f"none, while the PLC told {len(here)} pieces at station {result.station}",
            "have the device raise its scan events by itself, or correct device, mode or station",
        )  # fmt: skip
    if result.scans:
        _judge_reading(ear)
        _judge_filter(ear)
        _judge_no_read(ear)
        if ear.settings.window.by_trigger:
            _judge_ids(ear)
        _judge_clock(ear)
        _judge_tie(ear, measured, here)
    why = "no scan came" if result.passed else "it can't be heard"
    for mark in ScannerMark:
        if mark is not ScannerMark.TRIGGER_ID or ear.settings.window.by_trigger:
            result.skip(mark, why, NOT_HEARD if result.passed else "correct what failed above")


def _judge_delivery(ear: Ear) -> None:
    status, limit_ms = ear.scanner.status, ear.settings.window.delivery_ms
    if not ear.began_ns and ear.problem:
        ear.fail(ScannerMark.DELIVERY, ear.problem)
        return
    ear.result.judge(
        ScannerMark.DELIVERY,
        holds=not status.gaps,
        seen=f"results were lost {status.gaps} times"
        if status.gaps
        else f"published within {ear.scanner.late_ms:g} ms; delivery_ms is {limit_ms}",
        advice="keep its connection, and let its queue hold what it reads between publications",
    )


def _judge_reading(ear: Ear) -> None:
    unread = Counter(ear.unread_why)
    for why in [why for why in unread if "piece id" in why]:
        del unread[why]
    kinds = Counter(one.kind for scan in ear.scans for one in scan.told)
    marked = sum(bool(one.read.symbology) for scan in ear.scans for one in scan.told)
    told = ", ".join(f"{KINDS[kind]} {count}" for kind, count in sorted(kinds.items()))
    ear.result.judge(
        ScannerMark.READABLE,
        holds=not unread,
        seen="; ".join(f"{count} scans: {why}" for why, count in unread.items())
        or f"{told or 'no code'}; {marked} with a symbology",
        advice="have it tell results as AutoID describes them (OPC 30010, 9.3), stamped with when "
        "they were read",
    )


def _codes(ear: Ear) -> Iterator[bytes]:
    return (one.read.data.strip() for scan in ear.scans for one in scan.told if one.read.data)


def _is_known_no_read(ear: Ear, data: bytes) -> bool:
    known = {text.strip().casefold() for text in ear.settings.codes.no_read}
    return data.decode("utf-8", "replace").casefold() in known


def _judge_filter(ear: Ear) -> None:
    count = sum(scan.codes.count for scan in ear.scans)
    left_out = [scan for scan in ear.scans if scan.codes.left_out]
    if not count and not left_out:
        return
    example = next((one.read.data for scan in left_out for one in scan.told), b"")
    ear.result.judge(
        ScannerMark.FILTER,
        holds=count > 0,
        seen=f"{count} codes count, {sum(scan.codes.left_out for scan in left_out)} left out"
        + (f", such as {example.decode('utf-8', 'replace')!r}" if example else ""),
        advice="correct codes.pattern, codes.symbologies, codes.length_min or codes.length_max",
    )


def _judge_no_read(ear: Ear) -> None:
    strange = Counter(
        data for data in _codes(ear) if NO_READ_WORD.fullmatch(data)
        and not _is_known_no_read(ear, data)
    )  # fmt: skip
    if strange:
        texts = ", ".join(repr(text.decode("utf-8", "replace")) for text in strange)
        ear.result.add(
            ScannerMark.NO_READ, Verdict.FAIL, f"{texts} came as if it were a code",
            f"set codes.no_read to [{texts}]: else it goes where codes go that are no waybills",
        )  # fmt: skip
        return
    nothing = sum(scan.codes.count == 0 and scan.codes.left_out == 0 for scan in ear.scans)
    if nothing:
        by_text = sorted({data.decode() for data in _codes(ear) if _is_known_no_read(ear, data)})
        seen = f"{nothing} scans without a code" + (f", told as {by_text}" if by_text else "")
        ear.result.add(ScannerMark.NO_READ, Verdict.OK, seen)
        return
    ear.result.skip(
        ScannerMark.NO_READ, "every scan had a code", "let a piece without a label pass as well"
    )


def _judge_ids(ear: Ear) -> None:
    settings, ids = ear.settings, [scan.piece for scan in ear.scans]
    stands = len(ids) > 2 and len(set(ids)) == 1
    if ear.ids_unread:
        seen = next(why for why in ear.unread_why if "piece id" in why)
    else:
        seen = f"{ids[0]} in all {len(ids)}" if stands else f"{len(set(ids))} ids in {len(ids)}"
    ear.result.judge(
        ScannerMark.TRIGGER_ID,
        holds=not ear.ids_unread and not stands,
        seen=seen,
        advice=f"have its event bear the PLC's piece id in {settings.trigger_field} of "
        f"{settings.trigger_namespace}, or tie by photo_eye",
    )


def _judge_clock(ear: Ear) -> None:
    result, status, window = ear.result, ear.scanner.status, ear.settings.window
    ahead_ms = max(ear.ahead_ns) / NS_PER_MS if ear.ahead_ns else 0.0
    word = "ahead of" if ahead_ms > 0 else "behind"
    apart = f"its clock is {abs(ahead_ms):.0f} ms {word} this machine's" if ear.ahead_ns else ""
    if window.by_trigger:
        result.add(ScannerMark.CLOCK, Verdict.OK, f"tied by id, so it needs no clock; {apart}")
        return
    if not ear.began_ns:
        result.skip(ScannerMark.CLOCK, "too few messages came to know its clock", NOT_HEARD)
        return
    ages_ms = [(one.arrived_ns - one.read_ns) / NS_PER_MS for one in ear.told]
    old = sum(age > window.delivery_ms for age in ages_ms)
    future = status.untimed - ear.untimed_before
    if future:
        seen = f"{future} scans are stamped later than the message that brought them"
    elif old > len(ages_ms) / 2:
        seen = (
            f"{old} scans of {len(ages_ms)} came {min(ages_ms):.0f} ms and more after their stamp"
        )
    else:
        longest = f"; scans came at most {max(ages_ms):.0f} ms after their stamp" if ages_ms else ""
        seen = apart + longest
    result.judge(
        ScannerMark.CLOCK,
        holds=not future and old <= len(ages_ms) / 2,
        seen=seen,
        advice="stamp scans by the clock of its OPC UA server when they are read, raise "
        "delivery_ms if it is slow, or tie by trigger_id",
    )


def _judge_tie(ear: Ear, measured: Measured, here: list[Passed]) -> None:
    result, window = ear.result, ear.settings.window
    for mark in (ScannerMark.READABLE, ScannerMark.TRIGGER_ID, ScannerMark.CLOCK):
        if result.verdict_of(mark) is Verdict.FAIL:
            result.skip(ScannerMark.TIE, "not judged", "correct what failed above first")
            return
    pieces = [one for one in here if ear.began_ns <= one.event_ns <= ear.ended_ns]
    if measured.pieces and not here:
        result.add(
            ScannerMark.TIE, Verdict.FAIL,
            f"the PLC told no piece at station {result.station} as one whose codes come from "
            "elsewhere",
            "have it tell each piece at the scanner with status codes_elsewhere (8), or correct "
            "station",
        )  # fmt: skip
        return
    if not pieces:
        result.skip(ScannerMark.TIE, "the PLC was not heard beside it", "check the PLC as well")
        return
    counts, after_ms = _tied(ear, pieces), _after_ms(ear, pieces)
    spread = f"; read {min(after_ms):.0f} to {max(after_ms):.0f} ms after it" if after_ms else ""
    result.judge(
        ScannerMark.TIE,
        holds=0 < counts[Outcome.TIED] >= TIED_MIN * counts.total(),
        seen=f"{counts.total()} pieces at the photo-eye: {counts[Outcome.TIED]} tied, "
        f"{counts[Outcome.AMBIGUOUS]} ambiguous, {counts[Outcome.NOTHING]} without a scan{spread}",
        advice="give each scan the id of its own piece, and let it come within window_ms + "
        "delivery_ms"
        if window.by_trigger
        else "set offset_ms and window_ms so that they hold every reading and no neighbour's; "
        f"now {window.offset_ms} and {window.window_ms}",
    )


def _tied(ear: Ear, pieces: list[Passed]) -> Counter[Outcome]:
    """Tie what was heard as a line does; return what became of the pieces.

    One whose scan may still be under way at the end is not counted.
    """
    window = ear.settings.window
    margin_ms = window.offset_ms + window.window_ms + window.delivery_ms
    settled_ns = ear.ended_ns - margin_ms * NS_PER_MS
    tie, triggers = StationTie(window), list[Trigger]()
    steps: list[tuple[int, Passed | Result]] = [(p.event_ns, p) for p in pieces]
    steps += [(told.arrived_ns, told) for told in ear.told]
    for at_ns, step in sorted(steps, key=lambda one: one[0]):
        if isinstance(step, Passed):
            triggers.append(tie.trigger(step.piece_id, step.event_ns))
        else:
            tie.result(step)
        tie.settle(at_ns, at_ns)
    end_ns = ear.ended_ns + 2 * LATE_KEEP_NS
    tie.settle(end_ns, end_ns)
    return Counter(
        one.outcome
        for one in triggers
        if one.outcome is not Outcome.NOTHING or one.event_ns <= settled_ns
    )


def _after_ms(ear: Ear, pieces: list[Passed]) -> list[float]:
    """Return how long after the photo-eye each scan was read; by ids, how long after it came."""
    by_trigger, found = ear.settings.window.by_trigger, []
    for told in ear.told:
        mine = [p for p in pieces if not by_trigger or p.piece_id == told.trigger]
        nearest = min((told.read_ns - p.event_ns for p in mine), key=abs, default=LATE_KEEP_NS)
        if abs(nearest) < LATE_KEEP_NS:
            found.append(nearest / NS_PER_MS)
    return found
