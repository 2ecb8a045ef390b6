"""`python -m benchmarks.closer`: decisions by 500 rules in one closer, beside Kafka and Redis on one machine.

Writes `benchmarks/results/closer.json` and the part of RESULTS.md between two marks.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from confluent_kafka import Producer
from msgspec import Struct
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.machine import machine
from benchmarks.parts import put_part
from benchmarks.rules import make_alerts, make_rules
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

_HERE = Path(__file__).parent
BEGIN, END = "<!-- closer: written by python -m benchmarks.closer -->", "<!-- closer: end -->"
PARTITIONS, RULES = 4, 500
BACKLOG, QUICK_BACKLOG = 300_000, 10_000
PACED_SECONDS, QUICK_PACED_SECONDS = 30.0, 4.0
TARGET_RATE, TARGET_SECONDS = 10_000, 0.1
START_SECONDS = 120.0
PACED = "P"  # begins the ids of the alerts whose wait is measured; those before them warm the closer up

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Backlog(Struct):
    """Alerts that waited when the closer began, and how fast they were decided."""

    alerts: int
    decided: int  # of them, those that a rule matches
    alerts_per_second: float
    cpu_microseconds_per_alert: float


class Paced(Struct):
    """Alerts at an even rate: from an enriched record's timestamp to that of its decision, by Kafka's clock."""

    alerts_per_second: float
    decided: int
    p50_milliseconds: float
    p99_milliseconds: float
    largest_milliseconds: float


class Run:
    """A closer with its topics and rules on servers that run already."""

    def __init__(self, kafka: ApacheKafka, redis: RedisServer, folder: Path, name: str) -> None:
        self.folder = folder
        (folder / "rules.toml").write_text("\n".join(map(_rule_text, range(RULES))), encoding="utf-8")
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
        _wait(lambda: len(self.state.standings()) >= RULES, START_SECONDS)

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


def _rule_text(number: int) -> str:
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


def _wait(true: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("the closer did not get there in time")
        time.sleep(0.05)


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_backlog(kafka: ApacheKafka, redis: RedisServer, folder: Path, count: int) -> Backlog:
    """Let a closer decide about what waits, once it has judged its rules."""
    run = Run(kafka, redis, folder, "backlog")
    with run.closer():
        run.wait_judged()
    alerts = make_alerts(count)
    run.produce(alerts)
    with run.closer() as process:
        _wait(lambda: run.positions() > 0, START_SECONDS)
        first, began, used = run.positions(), time.monotonic(), _cpu_seconds(process)
        _wait(lambda: run.positions() >= count, START_SECONDS)
        seconds, cpu = time.monotonic() - began, _cpu_seconds(process) - used
        decided = int(run.metric("noisegate_decisions_total"))
    return Backlog(count, decided, (count - first) / seconds, 1e6 * cpu / (count - first))


def measure_paced(kafka: ApacheKafka, redis: RedisServer, folder: Path, seconds: float, rate: float) -> Paced:
    """Give a closer alerts at an even rate."""
    run = Run(kafka, redis, folder, f"paced{rate:.0f}")
    with run.closer():
        run.wait_judged()
        warm = make_alerts(int(rate))
        run.produce(warm, rate)
        alerts = [
            replace(one, alert=replace(one.alert, alert_id=f"{PACED}{number}"))
            for number, one in enumerate(make_alerts(int(rate * seconds)))
        ]
        began = time.monotonic()
        run.produce(alerts, rate)
        reached = len(alerts) / (time.monotonic() - began)
        _wait(lambda: run.positions() >= len(alerts) + len(warm), START_SECONDS)
        _wait(lambda: run.metric("noisegate_outbox_entries") == 0, START_SECONDS)
    waits = run.waits()
    at = [1e3 * waits[min(int(share * len(waits)), len(waits) - 1)] for share in (0.5, 0.99, 1.0)]
    return Paced(reached, len(waits), *at)


def section(document: dict[str, Any]) -> str:
    """The part of RESULTS.md."""
    on, backlog = document["machine"], document["backlog"]
    lines = [
        "## Closer",
        "",
        f"Written by `{document['command']}` on {document['date'][:10]}, one closer with Kafka, Redis and the producer "
        f"on one machine: {on['processor']}, {on['system']}. {RULES} rules in shadow, {PARTITIONS} partitions, alerts "
        f"as in *Rules*. Before it began, other work on the machine had a load of {document['load']:.1f} on "
        f"{os.cpu_count()} processors.",
        "",
        f"A backlog of {backlog['alerts']:,} alerts: {backlog['alerts_per_second']:,.0f} alerts/s, "
        f"{backlog['cpu_microseconds_per_alert']:.0f} µs of CPU an alert; {backlog['decided']:,} decisions.",
        "",
        "| alerts/s | decisions | p50, ms | p99, ms | largest, ms |",
        "|---:|---:|---:|---:|---:|",
    ]
    for one in document["paced"]:
        lines.append(
            f"| {one['alerts_per_second']:,.0f} | {one['decided']:,} | {one['p50_milliseconds']:.0f} | "
            f"{one['p99_milliseconds']:.0f} | {one['largest_milliseconds']:.0f} |"
        )
    fast = backlog["alerts_per_second"] >= TARGET_RATE
    prompt = [one for one in document["paced"] if one["p99_milliseconds"] <= 1e3 * TARGET_SECONDS]
    highest = max((one["alerts_per_second"] for one in prompt), default=0.0)
    lines += [
        "",
        f"Targets: {TARGET_RATE:,} alerts/s with {RULES} rules: {'reached' if fast else 'not reached'}; a decision "
        f"within {1e3 * TARGET_SECONDS:.0f} ms at p99: "
        + (f"reached up to {highest:,.0f} alerts/s of these." if prompt else "not reached."),
    ]
    return "\n".join(lines)


@app.command()
def main(
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run that writes nothing.")] = False,
    rates: Annotated[
        str, typer.Option(help="Alerts a second at which the time to a decision is measured.")
    ] = "500,1000,2000",
) -> None:
    """Measure how many alerts a closer decides about, and how soon."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, ApacheKafka() as kafka, RedisServer("redis") as redis:
        folder = Path(name)
        backlog = measure_backlog(kafka, redis, folder, QUICK_BACKLOG if quick else BACKLOG)
        seconds = QUICK_PACED_SECONDS if quick else PACED_SECONDS
        paced = [measure_paced(kafka, redis, folder, seconds, float(rate)) for rate in rates.split(",")]
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "python -m benchmarks.closer",
        "machine": machine(),
        "load": load,
        "backlog": msgspec.to_builtins(backlog),
        "paced": msgspec.to_builtins(paced),
    }
    if not quick:
        (_HERE / "results" / "closer.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        put_part(_HERE / "RESULTS.md", f"{BEGIN}\n{section(document)}\n{END}\n", BEGIN, END)
    sys.stdout.write(section(document) + "\n")


if __name__ == "__main__":
    app()
