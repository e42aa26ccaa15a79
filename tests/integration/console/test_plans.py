"""Versions of the plan are told, activated and rolled back from the page."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.integration.console.conftest import FAILED, Screen
from tests.integration.service.conftest import ROUTES, Centre
from tests.integration.service.test_plan_http import PLANS, run, send


@pytest.fixture(scope="module")
def two(centre: Centre) -> Centre:
    """A centre whose version 1 is active, and which keeps version 2."""
    toml = (centre.folder / "plan.toml").read_text(encoding="utf-8")
    other = toml.replace('"small"', '"night"').replace("[1, 2, 3, 4, 5, 6, 7]", "[7, 5, 3, 1]")
    plan = {"toml": other, "tables": {"routes.csv": ROUTES}}
    status, kept = run(centre, "", plan=plan, who="ann", why="fewer chutes at night")
    assert (status, kept["number"]) == (200, 2)
    return centre


@pytest.fixture
def page(two: Centre, screen: Screen) -> Iterator[Page]:
    """The page with the versions open, version 1 active and nothing waiting."""
    activate(two, 1, replace=True)
    screen.page.get_by_text("Versions of the sort plan").press("Enter")
    expect(row(screen.page, 1)).to_contain_text("✓ active since")
    yield screen.page
    assert screen.errors_but(FAILED) == []


def activate(centre: Centre, version: int, *, replace: bool = False) -> None:
    """Activate it by another way than the page."""
    body = {"version": version, "who": "bob", "why": "by script", "replace": replace}
    body["expect"] = active(centre)["version"]
    status, told = send(centre, "POST", f"{PLANS}/activate", json.dumps(body).encode())
    assert status == 200, told


def active(centre: Centre) -> Any:
    return centre.get(PLANS)[1]["active"]


def row(page: Page, version: int) -> Locator:
    first = page.get_by_role("cell", name=str(version), exact=True)
    return page.locator("#plans tbody tr").filter(has=first)


def ask_for(page: Page, button: str, why: str, when: str | None = None) -> None:
    """Press a button of the list and answer its dialog, without a mouse."""
    page.get_by_role("button", name=button, exact=True).press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name=button)).to_be_visible()
    if when:
        dialog.get_by_label("When").select_option(label=when)
    dialog.get_by_label("Who").fill("ann")
    dialog.get_by_label("Why").fill(why)
    dialog.get_by_label("Why").press("Enter")


def test_a_version_is_activated_and_the_one_before_is_rolled_back_to(
    page: Page, two: Centre
) -> None:
    expect(row(page, 2)).to_contain_text("fewer chutes at night")
    expect(row(page, 2)).to_contain_text("ann")
    ask_for(page, "Activate version 2", "night shift")
    expect(page.get_by_role("status")).to_have_text("✓ loop: version 2 is active.")
    expect(row(page, 2)).to_contain_text("by ann: night shift")
    expect(row(page, 1)).not_to_contain_text("active since")
    expect(page.locator("#numbers")).to_contain_text("night · 2")
    told = active(two)
    assert (told["version"], told["who"], told["why"]) == (2, "ann", "night shift")
    ask_for(page, "Roll back to version 1", "too many laps")
    expect(page.get_by_role("status")).to_have_text("✓ loop: version 1 is active.")
    expect(row(page, 1)).to_contain_text("by ann: too many laps")
    told = active(two)
    assert (told["version"], told["previous"], told["why"]) == (1, 2, "too many laps")


def test_a_version_waits_until_the_sorter_is_empty_and_can_be_replaced(
    page: Page, two: Centre
) -> None:
    ask_for(page, "Activate version 2", "after the wave", "once the sorter is empty")
    expect(page.get_by_role("status")).to_have_text("✓ loop: version 2 waits for its time.")
    expect(row(page, 2)).to_contain_text("waits: once the sorter is empty, by ann: after the wave")
    waits = two.get(PLANS)[1]["pending"]
    assert (waits["version"], waits["when"]) == (2, "empty")
    page.get_by_role("button", name="Activate version 1").press("Enter")
    expect(page.locator("#plan-waits")).to_contain_text("This takes its place.")
    page.keyboard.press("Escape")
    ask_for(page, "Activate version 1", "no, stay")
    expect(row(page, 2)).not_to_contain_text("waits")
    assert two.get(PLANS)[1]["pending"] is None
    assert active(two)["version"] == 1


def test_on_a_phone_the_list_scrolls_and_the_page_does_not(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    expect(row(page, 2)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_was_done_is_seen_wherever_the_page_is_scrolled(page: Page) -> None:
    page.get_by_role("button", name="Activate version 2", exact=True).scroll_into_view_if_needed()
    ask_for(page, "Activate version 2", "night shift")
    expect(page.get_by_role("status")).to_be_in_viewport()
    page.get_by_role("button", name="中文").click()
    expect(page.locator("#done")).to_be_empty()


def test_of_two_who_change_it_at_once_the_page_is_told(page: Page, two: Centre) -> None:
    page.get_by_role("button", name="Activate version 2", exact=True).press("Enter")
    activate(two, 2)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Who").fill("ann")
    dialog.get_by_label("Why").fill("night shift")
    dialog.get_by_label("Why").press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("version 1 was expected, but 2 is active")
    expect(dialog.get_by_role("alert")).to_contain_text("by bob: by script")
    page.keyboard.press("Escape")
    expect(row(page, 2)).to_contain_text("by bob: by script")
