"""One browser for all tests of the page; each test has a page and a profile of its own."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.servers.availability import unavailable
from tests.triage.browser.live import LivePage, chromium, chromium_path
from tests.triage.process import TriageProcess

MILLISECONDS = 60_000  # a browser's patience, on machines that are busy with other work, too
expect.set_options(timeout=MILLISECONDS)


class Opener:
    """Opens addresses of served pages, each in a profile of its own.

    Attributes:
        faults: what scripts and the content security policy complained about.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.faults: list[str] = []

    def __call__(self, page: LivePage | TriageProcess, path: str = "/", live: bool = True, **options: Any) -> Page:
        """A tab at an address; `live`: once the list receives events. Options are those of a browser context."""
        context = self._browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        context.set_default_timeout(MILLISECONDS)
        self._contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: self.faults.append(str(error)))
        tab.on("console", self._logged)
        tab.goto(page.url + path)
        if live:
            tab.wait_for_selector(".dot.on")
        return tab

    def close(self) -> None:
        """Close all tabs."""
        for context in self._contexts:
            context.close()

    def _logged(self, message: ConsoleMessage) -> None:
        is_expected = "net::ERR" in message.text or "Failed to load resource" in message.text  # a server that ended
        if message.type in ("error", "warning") and not is_expected:
            self.faults.append(message.text)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, headless. It ends with the file: while it runs, no other test can run an event loop."""
    if chromium_path() is None:
        unavailable("there is no chromium on this machine")
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser) -> Iterator[Opener]:
    """Opens tabs; at the end of the test no script and no policy may have complained."""
    opener = Opener(browser)
    yield opener
    opener.close()
    assert opener.faults == []
