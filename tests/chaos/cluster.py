"""Real workers on Apache Kafka and Redis, to be killed, stopped, paused and counted."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from redis import Redis

from stream.config import Settings, load_settings
from stream.core import fold
from stream.core.effects import Decided
from stream.core.errors import BrokerError
from stream.core.events import decode_event, seconds
from stream.core.fold import Fold
from stream.core.once import Once
from stream.core.problem import Problem
from stream.core.records import Enriched, Outcome, decode_enriched, decode_outcome
from stream.core.topics import TOPICS
from stream.kafka.clients import producer_settings
from stream.kafka.topics import Topics, topic_configs
from stream.scorer.history import decode_meta
from tests.scorer.rig import alerts_of, packed_entries, packed_levels, waiting_in, waiting_of
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.redis import RedisServer

PROBLEM = ROOT / "deploy" / "problems" / "simulated.toml"


class Cluster:
    """A deployment of its own on a Kafka and a Redis that the test may hurt."""

    def __init__(self, kafka: ApacheKafka, redis: RedisServer, folder: Path, name: str, partitions: int = 4) -> None:
        self.kafka, self.redis, self.folder, self.partitions = kafka, redis, folder, partitions
        self.environment = {
            "NOISEGATE_DEPLOYMENT": name,
            "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "NOISEGATE_REDIS_URL": redis.url,
            "NOISEGATE_PROBLEM": str(PROBLEM),
            "NOISEGATE_MODEL_STORE": str(folder / "models"),
            "NOISEGATE_MODEL_CACHE": str(folder / "cache"),
            "NOISEGATE_TICK_SECONDS": "0",
            "NOISEGATE_METRICS_PORT": "0",
            # Short, and longer than a busy machine lets anything stand still: that would be a rebalance or an outage.
            "NOISEGATE_SESSION_TIMEOUT_SECONDS": "6",
            "NOISEGATE_HEARTBEAT_SECONDS": "0.5",
            "NOISEGATE_REBALANCE_TIMEOUT_SECONDS": "15",
            "NOISEGATE_HISTORY_TIMEOUT_SECONDS": "5",
        }
        for role in TOPICS:
            self.environment[f"NOISEGATE_{role.upper()}_TOPIC"] = f"{name}.{role}"
        self.settings: Settings = load_settings(self.environment)
        self.problem: Problem = self.settings.load_problem()
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        Topics(self.settings).create(partitions, 1, topic_configs())

    def start(self, name: str) -> None:
        """Start a worker, or another one by the same name after it ended; its log is `<name>.log`."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.workers[name] = subprocess.Popen(
                [sys.executable, "-m", "stream", "run", "scorer"],
                env={**os.environ, **self.environment},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def log_of(self, name: str) -> str:
        """What the worker said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a worker a signal."""
        self.workers[name].send_signal(number)

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        self.workers[name].kill()
        self.workers[name].wait(60)

    def close(self) -> None:
        """End every worker."""
        for worker in self.workers.values():
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
            worker.wait(60)

    def produce(self, events: Iterable[dict[str, object]], per_second: float = 0.0) -> int:
        """Write events, keyed by team, at most so many a second; returns how many."""
        producer = Producer(producer_settings(self.settings))
        started, count = time.monotonic(), 0
        for event in events:
            producer.produce(self.settings.topics.events, json.dumps(event).encode(), str(event["team"]))
            producer.poll(0)
            count += 1
            if per_second and count % 50 == 0:
                time.sleep(max(0.0, started + count / per_second - time.monotonic()))
        assert producer.flush(60) == 0
        return count

    @contextmanager
    def producing(self, events: list[dict[str, object]], per_second: float) -> Iterator[Thread]:
        """Write events from a thread while the body runs."""
        thread = Thread(target=self.produce, args=(events, per_second), daemon=True)
        thread.start()
        yield thread
        thread.join(300)
        assert not thread.is_alive()

    def records(self, topic: str) -> Iterator[tuple[int, int, bytes]]:
        """Every record of a topic: partition, offset, value."""
        consumer = Consumer(
            {"bootstrap.servers": self.kafka.bootstrap_servers, "group.id": "reader", "enable.auto.commit": False}
        )
        try:
            count = len(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
            for number in range(count):
                part = TopicPartition(topic, number, 0)
                end = end_of(consumer, part)
                consumer.assign([part])
                position = 0
                while position < end:
                    for message in consumer.consume(5_000, 0.2):
                        assert message.error() is None, message.error()
                        position = (message.offset() or 0) + 1
                        yield number, position - 1, message.value() or b""
        finally:
            consumer.close()

    def ends(self) -> list[int]:
        """The end offset of every partition of the events."""
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap_servers, "group.id": "reader"})
        try:
            parts = [TopicPartition(self.settings.topics.events, number) for number in range(self.partitions)]
            return [end_of(consumer, part) for part in parts]
        finally:
            consumer.close()

    def offsets(self) -> list[int]:
        """Where every partition's history stands."""
        with Redis.from_url(self.redis.url) as client:
            stored = client.mget([f"{self._prefix(number)}:meta" for number in range(self.partitions)])
        metas = [decode_meta(meta or b"") for meta in stored]
        return [meta.offset if meta else 0 for meta in metas]

    def committed(self) -> list[int]:
        """What the workers' group has committed of every partition; -1001 where nothing."""
        group = {"bootstrap.servers": self.kafka.bootstrap_servers, "group.id": self.settings.deployment}
        consumer = Consumer(group)
        try:
            parts = [TopicPartition(self.settings.topics.events, number) for number in range(self.partitions)]
            return [part.offset for part in consumer.committed(parts, timeout=30)]
        finally:
            consumer.close()

    def members(self) -> int:
        """How many workers the group has; none while Kafka knows of no such group."""
        try:
            return Topics(self.settings).members(self.settings.deployment)
        except BrokerError:
            return 0

    def wait(self, seconds_: float = 120.0) -> None:
        """Until every history stands at the end of its partition."""
        deadline = time.monotonic() + seconds_
        ends = self.ends()
        while (offsets := self.offsets()) != ends:
            logs = "\n".join(f"{name}: {self.log_of(name)[-1500:]}" for name in self.workers)
            assert time.monotonic() < deadline, f"histories stand at {offsets} of {ends}\n{logs}"
            time.sleep(0.2)

    def enriched(self) -> list[Enriched]:
        """Every enriched record, repeats and all."""
        return [decode_enriched(value) for _, _, value in self.records(self.settings.topics.enriched)]

    def outcomes(self) -> list[Outcome]:
        """Every outcome record, repeats and all."""
        return [decode_outcome(value) for _, _, value in self.records(self.settings.topics.outcomes)]

    def folds(self) -> dict[int, Fold]:
        """The pure fold of the log in Kafka, partition by partition, as the lab would fold it."""
        folds = {number: Fold(self.problem) for number in range(self.partitions)}
        for number, offset, value in self.records(self.settings.topics.events):
            event = decode_event(value)
            folds[number].step(event, seconds(event.at), value, offset)
        return folds

    def assert_exact(self) -> None:
        """Histories in Redis equal the fold byte for byte; every alert has its record, every outcome its own."""
        folds = self.folds()
        with Redis.from_url(self.redis.url) as client:
            for number, pure in folds.items():
                levels, entries = self._states(client, number)
                assert levels == packed_levels(pure)
                assert alerts_of(entries) == packed_entries(pure)
                assert waiting_in(entries) == waiting_of(pure)
        once, ledger = Once(), {key for pure in folds.values() for key in pure.ledger}
        taken = [record for record in self.enriched() if once.takes(record)]
        assert {(record.alert.team, record.alert.alert_id) for record in taken} == ledger
        decided = {(c.team, c.alert_id): c.outcome for f in folds.values() for c in f.effects if type(c) is Decided}
        names = {"noise": 0, "actionable": 1, "unknown": 2}
        assert {(o.team, o.alert_id): names[o.outcome] for o in self.outcomes()} == decided
        assert list(self.records(self.settings.topics.failed)) == []

    def _states(self, client: Redis, number: int) -> tuple[dict[str, bytes], dict[fold.EntryKey, bytes]]:
        prefix = self._prefix(number)
        meta = decode_meta(client.get(f"{prefix}:meta") or b"")  # type: ignore[arg-type]  # redis-py's sync or async
        assert meta is not None
        generation = f"{prefix}:{meta.generation}:"
        keys = sorted(client.scan_iter(f"{generation}*".replace("{", "\\{"), count=5_000))
        levels, entries = {}, {}
        for start in range(0, len(keys), 5_000):
            chunk = [key for key in keys[start : start + 5_000] if not key.endswith(b":dues")]
            found: list[bytes] = client.mget(chunk)  # type: ignore[assignment]  # redis-py's sync or async
            for key, packed in zip(chunk, found, strict=True):
                kind, name = key.decode().removeprefix(generation).split(":", 1)
                if kind == "l":
                    levels[name] = packed
                else:
                    team, _, alert = name.partition("\0")
                    entries[team, alert] = packed
        return levels, entries

    def _prefix(self, number: int) -> str:
        return f"{self.settings.deployment}:{{{self.settings.topics.events}:{number}}}"


def end_of(consumer: Consumer, part: TopicPartition, seconds_: float = 60.0) -> int:
    """The end offset of a partition; one that was made a moment ago is not known to every broker at once."""
    deadline = time.monotonic() + seconds_
    while True:
        try:
            return int(consumer.get_watermark_offsets(part, timeout=30)[1])
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
