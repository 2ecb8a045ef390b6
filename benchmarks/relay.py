"""`python -m benchmarks.relay`: what passes the relay, beside Kafka, Redis, the scorer and Alertmanager on one machine.

Writes `benchmarks/results/relay.json` and the part of RESULTS.md between two marks.
"""

import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.machine import machine
from benchmarks.parts import put_part
from stream.dev.process import LOOPBACK
from tests.chaos.cluster import Cluster
from tests.relay.processes import RelayProcess, rfc3339
from tests.servers.alertmanager import AlertmanagerServer
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.prometheus import PrometheusServer
from tests.servers.redis import RedisServer

_HERE = Path(__file__).parent
BEGIN, END = "<!-- relay: written by python -m benchmarks.relay -->", "<!-- relay: end -->"
SENDERS, POST, RATE = 8, 64, 2_000  # Prometheus posts at most 64 alerts at a time
FIRING = 20_000  # alerts that are open, so that each is posted every ten seconds
BURST, ALLOWED_SECONDS = 10_000, 2.0
POLL_SECONDS = 0.1

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Load(Struct):
    """Alerts a second for some time, from some senders."""

    seconds: float
    alerts_per_second: float
    cpu_milliseconds_per_alert: float
    p50_milliseconds: float
    p99_milliseconds: float
    largest_milliseconds: float
    refused: int
    annotated: float
    memory_megabytes: list[float]  # of each sixth of the time, its peak


class Burst(Struct):
    """How long a Prometheus takes to post all alerts that begin to fire at once, in seconds, each try."""

    direct: list[float]
    relayed: list[float]


