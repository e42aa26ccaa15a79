"""The report of a check to hand over: one HTML file that needs nothing else, and prints well."""

from datetime import datetime
from html import escape

from plc_adapters.commissioning.findings import Finding, Result, ScannerResult, Verdict
from plc_adapters.commissioning.pictures import histogram, timeline
from plc_adapters.commissioning.run import REQUEST_MS_MAX

SIGNS = {Verdict.OK: "✓ ok", Verdict.FAIL: "✗ FAIL", Verdict.UNCHECKED: "? not checked"}
"""How a verdict is written: its sign and word differ, whatever the printer does with colour."""
STYLE = """
:root { --ink: #14232e; --soft: #5b6b77; --line: #d5dce2; --fail: #a3281e; --ok: #1d6b45; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.5rem 4rem; color: var(--ink);
  background: #fff; font: 15px/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; }
header { border-bottom: 3px solid var(--ink); padding-bottom: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; }
.peer { color: var(--soft); margin: 0; overflow-wrap: anywhere; }
.sum { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0 0; }
.sum div { border: 1px solid var(--line); border-radius: 6px; padding: .6rem .9rem;
  flex: 1 1 8rem; }
.sum b { display: block; font-size: 1.35rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.sum span { color: var(--soft); font-size: .85rem; }
.sum .verdict { border: 2px solid var(--ink); flex: 2 1 14rem; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-size: .8rem; color: var(--soft); font-weight: 600; }
th, td { padding: .5rem .6rem .5rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td:first-child { white-space: nowrap; font-weight: 650; width: 8.2rem; }
td:nth-child(2) { width: 15rem; }
.ok td:first-child { color: var(--ok); }
.fail td:first-child { color: var(--fail); }
.fail { background: #fbf0ee; }
.fail td:first-child { padding-left: .5rem; border-left: 4px solid var(--fail); }
.unchecked td:first-child { color: var(--soft); font-weight: 500; }
.seen { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.advice { display: block; margin-top: .25rem; }
.advice::before { content: "→ "; }
.fail .advice { font-weight: 600; }
.unchecked .advice { color: var(--soft); }
h3 { font-size: 1rem; margin: 0 0 .2rem; }
figure { margin: 1rem 0 1.6rem; break-inside: avoid; }
figcaption { color: var(--soft); font-size: .88rem; }
svg { display: block; width: 100%; height: auto; max-width: 44rem; }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
.sign { display: flex; gap: 2rem; margin-top: 2.6rem; }
.sign span { flex: 1; border-top: 1px solid var(--ink); padding-top: .2rem; color: var(--soft); }
@media print {
  @page { margin: 16mm 14mm; }
  body { padding: 0; max-width: none; font-size: 10.5pt; }
  tr { break-inside: avoid; }
  .fail { background: none; }
}
"""


def page(result: Result, site: str, at: datetime) -> str:
    """Return the report as HTML.

    Args:
        result: what was found.
        site: name of the site.
        at: when it was checked.
    """
    title = f"PLC of {result.line}: {'passed' if result.all_passed else 'not passed'}"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
            *_head(result, site, at),
            *_failures(result),
            *_table(result),
            *(line for scanner in result.scanners for line in _scanner(scanner)),
            *_notes(result),
            *_figures(result),
            *_foot(),
            "</body></html>",
            "",
        ]
    )


