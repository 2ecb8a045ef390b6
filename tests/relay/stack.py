"""Everything at once, for real: Prometheus, two relays, two Alertmanagers, Kafka, Redis, the scorer, and receivers."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from stream.core.events import Acted, Event, Raised, decode_event
from stream.dev.process import LOOPBACK
from tests.chaos.cluster import Cluster
from tests.relay.processes import RelayProcess
from tests.servers.alertmanager import AlertmanagerServer
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.prometheus import PrometheusServer
from tests.servers.receiver import Receiver
from tests.servers.redis import RedisServer

RULE, TEAM = "DiskAlmostFull", "payments"
GROUP_WAIT = 6
RULES = f"""
groups:
- name: test
  interval: 1s
  rules:
  - alert: {RULE}
    expr: disk_used_ratio > 0.9
    labels: {{team: {TEAM}, severity: warning}}
    annotations: {{summary: 'Disk of {{{{ $labels.instance }}}} is almost full'}}
"""
TEMPLATE = (
    "{{ range .Alerts }}[{{ .Labels.instance }} {{ .Annotations.noisegate_probability }}:"
    " {{ .Annotations.noisegate_why }}]{{ end }}"
)


class Exporter:
    """A target that Prometheus scrapes: one disk an instance, full or not."""

    def __init__(self) -> None:
        self.full: dict[str, bool] = {}
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the base class names it so
                lines = [
                    f'disk_used_ratio{{instance="{name}"}} {0.95 if full else 0.1}\n'
                    for name, full in exporter.full.items()
                ]
                body = "".join(lines).encode()
                self.send_response(200)
                self.send_header("content-type", "text/plain")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                """Nothing is printed."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def alertmanager_config(receiver: str) -> str:
    """Slack, PagerDuty and Opsgenie, with our annotations in their texts."""
    return f"""
global: {{resolve_timeout: 5m}}
route:
  receiver: people
  group_by: [instance]
  group_wait: {GROUP_WAIT}s
  group_interval: 3s
  repeat_interval: 1h
receivers:
- name: people
  slack_configs:
  - api_url: {receiver}/slack
    channel: '#ops'
    send_resolved: true
    title: '{{{{ .Status }}}}'
    text: '{TEMPLATE}'
  pagerduty_configs:
  - url: {receiver}/pagerduty
    routing_key: 0123456789abcdef0123456789abcdef
    description: '{TEMPLATE}'
  opsgenie_configs:
  - api_url: {receiver}/opsgenie/
    api_key: 0123456789abcdef
    message: '{TEMPLATE}'
"""


def prometheus_config(exporter: int, *targets: str) -> str:
    """One target, and these Alertmanagers."""
    listed = ", ".join(f"'{target.removeprefix('http://')}'" for target in targets)
    return f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting:
  alertmanagers:
  - static_configs: [{{targets: [{listed}]}}]
scrape_configs:
- job_name: disks
  honor_labels: true
  static_configs: [{{targets: ['{LOOPBACK}:{exporter}']}}]
"""


class Stack:
    """All of it, running. `direct` is an Alertmanager that Prometheus posts to without a relay, to compare with."""

    def __init__(self, kafka: ApacheKafka, redis: RedisServer, folder: Path, name: str, exits: ExitStack) -> None:
        self.cluster = Cluster(kafka, redis, folder, name, partitions=2)
        exits.callback(self.cluster.close)
        self.cluster.environment["NOISEGATE_MODEL_STORE"] = str(ROOT / "model_artifacts")
        self.cluster.produce(history())
        self.cluster.start("scorer")
        self.receivers = [exits.enter_context(Receiver()) for _ in range(2)]
        self.alertmanagers = [
            exits.enter_context(AlertmanagerServer(alertmanager_config(one.url))) for one in self.receivers
        ]
        self.direct = exits.enter_context(AlertmanagerServer(alertmanager_config("http://127.0.0.1:9")))
        environment = {
            **{key: value for key, value in self.cluster.environment.items() if "METRICS_PORT" not in key},
            "NOISEGATE_RELAY_PAGE_URL": "https://noisegate.example/{team}/{alert_id}",
        }
        urls = [one.url for one in self.alertmanagers]
        self.relays = [exits.enter_context(RelayProcess(urls, environment)) for _ in range(2)]
        self.exporter = Exporter()
        exits.callback(self.exporter.close)
        config = prometheus_config(self.exporter.port, *(one.url for one in self.relays), self.direct.url)
        self.prometheus = PrometheusServer(config, more=["--rules.alert.resend-delay=8s"])
        (self.prometheus.folder / "rules.yml").write_text(RULES)
        exits.enter_context(self.prometheus)
        self.cluster.wait()

    def events(self, instance: str) -> list[Event]:
        """What the log holds of an instance's firings, in order."""
        found: list[Event] = []
        ids: set[str] = set()
        for _, _, value in self.cluster.records(self.cluster.settings.topics.events):
            event = decode_event(value)
            if isinstance(event, Raised) and event.entity == instance:
                ids.add(event.alert_id)
            if isinstance(event, Raised | Acted) and event.alert_id in ids:
                found.append(event)
        return found

    def notified(self, instance: str, path: str = "/slack", firing: bool = True) -> list[str]:
        """The texts that came to people about an instance, of both Alertmanagers."""
        found: list[str] = []
        for receiver in self.receivers:
            for one in receiver.of(path):
                text = one.body.decode()
                marks = {"/slack": '"title":"firing"', "/pagerduty": '"trigger"', "/opsgenie/v2/alerts": "alias"}
                is_firing = marks[path] in text
                if f"[{instance} " in text and is_firing == firing:
                    found.append(text)
        return found

    def alerts(self, instance: str) -> list[list[dict[str, Any]]]:
        """What fires of an instance, by Alertmanager; the direct one last."""
        servers = [*self.alertmanagers, self.direct]
        return [[one for one in server.alerts() if one["labels"]["instance"] == instance] for server in servers]


def history() -> Iterator[dict[str, object]]:
    """Sixty days in which the team acted on one alert of ten, so that its scores rest on evidence."""
    begin = datetime.now(UTC) - timedelta(days=60)
    for day in range(58):
        at = begin + timedelta(days=day)
        alert_id = f"H{day}"
        yield {
            "type": "raised",
            "at": stamp(at),
            "alert_id": alert_id,
            "team": TEAM,
            "rule": RULE,
            "entity": "db-1",
            "severity": "warning",
        }
        kind = "worked" if day % 10 == 0 else "resolved"
        at += timedelta(minutes=20)
        yield {
            "type": "acted",
            "at": stamp(at),
            "alert_id": alert_id,
            "team": TEAM,
            "action_id": f"{alert_id}-1",
            "kind": kind,
            "agent": "person",
        }


def stamp(at: datetime) -> str:
    """RFC 3339."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> float:
    """Seconds since 1970."""
    return time.time()
