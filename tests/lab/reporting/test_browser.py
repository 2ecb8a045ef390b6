"""The page in a real browser: on a phone, on a laptop, in the dark and on paper."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from msgspec.structs import replace
from playwright.sync_api import Browser, Page

from stream.lab.reporting.report import write
from tests.lab.reporting import sample
from tests.servers.availability import unavailable
from tests.triage.browser.live import chromium, chromium_path

pytestmark = pytest.mark.browser
_HIDDEN = """() => [...document.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth)
.map(e => e.getAttribute("aria-label"))"""
_OVERLAPS = """() => [...document.querySelectorAll("svg")].flatMap(svg => {
  const texts = [...svg.querySelectorAll("text")].map(e => [e.textContent, e.getBoundingClientRect()]);
  return texts.flatMap(([a, r], i) => texts.slice(i + 1).filter(([b, q]) =>
    Math.min(r.right, q.right) - Math.max(r.left, q.left) > 1
    && Math.min(r.bottom, q.bottom) - Math.max(r.top, q.top) > 3
  ).map(([b]) => `${a} / ${b}`)); })"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, headless; it ends with the file."""
    if chromium_path() is None:
        unavailable("there is no chromium on this machine")
    with chromium() as browser:
        yield browser


def opened(browser: Browser, folder: Path, page: str, **options: Any) -> Page:
    """A tab with the page, all its details open."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    tab = browser.new_context(bypass_csp=True, **options).new_page()
    tab.goto(file.as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    return tab


def widths(tab: Page) -> tuple[int, int]:
    """The document's own width and that of what it holds."""
    found: list[int] = tab.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollWidth]")
    return found[0], found[1]


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_overflows(browser: Browser, tmp_path: Path, width: int) -> None:
    """Nothing is wider than the screen, no column is hidden and no two labels of a chart lie on one another."""
    long = replace(sample.full(), title="t" * 200, question="q" * 200, command="c" * 300)
    tab = opened(browser, tmp_path, write(long), viewport={"width": width, "height": 800})
    assert widths(tab) == (width, width)
    assert tab.evaluate(_HIDDEN) == []
    assert tab.evaluate(_OVERLAPS) == []


def test_overflow_is_seen(browser: Browser, tmp_path: Path) -> None:
    """The measures would see a page that is too wide, a hidden column and labels that collide."""
    wide = '<div style="width:700px">wide</div><div class="scroll" aria-label="t"><p style="width:800px">p</p></div>'
    crossed = '<svg viewBox="0 0 300 20"><text x="0" y="12">first</text><text x="9" y="12">second</text></svg>'
    page = write(sample.full()).replace("<main>", f"<main>{wide}{crossed}")
    tab = opened(browser, tmp_path, page, viewport={"width": 390, "height": 800})
    assert widths(tab) >= (390, 700)
    assert tab.evaluate(_HIDDEN) == ["t"]
    assert tab.evaluate(_OVERLAPS) == ["first / second"]


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}])
def test_no_violation(browser: Browser, tmp_path: Path, options: dict[str, Any]) -> None:
    """Axe finds nothing, neither on a light desk nor on a dark phone."""
    tab = opened(browser, tmp_path, write(sample.full()), **options)
    found = Axe().run(tab).response["violations"]
    assert [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found] == []


def test_printed(browser: Browser, tmp_path: Path) -> None:
    """On paper all details are open, dark colours stay on the screen, and the whole is a few pages."""
    tab = opened(browser, tmp_path, write(sample.full()), color_scheme="dark")
    tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = false)")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.get_by_text("team-39", exact=True).bounding_box() is not None
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", tab.pdf(format="A4")))
    assert 3 <= pages <= 10
