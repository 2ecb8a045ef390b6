"""What a relay writes to Kafka, and the headers that it passes on, with a process, Kafka and Redis."""

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message

from stream.config import make_settings
from stream.core.events import Acted, Event, Raised, decode_event
from stream.kafka.tail import Tail
from stream.kafka.topics import Topics, topic_configs
from stream.relay.tail import RecordTail
from tests.chaos.cluster import Cluster
from tests.relay.processes import RelayProcess, alert, resolved
from tests.servers.kafka import ApacheKafka
from tests.servers.receiver import Receiver, post_json
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.slow]


def names(events: list[Event]) -> list[str]:
    """What each event says."""
    return ["raised" if isinstance(one, Raised) else one.kind for one in events if isinstance(one, Raised | Acted)]


def test_while_a_topic_is_missing_no_scores_come(kafka: ApacheKafka, unique_name: str) -> None:
    """The relay says which and the mend, and does not take it for a topic without records; made, it is followed."""
    topics = {role: f"{unique_name}.{role}" for role in ("events", "enriched", "outcomes", "decisions", "failed")}
    named = {f"{role}_topic": name for role, name in topics.items()}
    settings = make_settings(kafka_bootstrap_servers=kafka.bootstrap_servers, relay_labels=True, **named)
    tail = RecordTail(settings, lambda records: None)
    tail.start()
    missing = f"Kafka has no topic {topics['enriched']}, {topics['decisions']}; run `noisegate topics create`"
    until(lambda: tail.away == missing, 60)
    Topics(settings).create(1, 1, topic_configs())
    until(lambda: tail.away == "", 60)
    tail.close(60)


def test_a_firing_goes_on_and_a_bad_alert_is_a_dead_letter(
    kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str
) -> None:
    """Cut off and back: raised, ended, resumed and ended under one id; beside it the bad alert and its reason."""
    cluster = Cluster(kafka, fresh_redis, tmp_path, unique_name, partitions=2)
    environment = {key: value for key, value in cluster.environment.items() if "METRICS_PORT" not in key}
    environment["NOISEGATE_RELAY_RESOLVE_MINUTES"] = "0.01"
    endless: dict[str, Any] = {key: value for key, value in alert().items() if key != "endsAt"}
    bad = {**alert("Bad"), "startsAt": "soon"}
    headers = {"X-Scope-OrgID": "tenant-1", "traceparent": "00-1-2-01", "Authorization": "Bearer x"}

    def events() -> list[Event]:
        return [decode_event(value) for _, _, value in cluster.records(cluster.settings.topics.events)]

    with Receiver() as alertmanager, RelayProcess([alertmanager.url], environment) as relay:
        post_json(f"{relay.url}/api/v2/alerts", [endless, bad], headers)
        until(lambda: names(events()) == ["raised", "ended"], 60)
        post_json(f"{relay.url}/api/v2/alerts", [endless, bad], headers)
        until(lambda: names(events())[2:3] == ["resumed"], 60)
        post_json(f"{relay.url}/api/v2/alerts", [resolved(endless)], headers)
        until(lambda: names(events())[-1] == "ended" and len(events()) >= 4, 60)
        until(lambda: relay.value("relay_events_waiting") == 0, 60)
        assert relay.value("relay_not_followed_total", reason="bad_time") == 2
    found = events()
    assert len({one.alert_id for one in found if isinstance(one, Raised | Acted)}) == 1
    assert len({one.action_id for one in found if isinstance(one, Acted)}) == len(found) - 1
    with Tail(cluster.settings, [cluster.settings.topics.failed], 0.0) as tail:
        letters = list[Message]()

        def came() -> bool:
            letters.extend(tail.read(0.2))
            return bool(letters)

        until(came, 60)
    (letter,) = letters
    assert json.loads(letter.value() or b"") == bad
    found_headers = dict(letter.headers() or [])
    assert (found_headers["reason"], found_headers["room"]) == (b"bad_time", b"relay")
    first = alertmanager.requests[0]
    assert json.loads(first.body) == [endless, bad]
    assert (first.headers["x-scope-orgid"], first.headers["traceparent"]) == ("tenant-1", "00-1-2-01")
    assert "authorization" not in first.headers
