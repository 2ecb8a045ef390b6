"""An intake in this process: real routes, readers and resolvers, with a publisher and a memory by hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from stream.config import IntakeSettings, make_settings
from stream.core.events import Event, decode_event
from stream.intake.app import make_app
from stream.intake.auth import Authenticator, AuthOptions
from stream.intake.inboxes import Inbox, open_inboxes, source_names
from stream.intake.post import Outside, PostHandler, Topics
from stream.intake.resolving import ResolverThread
from stream.kafka.records import Output, Part
from stream.metrics.intake import IntakeMetrics
from stream.sources.agents import AgentTable
from stream.sources.expiring_store import ExpiringStore, MemoryExpiringStore
from stream.sources.firing_store import FiringsAway, FiringStore, MemoryFiringStore, Swap
from stream.sources.memory_switch import MemorySwitch, SwitchedExpiringStore, SwitchedFiringStore
from stream.sources.options import Sources
from stream.sources.pseudonyms import Pseudonyms
from stream.sources.readers import with_automation
from tests.sources.sender import shipped_agents, shipped_sources

EVENTS, FAILED = "alerts.events", "alerts.failed"
ROOT = Path(__file__).parents[2]
NOW = 1_795_600_000.0  # 2026-11-25T09:46:40Z


class MemoryPublisher:
    """`RecordPublisher` that keeps its records: each meets `fault`; while `held` none is acknowledged."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.fault: Exception | None = None
        self.held = False
        self.reached = asyncio.Event()
        self.pending: list[Future[tuple[Part, int]]] = []

    @property
    def waiting(self) -> int:
        """How many are held."""
        return len(self.pending)

    def publish(self, output: Output) -> "Future[tuple[Part, int]]":
        """Keep it, and acknowledge it unless something is in the way."""
        future: Future[tuple[Part, int]] = Future()
        if self.fault is not None:
            future.set_exception(self.fault)
            return future
        self.outputs.append(output)
        if self.held:
            self.pending.append(future)
            self.reached.set()
        else:
            future.set_result((Part(output.topic, 0), len(self.outputs)))
        return future

    def acknowledge(self) -> None:
        """Acknowledge what is held."""
        pending, self.pending = self.pending, []
        for future in pending:
            future.set_result((Part(EVENTS, 0), 0))

    @property
    def events(self) -> list[Event]:
        """The events that were published."""
        return [decode_event(output.value) for output in self.outputs if output.topic == EVENTS]

    @property
    def failed(self) -> list[dict[str, str]]:
        """The headers of the dead letters."""
        letters = [output for output in self.outputs if output.topic == FAILED]
        return [{name: value.decode() for name, value in output.headers or []} for output in letters]


class AbsentFiringStore:
    """A `FiringStore` that is away while `away`, else another's."""

    def __init__(self, store: FiringStore) -> None:
        self._store = store
        self.away = True
        self.calls = 0

    def read(self, keys: Sequence[str]) -> list[bytes]:
        """See `FiringStore`."""
        self._check()
        return self._store.read(keys)

    def swap(self, swaps: Sequence[Swap]) -> list[bool]:
        """See `FiringStore`."""
        self._check()
        return self._store.swap(swaps)

    def _check(self) -> None:
        self.calls += 1
        if self.away:
            raise FiringsAway("the memory of firings can't be used; see Redis")


class Clock:
    """A clock that a test moves."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time that the test set."""
        return self.now


class Rig:
    """One intake and its client."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        handler: PostHandler,
        publisher: MemoryPublisher,
        metrics: IntakeMetrics,
        switch: MemorySwitch,
        app: Any,
        inboxes: Mapping[str, Inbox],
        agents: AgentTable,
    ) -> None:
        self.client, self.handler, self.publisher, self.metrics = client, handler, publisher, metrics
        self.switch, self.app, self.inboxes, self.agents = switch, app, inboxes, agents

    async def post(self, source: str, body: Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Post bytes, or anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post(
            f"/v1/{source}", content=content, headers={"content-type": "application/json", **(headers or {})}
        )

    def value(self, name: str, **labels: str) -> float:
        """A metric's value; 0 where it is not there."""
        return self.metrics.registry.get_sample_value(f"noisegate_{name}", labels) or 0.0


@asynccontextmanager
async def rig(
    *,
    auth: Mapping[str, AuthOptions] | None = None,
    store: FiringStore | None = None,
    memory: ExpiringStore | None = None,
    sources: Sources | None = None,
    clock: Clock | None = None,
    steady: Clock | None = None,
    read_seconds: float = 5.0,
    **settings: Any,
) -> AsyncIterator[Rig]:
    """An intake on loopback; `settings` are those of the intake, `steady` the clock of its switch."""
    intake: IntakeSettings = make_settings(**{f"intake_{name}": value for name, value in settings.items()}).intake
    sources = sources or shipped_sources()
    metrics, publisher, clock = IntakeMetrics(), MemoryPublisher(), clock or Clock()
    switch = MemorySwitch(metrics.memory_up, steady or Clock(0.0))
    agents = with_automation(shipped_agents(), sources)
    authenticators = {name: Authenticator(name, (auth or {}).get(name), is_open=True) for name in source_names(sources)}
    inboxes = open_inboxes(
        sources,
        agents,
        Pseudonyms(bytes(32)),
        SwitchedFiringStore(store or MemoryFiringStore(), switch),
        authenticators,
    )
    resolving = ResolverThread(clock)
    try:
        outside = Outside(
            publisher,
            Topics(EVENTS, FAILED),
            resolving,
            SwitchedExpiringStore(memory or MemoryExpiringStore(), switch),
            agents,
        )
        handler = PostHandler(intake, outside, metrics, clock, read_seconds)
        app = make_app(handler, inboxes, metrics)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://intake") as client:
            yield Rig(client, handler, publisher, metrics, switch, app, inboxes, agents)
    finally:
        await asyncio.to_thread(resolving.close)
