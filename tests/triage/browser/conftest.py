"""One browser for all tests of the page; each test has a page and a profile of its own."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.servers.availability import unavailable
from tests.triage.browser.live import LivePage

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
Opener = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, headless."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        unavailable("there is no chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Opener]:
    """Opens an address of a served page in a new profile, and waits until the list is live.

    At the end of the test no page may have logged an error: neither of its script nor of the content security policy.
    """
    contexts, faults = [], []

    def open_page(page: LivePage, path: str = "/", live: bool = True, **options: Any) -> Page:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        context.set_default_timeout(10_000)
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("console", lambda message: faults.append(message.text) if _is_fault(message) else None)
        tab.goto(page.url + path)
        if live:
            tab.wait_for_selector(".dot.on")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def _is_fault(message: Any) -> bool:
    expected = "net::ERR" in message.text or "Failed to load resource" in message.text  # a server that a test ended
    return message.type in ("error", "warning") and not expected
