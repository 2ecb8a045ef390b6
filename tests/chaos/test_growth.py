"""A topic that grew, on real Kafka and Redis: the rebuild finds every team and scores what waited."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from redis import Redis

from stream.config import load_settings
from stream.core.events import decode_event, seconds
from stream.core.fold import Fold
from stream.kafka.partitioner import partition_chooser
from stream.scorer.decode import foreign_offset
from stream.scorer.history import decode_meta
from stream.scorer.rebuild.run import rebuild
from stream.simulation import simulate
from tests.chaos.cluster import Cluster
from tests.scorer.rebuild.grown import decisions
from tests.scorer.rig import alerts_of, packed_entries, packed_levels, waiting_in, waiting_of
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.redis import RedisServer

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.fixture
def cluster(kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str) -> Iterator[Cluster]:
    """A deployment of its own on four partitions that scores with the shipped model."""
    made = Cluster(kafka, fresh_redis, tmp_path, unique_name)
    made.environment["NOISEGATE_MODEL_STORE"] = str(ROOT / "model_artifacts")
    made.settings = load_settings(made.environment)
    try:
        yield made
    finally:
        made.close()


def test_after_growth_every_team_is_found_and_what_waited_is_scored(cluster: Cluster) -> None:
    """Four partitions become six while events wait in the old ones: the worker names the rebuild; after it states equal
    the fold of the merged log, every alert is scored once, nothing has failed, and workers go on."""
    log = events()
    cuts = [0, *(int(len(log) * share) for share in (0.6, 0.75, 0.9)), len(log)]
    served, waiting, moved, after = (log[a:b] for a, b in pairwise(cuts))
    serve(cluster, "one", served)
    cluster.produce(waiting)
    grow(cluster, 6)
    cluster.produce(moved)
    cluster.start("two")
    assert cluster.workers["two"].wait(60) == 1
    assert "had 4 partitions and has 6: teams have moved; run `noisegate history rebuild`" in cluster.log_of("two")
    report = rebuild(cluster.settings)
    assert report.folded == len(served) + len(waiting) + len(moved)
    assert report.placed > 0
    assert (report.misrouted, report.undecodable, report.notes) == (0, 0, [])
    assert_exact(cluster)
    serve(cluster, "three", after)
    assert_exact(cluster)
    raised = Counter((event["team"], event["alert_id"]) for event in log if event["type"] == "raised")
    enriched = cluster.enriched()
    assert Counter((record.alert.team, record.alert.alert_id) for record in enriched) == raised
    assert all(record.score.probability is not None for record in enriched)
    names = {"noise": 0, "actionable": 1, "unknown": 2}
    said = {(o.team, o.alert_id, names[o.outcome], o.by) for o in cluster.outcomes()}
    pure = decisions(merged_folds(cluster).values())
    assert {(team, alert_id, outcome, by) for team, alert_id, outcome, _, by in pure} <= said
    assert list(cluster.records(cluster.settings.topics.failed)) == []


@pytest.mark.long
def test_redis_lost_after_growth_is_mended_by_a_rebuild(cluster: Cluster) -> None:
    """The worker's silent refold meets teams that moved and names the rebuild; then nothing is published twice."""
    log = events(6)
    half = len(log) // 2
    serve(cluster, "one", log[:half])
    grow(cluster, 6)
    rebuild(cluster.settings)
    serve(cluster, "two", log[half:])
    published = len(cluster.enriched()), len(cluster.outcomes())
    cluster.redis.flush()
    cluster.start("three")
    assert cluster.workers["three"].wait(60) == 1
    assert "belong to other partitions now" in cluster.log_of("three")
    assert "run `noisegate history rebuild`" in cluster.log_of("three")
    report = rebuild(cluster.settings)
    assert (report.placed > 0, report.published) == (True, {})
    assert_exact(cluster)
    serve(cluster, "four", [])
    assert_exact(cluster)
    assert (len(cluster.enriched()), len(cluster.outcomes())) == published
    assert list(cluster.records(cluster.settings.topics.failed)) == []


def test_aborted_records_at_the_end_are_neither_folded_nor_waited_for(cluster: Cluster) -> None:
    """The log ends with an aborted transaction, in one partition and in one without any other record."""
    log = events(7)[:500]
    serve(cluster, "one", log)
    home = partition_chooser(cluster.settings.kafka.partitioner, 4)
    producer = Producer(
        {"bootstrap.servers": cluster.kafka.bootstrap_servers, "transactional.id": cluster.settings.deployment}
    )
    producer.init_transactions(60)
    producer.begin_transaction()
    for number in range(4):
        event = next(event for event in log if home(str(event["team"])) == number)
        value = b'{"type":"raised","at":"%b","alert_id":"ABORTED","team":"%b","rule":"r","entity":"e"}'
        told = value % (str(event["at"]).encode(), str(event["team"]).encode())
        producer.produce(cluster.settings.topics.events, told, partition=number)
    producer.flush(60)
    producer.abort_transaction(60)
    grow(cluster, 6)
    report = rebuild(cluster.settings)
    assert [one.offset for one in report.partitions] == cluster.ends()
    again = rebuild(cluster.settings)
    assert [one.offset for one in again.partitions] == cluster.ends()
    assert report.folded == again.folded == len(log)
    assert_exact(cluster)


