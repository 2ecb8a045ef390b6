"""What people order of rules reaches a real closer, and a thousand alerts come back by one command."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

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

pytestmark = [pytest.mark.kafka, pytest.mark.redis]
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


@pytest.fixture(scope="module")
def cluster(kafka_of_session: ApacheKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A deployment whose closers lost their state in Redis while a rule kept alerts of forty teams from people."""
    kafka_of_session.start()
    folder = tmp_path_factory.mktemp("orders")
    with RedisServer("redis") as memory:
        made = Cluster(kafka_of_session, memory, folder, f"t-{uuid.uuid4().hex[:12]}")
        (folder / "rules.toml").write_text(RULES)
        made.environment |= {"NOISEGATE_CLOSER_RULES": str(folder / "rules.toml"), "PYTHONPATH": str(ROOT)}
        pause(made)
        begin(made)
        with (folder / "closer.log").open("ab") as log:
            made.workers["closer"] = subprocess.Popen(noisegate("run", "closer"), env=env(made), stdout=log, stderr=log)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def state(cluster: Cluster) -> Iterator[RuleState]:
    """What the closer and people leave for each other there."""
    made = RuleState(cluster.redis.url, cluster.settings.deployment, 5.0)
    yield made
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


def ask(cluster: Cluster, *words: str) -> "subprocess.CompletedProcess[bytes]":
    """What `noisegate rules` says."""
    command = noisegate("rules", *words)
    return subprocess.run(command, env=env(cluster), capture_output=True, check=False, timeout=180)


def test_commands_are_carried_out_or_refused_by_the_closer(cluster: Cluster, state: RuleState) -> None:
    """A rule that is not proven is not armed; the sentence is the closer's, its log says who wanted it."""
    until(lambda: "night-disks" in state.standings(), 90, "no standing was written")
    proof = json.loads(ask(cluster, "proof", "--json").stdout)["rules"]
    assert [(one["name"], one["mode"], one["state"]) for one in proof] == [("night-disks", "shadow", "inconclusive")]
    refused = ask(cluster, "arm", "night-disks", "--to", "pause", "--by", "ann", "--wait", "60")
    assert (refused.returncode, b"can't be armed: inconclusive: 0 observations" in refused.stderr) == (1, True)
    assert state.commands() == []
    assert next((one.what, one.by) for one in state.log()) == ("refused", "ann")
    disarmed = ask(cluster, "disarm", "night-disks", "--wait", "60")
    assert (disarmed.returncode, b"is not armed, so nothing is to be done" in disarmed.stdout) == (0, True)


def test_a_thousand_alerts_are_back_within_five_seconds(cluster: Cluster, state: RuleState) -> None:
    """One command brings all of them back, each once, as a decision and an event of its own, and tells how many."""
    until(lambda: len(state.suppressed()) == ALERTS, 90, f"they were never found again: {cluster.log_of('closer')}")
    told = ask(cluster, "undo", "night-disks", "--since", "2h", "--json", "--wait", "60")
    assert told.returncode == 0, told.stderr
    assert sum(json.loads(told.stdout)["undone"].values()) == ALERTS
    until(lambda: len(releases(cluster)) >= ALERTS, 60, "the releases were never published")
    found = releases(cluster)
    assert len({(one.team, one.alert_id) for one in found}) == len(found) == ALERTS
    (order,) = state.undos()
    assert max(one.decided_at.timestamp() for one in found) - order.at < SECONDS
    events = [decode_event(value) for _, _, value in cluster.records(cluster.settings.topics.events)]
    acts = [one for one in events if isinstance(one, Acted) and one.kind == "released_by_rule"]
    assert len({one.action_id for one in acts}) == len(acts) == ALERTS
    until(lambda: state.suppressed() == [], 60, "they still stand as suppressed")
    assert sum(one.what == "undone" for one in state.log()) == cluster.partitions
