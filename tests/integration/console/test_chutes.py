"""Chutes are locked and unlocked from the page, with who and why, by whoever may."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from sorter.api.keys import add_key
from sorter.config_http import Role
from tests.integration.console.conftest import FAILED, Screen
from tests.integration.service.conftest import Centre, until
from tests.integration.service.test_sorting import pid_of


def chute(centre: Centre, number: int) -> Any:
    status, told = centre.get("/lines/loop/chutes")
    assert status == 200
    return next(each for each in told["chutes"] if each["chute"] == number)


def lock_told(centre: Centre, number: int) -> Any:
    return centre.get("/lines/loop/plans")[1]["locked"].get(str(number))


def drawn(page: Page, number: int) -> Any:
    return page.locator(f'#chutes .chute[data-chute="{number}"]')


def open_dialog(page: Page, number: int) -> None:
    """Open it without a mouse."""
    expect(page.locator("#chutes .chute")).to_have_count(9)
    page.get_by_role("button", name="Lock or unlock a chute").press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("combobox", name="Chute").select_option(str(number))


def say(page: Page, who: str, why: str) -> None:
    """Say by whom and why, and send it without a mouse."""
    page.get_by_role("textbox", name="Who").fill(who)
    page.get_by_role("textbox", name="Why").fill(why)
    page.get_by_role("textbox", name="Why").press("Enter")


def test_a_chute_is_locked_by_keyboard_and_unlocked_in_chinese_by_mouse(
    screen: Screen, centre: Centre
) -> None:
    page = screen.page
    open_dialog(page, 3)
    expect(page.get_by_role("heading", name="Lock a chute")).to_be_visible()
    say(page, "ann", "belt torn")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("status")).to_have_text("✓ loop: chute 3 is locked.")
    expect(drawn(page, 3)).to_have_class("chute locked")
    expect(drawn(page, 3).locator("title")).to_contain_text("locked")
    until(lambda: chute(centre, 3)["locked"], "the service tells that it is locked")
    told = lock_told(centre, 3)
    assert (told["who"], told["why"]) == ("ann", "belt torn")
    page.get_by_role("button", name="中文").click()
    drawn(page, 3).locator(".box").click()
    expect(page.get_by_role("heading", name="解锁格口")).to_be_visible()
    expect(page.locator("#chute-lock")).to_contain_text("ann")
    expect(page.locator("#chute-lock")).to_contain_text("belt torn")
    expect(page.get_by_role("textbox", name="操作人")).to_have_value("ann")
    page.get_by_role("textbox", name="原因").fill("已修好")
    page.get_by_role("button", name="解锁", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("✓ loop:格口 3 已解锁。")
    until(lambda: not chute(centre, 3)["locked"], "the service tells that it is open again")
    expect(drawn(page, 3)).not_to_have_class("chute locked")
    assert screen.errors == []


def test_nothing_is_sent_without_a_reason_and_escape_leaves_all_as_it_was(
    screen: Screen, centre: Centre
) -> None:
    page = screen.page
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    open_dialog(page, 4)
    say(page, "ann", " ")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Lock or unlock a chute")).to_be_focused()
    assert "POST" not in sent
    assert not chute(centre, 4)["locked"]


def test_what_the_service_refuses_is_told_in_its_own_words(screen: Screen) -> None:
    page = screen.page
    expect(page.locator("#chutes .chute")).to_have_count(9)
    page.get_by_role("button", name="Lock or unlock a chute").press("Enter")
    page.locator("#chute").evaluate("list => { list.options[4].value = '99' }")
    page.locator("#chute").evaluate("list => { list.selectedIndex = 4 }")
    say(page, "ann", "not there")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("no chute 99")
    expect(page.get_by_role("button", name="Lock", exact=True)).to_be_enabled()
    assert screen.errors_but(FAILED) == []


@pytest.fixture
def keys(centre: Centre) -> Iterator[dict[Role, str]]:
    """A key of each role; while the test runs the face wants one."""
    file = centre.folder / "keys.toml"
    made = {role: add_key(file, f"{role}-key", role) for role in (Role.VIEWER, Role.OPERATOR)}
    site = centre.folder / "site.toml"
    before = site.read_text(encoding="utf-8")
    site.write_text(before.replace("[http]", '[http]\nkeys_file = "keys.toml"'), encoding="utf-8")
    start_face_anew(centre, 401)
    yield made
    site.write_text(before, encoding="utf-8")
    start_face_anew(centre, 200)


def start_face_anew(centre: Centre, status: int) -> None:
    """End the face, whose next one reads the site file as it is now."""
    os.kill(pid_of(centre, "face"), signal.SIGKILL)
    until(lambda: centre.get("/lines")[0] == status, f"a face that answers with {status}")


def log_in(page: Page, key: str) -> None:
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def test_who_logged_in_locks_by_his_name_if_his_role_lets_him(
    centre: Centre, keys: dict[Role, str], screen: Screen
) -> None:
    page = screen.page
    log_in(page, keys[Role.VIEWER])
    open_dialog(page, 5)
    expect(page.get_by_role("textbox", name="Who")).to_have_value("viewer-key")
    say(page, "viewer-key", "jam")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("this needs operator")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Log out").click()
    log_in(page, keys[Role.OPERATOR])
    open_dialog(page, 5)
    say(page, "operator-key", "jam")
    expect(page.get_by_role("status")).to_have_text("✓ loop: chute 5 is locked.")
    expect(drawn(page, 5)).to_have_class("chute locked")
    open_dialog(page, 5)
    expect(page.locator("#chute-lock")).to_contain_text("Locked by operator-key")
    say(page, "operator-key", "jam cleared")
    expect(page.get_by_role("status")).to_have_text("✓ loop: chute 5 is unlocked.")
    assert screen.errors_but(FAILED) == []
