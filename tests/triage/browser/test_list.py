"""The list in a real browser, by what has gone wrong elsewhere."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.sync_api import Error, Page, expect

from stream.core.events import Acted, moment
from stream.core.records import Enriched, Like, Push
from stream.dev.process import free_port
from tests.triage.browser.conftest import Opener
from tests.triage.browser.live import served
from tests.triage.browser.records import HABITS, day, enriched
from tests.waits import until

pytestmark = pytest.mark.browser
LIKELY, NOISE = HABITS[0], HABITS[9]
_FRAMES = """(left) => new Promise((end) => {
  const next = () => (left-- ? requestAnimationFrame(next) : end());
  next();
})"""
_PLACES = "(all) => all.map((one) => JSON.stringify(one.getBoundingClientRect()))"
_ROWS = """[...document.querySelectorAll("#rows .row")].map((row) => [
  row.className.replace(" cursor", ""),
  ...[".score", ".what", ".team"].map((each) => row.querySelector(each).textContent.replace(/\\s+/g, " ").trim()),
  ...[...row.querySelectorAll(".bar *, .strip *")].map((mark) =>
    [...mark.attributes].map((a) => a.name + a.value).sort().join()),
])"""


def now() -> float:
    """Seconds since 1970."""
    return time.time()


def few(count: int = 8) -> list[Enriched]:
    """A short list, each alert an episode of its own, the newest a minute old."""
    chance = random.Random(5)
    return [enriched(HABITS[at % len(HABITS)], f"F{at}", now() - 60 * (count - at), chance) for at in range(count)]


def coming(prefix: str = "N") -> Callable[[int], Enriched]:
    """Makes alerts that come now, each sixth likely actionable."""
    chance = random.Random(6)
    return lambda at: enriched(LIKELY if at % 6 == 0 else NOISE, f"{prefix}{at}", now(), chance)


def acted(record: Enriched, kind: str, action_id: str, seconds: float = 0.0) -> Acted:
    """Something that happens to an alert now."""
    alert = record.alert
    return Acted(moment(now() + seconds), alert.alert_id, alert.team, action_id, kind, "monitor", "automation")


def titles(tab: Page) -> list[str]:
    """The titles that are drawn, from the top."""
    return tab.locator("#rows .title").all_inner_texts()


def keys(tab: Page, *pressed: str) -> None:
    """Press keys one after the other."""
    for key in pressed:
        tab.keyboard.press(key)


def frames(tab: Page, count: int = 2) -> None:
    """Let the browser draw some frames."""
    tab.evaluate(_FRAMES, count)


def test_rows_are_there_without_script(visit: Opener) -> None:
    """The first 50 rows, with their scores and words, need no script, and search is a form."""
    with served(day(80, now())) as page:
        tab = visit(page, "/?q=team:payments", live=False, java_script_enabled=False)
        assert tab.locator("#rows .row").count() > 5
        assert set(tab.locator("#rows .team").all_inner_texts()) == {"payments"}
        assert "acted on" in tab.locator("#rows .score small").first.inner_text()
        tab.locator("#q").fill("disk")
        tab.locator("#q").press("Enter")
        assert all("Disk" in title for title in titles(tab))


def test_script_and_server_draw_the_same_rows(visit: Opener) -> None:
    """The script's rows have the words, numbers, bars and strips of those that the server drew."""
    with served(few(14)) as page:
        plain = visit(page, live=False, java_script_enabled=False).evaluate(_ROWS)
        assert plain == visit(page).evaluate(_ROWS)
        assert len(plain) == 14


def test_the_list_never_moves_by_itself(visit: Opener) -> None:
    """New alerts wait behind a button that counts them; the key takes them in."""
    with served(few()) as page:
        tab = visit(page)
        keys(tab, "j", "Enter")
        expect(tab.locator("#pane article")).to_be_visible()
        before = titles(tab), tab.locator("#orders, #rows .row").evaluate_all(_PLACES)
        make = coming()
        page.feed(make(at) for at in range(12))
        expect(tab.locator(".pill")).to_contain_text("12 new, 2 likely actionable")
        assert (titles(tab), tab.locator("#orders, #rows .row").evaluate_all(_PLACES)) == before
        focused = tab.evaluate("document.activeElement.textContent")
        keys(tab, ".")
        expect(tab.locator("#rows .row")).to_have_count(20)
        expect(tab.locator(".pill")).to_have_count(0)
        frames(tab)
        assert tab.evaluate("document.activeElement.textContent") == focused