def _head(result: Result, site: str, at: datetime) -> list[str]:
    counts = dict.fromkeys(Verdict, 0)
    for device in result.devices:
        for finding in device.findings:
            counts[finding.verdict] += 1
    measured = result.measured
    times = sorted(measured.request_us)
    median = f"{times[len(times) // 2] / 1000:.1f} ms" if times else "–"
    word = "passed" if result.all_passed else "not passed"
    open_ = counts[Verdict.UNCHECKED]
    note = f"{open_} could not be checked" if open_ else "everything was checked"
    boxes = [
        ("verdict", word, f"{counts[Verdict.OK]} ok, {counts[Verdict.FAIL]} failed; {note}"),
        ("", f"{measured.cycle_ms:.1f} ms", "PLC cycle"),
        ("", median, "a request, median"),
        ("", f"{measured.load_rate:.0f}/s", "events under load"),
        ("", str(measured.pieces), "pieces seen"),
    ]
    return [
        f"<header><h1>PLC of {escape(result.line)}: commissioning check</h1>",
        f'<p class="peer">{escape(site)} · {escape(result.peer)} · '
        f"{at:%Y-%m-%d %H:%M %Z} · took {result.seconds:.0f} s</p>",
        '<div class="sum">',
        *(
            f'<div class="{kind}"><b>{escape(value)}</b><span>{escape(label)}</span></div>'
            for kind, value, label in boxes
        ),
        "</div></header>",
    ]


def _failures(result: Result) -> list[str]:
    failed = [
        _row(finding, device.name if isinstance(device, ScannerResult) else "")
        for device in result.devices
        for finding in device.in_order()
        if finding.verdict is Verdict.FAIL
    ]
    if not failed:
        return []
    return ["<h2>What to change</h2>", "<table>", *failed, "</table>"]


def _table(result: Result) -> list[str]:
    return [
        "<h2>Every check</h2>",
        "<table><thead><tr><th>Verdict</th><th>Check</th><th>Seen</th></tr></thead><tbody>",
        *map(_row, result.in_order()),
        "</tbody></table>",
    ]


def _scanner(scanner: ScannerResult) -> list[str]:
    return [
        f"<h2>Scanner {escape(scanner.name)} at station {scanner.station}</h2>",
        f'<p class="peer">{escape(scanner.peer)} · {scanner.scans} scans heard</p>',
        "<table><thead><tr><th>Verdict</th><th>Check</th><th>Seen</th></tr></thead><tbody>",
        *map(_row, scanner.in_order()),
        "</tbody></table>",
    ]


def _row(finding: Finding, of: str = "") -> str:
    """Return a finding's row; ``of`` names the scanner where the table is not its own."""
    advice = f'<span class="advice">{escape(finding.advice)}</span>' if finding.advice else ""
    return (
        f'<tr class="{finding.verdict}"><td>{SIGNS[finding.verdict]}</td>'
        f"<td>{escape(f'{of}: {finding.title}' if of else finding.title)}</td>"
        f'<td class="seen">{escape(finding.seen)}{advice}</td></tr>'
    )


def _notes(result: Result) -> list[str]:
    if not result.notes:
        return []
    items = (f"<li>{escape(note)}</li>" for note in result.notes)
    return ["<h2>Known of this family of PLCs</h2>", "<ul>", *items, "</ul>"]


def _figures(result: Result) -> list[str]:
    measured = result.measured
    pictures = [
        (
            "Round trip of a request",
            histogram(measured.request_us, "Round trip of a request", REQUEST_MS_MAX),
            "How long the PLC took to answer each request. The axis is logarithmic; hatched bars "
            f"are {REQUEST_MS_MAX} ms and more.",
        ),
        (
            "From an instruction to its echo",
            histogram(measured.answer_us, "From an instruction to its echo"),
            "How long from writing an instruction until the PLC's echo of it was read. It holds "
            "what waited while the ring was kept full on purpose.",
        ),
        (
            "The handshake of one piece",
            timeline(measured.handshake),
            "What happened to one piece, in order, since the first step. The PLC's instants are "
            "its own clock, laid on this machine's.",
        ),
    ]
    parts = ["<h2>Measured</h2>"]
    for title, picture, words in pictures:
        caption = f"<figcaption>{words}</figcaption>"
        parts.append(f"<figure><h3>{title}</h3>{picture}{caption}</figure>")
    return parts


def _foot() -> list[str]:
    return [
        "<footer>What could not be checked is not a failure; it says how it can be. Events that "
        "came during the check were acknowledged and are not in any journal; pieces of that time "
        "went to chutes in turn or, while the host was silent, to the default chute.",
        '<div class="sign"><span>PLC integrator, date</span><span>Operator, date</span></div>',
        "</footer>",
    ]
