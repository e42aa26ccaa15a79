"""The page draws the line, follows it, speaks both languages, and lives through a restart."""

import os
import re
import signal
from collections.abc import Callable

from playwright.sync_api import Locator, expect

from tests.integration.console.conftest import AWAY, Screen
from tests.integration.service.conftest import Centre, until
from tests.integration.service.test_sorting import pid_of

DRAWN = re.compile(r"\S")


def term(screen: Screen, name: str) -> Locator:
    """The number of a term of the ledger."""
    return screen.page.locator("#ledger .term").filter(has_text=name).locator("b")


def value(screen: Screen, number: Locator) -> int:
    return int(number.inner_text().replace(",", ""))


def until_shown(screen: Screen, condition: Callable[[], bool], what: str) -> None:
    """Wait for what the page comes to show; it lives only while its browser is asked."""

    def look() -> bool:
        screen.page.wait_for_timeout(1)
        return condition()

    until(look, what)


def test_the_page_draws_the_line_and_follows_it(screen: Screen) -> None:
    page = screen.page
    expect(page.locator("#chutes .chute")).to_have_count(9)
    expect(page.locator("#stations .station")).not_to_have_count(0)
    expect(page.locator("#pieces .piece")).not_to_have_count(0)
    expect(page.locator("#states li.well")).to_have_count(3)
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.locator("#login")).to_be_hidden()
    discharged = term(screen, "discharged")
    first = value(screen, discharged)
    until_shown(screen, lambda: value(screen, discharged) > first, "more pieces are discharged")
    piece = page.locator("#pieces .piece.routed:not(.gone)").first
    places: set[str | None] = set()

    def moves() -> bool:
        places.add(piece.get_attribute("transform"))
        return len(places) > 5

    until_shown(screen, moves, "a piece moves between two answers")
    expect(term(screen, "unexplained")).to_have_text("0")
    assert screen.errors == []


def test_nothing_lies_beside_a_small_screen(screen: Screen) -> None:
    page = screen.page
    expect(page.locator("#numbers dd").first).to_have_text(DRAWN)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture = page.locator("#picture").bounding_box()
    assert picture is not None
    assert picture["y"] + picture["height"] <= 800


def test_it_speaks_chinese_when_asked_and_next_time_too(screen: Screen) -> None:
    page = screen.page
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("#states")).to_contain_text("数据库 正常")
    page.reload()
    expect(page.locator("#ledger")).to_contain_text("台账")
    assert screen.errors == []


def test_it_says_that_the_service_is_away_and_goes_on_by_itself_after(
    screen: Screen, centre: Centre
) -> None:
    page = screen.page
    discharged = term(screen, "discharged")
    expect(discharged).to_have_text(DRAWN)
    before = value(screen, discharged)
    assert centre.service is not None
    face = pid_of(centre, "face")
    # Held, the supervisor starts no other one before the page has noticed.
    os.kill(centre.service.pid, signal.SIGSTOP)
    try:
        os.kill(face, signal.SIGKILL)
        expect(page.locator("#problem")).to_contain_text("The service does not answer")
    finally:
        os.kill(centre.service.pid, signal.SIGCONT)
    expect(page.locator("#problem")).to_be_hidden()
    until_shown(screen, lambda: value(screen, discharged) > before, "it follows again")
    assert screen.errors_but(AWAY) == []
