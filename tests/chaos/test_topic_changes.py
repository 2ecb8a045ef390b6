"""The topic changes under running workers, on real Kafka and Redis: both stop, in one sentence that says the mend."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient, NewPartitions

from stream.kafka.topics import Topics, topic_configs
from stream.simulation import simulate
from tests.chaos.cluster import Cluster
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
CHECK_SECONDS = 1.0
LEAVE_SECONDS = 60.0  # a loaded machine's time to finish what is begun, leave the group and end
REBUILD = "run `noisegate history rebuild`"


@pytest.fixture
def cluster(kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str) -> Iterator[Cluster]:
    """A deployment whose workers look at the topic each second and whose sessions outlast the test."""
    made = Cluster(kafka, fresh_redis, tmp_path, unique_name)
    made.environment["NOISEGATE_TOPIC_CHECK_SECONDS"] = str(CHECK_SECONDS)
    made.environment["NOISEGATE_SESSION_TIMEOUT_SECONDS"] = "300"
    try:
        yield made
    finally:
        made.close()


def start_two(cluster: Cluster) -> list[dict[str, object]]:
    """Two workers that share the partitions and are at the end of a small log; events that have not been produced."""
    log = [dict(event) for event in simulate(seed=7, days=20, scale=0.05)]
    half = len(log) // 2
    for name in ("one", "two"):
        cluster.start(name)
    until(lambda: all("assigned" in cluster.log_of(name) for name in cluster.workers), 60)
    cluster.produce(log[:half])
    cluster.wait()
    return log[half:]


def assert_ended(cluster: Cluster, sentence: str, within: float = LEAVE_SECONDS) -> None:
    """Every worker ended with status 1 and the sentence last, below JSON lines only, and none is left in the group."""
    deadline = time.monotonic() + within
    for name, worker in cluster.workers.items():
        assert worker.wait(max(0.1, deadline - time.monotonic())) == 1, cluster.log_of(name)
        *lines, last = cluster.log_of(name).splitlines()
        assert last == f"noisegate: {sentence}"
        assert all(json.loads(line) for line in lines)
    admin = AdminClient({"bootstrap.servers": cluster.kafka.bootstrap_servers})
    group = cluster.settings.deployment

    def state() -> ConsumerGroupState:
        return admin.describe_consumer_groups([group])[group].result(60).state

    until(lambda: state() == ConsumerGroupState.EMPTY, 60, "a worker is left in the group")


def test_partitions_added_under_running_workers_end_both_with_the_mend(cluster: Cluster) -> None:
    """No event that waits is taken for misrouted; every one is folded, published or still there for the rebuild."""
    later = start_two(cluster)
    topic = cluster.settings.topics.events
    with cluster.producing(later[:200], 40):
        admin = AdminClient({"bootstrap.servers": cluster.kafka.bootstrap_servers})
        admin.create_partitions([NewPartitions(topic, 6)])[topic].result(60)
        assert_ended(cluster, f"{topic} had 4 partitions and has 6: teams have moved; {REBUILD}")
    assert list(cluster.records(cluster.settings.topics.failed)) == []
    cluster.workers.clear()
    cluster.start("three")
    assert_ended(cluster, f"{topic} had 4 partitions and has 6: teams have moved; {REBUILD}", 40)


def test_a_topic_made_anew_under_running_workers_ends_both_with_the_mend(cluster: Cluster) -> None:
    """Both end as soon as they see it; a worker that starts afterwards refuses in a sentence, too."""
    cluster.environment["NOISEGATE_TOPIC_CHECK_SECONDS"] = "6"  # longer than the topic is away, so that it is not gone
    start_two(cluster)
    topic = cluster.settings.topics.events
    recreate(cluster)
    assert_ended(cluster, f"{topic} was recreated since this worker started; {REBUILD}")
    cluster.start("three")
    assert cluster.workers["three"].wait(60) == 1
    assert cluster.log_of("three").splitlines()[-1].endswith(REBUILD)


def test_a_topic_that_is_gone_ends_the_workers_with_both_mends(cluster: Cluster) -> None:
    """Two answers running without the topic are enough."""
    start_two(cluster)
    delete(cluster)
    topic = cluster.settings.topics.events
    assert_ended(cluster, f"{topic} is gone; run `noisegate topics create`, then `noisegate history rebuild`")


def recreate(cluster: Cluster) -> None:
    """Delete the topic of events and make it anew as soon as that can be done."""
    delete(cluster)
    until(lambda: cluster.settings.topics.events not in Topics(cluster.settings).partitions(), 60)
    Topics(cluster.settings).create(4, 1, topic_configs())


def delete(cluster: Cluster) -> None:
    """Delete the topic of events."""
    admin = AdminClient({"bootstrap.servers": cluster.kafka.bootstrap_servers})
    admin.delete_topics([cluster.settings.topics.events])[cluster.settings.topics.events].result(60)