def test_an_ended_alert_stays_in_its_place(visit: Opener) -> None:
    """It is marked as ended where it stands, and gone from the next order."""
    records = few()
    with served(records) as page:
        tab = visit(page)
        before = titles(tab)
        page.feed([acted(records[4], "ended", "e1")])
        expect(tab.locator(".row.over")).to_contain_text("ended")
        assert titles(tab) == before
        keys(tab, ".")
        expect(tab.locator("#rows .row")).to_have_count(7)


def test_a_menu_stays_open_at_200_rows_a_second(visit: Opener) -> None:
    """The menu, what it is about, and the row under it do not change while alerts pour in."""
    with served(few()) as page:
        tab = visit(page)
        keys(tab, "j", "s")
        menu = tab.locator("dialog[open]")
        expect(menu).to_be_visible()
        cursor = tab.locator(".row.cursor .title").inner_text()
        page.feed_steadily(coming(), 200, 2.0)
        expect(tab.locator(".pill")).to_contain_text("new")
        expect(menu).to_be_visible()
        assert tab.locator(".row.cursor .title").inner_text() == cursor
        keys(tab, "1")
        expect(tab.locator(".row", has_text=cursor).first).to_contain_text("snoozed until")


def test_a_selection_survives_new_rows(visit: Opener) -> None:
    """Selected rows stay selected and unchanged through new rows and a new order, and a verdict is about them."""
    records = few()
    with served(records) as page:
        tab = visit(page)
        keys(tab, "x", "Shift+J", "Shift+J")
        expect(tab.locator(".chosen")).to_have_text("3 selected")
        chosen = tab.locator(".row.selected .title").all_inner_texts()
        page.feed([*(coming()(at) for at in range(30)), acted(records[-2], "ended", "e1")])
        expect(tab.locator(".row.selected .news")).to_have_count(1)
        keys(tab, ".")
        expect(tab.locator("#rows .row").first).not_to_have_class("selected")
        keys(tab, "d")
        expect(tab.locator("#notice")).to_contain_text("Dismissed")
        episodes = page.rig.room.board.episodes
        until(lambda: any(one.mark for one in episodes.values()), 60)
        assert {one.newest.alert.title for one in episodes.values() if one.mark} == set(chosen)


def test_a_verdict_paints_before_the_server_answers(visit: Opener) -> None:
    """The row shows it at once and the cursor goes on; the server's words follow."""
    with served(few()) as page:
        tab = visit(page)
        page.answering.clear()
        keys(tab, "j")
        title = tab.locator(".row.cursor .title").inner_text()
        keys(tab, "a")
        frames(tab)
        row = tab.locator(".row", has_text=title)
        expect(row).to_contain_text("✓ acted")
        assert "now" not in row.locator(".fate").inner_text()
        assert tab.locator(".row.cursor .title").inner_text() != title
        assert not page.rig.room.verdicts.waiting
        page.answering.set()
        expect(row.locator(".fate")).to_contain_text("now")


def test_a_second_browser_sees_a_verdict_and_its_undo(visit: Opener) -> None:
    """Both show it, with who gave it; after the undo neither does, and nothing was published."""
    with served(few(), triage_undo_seconds=60.0) as page:
        one, other = visit(page), visit(page)
        keys(one, "d")
        expect(other.locator(".fate")).to_contain_text("✕ dismissed")
        keys(one, "u")
        expect(other.locator(".fate")).to_have_count(0)
        expect(one.locator(".fate")).to_have_count(0)
        assert page.rig.published == []


def test_somebody_else_was_quicker(visit: Opener) -> None:
    """A verdict on a row that somebody has just judged is not lost in silence: the page says who did what."""
    with served(few()) as page:
        one, other = visit(page), visit(page)
        keys(other, "p")
        keys(one, "d")
        expect(one.locator(".fate")).to_contain_text("now")
        keys(other, "a")
        expect(other.locator("#notice")).to_contain_text("Somebody else just did")