@app.command()
def main(
    seconds: Annotated[float, typer.Option(help="How long alerts are posted.")] = 120.0,
    tries: Annotated[int, typer.Option(help="How often a Prometheus posts all alerts at once, each way.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run that writes nothing.")] = False,
) -> None:
    """Measure a steady load and its memory, and 10,000 alerts of a real Prometheus at once, both ways."""
    load, burst = measure(6.0 if quick else seconds, 1 if quick else tries)
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "python -m benchmarks.relay",
        "machine": machine(),
        "load": msgspec.to_builtins(load),
        "burst": msgspec.to_builtins(burst),
    }
    text = markdown(document, load, burst)
    if not quick:
        (_HERE / "results" / "relay.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        put_part(_HERE / "RESULTS.md", text, BEGIN, END)
    sys.stdout.write(text)


def measure(seconds: float, tries: int) -> tuple[Load, Burst]:
    """Both measurements, on servers that stay."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as exits:
        kafka = exits.enter_context(ApacheKafka())
        redis = exits.enter_context(RedisServer("redis"))
        cluster = Cluster(kafka, redis, Path(folder), "bench")
        exits.callback(cluster.close)
        cluster.environment["NOISEGATE_MODEL_STORE"] = str(ROOT / "model_artifacts")
        cluster.start("scorer")
        load = measure_load(cluster, seconds)
        burst = Burst([], [])
        for number in range(tries):
            burst.direct.append(measure_burst(cluster, f"direct{number}", relayed=False))
            burst.relayed.append(measure_burst(cluster, f"relayed{number}", relayed=True))
        return load, burst


def measure_load(cluster: Cluster, seconds: float) -> Load:
    """Post from processes of their own."""
    with (
        AlertmanagerServer() as alertmanager,
        _relay(cluster, alertmanager) as relay,
        get_context("spawn").Pool(2) as pool,
    ):
        before, begun = _cpu(relay.pid), time.monotonic()
        half = SENDERS // 2
        sending = [pool.apply_async(_send, (relay.port, range(at, at + half), seconds)) for at in (0, half)]
        peaks = [0.0] * 6
        while not all(each.ready() for each in sending):
            part = min(5, int(6 * (time.monotonic() - begun) / seconds))
            peaks[part] = max(peaks[part], _resident_megabytes(relay.pid))
            time.sleep(0.1)
        found = [each.get() for each in sending]
        waits = sorted(wait for waits, _ in found for wait in waits)
        alerts = len(waits) * POST
        return Load(
            seconds,
            alerts / seconds,
            1000 * (_cpu(relay.pid) - before) / alerts,
            1000 * waits[len(waits) // 2],
            1000 * waits[int(0.99 * len(waits))],
            1000 * waits[-1],
            sum(refused for _, refused in found),
            relay.value("relay_alerts_annotated_total"),
            peaks,
        )


def measure_burst(cluster: Cluster, name: str, relayed: bool, count: int = BURST) -> float:
    """Seconds from the first post of a real Prometheus to when all `count` alerts of its rule are posted."""
    with ExitStack() as exits:
        alertmanager = exits.enter_context(AlertmanagerServer())
        relay = exits.enter_context(_relay(cluster, alertmanager)) if relayed else None
        exporter = exits.enter_context(_exporter(name, count))
        target = f"{LOOPBACK}:{relay.port if relay is not None else alertmanager.port}"
        prometheus = PrometheusServer(_prometheus_config(exporter.port, target))
        (prometheus.folder / "rules.yml").write_text(_RULES, encoding="utf-8")
        exits.enter_context(prometheus)
        begun: float | None = None
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            sent, waiting = _sent(prometheus.url)
            if begun is None and (sent or waiting):
                begun = time.monotonic()
            if begun is not None and sent >= count and not waiting:
                took = time.monotonic() - begun
                assert len(alertmanager.alerts()) == count
                return took
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"only {sent} alerts were posted")


def _sent(url: str) -> tuple[float, float]:
    """Alerts that a Prometheus has posted, and that it holds back."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text = "\n".join(line for line in answer.read().decode().splitlines() if "prometheus_notifications_" in line)
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def total(name: str) -> float:
        return sum(sample.value for sample in samples if sample.name == f"prometheus_notifications_{name}")

    assert not total("dropped_total")
    return total("sent_total"), total("queue_length")


def _relay(cluster: Cluster, alertmanager: AlertmanagerServer) -> RelayProcess:
    environment = {key: value for key, value in cluster.environment.items() if "METRICS_PORT" not in key}
    return RelayProcess([alertmanager.url], environment)


def _send(port: int, senders: range, seconds: float) -> tuple[list[float], int]:
    """The senders of one process, each a thread: times of posts that were answered 200, and how many were not."""
    waits: list[float] = []
    refused: list[int] = []
    threads = [Thread(target=_sender, args=(port, number, seconds, waits, refused)) for number in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits, len(refused)


def _sender(port: int, number: int, seconds: float, waits: list[float], refused: list[int]) -> None:
    """Post its share of the rate as a Prometheus does: one post after another, with the alerts whose turn it is."""
    connection = HTTPConnection(LOOPBACK, port)
    each, begun, posts = POST * SENDERS / RATE, time.monotonic() + number * POST / RATE, 0
    own = FIRING // SENDERS
    while (due := begun + posts * each) < begun + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        body = _body([f"h-{number}-{(posts * POST + at) % own}" for at in range(POST)], number)
        at = time.monotonic()
        connection.request("POST", "/api/v2/alerts", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            waits.append(time.monotonic() - at)
        else:
            refused.append(answer.status)
        posts += 1


def _body(instances: list[str], sender: int) -> bytes:
    """A post of Prometheus, about 550 bytes an alert."""
    now = time.time()
    return (
        "[" + ",".join(_ALERT % (rfc3339(now + 240), sender, one, sender, rfc3339(now - 60)) for one in instances) + "]"
    ).encode()


_ALERT = (
    '{"annotations":{"description":"The disk has been filling for an hour and will be full in two.","summary":"Disk'
    ' 91%% full"},"endsAt":"%s","generatorURL":"http://prometheus-%d:9090/graph?g0.expr=disk","labels":{"alertname":'
    '"DiskAlmostFull","device":"/dev/sda1","env":"prod","instance":"%s:9100","job":"node","mountpoint":"/var",'
    '"severity":"warning","team":"team-%d"},"startsAt":"%s"}'
)
_RULES = """
groups:
- name: bench
  interval: 1s
  rules:
  - alert: DiskAlmostFull
    expr: bench_full > 0
    labels: {severity: warning, env: prod}
    annotations: {summary: 'Disk of {{ $labels.instance }} is almost full', description: 'It will be full soon.'}
"""


def _prometheus_config(exporter: int, target: str) -> str:
    return f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{target}']}}]}}]}}
scrape_configs:
- {{job_name: disks, honor_labels: true, static_configs: [{{targets: ['{LOOPBACK}:{exporter}']}}]}}
"""


class _Exporter:
    """A target with as many full disks as alerts are to fire, from some seconds after its first scrape."""

    def __init__(self, name: str, count: int) -> None:
        quiet_until: list[float] = []
        series = [f'bench_full{{instance="{name}-{at}:9100",team="team-{at % 20}"}}' for at in range(count)]
        bodies = ["".join(f"{one} {value}\n" for one in series).encode() for value in (0, 1)]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the base class names it so
                if not quiet_until:
                    quiet_until.append(time.monotonic() + 8)  # Prometheus finds its Alertmanagers in this time
                body = bodies[time.monotonic() > quiet_until[0]]
                self.send_response(200)
                self.send_header("content-type", "text/plain")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                """Nothing is printed."""

        self.server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port


@contextmanager
def _exporter(name: str, count: int) -> Iterator[_Exporter]:
    exporter = _Exporter(name, count)
    Thread(target=exporter.server.serve_forever, daemon=True).start()
    yield exporter
    exporter.server.shutdown()
    exporter.server.server_close()


def _cpu(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0


def _resident_megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * 4_096 / 1e6


def markdown(document: dict[str, Any], load: Load, burst: Burst) -> str:
    """The part of RESULTS.md."""
    on = document["machine"]
    slower = statistics.median(relayed - direct for direct, relayed in zip(burst.direct, burst.relayed, strict=True))
    memory = ", ".join(f"{each:.0f}" for each in load.memory_megabytes)
    lines = [
        BEGIN,
        "## Relay",
        "",
        f"Written by `{document['command']}` on {document['date'][:10]}, with Apache Kafka, Redis, the scorer,"
        f" Alertmanager and the senders on the same {on['cores']} cores: {on['processor']},"
        f" {on['memory_gigabytes']} GB, {on['system']}. One relay process.",
        "",
        f"**{SENDERS} senders, posts of {POST} alerts**, {FIRING:,} alerts that fire, for {load.seconds:g} s; a post is"
        " answered once Alertmanager has it.",
        "",
        "| alerts/s | CPU ms/alert | p50, ms | p99, ms | largest, ms | refused | annotated"
        " | peak memory by sixths of the time, MB |",
        "|---:|---:|---:|---:|---:|---:|---:|---|",
        f"| {load.alerts_per_second:,.0f} | {load.cpu_milliseconds_per_alert:.3f} | {load.p50_milliseconds:.0f}"
        f" | {load.p99_milliseconds:.0f} | {load.largest_milliseconds:.0f} | {load.refused:,} | {load.annotated:,.0f}"
        f" | {memory} |",
        "",
        f"**{BURST:,} alerts of a real Prometheus at once**: seconds from its first post to its last.",
        "",
        "| to Alertmanager | to the relay | longer, median |",
        "|---|---|---:|",
        f"| {', '.join(f'{each:.1f}' for each in burst.direct)} | {', '.join(f'{each:.1f}' for each in burst.relayed)}"
        f" | {slower:.1f} |",
        "",
        f"Target: {RATE:,} alerts/s: {_reached(load.alerts_per_second >= 0.99 * RATE)}; {BURST:,} at once at most"
        f" {ALLOWED_SECONDS:g} s longer (the median try): {_reached(slower <= ALLOWED_SECONDS)}.",
        END,
        "",
    ]
    return "\n".join(lines)


def _reached(is_so: bool) -> str:
    return "reached" if is_so else "not reached"


if __name__ == "__main__":
    app()
