"""An intake as a process of its own, with its clients."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from stream.core.events import Event, decode_event
from stream.dev.process import LOOPBACK, ServerProcess, accepts, free_port
from tests.intake.rig import ROOT

PAGERDUTY_SECRET = "test-secret-not-real-1"


class IntakeProcess(ServerProcess):
    """`noisegate run intake` on loopback.

    Args:
        kafka: bootstrap servers.
        redis_url: of its memory.
        name: its deployment, and the beginning of its topics' names.
        key: the file of the pseudonyms' key.
        environ: more settings.
        port: where it listens; default: one that is free.
    """

    def __init__(
        self,
        kafka: str,
        redis_url: str,
        name: str,
        key: Path,
        environ: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.port, self.metrics_port = port or free_port(), free_port()
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "REDIS_URL": redis_url,
            "DEPLOYMENT": name,
            "EVENTS_TOPIC": f"{name}.events",
            "FAILED_TOPIC": f"{name}.failed",
            "SOURCES": str(ROOT / "deploy" / "sources.toml"),
            "PSEUDONYM_KEY": str(key),
            "INTAKE_PORT": str(self.port),
            "METRICS_PORT": str(self.metrics_port),
            **(environ or {}),
        }
        super().__init__(
            "the intake",
            [sys.executable, "-m", "stream", "run", "intake"],
            ready=lambda: accepts(self.port) and accepts(self.metrics_port),
            environ={
                **{name: value for name, value in os.environ.items() if not name.startswith("NOISEGATE_")},
                "PYTHONPATH": str(ROOT),
                **{f"NOISEGATE_{name}": value for name, value in settings.items()},
            },
        )

    @property
    def url(self) -> str:
        """Where senders post."""
        return f"http://{LOOPBACK}:{self.port}"

    def health(self, path: str) -> httpx.Response:
        """What /readyz, /livez or /metrics say."""
        return httpx.get(f"http://{LOOPBACK}:{self.metrics_port}{path}", timeout=60)

    def metric(self, line: str) -> float:
        """The value of a series, given as it stands on /metrics; 0 where there is none."""
        for each in self.health("/metrics").text.splitlines():
            if each.startswith(f"noisegate_{line} "):
                return float(each.rpartition(" ")[2])
        return 0.0

    def resident_bytes(self) -> int:
        """Its memory now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) * 1024


def decoded(values: list[bytes | None]) -> list[Event]:
    """The events of a topic."""
    return [decode_event(value) for value in values if value is not None]
