"""The page as a process of its own, and what a browser asks it."""

import os
import sys
from collections.abc import Mapping
from typing import Any

import httpx

from stream.dev.process import LOOPBACK, ServerProcess, accepts, free_port
from tests.servers.kafka import ROOT


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
            deadline_seconds=30.0,
        )

    @property
    def url(self) -> str:
        """Where browsers find it."""
        return f"http://{LOOPBACK}:{self.port}"

    def get(self, path: str) -> httpx.Response:
        """One page or piece of data."""
        return httpx.get(f"{self.url}{path}", timeout=10)

    def rows(self, q: str) -> list[dict[str, Any]]:
        """The rows that match."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/api/rows", params={"q": q}, timeout=10).json()["rows"]
        return found

    def away(self) -> list[str]:
        """What the page says is away."""
        sentences: list[str] = self.get("/api/rows").json()["counts"]["away"]
        return sentences

    def post(self, path: str, body: object) -> httpx.Response:
        """A change, as the page's own script sends it."""
        headers = {"origin": self.url, "sec-fetch-site": "same-origin"}
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, timeout=10)
