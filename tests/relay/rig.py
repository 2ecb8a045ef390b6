"""A relay's room on fakes for Kafka, Redis and the Alertmanagers, with a clock that tests move."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from stream.config import make_settings
from stream.core.errors import KafkaAway
from stream.core.events import Acted, Event, Raised, decode_event
from stream.kafka.records import Output, Part
from stream.metrics.relay import RelayMetrics
from stream.relay.annotate import Scores
from stream.relay.events import EventReader
from stream.relay.failed import DeadLetters
from stream.relay.firings import FiringTable
from stream.relay.labeller import Labeller, LabelSettings
from stream.relay.labels import Claims
from stream.relay.registrar import Registrar
from stream.relay.room import RelayRoom
from stream.relay.route_check import RouteCheck
from stream.relay.upstream import Reply
from stream.sources.firing_store import FiringsAway, MemoryFiringStore, Swap
from stream.sources.options import DEFAULTS
from tests.relay.processes import rfc3339

CLAIM_SECONDS, RETRY_SECONDS, SWEEP_SECONDS = 0.3, 0.05, 0.02
WAIT_SECONDS = 30.0  # for a decision; whoever does not wait is there long before


class MemoryPublisher:
    """Takes records at once; while `away`, none."""

    def __init__(self) -> None:
        self.away = False
        self.outputs: list[Output] = []

    def publish(self, output: Output) -> "Future[tuple[Part, int]]":
        """A future that is done."""
        future: Future[tuple[Part, int]] = Future()
        if self.away:
            future.set_exception(KafkaAway("Kafka did not acknowledge a record", "try again later"))
        else:
            self.outputs.append(output)
            future.set_result((Part(output.topic, 0), len(self.outputs)))
        return future

    @property
    def events(self) -> list[Event]:
        """What was published."""
        return [decode_event(output.value) for output in list(self.outputs) if output.topic == "alerts.events"]

    @property
    def failed(self) -> list[tuple[dict[str, str], bytes]]:
        """The dead letters, each with its headers."""
        letters = [output for output in self.outputs if output.topic == "alerts.failed"]
        return [({name: text.decode() for name, text in one.headers or ()}, one.value) for one in letters]

    @property
    def raised(self) -> list[Raised]:
        """The raised events."""
        return [event for event in self.events if isinstance(event, Raised)]

    @property
    def ended(self) -> list[Acted]:
        """The ends."""
        return [event for event in self.events if isinstance(event, Acted) and event.kind == "ended"]


class SharedStore(MemoryFiringStore):
    """Firings in memory, shared by the rigs of a test.

    Attributes:
        away: every call fails.
        answering: while it is not set, no call returns.
    """

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.answering = threading.Event()
        self.answering.set()

    def read(self, keys: Sequence[str]) -> list[bytes]:
        """As in memory."""
        self._check()
        return super().read(keys)

    def swap(self, swaps: Sequence[Swap]) -> list[bool]:
        """As in memory."""
        self._check()
        return super().swap(swaps)

    def _check(self) -> None:
        assert self.answering.wait(60)
        if self.away:
            raise FiringsAway("the memory of firings can't be used")


class MemoryUpstream:
    """Alertmanagers that take every post; `hold` makes the next ones wait until it is set."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.reply = Reply(200)
        self.hold: asyncio.Event | None = None
        self.on_post: Callable[[bytes], None] = lambda body: None

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Take a post."""
        self.bodies.append(body)
        self.headers.append(dict(headers or {}))
        self.on_post(body)
        if self.hold is not None:
            await self.hold.wait()
        return self.reply

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """Every alert of every post, in order."""
        return [alert for body in self.bodies for alert in json.loads(body)]


class Rig:
    """One relay's room."""

    def __init__(
        self,
        store: SharedStore,
        publisher: MemoryPublisher,
        labels: bool,
        name: str,
        page_url: str,
        upstream: MemoryUpstream,
        wait_seconds: float,
    ) -> None:
        self.ahead = 0.0  # seconds of this relay's clock, before the machine's
        self.store, self.publisher, self.upstream = store, publisher, upstream
        self.metrics = RelayMetrics()
        self.thread = ThreadPoolExecutor(1)
        self.table = FiringTable(300.0, 1_000)
        events = EventReader(DEFAULTS["alertmanager"], store)
        letters = DeadLetters(publisher, "alerts.failed", "/api/v2/alerts", self.clock, RETRY_SECONDS)
        registrar = Registrar(
            self.table,
            events,
            store,
            publisher,
            "alerts.events",
            letters,
            name,
            self.metrics,
            self.thread,
            self.clock,
            CLAIM_SECONDS,
            RETRY_SECONDS,
        )
        settings = LabelSettings(labels, wait_seconds)

        async def post(alerts: Sequence[tuple[str, bytes]]) -> int:
            return await self.room.post(alerts)

        self.labeller = Labeller(
            settings, self.table, registrar, Claims(store), self.thread, post, self.metrics, self.clock
        )
        self.labeller.checks = {"am": RouteCheck(frozenset({"paused", "closed"}))}
        self.labeller.decisions_come = lambda: True
        self.registrar = registrar
        behind: Any = upstream
        relay = make_settings(relay_page_url=page_url).relay
        self.room = RelayRoom(
            behind,
            self.table,
            Scores(1_000),
            registrar,
            self.labeller,
            letters,
            relay,
            self.metrics,
            self.clock,
            SWEEP_SECONDS,
        )

    def clock(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.ahead

    async def post(self, *alerts: Mapping[str, Any]) -> Reply:
        """Post alerts."""
        return await self.room.forward(json.dumps(alerts).encode(), "127.0.0.1", {})

    def alert(self, name: str = "Down", age: float = 0.0, endless: bool = False, **labels: str) -> dict[str, Any]:
        """An alert that began `age` seconds ago; `endless`: it names no end."""
        now = self.clock()
        ends = {} if endless else {"endsAt": rfc3339(now + 240)}
        return {
            "labels": {"alertname": name, "team": "payments", **labels},
            "startsAt": rfc3339(now - age),
            **ends,
            "generatorURL": "http://prometheus-0:9090/graph",
        }

    def resolved(self, alert: Mapping[str, Any]) -> dict[str, Any]:
        """The alert, resolved now."""
        return {**alert, "endsAt": rfc3339(self.clock())}

    def value(self, name: str, **labels: str) -> float:
        """The value of a metric."""
        return self.metrics.registry.get_sample_value(f"noisegate_{name}", labels) or 0.0


@asynccontextmanager
async def running(
    store: SharedStore | None = None,
    publisher: MemoryPublisher | None = None,
    labels: bool = False,
    name: str = "one",
    page_url: str = "",
    upstream: MemoryUpstream | None = None,
    wait_seconds: float = WAIT_SECONDS,
) -> AsyncIterator[Rig]:
    """A relay's room at work."""
    upstream = upstream or MemoryUpstream()
    rig = Rig(store or SharedStore(), publisher or MemoryPublisher(), labels, name, page_url, upstream, wait_seconds)
    task = asyncio.create_task(rig.room.run())
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        rig.store.answering.set()
        rig.thread.shutdown()
