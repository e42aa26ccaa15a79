"""Pictures of a check as SVG: how long answers took, and the handshake of one piece.

They stand without script, font or link, and without colour: what matters differs in shape,
place and hatching, so that a printed page in black and white says the same.
"""

from html import escape

from plc_adapters.commissioning.findings import Moment

WIDTH, HEIGHT = 640, 190
LEFT, RIGHT, TOP, FLOOR = 52, 12, 18, 150
BARS = 32
"""Bars of a histogram."""
INK, SOFT, LINE = "#14232e", "#5b6b77", "#c9d2d9"
BAR_FILL, HATCH = "#2f6f9f", "url(#hatch)"
STEPS_SHOWN_MAX = 12
"""Steps of a handshake that are drawn."""
ROW = 34
WRITTEN = "instruction written"
"""The host's step that leads to one of the PLC's."""
LABEL_GAP = 12
"""Pixels between a step and its words."""


def histogram(times_us: list[int], title: str, slow_ms: float = 0.0) -> str:
    """Return a histogram of durations on a logarithmic axis, with its median, p99 and longest.

    Args:
        times_us: the durations, in microseconds.
        title: what they are.
        slow_ms: from here on a bar is hatched; 0 for nowhere.
    """
    if not times_us:
        return _frame(60, title, [_text(LEFT, 40, "nothing was measured", fill=SOFT)])
    ordered = sorted(times_us)
    marks = [
        ("median", ordered[len(ordered) // 2]),
        ("p99", ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]),
        ("longest", ordered[-1]),
    ]
    edges = _edges(ordered[0], ordered[-1])
    counts = [0] * BARS
    place = 0
    for value in ordered:
        while place < BARS - 1 and value > edges[place + 1]:
            place += 1
        counts[place] += 1
    most, wide = max(counts), (WIDTH - LEFT - RIGHT) / BARS
    parts = [
        f'<path d="M{LEFT} {FLOOR}H{WIDTH - RIGHT}" stroke="{INK}"/>',
        _text(LEFT - 6, TOP + 8, str(most), anchor="end", fill=SOFT),
        _text(LEFT - 6, FLOOR, "0", anchor="end", fill=SOFT),
        f'<path d="M{LEFT} {TOP + 4}H{WIDTH - RIGHT}" stroke="{LINE}" stroke-dasharray="2 4"/>',
    ]
    for place, count in enumerate(counts):
        if not count:
            continue
        tall = max(1.5, (FLOOR - TOP - 4) * count / most)
        slow = slow_ms and edges[place] >= slow_ms * 1000
        told = f"{_ms(edges[place])} to {_ms(edges[place + 1])}: {count}"
        parts.append(
            f'<rect x="{LEFT + place * wide + 1:.1f}" y="{FLOOR - tall:.1f}" '
            f'width="{wide - 2:.1f}" height="{tall:.1f}" fill="{HATCH if slow else BAR_FILL}" '
            f'stroke="{INK}" stroke-width="0.6"><title>{told}</title></rect>'
        )
    for step in range(0, BARS + 1, BARS // 4):
        x = LEFT + step * wide
        anchor = "start" if step == 0 else "end" if step == BARS else "middle"
        parts.append(_text(x, FLOOR + 14, _ms(edges[step]), anchor=anchor, fill=SOFT))
    words = " · ".join(f"{name} {_ms(value)}" for name, value in marks)
    parts.append(_text(LEFT, FLOOR + 32, f"{len(ordered)} in all · {words}", weight="600"))
    return _frame(HEIGHT, title, parts)


def _edges(shortest: int, longest: int) -> list[float]:
    """Return the bounds of the bars in microseconds, each a fixed share above the last."""
    low, high = max(1.0, shortest * 0.98), max(2.0, longest * 1.02, shortest * 1.5)
    ratio = (high / low) ** (1 / BARS)
    return [low * ratio**step for step in range(BARS)] + [high]


def _ms(value_us: float) -> str:
    """Return a duration as a person reads it."""
    if value_us >= 1_000_000:
        return f"{value_us / 1e6:.1f} s"
    if value_us >= 10_000:
        return f"{value_us / 1000:.0f} ms"
    return f"{value_us / 1000:.1f} ms"


def timeline(moments: list[Moment]) -> str:
    """Return the handshake of one piece: the PLC's steps on the left, the host's on the right.

    Steps are drawn in order and evenly spaced, each with its instant, as the whole spans from a
    millisecond to many seconds.
    """
    title = "The handshake of one piece"
    if not moments:
        return _frame(60, title, [_text(LEFT, 40, "no piece was seen", fill=SOFT)])
    shown = moments[:STEPS_SHOWN_MAX]
    left, right, top = 235, 405, 44
    floor = top + ROW * (len(shown) - 1) + 18
    parts = [
        _text(left, 26, "PLC", anchor="middle", weight="700"),
        _text(right, 26, "host", anchor="middle", weight="700"),
        f'<path d="M{left} 34V{floor}M{right} 34V{floor}" stroke="{LINE}" stroke-width="2"/>',
    ]
    for number, moment in enumerate(shown):
        y = top + ROW * number
        here, there = (left, right) if moment.by_plc else (right, left)
        if number and _reaches(shown[number - 1], moment):
            before = y - ROW
            parts.append(
                f'<path d="M{there} {before}L{here} {y}" stroke="{SOFT}" fill="none" '
                'stroke-dasharray="4 3" marker-end="url(#tip)"/>'
            )
        shape = (
            f'<rect x="{here - 5}" y="{y - 5}" width="10" height="10" fill="{INK}"/>'
            if moment.by_plc
            else f'<circle cx="{here}" cy="{y}" r="5.5" fill="#fff" stroke="{INK}" '
            'stroke-width="2"/>'
        )
        parts.append(shape)
        anchor, away = ("end", -LABEL_GAP) if moment.by_plc else ("start", LABEL_GAP)
        parts.append(_text(here + away, y - 1, moment.what, anchor=anchor, weight="600"))
        instant = f"{moment.at_ms:,.0f} ms"
        parts.append(_text(here + away, y + 12, instant, anchor=anchor, fill=SOFT))
    return _frame(floor + 8, title, parts)


def _reaches(before: Moment, after: Moment) -> bool:
    """Whether one step led to the next on the other side: what the PLC told, or was told."""
    if before.by_plc == after.by_plc:
        return False
    return before.by_plc or before.what == WRITTEN


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", fill: str = INK, weight: str = "400"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" '
        f'font-weight="{weight}">{escape(words)}</text>'
    )


def _frame(height: int, title: str, parts: list[str]) -> str:
    """Return a whole picture."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            'font-family="system-ui, sans-serif" font-size="11" role="img" '
            f'aria-label="{escape(title)}">',
            f"<title>{escape(title)}</title>",
            '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><rect width="5" height="5" fill="#fff"/>'
            f'<path d="M0 0V5" stroke="{INK}" stroke-width="2"/></pattern>'
            '<marker id="tip" viewBox="0 0 8 8" refX="10" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{SOFT}"/></marker>'
            "</defs>",
            *parts,
            "</svg>",
        ]
    )
