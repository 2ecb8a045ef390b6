"""Alertmanager itself, alone or with a peer: alerts and silences made by its API."""

import json
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from stream.dev.process import LOOPBACK, ServerProcess, free_port

PROGRAMS = ("prometheus-alertmanager", "alertmanager")
CONFIG = """
route:
  receiver: people
  group_wait: 1s
  routes:
    - matchers: [severity = "info"]
      receiver: quiet
inhibit_rules:
  - source_matchers: [severity = "critical"]
    target_matchers: [severity = "warning"]
    equal: [job]
receivers:
  - name: people
  - name: quiet
"""
ANSWER_SECONDS = 60


class WebConfig(NamedTuple):
    """How Alertmanager itself is reached by TLS: its `--web.config.file`, and what its clients need."""

    text: str
    context: ssl.SSLContext
    headers: Mapping[str, str]


class AlertmanagerServer(ServerProcess):
    """One server on a port of its own, without a cluster. FileNotFoundError where it is not installed."""

    def __init__(
        self, config: str = CONFIG, folder: Path | None = None, prefix: str = "", web: WebConfig | None = None
    ) -> None:
        program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
        if program is None:
            raise FileNotFoundError("prometheus-alertmanager is not installed")
        self.port, self._prefix, self._web = free_port(), prefix, web
        arguments = [
            "--config.file=alertmanager.yml",
            "--storage.path=data",
            f"--web.listen-address={LOOPBACK}:{self.port}",
            f"--web.external-url={self.url}",
            "--cluster.listen-address=",
            *(["--web.config.file=web.yml"] if web is not None else []),
        ]
        super().__init__("alertmanager", [program, *arguments], ready=self._serves, folder=folder)
        (self.folder / "alertmanager.yml").write_text(config, encoding="utf-8")
        if web is not None:
            (self.folder / "web.yml").write_text(web.text, encoding="utf-8")

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'http' if self._web is None else 'https'}://{LOOPBACK}:{self.port}{self._prefix}"

    def fire(self, labels: Mapping[str, str], ago_seconds: float = 60.0) -> datetime:
        """Post an alert that fires since a while ago; returns its start."""
        start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=ago_seconds)
        self.post("alerts", [{"labels": dict(labels), "startsAt": start.isoformat()}])
        return start

    def resolve(self, labels: Mapping[str, str], start: datetime) -> None:
        """Post the alert's end, now."""
        end = datetime.now(UTC).isoformat()
        self.post("alerts", [{"labels": dict(labels), "startsAt": start.isoformat(), "endsAt": end}])

    def silence(self, matchers: Sequence[Mapping[str, Any]], creator: str, minutes: float, id: str = "") -> str:  # noqa: A002
        """Make a silence from now on, or change the one of this id; returns its id.

        Alertmanager replaces a silence instead of changing it where the start differs by a second.
        """
        now = datetime.now(UTC)
        body = {
            "id": id,
            "matchers": [{"isRegex": False, "isEqual": True, **matcher} for matcher in matchers],
            "startsAt": self.get(f"silence/{id}")["startsAt"] if id else now.isoformat(),
            "endsAt": (now + timedelta(minutes=minutes)).isoformat(),
            "createdBy": creator,
            "comment": "made by a test",
        }
        return str(self.post("silences", body)["silenceID"])

    def expire(self, silence: str) -> None:
        """End a silence now."""
        self._ask(urllib.request.Request(f"{self.url}/api/v2/silence/{silence}", method="DELETE"))

    def alerts(self) -> list[dict[str, Any]]:
        """What fires, as its API shows it, by fingerprint."""
        found: list[dict[str, Any]] = self.get("alerts")
        return sorted(found, key=lambda alert: str(alert["fingerprint"]))

    def get(self, path: str) -> Any:
        """What a path of its API shows."""
        return self._ask(urllib.request.Request(f"{self.url}/api/v2/{path}"))

    def post(self, path: str, body: Any) -> Any:
        """Post to its API; returns what it answers."""
        headers = {"Content-Type": "application/json"}
        return self._ask(urllib.request.Request(f"{self.url}/api/v2/{path}", json.dumps(body).encode(), headers))

    def _ask(self, request: urllib.request.Request) -> Any:
        try:
            with self._open(request, ANSWER_SECONDS) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.code}: {error.read().decode()}") from None
        return json.loads(text) if text else None

    def _serves(self) -> bool:
        try:
            with self._open(urllib.request.Request(f"{self.url}/-/ready"), 2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _open(self, request: urllib.request.Request, seconds: float) -> Any:
        if self._web is None:
            return urllib.request.urlopen(request, timeout=seconds)
        for name, text in self._web.headers.items():
            request.add_header(name, text)
        return urllib.request.urlopen(request, timeout=seconds, context=self._web.context)
