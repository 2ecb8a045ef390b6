"""The page on real Kafka and Redis, between the intake and the scorer."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.relay.stack import RULE, TEAM
from tests.servers.kafka import ROOT, ApacheKafka
from tests.triage.process import Journey, TriageProcess, deployment
from tests.waits import until

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.slow]
SECONDS = 60.0


@pytest.fixture
def journey(kafka: ApacheKafka, unique_name: str, tmp_path: Path) -> Iterator[Journey]:
    """A deployment of its own."""
    with deployment(kafka, unique_name, tmp_path) as made:
        yield made


def test_a_verdict_is_history_on_the_next_alert(journey: Journey) -> None:
    """A posted alert is on the page with its score; the verdict given there is history on the next of that rule."""
    with TriageProcess(journey.environment) as page:
        journey.alert("db-7:9100")
        until(lambda: page.rows("entity:db-7 state:open"), SECONDS, "the alert did not come to the page")
        (row,) = page.rows("entity:db-7 state:open")
        assert row["title"] == "Disk of db-7:9100 is almost full"
        assert 0.0 < row["probability"] < 1.0
        acted, decided = counted(page, row)
        answer = page.post("/v1/verdicts", {"id": "request-1", "action": "acted", "keys": [row["key"]]}).json()
        counts = re.search(r"acted on (\d+) of (?:its|the) last (\d+)", row["words"])
        assert counts is not None, row["words"]
        assert answer["rows"][0]["mark"]["words"] == f"{int(counts[1]) + 1} of {int(counts[2]) + 1} now"
        until(lambda: page.rows("entity:db-7 state:any")[0].get("outcome"), SECONDS, "there was no outcome")
        (decided_row,) = page.rows("entity:db-7 state:decided")
        assert (decided_row["outcome"], decided_row["by"]) == ("actionable", "worked")
        journey.alert("db-8:9100")
        until(lambda: page.rows("entity:db-8"), SECONDS, "the next alert did not come")
        (following,) = page.rows("entity:db-8")
        assert counted(page, following) == (acted + 1, decided + 1)
        detail = page.get(f"/alerts/{TEAM}/{following['alert_id']}").text
        assert f"acted on {acted + 1} of {decided + 1}" in detail
        (act,) = journey.verdicts()
        assert (act.kind, act.agent, act.team) == ("worked", "person", TEAM)
        report = [sys.executable, "-m", "stream", "report", "team", TEAM, "--format", "csv"]
        environment = {**os.environ, **journey.environment, "PYTHONPATH": str(ROOT)}
        table = subprocess.run(report, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout
        assert f'"{RULE}",60,' in table


def counted(page: TriageProcess, row: dict[str, Any]) -> tuple[int, int]:
    """Acted on and decided, of the alert's team and rule, as its page shows them."""
    text = page.get(f"/alerts/{TEAM}/{row['alert_id']}").text
    words = text.partition("this rule in the team</th><td>acted on ")[2].partition("<")[0]
    acted, _, decided = words.partition(" of ")
    return int(acted), int(decided)


def test_a_signal_loses_no_verdict_and_a_restart_shows_it(journey: Journey) -> None:
    """A verdict that could still be undone is published at SIGTERM, and the next process rebuilds the row with it."""
    environment = journey.environment | {"NOISEGATE_TRIAGE_UNDO_SECONDS": "60"}
    with TriageProcess(environment) as page:
        journey.alert("db-7:9100")
        until(lambda: page.rows("entity:db-7 state:open"), SECONDS, "the alert did not come to the page")
        (row,) = page.rows("entity:db-7 state:open")
        page.post("/v1/verdicts", {"id": "request-1", "action": "dismissed", "keys": [row["key"]], "reason": "known"})
        assert journey.verdicts() == []
    (act,) = journey.verdicts()
    assert (act.kind, act.reason) == ("dismissed", "known")
    with TriageProcess(environment) as page:
        until(lambda: page.rows("entity:db-7 state:decided"), SECONDS, "the row did not come back")
        (again,) = page.rows("entity:db-7 state:decided")
        assert (again["key"], again["mark"]["reason"]) == (row["key"], "known")


def test_a_killed_process_loses_no_verdict(journey: Journey) -> None:
    """A verdict that could still be undone when its process was killed is published by the next one."""
    with TriageProcess(journey.environment | {"NOISEGATE_TRIAGE_UNDO_SECONDS": "60"}) as page:
        journey.alert("db-7:9100")
        until(lambda: page.rows("entity:db-7 state:open"), SECONDS, "the alert did not come to the page")
        (row,) = page.rows("entity:db-7 state:open")
        page.post("/v1/verdicts", {"id": "request-1", "action": "acted", "keys": [row["key"]], "reason": "fixed"})
        until(journey.kept, SECONDS, "the verdict is not in Redis")
        page.kill()
    assert journey.verdicts() == []
    with TriageProcess(journey.environment) as page:
        until(lambda: page.rows("entity:db-7 state:decided"), SECONDS, "the verdict is lost")
        until(lambda: not journey.kept(), SECONDS, "the verdict stays in Redis")
    (act,) = journey.verdicts()
    assert (act.kind, act.reason) == ("worked", "fixed")


def test_kafka_and_redis_away_are_said_and_mend_themselves(journey: Journey, kafka: ApacheKafka) -> None:
    """While a server is away the page stands, says so and keeps verdicts; they go out when it is back."""
    with TriageProcess(journey.environment) as page:
        journey.alert("db-7:9100")
        until(lambda: page.rows("entity:db-7 state:open"), SECONDS, "the alert did not come to the page")
        (row,) = page.rows("entity:db-7 state:open")
        kafka.stop()
        until(lambda: any("Kafka" in one for one in page.away()), SECONDS, "the page does not say that Kafka is away")
        page.post("/v1/verdicts", {"id": "request-1", "action": "acted", "keys": [row["key"]]})
        until(lambda: any("verdicts wait" in one for one in page.away()), SECONDS, "no verdict waits")
    with TriageProcess(journey.environment) as page:  # the one before ended while Kafka was away
        kafka.start()
        until(lambda: page.away() == [], 2 * SECONDS, "the page does not mend itself")
        until(journey.verdicts, SECONDS, "the verdict of the page before is lost")
        assert len({act.action_id for act in journey.verdicts()}) == 1
        journey.cluster.redis.stop()
        until(lambda: any("Redis" in one for one in page.away()), SECONDS, "the page does not say that Redis is away")
        assert "Redis does not answer" in page.get(f"/alerts/{TEAM}/{row['alert_id']}").text
        journey.cluster.redis.start()
        until(lambda: page.away() == [], SECONDS, "the page does not see Redis again")
