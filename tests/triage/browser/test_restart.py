"""The list in a browser through real restarts, of Kafka and of the page's own process."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.servers.kafka import ApacheKafka
from tests.triage.browser.conftest import Opener
from tests.triage.process import TriageProcess, deployment

pytestmark = [
    pytest.mark.browser,
    pytest.mark.kafka,
    pytest.mark.redis,
    pytest.mark.slow,
]
MILLISECONDS = 60_000


def test_the_list_comes_back_after_restarts(
    visit: Opener, kafka: ApacheKafka, unique_name: str, tmp_path: Path
) -> None:
    """While Kafka or the page is away the list stands and says so; then it is live again and gets what comes."""
    with deployment(kafka, unique_name, tmp_path) as journey, TriageProcess(journey.environment) as page:
        tab = visit(page)
        rows, pill, away = tab.locator("#rows .row"), tab.locator(".pill"), tab.locator("#away")
        journey.alert("db-7:9100")
        expect(pill).to_contain_text("1 new", timeout=MILLISECONDS)
        tab.keyboard.press(".")
        expect(tab.locator(".row.cursor")).to_contain_text("Disk of db-7:9100 is almost full")
        known = rows.count()

        kafka.stop()
        expect(away).to_contain_text("Kafka", timeout=MILLISECONDS)
        assert rows.count() == known
        kafka.start()
        expect(away).to_be_empty(timeout=MILLISECONDS)
        journey.alert("db-8:9100")
        expect(pill).to_contain_text("1 new", timeout=MILLISECONDS)

        page.stop()
        expect(tab.locator(".dot.off")).to_be_visible(timeout=MILLISECONDS)
        assert rows.count() == known
        page.start()
        expect(tab.locator(".dot.on")).to_be_visible(timeout=MILLISECONDS)
        journey.alert("db-9:9100")
        expect(pill).to_contain_text("2 new", timeout=MILLISECONDS)
        tab.keyboard.press(".")
        expect(rows).to_have_count(known + 2)
        expect(tab.locator(".row", has_text="db-7:9100")).to_have_count(1)
