"""A relay as a process, and alerts as Prometheus posts them."""

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from stream.dev.process import LOOPBACK, ServerProcess, free_port
from tests.servers.kafka import ROOT
from tests.servers.receiver import post_json


class RelayProcess(ServerProcess):
    """`noisegate run relay` on ports of its own; `environment` are its settings, all others have their defaults."""

    def __init__(self, alertmanagers: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("NOISEGATE_")}
        super().__init__(
            "relay",
            [sys.executable, "-m", "stream", "run", "relay"],
            ready=self._serves,
            environ={
                **inherited,
                "PYTHONPATH": str(ROOT),
                "NOISEGATE_RELAY_PORT": str(self.port),
                "NOISEGATE_METRICS_PORT": str(self.metrics_port),
                "NOISEGATE_RELAY_ALERTMANAGERS": ",".join(alertmanagers),
                **(environment or {}),
            },
        )

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{LOOPBACK}:{self.port}"

    def post(self, *alerts: Mapping[str, Any]) -> None:
        """Post alerts as Prometheus does."""
        post_json(f"{self.url}/api/v2/alerts", list(alerts))

    def value(self, name: str, **labels: str) -> float:
        """The value of a metric; 0 where it is not there."""
        for family in text_string_to_metric_families(self.get("/metrics")):
            for sample in family.samples:
                if sample.name == f"noisegate_{name}" and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return 0.0

    def get(self, path: str) -> str:
        """What its health server answers; with a status over 399, too."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.metrics_port}{path}", timeout=60) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def _serves(self) -> bool:
        try:
            return self.get("/readyz").startswith("ok")
        except OSError:
            return False


def alert(name: str = "DiskAlmostFull", minutes: float = 5.0, **labels: str) -> dict[str, Any]:
    """An alert as Prometheus posts it: it began now and ends in so many minutes unless it is posted again."""
    now = time.time()
    return {
        "annotations": {"summary": f"{name} on {labels.get('instance', 'db-7')}"},
        "startsAt": rfc3339(now),
        "endsAt": rfc3339(now + 60 * minutes),
        "generatorURL": "http://prometheus-0:9090/graph?g0.expr=up",
        "labels": {"alertname": name, "instance": "db-7:9100", "team": "payments", "severity": "warning", **labels},
    }


def resolved(of: Mapping[str, Any]) -> dict[str, Any]:
    """The alert, resolved now."""
    return {**of, "endsAt": rfc3339(time.time())}


def rfc3339(at: float) -> str:
    """A time as Go writes it."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1e9):09d}Z"
