"""A closer's process for its benchmark: topics and rules of its own, what is published to it, and what came of it."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from confluent_kafka import Producer
from msgspec import Struct
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.rules import make_rules
from stream.closer.state import VERSION, StateMeta, StateStore, StateWrite, encode_meta
from stream.config import Settings, load_settings
from stream.core.events import moment
from stream.core.records import Enriched, encode_record
from stream.core.topics import TOPICS
from stream.dev.process import LOOPBACK, free_port
from stream.kafka.clients import producer_settings
from stream.kafka.partitioner import partition_chooser
from stream.kafka.reader import Reader
from stream.kafka.records import Part
from stream.kafka.topics import Topics, topic_configs
from stream.lane.fence import NO_META
from stream.lane.redis_fence import RedisFence
from stream.metrics.lane import LaneMetrics
from stream.rule_state import RuleState
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.redis import RedisServer

PARTITIONS, RULES = 4, 500
START_SECONDS = 120.0
PACED = "P"  # begins the ids of the alerts whose wait is measured; those before them warm the closer up


class Run:
    """A closer with its topics and rules on servers that run already."""

    def __init__(self, kafka: ApacheKafka, redis: RedisServer, folder: Path, name: str) -> None:
        self.folder = folder
        (folder / "rules.toml").write_text("\n".join(map(rule_text, range(RULES))), encoding="utf-8")
        self.port = free_port()
        self.environment = {
            "NOISEGATE_DEPLOYMENT": name,
            "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "NOISEGATE_REDIS_URL": redis.url,
            "NOISEGATE_PROBLEM": str(ROOT / "deploy" / "problems" / "simulated.toml"),
            "NOISEGATE_METRICS_PORT": str(self.port),
            "NOISEGATE_CLOSER_RULES": str(folder / "rules.toml"),
            "NOISEGATE_LOG_LEVEL": "warning",
        }
        self.environment |= {f"NOISEGATE_{role.upper()}_TOPIC": f"{name}.{role}" for role in TOPICS}
        self.settings: Settings = load_settings(self.environment)
        metrics = LaneMetrics()
        self.store = StateStore(RedisFence.of(self.settings, metrics), name)
        self.state = RuleState(redis.url, name, 5.0)
        self._offsets = [0] * PARTITIONS
        self._choose = partition_chooser(self.settings.kafka.partitioner, PARTITIONS)
        Topics(self.settings).create(
            PARTITIONS,
            1,
            {
                role: {**config, "message.timestamp.type": "LogAppendTime"}
                if role in ("enriched", "decisions")
                else config
                for role, config in topic_configs().items()
            },
        )
        meta = encode_meta(StateMeta(VERSION, "", 0, 0.0, 0, 0, "benchmark"))
        for number in range(PARTITIONS):  # so that it begins with what waits, and not at the end
            part = Part(self.settings.topics.enriched, number)
            self.store.write({part: StateWrite(NO_META, meta, {})})

    def produce(self, alerts: list[Enriched], rate: float = 0.0) -> None:
        """Publish alerts, raised now, at an even rate or as fast as it goes."""
        producer = Producer(
            {**producer_settings(self.settings), "linger.ms": 2, "queue.buffering.max.messages": 500_000}
        )
        began, topic = time.monotonic(), self.settings.topics.enriched
        for number, one in enumerate(alerts):
            value = encode_record(self._raised_now(one))
            while True:
                try:
                    producer.produce(topic, value, one.alert.team.encode())
                    break
                except BufferError:
                    producer.poll(0.1)
            if rate and number % 20 == 0:
                producer.poll(0)
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
        producer.flush(120)

    @contextmanager
    def closer(self) -> Iterator[int]:
        """The closer's process, by its id, once all rules are judged."""
        with (self.folder / "closer.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "stream", "run", "closer"],
                env={**os.environ, **self.environment},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)

    def wait_judged(self) -> None:
        """Until every rule has a standing."""
        wait_until(lambda: len(self.state.standings()) >= RULES, START_SECONDS)

    def positions(self) -> int:
        """How many enriched records are decided and written."""
        metas = self.store.metas([Part(self.settings.topics.enriched, number) for number in range(PARTITIONS)])
        return sum(msgspec.msgpack.decode(meta, type=StateMeta).offset for meta in metas.values())

    def waits(self) -> list[float]:
        """From each paced alert's record to its decision's, in seconds, by the timestamps that Kafka gave."""
        came: dict[str, float] = {}
        waits = []
        topics = self.settings.topics
        with Reader(self.settings, [topics.enriched]) as reader:
            for message in reader.read_all():
                name = msgspec.json.decode(message.value() or b"", type=_Named).alert.alert_id
                came[name] = message.timestamp()[1] / 1_000.0
        with Reader(self.settings, [topics.decisions]) as reader:
            for message in reader.read_all():
                name = msgspec.json.decode(message.value() or b"", type=_Id).alert_id
                if name.startswith(PACED):
                    waits.append(message.timestamp()[1] / 1_000.0 - came[name])
        return sorted(waits)

    def metric(self, name: str) -> float:
        """The sum of a metric's series on /metrics."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/metrics", timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)

    def _raised_now(self, one: Enriched) -> Enriched:
        partition = self._choose(one.alert.team)
        offset = f"{self.settings.topics.events}/{partition}/{self._offsets[partition]}"
        self._offsets[partition] += 1
        return replace(one, alert=replace(one.alert, at=moment(time.time())), offset=offset)


class _Id(Struct):
    alert_id: str


class _Named(Struct):
    alert: _Id


_PLACED = make_rules(RULES)


def rule_text(number: int) -> str:
    """One of the rules of the benchmark of rules, as a file holds it."""
    rule = _PLACED[number].rule
    match = ", ".join(
        f"{name} = {json.dumps(value)}" for name, value in rule.match.patterns().items() if "." not in name
    )
    labels = dict(rule.match.labels)
    if labels:
        inner = ", ".join(f"{name} = {json.dumps(patterns)}" for name, patterns in labels.items())
        match += f", labels = {{ {inner} }}"
    return (
        f'[[rule]]\nname = "{rule.name}"\nowner = "bench"\nmatch = {{ {match} }}\n'
        f'max_probability = {rule.max_probability}\nmode = "shadow"\n'
    )


def wait_until(true: Callable[[], bool], seconds: float) -> None:
    """Return once it is true; ends the benchmark where it is not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("the closer did not get there in time")
        time.sleep(0.05)
