"""Timing diagrams of the exchanges: one picture each (SVG), and all of them as text."""

from html import escape
from textwrap import wrap

from plc_adapters.mailbox.register_map import MapError
from plc_adapters.mailbox.table import Writer
from plc_adapters.reference.exchanges import EXCHANGES, Exchange, Lane

LABEL_PX, COLUMN_PX, LANE_PX, BAR_PX, SLANT_PX = 330, 104, 34, 22, 6
MARGIN_PX, HEAD_PX, GROUP_PX, NOTE_PX = 16, 92, 26, 18
NOTE_LETTERS = 120
"""Letters of a line of the notes; they fill the picture's width."""
STYLE = (
    "text{font:13px 'DejaVu Sans',Verdana,sans-serif;fill:#111}"
    ".title{font-size:18px;font-weight:bold}.group{font-weight:bold}"
    ".lane{font-family:'DejaVu Sans Mono',Consolas,monospace;font-size:12px}"
    ".value{font-family:'DejaVu Sans Mono',Consolas,monospace;font-size:12px;text-anchor:middle}"
    ".when{font-size:12px;text-anchor:middle}.number{font-weight:bold;text-anchor:middle}"
    ".bar{fill:#fff;stroke:#111;stroke-width:1.3}.host{fill:url(#host)}"
    ".grid{stroke:#999;stroke-width:1;stroke-dasharray:2 4}"
)
HATCH = (
    '<pattern id="host" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect width="6" height="6" fill="#fff"/><path d="M0 6L6 0" stroke="#ccc"/></pattern>'
)
PLATE_PX = 8
"""Width of a letter in a lane, for the white plate behind a value."""


def names() -> list[str]:
    """Return the names of the diagrams."""
    return [exchange.name for exchange in EXCHANGES]


def as_text(name: str = "") -> str:
    """Return one diagram as text, or all of them.

    Raises:
        MapError: there is no diagram of that name.
    """
    return "\n".join(_text(exchange) for exchange in _chosen(name))


def as_svg(name: str = "") -> str:
    """Return one diagram as an SVG document, or all of them below one another in one.

    Raises:
        MapError: there is no diagram of that name.
    """
    parts: list[str] = []
    top, width = MARGIN_PX, 0
    for exchange in _chosen(name):
        drawn, height = _drawn(exchange, top)
        parts += drawn
        top += height
        width = max(width, MARGIN_PX * 2 + LABEL_PX + COLUMN_PX * len(exchange.instants))
    size = f'width="{width}" height="{top}" viewBox="0 0 {width} {top}"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        f"<style>{STYLE}</style>",
        f"<defs>{HATCH}</defs>",
        f'<rect width="{width}" height="{top}" fill="#fff"/>',
        *parts,
        "</svg>\n",
    ])  # fmt: skip


def _chosen(name: str) -> list[Exchange]:
    """Return the exchange of that name, or all of them."""
    found = [exchange for exchange in EXCHANGES if name in ("", exchange.name)]
    if not found:
        raise MapError("diagram", f"there is no {name!r}; give one of {', '.join(names())}")
    return found


def _groups(exchange: Exchange) -> list[tuple[str, list[Lane]]]:
    """Return the lanes by who writes them, the PLC's first."""
    titles = ((Writer.PLC, "The PLC writes"), (Writer.HOST, "A host writes"))
    return [
        (title, [lane for lane in exchange.lanes if lane.writer is writer])
        for writer, title in titles
    ]


def _clock(exchange: Exchange) -> list[int]:
    """Return the milliseconds of each instant since the first."""
    total, found = 0, []
    for instant in exchange.instants:
        total += instant.after_ms
        found.append(total)
    return found


