"""A sender of bodies to an intake: readers and resolvers over one memory, with a clock of the test's own."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from stream.core.events import Acted, Raised
from stream.sources.agents import AgentTable, load_agents
from stream.sources.body import open_body, read_headers
from stream.sources.decisions import Resolution
from stream.sources.firing_store import FiringStore, MemoryFiringStore
from stream.sources.options import Sources, load_sources
from stream.sources.readers import find_reader, name_of
from stream.sources.resolve import Resolver

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "sources.toml"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


@cache
def shipped_sources() -> Sources:
    """The sources of deploy/sources.toml."""
    return load_sources(SHIPPED)


@cache
def shipped_agents() -> AgentTable:
    """The tables of who did what, as shipped."""
    return load_agents()


class Sender:
    """Posts to one intake, which remembers what came before.

    Args:
        sources: how sources are read; default: as shipped.
        store: the intake's memory; default: one in memory.
        agents: who did what; default: as shipped.
    """

    def __init__(
        self, sources: Sources | None = None, store: FiringStore | None = None, agents: AgentTable | None = None
    ) -> None:
        self.sources = sources or shipped_sources()
        self._store = store if store is not None else MemoryFiringStore()
        self._read = cache(partial(find_reader, self.sources, agents=agents))
        self._resolvers: dict[str, Resolver] = {}

    def post(
        self,
        source: str,
        body: bytes | Any,
        headers: Mapping[str, str] | None = None,
        now: float = NOON,
        acknowledged: bool = True,
    ) -> Resolution:
        """What becomes of a body, bytes or a value that becomes JSON; BadRequest is raised as it is."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        parsed = self._read(source)(open_body(raw, read_headers((headers or {}).items())), now)
        resolution = self._resolver(source).resolve(parsed, now)
        if acknowledged:
            self._resolver(source).confirm(resolution, now)
        return resolution

    def _resolver(self, source: str) -> Resolver:
        if source not in self._resolvers:
            options = self.sources.of(source)
            self._resolvers[source] = Resolver(
                name_of(self.sources, source), options, self._store, lambda actor: f"p-{len(actor)}"
            )
        return self._resolvers[source]


def raised(resolution: Resolution) -> list[Raised]:
    """The alerts that are to be published."""
    events = (decision.event for decision in resolution.decisions if not decision.duplicate)
    return [event for event in events if isinstance(event, Raised)]


def acted(resolution: Resolution) -> list[Acted]:
    """The acts that are to be published."""
    events = (decision.event for decision in resolution.decisions if not decision.duplicate)
    return [event for event in events if isinstance(event, Acted)]


def duplicates(resolution: Resolution) -> int:
    """How many events are known already."""
    return sum(decision.duplicate for decision in resolution.decisions)


def alert(status: str = "firing", starts: str = "2026-11-24T10:00:00Z", **changes: Any) -> dict[str, Any]:
    """One alert of a group as Alertmanager posts it; `labels` is laid over the usual ones, None takes one out."""
    labels: dict[str, Any] = {
        "alertname": "DiskFull",
        "instance": "db-7:9100",
        "severity": "warning",
        "team": "payments",
    }
    labels.update(changes.pop("labels", {}))
    return {
        "status": status,
        "labels": {name: text for name, text in labels.items() if text is not None},
        "annotations": {"summary": "disk full"},
        "startsAt": starts,
        "endsAt": "0001-01-01T00:00:00Z",
        **changes,
    }


def group(*alerts: Any) -> dict[str, Any]:
    """A group of alerts as Alertmanager posts it."""
    return {"version": "4", "status": "firing", "receiver": "noisegate", "alerts": list(alerts)}


def at(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()
