"""The page for everybody: axe finds nothing, in any colours that a person may have chosen."""

import random
import time
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from msgspec.structs import replace
from playwright.sync_api import Page, expect

from stream.core.records import Enriched
from stream.rule_brakes import RuleBrakes
from stream.rule_standing import summaries_of
from stream.triage.standings import RuleData
from tests.standings import standing_of
from tests.triage.browser.conftest import Opener
from tests.triage.browser.live import served
from tests.triage.browser.records import HABITS, MODEL, enriched
from tests.triage.records import outcome

pytestmark = pytest.mark.browser
DRAWN = ("/alerts/payments/F0", "/teams/payments", "/rules/night-disks")
PATHS = ("/suppressed", "/teams", "/alerts/payments/F0", "/rules", "/digest", "/teams/payments", "/model", DRAWN[2])
SCHEMES: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "forced": {"forced_colors": "active", "color_scheme": "dark"},
    "still": {"reduced_motion": "reduce"},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True},
}


def records() -> list[Enriched]:
    """An alert of each kind."""
    chance = random.Random(5)
    return [enriched(habit, f"F{at}", time.time() - 60 * at - 5, chance) for at, habit in enumerate(HABITS)]


def violations(tab: Page) -> list[str]:
    """What axe finds: rule, and the element."""
    found = Axe().run(tab).response["violations"]
    return [f"{one['id']}: {node['html'][:200]} {node['any'][:1]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_violation(visit: Opener, scheme: str) -> None:
    """Neither in the list, with selected and judged rows and an opened alert, nor in its dialogs."""
    with served(records()) as page:
        tab = visit(page, **SCHEMES[scheme])
        tab.keyboard.press("j")
        tab.keyboard.press("a")
        expect(tab.locator("#notice")).to_contain_text("now")
        tab.keyboard.press("x")
        assert violations(tab) == []
        tab.keyboard.press("Escape")
        tab.keyboard.press("Enter")
        expect(tab.locator("#pane article")).to_be_visible()
        assert violations(tab) == []
        for key in ("?", "s", "Shift+D") if scheme in ("light", "dark") else ("Shift+D",):
            tab.keyboard.press(key)
            expect(tab.locator("dialog[open]")).to_be_visible()
            assert violations(tab) == []
            tab.keyboard.press("Escape")


def test_forced_colours_keep_what_shape_says(visit: Opener) -> None:
    """With the system's colours bars and outcomes are drawn still, and the chosen row is outlined."""
    with served(records()) as page:
        tab = visit(page, forced_colors="active")
        tab.keyboard.press("x")
        expect(tab.locator(".row.selected")).to_have_count(1)
        style = "(mark) => getComputedStyle(mark)"
        fill = tab.locator(".bar .fill").first.evaluate(f"(mark) => ({style})(mark).fill")
        page_colour = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert fill != page_colour
        assert tab.locator(".row.selected").evaluate(f"(mark) => ({style})(mark).outlineStyle") == "solid"


def test_other_pages(visit: Opener) -> None:
    """Each other page is as wide as a phone, and axe finds nothing in it, its pictures included."""
    scored = [replace(record, features=b"\0" * 8) for record in records()]
    with served([*scored, outcome("F0", "actionable", model=MODEL, scores={MODEL: 0.8})]) as page:
        tabs = [
            visit(page, color_scheme=scheme, viewport={"width": 390, "height": 844}) for scheme in ("light", "dark")
        ]
        standing = replace(standing_of(400, 1.0, "pause", at=time.time()), ready=("m1",))
        held = RuleBrakes(models={"m1": "model m1 drifts"}, blocked={"night-disks": {"its labels were cut": 12}})
        broken = f"the rules in use are not those of the files: /{'rules-of-a-team/' * 9}a.toml:7: owner is missing"
        page.rig.rules.data = RuleData(rules=summaries_of({"night-disks": standing}, held), brakes=[broken])
        for at, path in enumerate(PATHS):
            tab = tabs[at % 2]
            tab.goto(page.url + path)
            assert violations(tab) == []
            assert tab.locator("main svg").count() >= (path in DRAWN)
            assert tab.evaluate("document.documentElement.scrollWidth") == 390