def _text(exchange: Exchange) -> str:
    """Return a diagram as a table; a value is written where it changes."""
    width = max(len(lane.name) for lane in exchange.lanes)
    count = len(exchange.instants)
    lines = [exchange.title, "=" * len(exchange.title), ""]
    lines.append(" " * width + "".join(f"{number:>9}" for number in range(1, count + 1)))
    lines.append("ms".rjust(width) + "".join(f"{ms:>9}" for ms in _clock(exchange)))
    for title, lanes in _groups(exchange):
        lines += ["", title]
        for lane in lanes:
            cells = [
                "." * 6 if i and lane.values[i] == lane.values[i - 1] else str(int(value))
                for i, value in enumerate(lane.values)
            ]
            lines.append(lane.name.ljust(width) + "".join(f"{cell:>9}" for cell in cells))
    lines.append("")
    for number, instant in enumerate(exchange.instants, 1):
        lines += wrap(instant.said, 96, initial_indent=f"{number}  ", subsequent_indent="   ")
    return "\n".join(lines) + "\n"


def _drawn(exchange: Exchange, top: int) -> tuple[list[str], int]:
    """Return a diagram's elements from that height on, and how high it is."""
    left = MARGIN_PX + LABEL_PX
    parts = [_words(MARGIN_PX, top + 18, exchange.title, "title")]
    for i, ms in enumerate(_clock(exchange)):
        middle = left + COLUMN_PX * i + COLUMN_PX // 2
        parts += [
            _words(middle, top + 48, str(i + 1), "number"),
            _words(middle, top + 66, f"{ms} ms", "when"),
        ]
    y = top + HEAD_PX
    first = y - 18
    for title, lanes in _groups(exchange):
        parts.append(_words(MARGIN_PX, y, title, "group"))
        y += GROUP_PX - 12
        for lane in lanes:
            parts += [_words(MARGIN_PX, y + 16, lane.name, "lane"), *_bars(lane, left, y)]
            y += LANE_PX
        y += GROUP_PX
    grid = [
        f'<line class="grid" x1="{x}" y1="{first}" x2="{x}" y2="{y - GROUP_PX}"/>'
        for x in range(left, left + COLUMN_PX * (len(exchange.instants) + 1), COLUMN_PX)
    ]
    for number, instant in enumerate(exchange.instants, 1):
        for i, line in enumerate(wrap(instant.said, NOTE_LETTERS)):
            if not i:
                parts.append(_words(MARGIN_PX, y, str(number), "group"))
            parts.append(_words(MARGIN_PX + 20, y, line, "note"))
            y += NOTE_PX
    return grid + parts, y + NOTE_PX - top


def _bars(lane: Lane, left: int, top: int) -> list[str]:
    """Return a lane as a bus: one bar for each value, pointed where it changes."""
    parts, start, count = [], 0, len(lane.values)
    kind = "bar host" if lane.writer is Writer.HOST else "bar"
    for end in range(1, count + 1):
        if end < count and lane.values[end] == lane.values[start]:
            continue
        x1, x2, middle = left + COLUMN_PX * start, left + COLUMN_PX * end, top + BAR_PX // 2
        begin = f"{x1 + SLANT_PX},{top} " if start else f"{x1},{top} "
        points = begin + (
            f"{x2 - SLANT_PX},{top} {x2},{middle} {x2 - SLANT_PX},{top + BAR_PX} "
            if end < count
            else f"{x2},{top} {x2},{top + BAR_PX} "
        )
        points += (
            f"{x1 + SLANT_PX},{top + BAR_PX} {x1},{middle}" if start else f"{x1},{top + BAR_PX}"
        )
        value = str(int(lane.values[start]))
        plate, center = PLATE_PX * len(value) + 6, x1 + COLUMN_PX // 2
        parts += [
            f'<polygon class="{kind}" points="{points}"/>',
            f'<rect x="{center - plate // 2}" y="{top + 3}" width="{plate}" '
            f'height="{BAR_PX - 6}" fill="#fff"/>',
            _words(center, top + 16, value, "value"),
        ]
        start = end
    return parts


def _words(x: int, y: int, text: str, kind: str) -> str:
    """Return a piece of text."""
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'
