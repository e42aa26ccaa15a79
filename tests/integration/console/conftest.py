"""One centre that sorts for as long as the tests look, and Chromium in which they look."""

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from sorter.store.embedded import EmbeddedPostgres
from tests.integration.service.conftest import WAIT_S, Centre, make_database, postgres

__all__ = ["postgres"]

MS_PER_S = 1000
PIECES = 500_000
"""More than the tests will see end."""
PIECES_PER_HOUR = 7_200
AWAY = re.compile(r"Failed to load resource: net::ERR_(CONNECTION_(REFUSED|RESET)|EMPTY_RESPONSE)")
"""What Chromium itself writes to the console while nobody answers at the page's address."""
FAILED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
"""What it writes of every request that the service refuses."""


@pytest.fixture(scope="package")
def centre(
    tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres
) -> Iterator[Centre]:
    running = Centre(tmp_path_factory.mktemp("console"), make_database(postgres), PIECES)
    try:
        running.start_plc(f"arrivals.pieces_per_hour={PIECES_PER_HOUR}")
        running.start_service()
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Debian's: the one that CI installs."""
    found = shutil.which("chromium")
    assert found, "no chromium here: apt-get install chromium"
    expect.set_options(timeout=WAIT_S * MS_PER_S)
    with sync_playwright() as playwright:
        # As root, as CI is, Chromium starts without its own sandbox only.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Screen:
    """A page as one looks at it, and what it complained of."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.errors: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(WAIT_S * MS_PER_S)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console", lambda told: self.errors.append(told.text) if told.type == "error" else None
        )
        self.page.goto(url)

    def errors_but(self, expected: "re.Pattern[str]") -> list[str]:
        return [error for error in self.errors if not expected.match(error)]


@pytest.fixture
def screen(centre: Centre, chromium: Browser) -> Iterator[Screen]:
    """The page in English on a small screen, opened by nobody before."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    yield Screen(context, f"http://127.0.0.1:{centre.http_port}/")
    context.close()
