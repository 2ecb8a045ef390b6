"""Labels with real relays, Alertmanager, Kafka and Redis; the test writes the decisions, as the closer would."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from confluent_kafka import Producer

from stream.core.errors import KafkaAway
from stream.core.events import Raised, decode_event
from stream.core.records import Decision, Enriched, encode_record
from stream.kafka.clients import producer_settings
from stream.kafka.tail import Tail
from tests.chaos.cluster import Cluster
from tests.relay.processes import RelayProcess, alert, resolved
from tests.relay.records import decision, enriched
from tests.servers.alertmanager import AlertmanagerServer
from tests.servers.kafka import ApacheKafka
from tests.servers.receiver import Receiver
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.slow]
CONFIG = """
route:
  receiver: people
  group_by: ['...']
  group_wait: 1s
  group_interval: 1s
  routes:
  - matchers: ['noisegate=~"paused|closed"']
    receiver: nobody
receivers:
- name: nobody
- name: people
  webhook_configs: [{url: '%s/people', send_resolved: true}]
inhibit_rules:
- source_matchers: ['severity="critical"']
  target_matchers: ['severity="warning"']
"""


class Closer:
    """Decides `what` about every alert whose rule begins with Pause, as soon as it is raised."""

    def __init__(self, cluster: Cluster) -> None:
        self.ids: dict[str, str] = {}
        self._cluster = cluster
        self._producer = Producer(producer_settings(cluster.settings))
        self._stopping = Event()
        self._tail: Tail | None = None
        until(self._open, 60)
        self._thread = Thread(target=self._follow, daemon=True)
        self._thread.start()

    def write(self, made: Decision) -> None:
        """Publish a decision."""
        self.publish(self._cluster.settings.topics.decisions, made)

    def publish(self, topic: str, record: Decision | Enriched) -> None:
        """Publish a record of the team that all alerts are of."""
        self._producer.produce(topic, encode_record(record), "payments")
        self._producer.flush(60)

    def close(self) -> None:
        """End."""
        self._stopping.set()
        self._thread.join(60)
        if self._tail is not None:
            self._tail.close()

    def _open(self) -> bool:
        """Whether the topic, which is a moment old, can be read."""
        with suppress(KafkaAway):
            self._tail = Tail(self._cluster.settings, [self._cluster.settings.topics.events], time.time() - 60)
        return self._tail is not None

    def _follow(self) -> None:
        assert self._tail is not None
        while not self._stopping.is_set():
            for message in self._tail.read(0.02, 10):
                event = decode_event(message.value() or b"")
                if isinstance(event, Raised):
                    self.ids[event.rule] = event.alert_id
                    if event.rule.startswith("Pause"):
                        self.write(decision(event.alert_id, "pause", until_seconds=600))


class Setting:
    """Two relays that set labels, before one Alertmanager with a route for them."""

    def __init__(self, kafka: ApacheKafka, redis: RedisServer, folder: Path, name: str, exits: ExitStack) -> None:
        self.cluster = Cluster(kafka, redis, folder, name, partitions=2)
        self.closer = Closer(self.cluster)
        exits.callback(self.closer.close)
        self.receiver = exits.enter_context(Receiver())
        self.alertmanager = exits.enter_context(AlertmanagerServer(CONFIG % self.receiver.url))
        environment = {key: value for key, value in self.cluster.environment.items() if "METRICS_PORT" not in key}
        environment |= {"NOISEGATE_RELAY_LABELS": "true", "NOISEGATE_RELAY_WAIT_SECONDS": "5"}
        self.relays = [exits.enter_context(RelayProcess([self.alertmanager.url], environment)) for _ in range(2)]
        for relay in self.relays:
            until(lambda relay=relay: "inhibit rule" in relay.get("/readyz"), 60)  # type: ignore[misc]
            until(lambda relay=relay: "no scores come" not in relay.get("/readyz"), 60)  # type: ignore[misc]

    def labels(self, rule: str) -> list[str]:
        """Our label of each alert that Alertmanager has of a rule; empty where it is plain."""
        alerts = [one for one in self.alertmanager.alerts() if one["labels"]["alertname"] == rule]
        return sorted(one["labels"].get("noisegate", "") for one in alerts)

    def score(self, rule: str) -> None:
        """Publish the score of an alert, as the scorer does."""
        self.closer.publish(self.cluster.settings.topics.enriched, enriched(self.closer.ids[rule]))

    def annotations(self, rule: str) -> dict[str, str]:
        """What Alertmanager shows of a rule's one alert."""
        (alert,) = [one for one in self.alertmanager.alerts() if one["labels"]["alertname"] == rule]
        return dict(alert["annotations"])

    def told(self, rule: str) -> list[str]:
        """What people were told of a rule."""
        bodies = [one.json for one in self.receiver.of("/people")]
        return [body["status"] for body in bodies if body["commonLabels"]["alertname"] == rule]


@pytest.fixture
def setting(kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str) -> Iterator[Setting]:
    """Everything, for one test."""
    with ExitStack() as exits:
        yield Setting(kafka, fresh_redis, tmp_path, unique_name, exits)


def test_a_paused_alert_is_shown_to_nobody_until_its_release(setting: Setting) -> None:
    """Both relays forward it labelled, a plain one beside it passes; at release people are told.

    An inhibit rule by which the paused one could mute others is named, with its mend, and counted.
    The plain one's score comes after its notification: API and UI show it, and people are not told a second time.
    """
    for relay in setting.relays:
        assert 'add noisegate="" to the source_matchers of each inhibit rule' in relay.get("/readyz")
        until(lambda relay=relay: relay.value("relay_inhibit_rules") == 1, 60)  # type: ignore[misc]
    paused, plain = alert("PauseMe"), alert("ShowMe")
    threads = [Thread(target=relay.post, args=(paused, plain)) for relay in setting.relays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert setting.labels("PauseMe") == ["paused"]
    assert setting.labels("ShowMe") == [""]
    until(lambda: setting.told("ShowMe") == ["firing"], 60)
    assert setting.told("PauseMe") == []
    setting.score("ShowMe")
    until(lambda: setting.annotations("ShowMe").get("noisegate_probability") == "0.07", 60)
    setting.closer.write(decision(setting.closer.ids["PauseMe"], "release"))
    released = time.monotonic()
    until(lambda: setting.labels("PauseMe") == [""], 60)
    assert time.monotonic() - released < 3.5
    until(lambda: setting.told("PauseMe") == ["firing"], 60)
    assert setting.told("ShowMe") == ["firing"]  # group_wait, longer than its group_interval, has passed since
    for relay in setting.relays:
        relay.post(resolved(paused))
    until(lambda: setting.told("PauseMe") == ["firing", "resolved"], 60)
    until(lambda: setting.labels("PauseMe") == [], 60)
    assert sum(relay.value("relay_labels_total", label="paused") for relay in setting.relays) == 2
