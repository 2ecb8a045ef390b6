"""`make screenshots`: the README's pictures of the triage page, drawn by the real page from made-up alerts."""

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from stream.core.events import Acted, moment
from stream.core.records import Enriched, Outcome, OutcomeName
from tests.triage.browser.live import chromium, served
from tests.triage.browser.records import HABITS, enriched, unscored

FOLDER = Path(__file__).parents[1] / "docs" / "img"
DESK = {"width": 1360, "height": 860}
PHONE = {"width": 390, "height": 844}
# Which habit each alert is of, the newest first, and how many seconds ago it was raised.
SHOWN = ((1, 38), (5, 71), (3, 160), (2, 215), (8, 250), (4, 330), (11, 410), (6, 470), (9, 560), (12, 640), (10, 700),
         (13, 790), (7, 860), (3, 1_000), (9, 1_150), (0, 1_300), (5, 1_420), (6, 1_700), (2, 2_000), (10, 2_400),
         (8, 2_900), (11, 3_300), (13, 3_900), (12, 4_400), (4, 5_000), (7, 5_600))  # fmt: skip


def tuesday(now: float) -> Iterator[Enriched | Acted | Outcome]:
    """A list as people meet it: episodes, one without a score, one with little history, and what came before."""
    chance = random.Random(11)
    for at, (habit, ago) in reversed(list(enumerate(SHOWN))):
        record = enriched(HABITS[habit], f"INC{4_210 - at}", now - ago, chance)
        if at in (0, 6, 12):
            for before in range(2 if at == 0 else 4, 0, -1):
                raised = now - ago - 400 * before
                yield enriched(HABITS[habit], f"INC{4_210 - at}-{before}", raised, chance, record.episode)
        yield replace(record, score=unscored("history_unavailable"), why=None) if at == 10 else record
    for at in range(4):
        old = enriched(HABITS[1], f"INC{3_900 + at}", now - 7_000 - 9_000 * at, chance)
        yield old
        yield from _done(old, at)


def _done(record: Enriched, at: int) -> Iterator[Acted | Outcome]:
    """What became of an alert: worked on, but for each third."""
    alert, kind = record.alert, "dismissed" if at % 3 == 2 else "worked"
    when = moment(record.scored_at.timestamp() + 360 + 200 * at)
    yield Acted(
        when, alert.alert_id, alert.team, f"act-{at}", kind, "9b97e7f7fd", "person", "fixed: restarted replication"
    )
    outcome: OutcomeName = "actionable" if kind == "worked" else "noise"
    yield Outcome(
        alert.alert_id, alert.team, alert.rule, alert.entity, alert.at, outcome, when, kind, "actionable@9f2c", "m", {},
        "strong", 1, [], agent="person", episode=record.episode,
    )  # fmt: skip


def judge(tab: Page) -> None:
    """Give a verdict, and open another alert."""
    for key in ("j", "j", "j", "j", "d", "j"):
        tab.keyboard.press(key)
    expect(tab.locator("#notice")).to_contain_text("now")
    for key in ("k", "k", "k", "k", "k", "k", "Enter"):
        tab.keyboard.press(key)
    expect(tab.locator("#pane article")).to_be_visible()


def draw(browser: Browser, scheme: str, folder: Path) -> None:
    """One picture: light, dark or phone."""
    chance = random.Random(3)
    options = {"viewport": PHONE, "is_mobile": True} if scheme == "phone" else {"viewport": DESK}
    colours = "dark" if scheme == "dark" else "light"
    with served(tuesday(time.time())) as page:
        tab = browser.new_context(color_scheme=colours, timezone_id="UTC", **options).new_page()  # type: ignore[arg-type]
        tab.goto(page.url)
        tab.wait_for_selector(".dot.on")
        page.feed(enriched(HABITS[habit], f"NEW{habit}", time.time(), chance) for habit in (6, 8, 1, 9, 3))
        page.feed([Acted(moment(time.time()), "INC4203", "data-platform", "end", "ended", "monitor", "automation")])
        expect(tab.locator(".pill")).to_contain_text("5 new, 1 likely actionable")
        if scheme == "light":
            judge(tab)
        expect(tab.locator(".row.over").first).to_be_visible()
        path = folder / f"triage-{scheme}.png"
        tab.screenshot(path=path)
        Image.open(path).convert("RGB").quantize(
            256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE
        ).save(path, optimize=True)
        tab.context.close()


def main() -> int:
    """Draw them into docs/img."""
    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser:
        for scheme in ("light", "dark", "phone"):
            draw(browser, scheme, FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