def test_a_verdict_is_published_when_the_page_closes(visit: Opener) -> None:
    """A tab that closes within the time for undo sends it."""
    with served(few(), triage_undo_seconds=60.0) as page:
        tab = visit(page)
        keys(tab, "a")
        expect(tab.locator(".fate")).to_contain_text("now")
        assert page.rig.published == []
        tab.close(run_before_unload=True)
        page.wait_for_published(1)
        assert page.rig.published[0].kind == "worked"
        assert page.rig.published[0].agent == "person"


def test_a_verdict_with_a_reason(visit: Opener) -> None:
    """A capital letter asks why, by number or typed; the reason is published."""
    with served(few(), triage_undo_seconds=1.0) as page:
        tab = visit(page)
        keys(tab, "Shift+D", "2")
        expect(tab.locator(".fate")).to_contain_text("false alarm")
        keys(tab, "Shift+A")
        tab.locator("dialog input").fill("replaced the disk")
        keys(tab, "Enter")
        expect(tab.locator(".fate", has_text="replaced the disk")).to_be_visible()
        page.wait_for_published(2)
        assert {act.reason for act in page.rig.published} == {"false alarm", "replaced the disk"}


def test_an_opened_detail_survives_refreshes(visit: Opener) -> None:
    """What is read stays, element and scrolling included, while its row changes and new rows are taken in."""
    records = few()
    with served(records) as page:
        tab = visit(page)
        keys(tab, "Enter")
        tab.wait_for_selector("#pane-body article")
        tab.evaluate("document.querySelector('#pane-body article').dataset.mine = 'yes'")
        page.feed([acted(records[-1], "ended", "e1"), *(coming()(at) for at in range(20))])
        tab.locator(".changed button").click()
        expect(tab.locator(".changed")).to_have_count(0)
        keys(tab, ".")
        expect(tab.locator(".pill")).to_have_count(0)
        assert tab.locator("#pane-body article").get_attribute("data-mine") == "yes"


def test_ten_thousand_alerts(visit: Opener) -> None:
    """The list holds them all, draws at most 200, and any of them can be reached, counted and chosen."""
    with served(day(10_000, now(), every=5.0), triage_undo_seconds=60.0) as page:
        tab = visit(page)
        total = page.counts().open
        assert total > 6_000
        tab.evaluate("document.getElementById('scroller').scrollTop = 1e9")
        last = tab.locator(f'#rows [aria-posinset="{total}"] .title')
        expect(last).to_be_visible()
        assert tab.locator("#rows .row").count() <= 200
        last.locator("xpath=ancestor::li").locator(".pick").click()
        tab.get_by_role("button", name=f"Select all {total:,} that match").click()
        expect(tab.get_by_role("button", name=f"Dismiss {total:,}")).to_be_visible()
        keys(tab, "d")
        until(lambda: page.counts().decided == total, 60)
        expect(tab.locator("#notice")).to_contain_text(f"Dismissed {total:,} alerts")
        keys(tab, "u")
        until(lambda: page.counts().open == total, 60)


def test_an_episode_is_one_row_that_opens(visit: Opener) -> None:
    """Its firings are counted on the row, and the right arrow shows each."""
    chance = random.Random(1)
    firings = [enriched(LIKELY, f"E{at}", now() - 300 + at, chance, "one-episode") for at in range(3)]
    with served([*few(3), *firings]) as page:
        tab = visit(page)
        expect(tab.locator("#rows .row")).to_have_count(4)
        while "×3" not in tab.locator(".row.cursor").inner_text():
            keys(tab, "j")
        keys(tab, "ArrowRight")
        expect(tab.locator(".row.firing")).to_have_count(3)
        keys(tab, "ArrowLeft")
        expect(tab.locator(".row.firing")).to_have_count(0)


