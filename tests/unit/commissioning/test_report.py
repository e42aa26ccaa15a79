"""The report: whole without any other file, nothing in it can break out, no colour needed."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from plc_adapters.commissioning.findings import Mark, Moment, Result, Verdict
from plc_adapters.commissioning.page import page
from plc_adapters.commissioning.pictures import BARS, histogram, timeline
from tests.unit.commissioning.conftest import VirtualPlc, checked

AT = datetime(2026, 11, 25, 16, 30, tzinfo=UTC)
VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Checks that tags nest, and keeps the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def test_a_whole_report_names_each_verdict_and_needs_nothing_else(
    make_plc: Callable[..., VirtualPlc],
) -> None:
    result = asyncio.run(checked(make_plc("faults.replaces_held=true")))
    reader = read(page(result, "枢纽-1", AT))
    words = " ".join(reader.words)
    assert "not passed" in words
    assert "枢纽-1" in words
    assert words.count("✗ FAIL") == 2, "once among what to change, once in its place"
    for finding in result.findings:
        assert finding.title in words
        assert finding.seen in words
    assert reader.links == []
    assert "instruction taken" in words


def test_what_a_plc_sends_cannot_break_the_page() -> None:
    result = Result("<b>&", "</td><script>alert(1)</script>")
    result.add(Mark.MAGIC, Verdict.FAIL, '"<img src=x>', "<>&'\"")
    html = page(result, "<i>", AT)
    assert "<script" not in html
    assert read(html).links == []


def bars(svg: str) -> list[float]:
    found = ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect")
    return [float(rect.attrib["height"]) for rect in found if "stroke" in rect.attrib]


@pytest.mark.parametrize(
    "times", [[1], [0, 0], [500] * 1000, list(range(1, 100_000, 7)), [3, 60_000_000]], ids=len
)
def test_a_histogram_holds_every_duration(times: list[int]) -> None:
    svg = histogram(times, "t")
    told = [int(n) for n in re.findall(r"<title>.* to .*: (\d+)</title>", svg)]
    assert sum(told) == len(times)
    assert 1 <= len(bars(svg)) <= BARS
    assert f"{len(times)} in all" in svg


def test_slow_bars_are_hatched_so_that_no_colour_is_needed() -> None:
    svg = histogram([1000] * 5 + [200_000], "t", slow_ms=100)
    assert svg.count('fill="url(#hatch)"') == 1
    assert 'fill="url(#hatch)"' not in histogram([1000] * 5, "t", slow_ms=100)


def test_nothing_measured_is_said() -> None:
    assert "nothing was measured" in histogram([], "t")
    assert "no piece was seen" in timeline([])


def test_the_handshake_stands_in_order_with_both_sides() -> None:
    moments = [
        Moment("scanned", by_plc=True, at_ms=0.0),
        Moment("scan read", by_plc=False, at_ms=4.0),
        Moment("instruction written", by_plc=False, at_ms=5.0),
        Moment("instruction taken", by_plc=True, at_ms=9.0),
        Moment("echo read", by_plc=False, at_ms=12.0),
    ]
    svg = timeline(moments)
    places = [svg.index(f">{moment.what}<") for moment in moments]
    assert places == sorted(places)
    assert svg.count("<circle") == 3
    assert svg.count('stroke-dasharray="4 3"') == 3, "told, instructed, told"
    ET.fromstring(svg)
