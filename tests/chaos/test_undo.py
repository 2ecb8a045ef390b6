"""A thousand suppressed alerts come back by one command: real closer, Kafka and Redis."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from stream.core.events import Acted, decode_event, moment
from stream.core.records import Decision, decode_decision, encode_record
from stream.kafka.clients import producer_settings
from stream.lane.group import CLOSER, consumer_group
from stream.rule_state import RuleState
from tests.chaos.cluster import Cluster
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.redis import RedisServer
from tests.triage.records import decision
from tests.waits import until

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]
ALERTS, SECONDS = 1_000, 5.0
RULES = """
[[rule]]
name = "night-disks"
owner = "payments"
match = { rule = "disk_full" }
max_probability = 0.1
mode = "pause"
expires = 2099-01-01
"""


@pytest.fixture
def cluster(kafka: ApacheKafka, unique_name: str, tmp_path: Path) -> Iterator[Cluster]:
    """A deployment whose closers lost their state in Redis while a rule kept alerts of forty teams from people."""
    with RedisServer("redis") as memory:
        made = Cluster(kafka, memory, tmp_path, unique_name)
        (tmp_path / "rules.toml").write_text(RULES)
        made.environment |= {"NOISEGATE_CLOSER_RULES": str(tmp_path / "rules.toml"), "PYTHONPATH": str(ROOT)}
        pause(made)
        begin(made)
        with (tmp_path / "closer.log").open("ab") as log:
            made.workers["closer"] = subprocess.Popen(noisegate("run", "closer"), env=env(made), stdout=log, stderr=log)
        try:
            yield made
        finally:
            made.close()


def noisegate(*words: str) -> list[str]:
    """The command as a process."""
    return [sys.executable, "-m", "stream", *words]


def env(cluster: Cluster) -> dict[str, str]:
    """The environment of its processes."""
    return {**os.environ, **cluster.environment}


def pause(cluster: Cluster) -> None:
    """Write the decisions by which the alerts were paused a minute ago, for an hour."""
    now, producer = time.time(), Producer(producer_settings(cluster.settings))
    for number in range(ALERTS):
        team = f"team-{number % 40}"
        one = decision(
            f"A{number}", "pause", team=team, raised_at=moment(now - 61), decided_at=moment(now - 60),
            until=moment(now + 3_600), mode="pause", p_act=0.9,
        )  # fmt: skip
        producer.produce(cluster.settings.topics.decisions, encode_record(one), team.encode())
    assert producer.flush(60) == 0


def begin(cluster: Cluster) -> None:
    """Let the closers' group have read all topics before, so that they know that their state is lost."""
    group = consumer_group(cluster.settings.deployment, CLOSER)
    consumer = Consumer({"bootstrap.servers": cluster.kafka.bootstrap_servers, "group.id": group})
    topics = cluster.settings.topics
    parts = [
        TopicPartition(topic, number, 0)
        for topic in (topics.events, topics.enriched, topics.outcomes)
        for number in range(cluster.partitions)
    ]
    consumer.commit(offsets=parts, asynchronous=False)
    consumer.close()


def releases(cluster: Cluster) -> list[Decision]:
    """The releases in the topic of decisions."""
    found = [decode_decision(value) for _, _, value in cluster.records(cluster.settings.topics.decisions)]
    return [one for one in found if one.decision == "release"]


def test_a_thousand_alerts_are_back_within_five_seconds(cluster: Cluster) -> None:
    """One command brings all of them back, each once, as a decision and an event of its own, and tells how many."""
    state = RuleState(cluster.redis.url, cluster.settings.deployment, 5.0)
    until(lambda: len(state.suppressed()) == ALERTS, 90, f"they were never found again: {cluster.log_of('closer')}")
    ordered = time.time()
    told = subprocess.run(
        noisegate("rules", "undo", "night-disks", "--since", "2h", "--json", "--wait", "60"),
        env=env(cluster),
        capture_output=True,
        check=False,
        timeout=90,
    )
    assert told.returncode == 0, told.stderr
    assert sum(json.loads(told.stdout)["undone"].values()) == ALERTS
    until(lambda: len(releases(cluster)) >= ALERTS, 60, "the releases were never published")
    found = releases(cluster)
    assert len({(one.team, one.alert_id) for one in found}) == len(found) == ALERTS
    assert max(one.decided_at.timestamp() for one in found) - ordered < SECONDS
    events = [decode_event(value) for _, _, value in cluster.records(cluster.settings.topics.events)]
    acts = [one for one in events if isinstance(one, Acted) and one.kind == "released_by_rule"]
    assert len({one.action_id for one in acts}) == len(acts) == ALERTS
    until(lambda: state.suppressed() == [], 30, "they still stand as suppressed")
    assert sum(one.what == "undone" for one in state.log()) == cluster.partitions
    state.close()