def test_what_cannot_be_read_is_rebuilt_over(cluster: Cluster) -> None:
    """Garbage and wrong types under metas, levels, entries and timers: the rebuild works, and says what was lost."""
    serve(cluster, "one", events(8)[:800])
    with Redis.from_url(cluster.redis.url) as client:
        one, two, three = (cluster._prefix(number) for number in range(3))
        meta = decode_meta(client.get(f"{three}:meta") or b"")
        assert meta is not None
        three = f"{three}:{meta.generation}"
        client.delete(f"{one}:meta", f"{three}:dues")
        client.rpush(f"{one}:meta", "a list")
        client.set(f"{two}:meta", b"\xc1 no msgpack")
        client.set(f"{three}:dues", "no sorted set")
        for key in list(client.scan_iter(f"{three}:*".replace("{", "\\{"), count=5_000)):
            if not key.endswith(b":dues"):
                client.set(key, b"\xc1")
    report = rebuild(cluster.settings)
    assert [one.offset for one in report.partitions] == cluster.ends()
    assert [note.partition(" could not be read")[0] for note in report.notes] == [
        f"the old history of {cluster.settings.topics.events}/{number}" for number in (1, 2)
    ]
    assert_exact(cluster)


def events(seed: int = 5) -> list[dict[str, Any]]:
    """Some thousand events of the simulated organisation."""
    return [dict(event) for event in simulate(seed=seed, days=20, scale=0.1)]


def serve(cluster: Cluster, name: str, log: list[dict[str, Any]]) -> None:
    """Let a worker score some events, and end it in order."""
    cluster.start(name)
    cluster.produce(log)
    await_word(cluster, name, '"assigned"')
    cluster.wait()
    cluster.signal(name, signal.SIGTERM)
    assert cluster.workers[name].wait(60) == 0


def await_word(cluster: Cluster, name: str, word: str) -> None:
    """Wait until a worker's log holds a word."""
    deadline = time.monotonic() + 60.0
    while word not in cluster.log_of(name):
        assert time.monotonic() < deadline, cluster.log_of(name)[-1_500:]
        time.sleep(0.05)


def grow(cluster: Cluster, partitions: int) -> None:
    """Raise the topic's partition count, and wait until it is there."""
    cluster.kafka.grow(cluster.settings.topics.events, partitions)
    cluster.partitions = partitions


def merged_folds(cluster: Cluster) -> dict[int, Fold]:
    """The pure fold of the log in the topic's present layout, in the order of record timestamps."""
    settings = {"bootstrap.servers": cluster.kafka.bootstrap_servers, "group.id": "reader"}
    consumer = Consumer({**settings, "enable.partition.eof": True, "enable.auto.commit": False})
    placed = []
    try:
        for number in range(cluster.partitions):
            consumer.assign([TopicPartition(cluster.settings.topics.events, number, 0)])
            latest, ended = (-1, -1.0), False
            while not ended:
                for message in consumer.consume(1_000, 0.1):
                    ended = message.error() is not None
                    if ended:
                        break
                    value = message.value() or b""
                    latest = max(latest, (message.timestamp()[1], seconds(decode_event(value).at)))
                    placed.append((latest, number, message.offset() or 0, value))
    finally:
        consumer.close()
    home = partition_chooser(cluster.settings.kafka.partitioner, cluster.partitions)
    folds = {number: Fold(cluster.problem) for number in range(cluster.partitions)}
    for _, number, offset, value in sorted(placed):
        event = decode_event(value)
        target = home(event.team)  # type: ignore[union-attr]  # no ticks are written here
        event_offset = offset if target == number else foreign_offset(number, offset)
        folds[target].step(event, seconds(event.at), value, event_offset)
    return folds


def assert_exact(cluster: Cluster) -> None:
    """Histories in Redis equal the fold of the merged log, byte for byte."""
    with Redis.from_url(cluster.redis.url) as client:
        for number, pure in merged_folds(cluster).items():
            levels, entries = cluster._states(client, number)
            assert levels == packed_levels(pure)
            assert alerts_of(entries) == packed_entries(pure)
            assert waiting_in(entries) == waiting_of(pure)
        assert [key for key in client.scan_iter(count=5_000) if key.endswith(b":rebuild")] == []
