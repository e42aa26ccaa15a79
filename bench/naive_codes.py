"""What a code is, as the plain-Python oracle tells it: regular expressions, sets, texts."""

import re
from functools import lru_cache

from bench.naive_world import Plan
from plc_adapters.contract import CODE_BYTES

PATTERNS_MAX = 1024
"""Expressions kept compiled: more than a network has patterns."""
S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
AIM_PREFIX = re.compile(rb"\][A-Za-z][0-9A-Za-z]")


@lru_cache(PATTERNS_MAX)
def _expression(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode())


def bare(code: bytes) -> tuple[bytes, bool]:
    """Return a code without padding and AIM prefix, and whether it is surely all of it."""
    text = code.split(b"\0")[0]
    is_whole = len(text) < CODE_BYTES
    return (text[3:] if AIM_PREFIX.match(text) else text), is_whole


def matches(plan: Plan, pattern: str, code: bytes) -> bool:
    """Return whether all of a code matches, its check digit included."""
    check = plan.checks.get(pattern)
    return bool(_expression(pattern).fullmatch(code)) and (
        check is None or (_has_s10_check(code) if check == "s10" else _has_gs1_check(code))
    )


def brands_of(plan: Plan, code: bytes) -> tuple[set[int], set[int]]:
    """Return the brands a code proves, and all it may belong to."""
    matching = [
        (brand, pattern)
        for brand, patterns in enumerate(plan.brands, 1)
        for pattern in patterns
        if matches(plan, pattern, code)
    ]
    proved = {brand for brand, pattern in matching if pattern not in plan.unproved}
    return proved, {brand for brand, _ in matching}


def others_of(plan: Plan, code: bytes) -> set[str]:
    """Return what else a code may be: classes of other codes, or some brand's label."""
    others = {kind for kind, pattern in plan.others if matches(plan, pattern, code)}
    labels = {"label" for _, _, pattern in plan.labels if matches(plan, pattern, code)}
    return others | labels


def label_place(plan: Plan, code: bytes, brand: int, *, is_whole: bool) -> int:
    """Return the division code that a code stands for as a label of this brand, 0 for none."""
    for form in ("opaque", "segments", "keyed"):
        if any(b == brand and f == form and matches(plan, p, code) for b, f, p in plan.labels):
            for segments in _readings(form, code.decode(), is_whole=is_whole):
                place = plan.label_rows.get((brand, segments), 0)
                if place:
                    return place
    return 0


def _readings(form: str, text: str, *, is_whole: bool) -> list[str]:
    """Return what a label may stand for in a table, the most particular first."""
    if form == "opaque":
        return [text] if is_whole else []
    if form == "segments":
        parts = text.split("-")
    else:
        fields = text.removeprefix("MMM={").split(",")
        parts = []
        for number, each in enumerate(fields, 1):
            value = re.fullmatch(f"'k{number}':'([^',]*)'", each)
            if value is None:
                break
            parts.append(value[1])
        if len(parts) < len(fields):
            return ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]
    if not is_whole:
        parts = parts[:-1]
    return ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _has_s10_check(code: bytes) -> bool:
    """Return whether a code is two letters, nine digits, two letters, the ninth digit right."""
    if not re.fullmatch(rb"..[0-9]{9}..", code, re.DOTALL):
        return False
    weighted = sum(int(chr(digit)) * w for digit, w in zip(code[2:10], S10_WEIGHTS, strict=True))
    check = 11 - weighted % 11
    return int(code[10:11]) == {10: 0, 11: 5}.get(check, check)


def _has_gs1_check(code: bytes) -> bool:
    """Return whether a code is a GTIN whose last digit is right."""
    if not re.fullmatch(rb"[0-9]{8}|[0-9]{12,14}", code):
        return False
    digits = [int(chr(digit)) for digit in reversed(code)]
    return (sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10 == 0
