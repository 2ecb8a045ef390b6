"""With everything real: what people see in Slack, PagerDuty and Opsgenie, and that the relay changes nothing else."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stream.core.events import Acted, Raised
from tests.relay.stack import RULE, TEAM, Stack
from tests.servers.availability import unavailable
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture(scope="module")
def stack(kafka_of_session: ApacheKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything, once for the module: use an instance of its own in each test."""
    kafka_of_session.start()
    with ExitStack() as exits:
        try:
            redis = exits.enter_context(RedisServer("redis", durable=True))
            folder: Path = tmp_path_factory.mktemp("stack")
            made = Stack(kafka_of_session, redis, folder, f"t-{folder.name}-{redis.port}", exits)
        except FileNotFoundError as error:
            unavailable(str(error))
        yield made


def fire(stack: Stack, instance: str) -> None:
    """Let the disk of an instance fill, and wait until every Alertmanager has the alert."""
    stack.exporter.full[instance] = True
    until(lambda: all(stack.alerts(instance)), 60, "the alert did not come")


def test_the_probability_stands_in_the_notification(stack: Stack) -> None:
    """One message a tool and Alertmanager, and it holds the probability and why: none came before the score did."""
    fire(stack, "db-7")
    paths = ("/slack", "/pagerduty", "/opsgenie/v2/alerts")
    until(lambda: all(len(stack.notified("db-7", path)) == 2 for path in paths), 60)
    for path in paths:
        for text in stack.notified("db-7", path):
            assert "[db-7 0." in text or "[db-7 <0." in text or "[db-7 \\u003c0." in text, text
            assert "acted on 6 of the last 58 like this" in text
    for alerts in stack.alerts("db-7")[:2]:
        annotations = alerts[0]["annotations"]
        (raised,) = [one for one in stack.events("db-7") if isinstance(one, Raised)]
        assert annotations["noisegate_url"] == f"https://noisegate.example/{TEAM}/{raised.alert_id}"
        assert annotations["summary"] == "Disk of db-7 is almost full"


def alike(found: Sequence[object]) -> bool:
    """Whether all of them are equal, and something."""
    return bool(found[0]) and all(one == found[0] for one in found)


def test_fingerprints_groups_and_silences_are_the_same(stack: Stack) -> None:
    """Beside an Alertmanager that Prometheus posts to itself: the same alerts but for our annotations.

    What fires into a silence is in the log all the same.
    """
    fire(stack, "db-8")
    until(lambda: all("noisegate_why" in alerts[0]["annotations"] for alerts in stack.alerts("db-8")[:2]), 60)

    def plain(alert: dict[str, Any]) -> dict[str, Any]:
        annotations = {key: text for key, text in alert["annotations"].items() if not key.startswith("noisegate_")}
        kept = ("fingerprint", "labels", "startsAt", "generatorURL", "receivers", "status")
        return {"annotations": annotations, **{key: alert[key] for key in kept}}

    servers = [*stack.alertmanagers, stack.direct]

    def shown() -> list[Any]:
        """The alerts of each server; a state is another for a moment while an alert is new."""
        return [[plain(alert) for alert in alerts] for alerts in stack.alerts("db-8")]

    def groups() -> list[Any]:
        """The groups of each server."""
        return [
            [
                (group["labels"], [alert["fingerprint"] for alert in group["alerts"]])
                for group in server.get("alerts/groups")
            ]
            for server in servers
        ]

    until(lambda: alike(shown()), 60, "the alerts differ")
    until(lambda: alike(groups()), 60, "the groups differ")
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "instance", "value": "db-8b?", "isRegex": True, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "ann",
        "comment": "on it",
    }
    for server in servers:
        server.post("silences", silence)
    until(lambda: all(one[0]["status"]["state"] == "suppressed" for one in stack.alerts("db-8")), 60)
    fire(stack, "db-8b")  # into the silence: the log has it, people do not
    until(lambda: all(one[0]["status"]["state"] == "suppressed" for one in stack.alerts("db-8b")), 60)
    until(lambda: [type(event) for event in stack.events("db-8b")] == [Raised], 60)
    assert stack.notified("db-8b") == []


def test_a_resolve_resolves(stack: Stack) -> None:
    """The disk is emptied: the alert is gone from every Alertmanager, people are told, and the log has its one end."""
    fire(stack, "db-9")
    until(lambda: len(stack.notified("db-9")) == 2, 60)
    stack.exporter.full["db-9"] = False
    until(lambda: not any(stack.alerts("db-9")), 60, "it did not end")
    until(lambda: len(stack.notified("db-9", firing=False)) == 2, 60)
    until(lambda: len(stack.events("db-9")) >= 2, 60)
    raised, ended = stack.events("db-9")
    assert isinstance(raised, Raised)
    assert isinstance(ended, Acted)
    assert (raised.team, raised.rule, ended.kind, ended.agent) == (TEAM, RULE, "ended", "automation")
    assert ended.at > raised.at


def test_a_restart_of_prometheus_makes_no_second_alert(stack: Stack) -> None:
    """What still fires gets a new start: one raised event, and one alert with its score."""
    fire(stack, "db-10")
    until(lambda: all("noisegate_why" in alerts[0]["annotations"] for alerts in stack.alerts("db-10")[:2]), 60)
    before = stack.relays[0].value("relay_alerts_total")
    starts = stack.alerts("db-10")[0][0]["startsAt"]
    stack.prometheus.stop()
    stack.prometheus.start()
    until(lambda: stack.relays[0].value("relay_alerts_total") > before, 60)
    until(lambda: stack.relays[0].value("relay_events_waiting") == 0, 60)
    assert [type(event) for event in stack.events("db-10")] == [Raised]
    for (alert,) in stack.alerts("db-10")[:2]:
        assert alert["startsAt"] == starts  # Alertmanager merges both as well
        assert "noisegate_why" in alert["annotations"]