def test_search_view_order_and_opened_alert_are_in_the_address(visit: Opener) -> None:
    """Each is a step that back and forward go through, and the address shows the same in another browser."""
    with served(few(14)) as page:
        tab = visit(page)
        tab.get_by_role("link", name="Likely actionable").click()
        expect(tab.locator("#rows .row")).to_have_count(2)
        keys(tab, "Enter")
        expect(tab.locator("#pane article")).to_be_visible()
        keys(tab, "/")
        tab.locator("#q").fill("disk")
        expect(tab.locator("#rows .row")).to_have_count(2)
        expect(tab).to_have_url(f"{page.url}/?q=disk&sort=probability&alert=payments%2FF0")
        copy = visit(page, "/?q=disk&sort=probability&alert=payments%2FF0")
        expect(copy.locator("#rows .row")).to_have_count(2)
        expect(copy.locator("#pane article")).to_contain_text("Payment API error rate")
        tab.go_back()
        expect(tab.locator("#q")).to_have_value("band:likely_actionable")
        expect(tab.locator("#pane")).to_be_visible()
        tab.go_back()
        expect(tab.locator("#pane")).to_be_hidden()
        tab.go_back()
        expect(tab.locator("#rows .row")).to_have_count(14)
        tab.go_forward()
        expect(tab.locator("#rows .row")).to_have_count(2)


def test_keyboard_alone(visit: Opener) -> None:
    """From the address bar to a verdict without a mouse; the focus is on the cursor's row, and letters can be off."""
    with served(few()) as page:
        tab = visit(page)
        keys(tab, "j", "j", "k")
        frames(tab)
        assert tab.evaluate("document.activeElement.closest('.row').className.includes('cursor')")
        assert tab.locator(".row.cursor").get_attribute("aria-posinset") == "2"
        keys(tab, "?")
        expect(tab.locator("dialog[open]")).to_contain_text("undo the last one")
        keys(tab, "Escape", "Enter")
        expect(tab.locator("#pane")).to_be_visible()
        keys(tab, "Escape")
        expect(tab.locator("#pane")).to_be_hidden()
        tab.get_by_role("button", name="Letter keys on").press("Enter")
        keys(tab, "a")
        frames(tab)
        assert tab.locator(".fate").count() == 0
        tab.get_by_role("button", name="Letter keys off").press("Enter")
        keys(tab, "a")
        expect(tab.locator(".fate")).to_have_count(1)


def test_a_viewer_has_no_buttons(visit: Opener, tmp_path: Path) -> None:
    """Whoever may only look finds neither buttons nor keys that give verdicts."""
    file = tmp_path / "auth.toml"
    file.write_text('[proxy]\nheader = "X-User"\nfrom = ["127.0.0.1"]\n[roles]\nann = "viewer"\n')
    with served(few(), auth=file) as page:
        tab = visit(page, extra_http_headers={"X-User": "ann"})
        keys(tab, "a", "x", "Enter")
        expect(tab.locator("#pane article")).to_be_visible()
        assert tab.locator(".pick input, .buttons, .fate, .chosen").count() == 0


def test_the_link_is_copied(visit: Opener) -> None:
    """A key copies the address of the alert under the cursor."""
    with served(few()) as page:
        tab = visit(page, permissions=["clipboard-read", "clipboard-write"])
        tab.keyboard.press("y")
        expect(tab.locator("#notice")).to_contain_text("copied")
        address = tab.evaluate("navigator.clipboard.readText()")
        assert address == page.url + str(tab.locator(".row.cursor .title").get_attribute("href"))


def test_a_pause_holds_moving_content(visit: Opener) -> None:
    """While paused nothing on the page changes; going on shows what came."""
    with served(few()) as page:
        tab = visit(page)
        tab.get_by_role("button", name="Pause").click()
        page.feed(coming()(at) for at in range(5))
        until(lambda: page.counts().open == 13, 60)
        tab.wait_for_timeout(600)
        assert tab.locator(".pill").count() == 0
        tab.get_by_role("button", name="Go on").click()
        expect(tab.locator(".pill")).to_contain_text("5 new")


def test_the_page_comes_back_after_the_server_restarts(visit: Opener) -> None:
    """It says that it is away, connects again by itself, and shows what came meanwhile as new."""
    records = few()
    port = free_port()
    with served(records, port=port) as page:
        tab = visit(page)
        before = titles(tab)
    expect(tab.locator(".dot.off")).to_be_visible()
    with served([*records, *(coming()(at) for at in range(3))], port=port):
        expect(tab.locator(".dot.on")).to_be_visible()
        expect(tab.locator(".pill")).to_contain_text("3 new")
        assert titles(tab) == before


