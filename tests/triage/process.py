"""The page as a process of its own, what a browser asks it, and the deployment around it."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import redis

from stream.core.events import Acted, decode_event
from stream.dev.process import LOOPBACK, ServerProcess, accepts, free_port
from stream.redis_keys import KEPT_ACTS
from tests.chaos.cluster import Cluster
from tests.intake.bodies import group
from tests.intake.process import IntakeProcess
from tests.relay.stack import RULE, TEAM, history
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.redis import RedisServer


class TriageProcess(ServerProcess):
    """`noisegate run triage` on loopback, with these settings from the environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        settings = {"NOISEGATE_TRIAGE_PORT": str(self.port), "NOISEGATE_METRICS_PORT": str(self.metrics_port)}
        super().__init__(
            "the page",
            [sys.executable, "-m", "stream", "run", "triage"],
            ready=lambda: accepts(self.port) and accepts(self.metrics_port),
            environ={
                **{name: value for name, value in os.environ.items() if not name.startswith("NOISEGATE_")},
                "PYTHONPATH": str(ROOT),
                **environ,
                **settings,
            },
        )

    def stop(self, grace_seconds: float = 60.0) -> None:
        """SIGTERM: what was given is published first, if Kafka is there."""
        super().stop(grace_seconds)

    @property
    def url(self) -> str:
        """Where browsers find it."""
        return f"http://{LOOPBACK}:{self.port}"

    def get(self, path: str) -> httpx.Response:
        """One page or piece of data."""
        return httpx.get(f"{self.url}{path}", timeout=60)

    def rows(self, q: str) -> list[dict[str, Any]]:
        """The rows that match."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/api/rows", params={"q": q}, timeout=60).json()["rows"]
        return found

    def away(self) -> list[str]:
        """What the page says is away."""
        sentences: list[str] = self.get("/api/rows").json()["counts"]["away"]
        return sentences

    def post(self, path: str, body: object) -> httpx.Response:
        """A change, as the page's own script sends it."""
        headers = {"origin": self.url, "sec-fetch-site": "same-origin"}
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, timeout=60)


class Journey:
    """Intake, scorer and page of one deployment, with sixty days of history."""

    def __init__(self, cluster: Cluster, intake: IntakeProcess, environment: dict[str, str]) -> None:
        self.cluster, self.intake, self.environment = cluster, intake, environment

    def alert(self, instance: str) -> None:
        """Alertmanager's webhook posts a firing."""
        one: dict[str, Any] = {
            "status": "firing",
            "labels": {"alertname": RULE, "team": TEAM, "severity": "warning", "instance": instance},
            "annotations": {"summary": f"Disk of {instance} is almost full"},
            "startsAt": datetime.now(UTC).isoformat(),
            "endsAt": "0001-01-01T00:00:00Z",
        }
        answer = httpx.post(f"{self.intake.url}/v1/alertmanager", json=group(one), timeout=60)
        assert answer.is_success, answer.text

    def verdicts(self) -> list[Acted]:
        """The acts of the page in the log."""
        events = [decode_event(value) for _, _, value in self.cluster.records(self.cluster.settings.topics.events)]
        return [event for event in events if isinstance(event, Acted) and event.action_id.startswith("triage:")]

    def kept(self) -> int:
        """How many verdicts of the page are in Redis for the next process."""
        client: Any = redis.Redis.from_url(self.cluster.redis.url)
        with client:
            return int(client.hlen(KEPT_ACTS.name(deployment=self.cluster.settings.deployment)))


@contextmanager
def deployment(kafka: ApacheKafka, name: str, folder: Path) -> Iterator[Journey]:
    """A scorer and an intake on this Kafka and a Redis of their own, once the scorer has read its history."""
    with ExitStack() as exits:
        memory = exits.enter_context(RedisServer("redis", durable=True))
        cluster = Cluster(kafka, memory, folder, name, partitions=2)
        exits.callback(cluster.close)
        cluster.environment["NOISEGATE_MODEL_STORE"] = str(ROOT / "model_artifacts")
        cluster.produce(history())
        cluster.start("scorer")
        key = folder / "key"
        intake = exits.enter_context(IntakeProcess(kafka.bootstrap_servers, memory.url, name, key))
        environment = {each: value for each, value in cluster.environment.items() if "METRICS_PORT" not in each}
        environment |= {"NOISEGATE_PSEUDONYM_KEY": str(key), "NOISEGATE_TRIAGE_UNDO_SECONDS": "2"}
        cluster.wait()
        yield Journey(cluster, intake, environment)
