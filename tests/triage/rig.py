"""The page put together in memory: the real room and application, with lists in place of Kafka, Redis and the store."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec

from stream.config import make_settings
from stream.core.events import Acted
from stream.core.problem import parse_problem
from stream.core.records import Push
from stream.metrics.triage import TriageMetrics
from stream.triage.app import TriageApp
from stream.triage.auth import Access, load_auth
from stream.triage.board import Record
from stream.triage.history import Level
from stream.triage.models import ModelsView
from stream.triage.places import Places
from stream.triage.room import TriageRoom
from stream.triage.standings import RuleData
from tests.triage.records import NOW

PROBLEM = """
name = "actionable"
question = "Will the owning team act on this alert within a day?"
[outcome]
actionable = ["worked", "remediated"]
noise = ["dismissed", "resolved"]
horizon_hours = 24
"""
ORIGIN = "http://127.0.0.1:9113"
LEVELS = [Level("this team", "acted on 31 of 400", "8 % acted on", [0, 1, 0], NOW - 60)]


class FakeHistory:
    """A `History` that holds one level, or a sentence."""

    def __init__(self, answer: list[Level] | str = LEVELS) -> None:
        self.answer = answer

    def read(self, team: str, rule: str, entity: str) -> list[Level] | str:
        """What it was given."""
        return self.answer


class FakeModels:
    """A `Models` without a model but a report, and with `answer` of what pushed a score."""

    def __init__(self) -> None:
        self.answer: list[Push] | str = [Push("entity", -1.8), Push("hour", 0.4)]

    def read(self) -> ModelsView:
        """Nothing."""
        return ModelsView(models=[])

    def report(self, version: str) -> bytes | None:
        """One page."""
        return b"<h1>report</h1>" if version == "2026-03-01-a1b2c3d4" else None

    def pushes(self, version: str, features: bytes) -> list[Push] | str:
        """What it was given."""
        return self.answer


class FakeRules:
    """A `Rules` that holds what a test gives it."""

    def __init__(self) -> None:
        self.data = RuleData()

    def read(self) -> RuleData:
        """What it was given."""
        return self.data


class Rig:
    """One page with a clock of its own; `published` holds what went to Kafka, which `is_away` keeps it from."""

    def __init__(self, auth: Path | None = None, host: str = "127.0.0.1", **settings: Any) -> None:
        self.now = NOW + 1.0
        self.published: list[Acted] = []
        self.is_away = False
        self.address = "127.0.0.1"
        self.settings = make_settings(**settings)
        self.problem = parse_problem(PROBLEM)
        self.history = FakeHistory()
        self.room = TriageRoom(
            self.settings.triage,
            self.problem.outcome.deciding("person"),
            self.settings.severities,
            self._publish,
            TriageMetrics(),
            lambda: self.now,
            retry_seconds=0.0,
        )
        self.models = FakeModels()
        self.rules = FakeRules()
        places = Places(self.room, self.problem, self.history, self.models, self.rules)
        self.access = Access(load_auth(auth), host)
        self.app = TriageApp(self.room, places, self.access, lambda name: f"p-{name}").make()

    def take(self, *records: Record) -> None:
        """Take records in, and show them."""
        self.room.take(records)
        self.room.board.flush(self.now)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """What the page answers to a browser that asks for an address."""
        return self.send("GET", path, headers)

    def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        """What the page answers to a change that its own script asks for; `_` in a header's name is a dash."""
        own = {"origin": ORIGIN, "sec-fetch-site": "same-origin", "content-type": "application/json"}
        return self.send("POST", path, own | headers, msgspec.json.encode(body))

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> httpx.Response:
        """The answer to one request."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(self.address, 50_000))
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
                return await client.request(method, path, headers=named, content=body)

        return asyncio.run(ask())

    def tick(self, seconds: float = 0.0) -> None:
        """Let time pass, and the room do one round."""

        async def run() -> None:
            self.room.tick()
            if (publishing := self.room.publishing) is not None:
                await publishing

        self.now += seconds
        asyncio.run(run())

    async def _publish(self, acts: Sequence[Acted]) -> Sequence[Acted]:
        if self.is_away:
            return acts
        self.published += acts
        return []