def test_hostile_titles_stay_text(visit: Opener) -> None:
    """Markup, a reversed direction, control characters and endless names are shown as text, within their row."""
    chance = random.Random(1)
    texts = [
        "<img src=x onerror=alert(1)><script>alert(2)</script>",
        "safe \u202eexe.txt\u2066",
        "{{ 7 * 7 }} ${alert(3)}",
        "W" * 2_000,
        "\x1b[31mred\x07",
    ]
    records = []
    for at, text in enumerate(texts):
        made = enriched(LIKELY, f"H{at}", now() - 60 + at, chance)
        labels = {"note": "x" * 1_000_000} if at == 0 else {"note": text}
        alert = replace(made.alert, title=text, rule=text[:200], entity=text[:200], team=text[:200], labels=labels)
        records.append(replace(made, alert=alert))
    with served(records) as page:
        for scripted in (False, True):
            tab = visit(page, live=scripted, java_script_enabled=scripted)
            shown = " ".join(tab.locator("#rows .what").all_inner_texts())
            assert "<img src=x onerror=alert(1)>" in shown
            assert "{{ 7 * 7 }} ${alert(3)}" in shown
            assert not {"\u202e", "\u2066", "\x1b", "\x07"} & set(shown)
            assert tab.locator("#rows img, #rows script").count() == 0
            heights = tab.evaluate("[...document.querySelectorAll('#rows .row')].map((row) => row.offsetHeight)")
            assert set(heights) == {52}
            assert tab.evaluate("document.documentElement.scrollWidth") <= 1280
        for at in range(len(texts)):
            tab.locator("#rows .title").nth(at).click()
            expect(tab.locator("#pane-body article")).to_be_visible()
            assert tab.locator("#pane img, #pane script").count() == 0


@pytest.mark.parametrize("width", [320, 390])
def test_phone(visit: Opener, width: int) -> None:
    """Nothing is wider than the screen; an alert opens over the list, can be judged by touch, and is closed again."""
    with served(few(14)) as page:
        tab = visit(page, viewport={"width": width, "height": 800}, has_touch=True, is_mobile=True)
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        before = tab.locator("#rows .row").first.bounding_box()
        page.feed(coming()(at) for at in range(3))
        expect(tab.locator(".pill")).to_contain_text("3 new")
        assert tab.locator("#rows .row").first.bounding_box() == before
        tab.locator("#rows .title").nth(1).tap()
        expect(tab.locator("#pane article")).to_be_visible()
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        box = tab.locator("#pane").bounding_box()
        assert box is not None
        assert box["width"] == width
        tab.get_by_role("button", name="Dismiss").tap()
        tab.get_by_role("button", name="Close the alert").tap()
        expect(tab.locator(".fate")).to_have_count(1)


