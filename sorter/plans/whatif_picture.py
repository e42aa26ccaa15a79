"""A what-if as a picture: pieces per chute, before and after, one pair of bars a chute."""

from html import escape

from sorter.plans.whatif import WhatIf

BAR, GAP = 5, 3
"""Pixels: width of a bar; room between two chutes."""
HEIGHT, LEFT, TOP, BOTTOM = 200, 48, 40, 34
LABELS_MAX = 40
"""Chute numbers written below the axis."""
LIGHT, DARK = "#b8c4d0", "#1f5f99"
"""Bars before and after; both can be told apart in grey."""


def draw(found: WhatIf) -> str:
    """Return an SVG of its own, without a script, a font or a link."""
    step = 2 * BAR + GAP
    width = LEFT + step * len(found.chutes) + GAP + 8
    width = max(width, 360)
    most = max((max(c.before, c.after) for c in found.chutes), default=0) or 1
    scale = HEIGHT / most
    floor = TOP + HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {floor + BOTTOM}" '
        f'width="{width}" height="{floor + BOTTOM}" font-family="sans-serif" font-size="10" '
        'fill="#444" role="img">',
        f"<title>Pieces per chute: {escape(found.against)} and {escape(found.plan)}</title>",
        f'<rect x="{LEFT}" y="12" width="8" height="8" fill="{LIGHT}"/>'
        f'<text x="{LEFT + 12}" y="20">{escape(found.against)}</text>',
        f'<rect x="{LEFT + 150}" y="12" width="8" height="8" fill="{DARK}"/>'
        f'<text x="{LEFT + 162}" y="20">{escape(found.plan)}</text>',
    ]
    for share in (0.5, 1.0):
        y = floor - share * HEIGHT
        parts.append(
            f'<path d="M{LEFT} {y:g}H{width - 4}" stroke="#ddd"/>'
            f'<text x="{LEFT - 4}" y="{y + 3:g}" text-anchor="end">{share * most:g}</text>'
        )
    every = -(-len(found.chutes) // LABELS_MAX) or 1
    for k, load in enumerate(found.chutes):
        x = LEFT + GAP + k * step
        told = escape(f"chute {load.chute} {load.group}: {load.before} -> {load.after}")
        bars = (
            f'<rect x="{x + at}" y="{floor - pieces * scale:.1f}" width="{BAR}" '
            f'height="{pieces * scale:.1f}" fill="{fill}"/>'
            for at, pieces, fill in ((0, load.before, LIGHT), (BAR, load.after, DARK))
        )
        parts.append(f"<g><title>{told}</title>{''.join(bars)}</g>")
        if k % every == 0:
            parts.append(
                f'<text x="{x + BAR}" y="{floor + 12}" text-anchor="middle" font-size="7">'
                f"{load.chute}</text>"
            )
    parts.append(f'<path d="M{LEFT} {floor}H{width - 4}" stroke="#444"/>')
    parts.append(f'<text x="{LEFT}" y="{floor + 26}">pieces, by chute number</text>')
    return "\n".join([*parts, "</svg>", ""])