@pytest.mark.parametrize("width", [320, 390])
def test_several_are_judged_by_touch(visit: Opener, width: int) -> None:
    """Check boxes select rows on a phone, the bar below says how many, and one tap judges them; undo is in reach."""
    with served(few(14), triage_undo_seconds=60.0) as page:
        tab = visit(page, viewport={"width": width, "height": 800}, has_touch=True, is_mobile=True)
        rows = tab.locator("#rows .row")
        for at in (0, 2, 3):
            rows.nth(at).locator(".pick").tap()
        expect(tab.locator(".chosen")).to_have_text("3 selected")
        assert tab.locator("#pane").is_hidden()
        page.feed(coming()(at) for at in range(3))
        until(lambda: page.counts().open == 17, 60)
        buttons = tab.locator("#foot button")
        boxes = [one.bounding_box() for one in buttons.all()]
        assert all(box and box["height"] >= 44 and box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
        assert all(box and box["y"] + box["height"] <= 800 for box in boxes)
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        tab.get_by_role("button", name="Dismiss 3").tap()
        expect(tab.locator(".fate")).to_have_count(3)
        expect(tab.locator("#foot")).to_be_hidden()
        tab.get_by_role("button", name="Undo").tap()
        expect(tab.locator(".fate")).to_have_count(0)
        expect(tab.locator(".pill")).to_contain_text("3 new")
        rows.nth(1).locator(".pick").tap()
        tab.get_by_role("button", name="Clear").tap()
        expect(tab.locator("#foot")).to_be_hidden()


@pytest.mark.parametrize("width", [320, 1280, 1600])
def test_history_words_are_whole(visit: Opener, width: int) -> None:
    """Words and the push beside them wrap within their row; the longest are whole in their title."""
    like = Like("team_rule_entity", 96, 62)
    records = []
    for record, push in zip(
        few(3), (Push("hour", -2.0), Push("recent", 0.6), Push("label." + "x" * 60, 2.0)), strict=True
    ):
        assert record.why is not None
        records.append(replace(record, why=replace(record.why, like=like, push=push)))
    with served(records) as page:
        tab = visit(page, viewport={"width": width, "height": 800})
        cells = tab.locator("#rows .score small")
        for at, words in enumerate(cells.all_inner_texts()):
            cell = cells.nth(at)
            assert cell.get_attribute("title") == words
            if "xxx" not in words:
                assert cell.evaluate("(cell) => cell.scrollHeight <= cell.clientHeight")
        heights = tab.evaluate(
            "[...document.querySelectorAll('#rows .row')].map((row) => row.scrollHeight - row.clientHeight)"
        )
        assert set(heights) == {0}


def test_times_in_local_time_or_utc(visit: Opener) -> None:
    """A switch shows exact times in either, and stays."""
    with served(few()) as page:
        tab = visit(page, timezone_id="Asia/Kolkata")
        exact = tab.locator("#rows time").first
        assert "UTC+05:30" in str(exact.get_attribute("title"))
        tab.get_by_role("button", name="Local").click()
        newest = max(row.latest_at for row in page.rig.room.board.rows.values())
        expect(exact).to_have_attribute("title", f"{moment(newest):%Y-%m-%d %H:%M:%S} UTC")
        tab.reload()
        expect(tab.get_by_role("button", name="UTC")).to_be_visible()


def test_the_policy_is_watched(visit: Opener) -> None:
    """Inline styles and scripts, and markup that a script writes, are refused, and the tests would see it."""
    with served(few()) as page:
        tab = visit(page)
        assert visit.faults == []
        for forbidden in ("<p style='color:red'>", "<img src=x onerror='document.title = 1'>"):
            with pytest.raises(Error, match="TrustedHTML"):
                tab.evaluate("(text) => { document.body.innerHTML = text; }", forbidden)
        tab.evaluate("document.head.append(Object.assign(document.createElement('style'), { textContent: 'p{}' }))")
        frames(tab, 10)
        assert len(visit.faults) >= 3
        assert all("Content Security Policy" in fault or "TrustedHTML" in fault for fault in visit.faults)
        visit.faults.clear()


def test_what_is_away_is_on_the_page(visit: Opener) -> None:
    """Kafka or Redis away is one sentence above the list, which goes when they are back; the list stays."""
    with served(few()) as page:
        tab = visit(page)
        page.rig.room.outside = lambda: ["Kafka is away since 10:02"]
        expect(tab.locator("#away")).to_contain_text("Kafka is away since 10:02")
        assert tab.locator("#rows .row").count() == 8
        page.rig.room.outside = list
        expect(tab.locator("#away")).to_be_empty()


def test_the_sentence_at_the_head_looks_alike_on_all_pages(visit: Opener) -> None:
    """The list's own messages, which lie over the rows, do not change what `triage_notice` says above them."""
    with served(few(), triage_notice="This is a test system.") as page:
        tab = visit(page)
        looks = (
            "(one) => { const s = getComputedStyle(one); return [s.backgroundColor, s.color, s.display, s.boxShadow]; }"
        )
        banner = tab.get_by_text("This is a test system.")
        expect(banner).to_be_visible()
        in_list = banner.evaluate(looks)
        tab.goto(f"{page.url}/rules")
        assert banner.evaluate(looks) == in_list
