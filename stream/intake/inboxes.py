"""One inbox a source: what reads its bodies, finds its alerts, and checks who posts."""

import hashlib
from collections.abc import Callable, Mapping

from msgspec import Struct

from stream.intake.auth import Authenticator
from stream.intake.routes import ROUTES
from stream.sources.agents import AgentTable
from stream.sources.body import Body
from stream.sources.firing_store import FiringStore
from stream.sources.options import MAP, Sources
from stream.sources.parsed import Parsed
from stream.sources.pseudonyms import Pseudonyms
from stream.sources.readers import AGENTS_OF, find_reader, name_of
from stream.sources.resolve import Resolver


class Inbox(Struct, frozen=True, eq=False):
    """Everything that one source needs.

    Attributes:
        source: the route's source, such as `grafana` or `map/zabbix`.
        event_source: the name that its events carry.
        read: body and the time it came, to what it says; raises BadRequest.
        resolver: finds its alerts and teams.
        authenticator: checks who posts.
        answer_seconds: how long its sender waits.
        agents_source: the name of its table of who did it.
        is_worked: whether a resolve after an acknowledgement may mean that a person worked on the alert.
    """

    source: str
    event_source: str
    read: Callable[[Body, float], Parsed]
    resolver: Resolver
    authenticator: Authenticator
    answer_seconds: float
    agents_source: str
    is_worked: bool

    def delivery_of(self, parsed: Parsed, raw: bytes, signed: str | None) -> str | None:
        """The id by which a delivery is known again: a signed one, the body's own, or of our own form its hash."""
        if signed is not None or parsed.delivery is not None:
            return signed or parsed.delivery
        return hashlib.sha256(raw).hexdigest() if self.source == "events" else None


def source_names(sources: Sources) -> list[str]:
    """Every source that is served: those of the routes, and the mappings."""
    return [*(route.source for route in ROUTES if route.source != MAP), *sources.mappings]


def open_inboxes(
    sources: Sources,
    agents: AgentTable,
    pseudonyms: Pseudonyms,
    store: FiringStore,
    authenticators: Mapping[str, Authenticator],
) -> dict[str, Inbox]:
    """The inboxes of all sources by name; raises SettingsError for a source that nothing reads."""
    seconds = {route.source: route.answer_seconds for route in ROUTES}
    inboxes = {}
    for source in source_names(sources):
        event_source = name_of(sources, source)
        resolver = Resolver(event_source, sources.of(source), store, pseudonyms.maker(event_source))
        inboxes[source] = Inbox(
            source,
            event_source,
            find_reader(sources, source, agents),
            resolver,
            authenticators[source],
            seconds[MAP if source in sources.mappings else source],
            agents_source := AGENTS_OF.get(source, source),
            agents.worked_seconds(agents_source) > 0,
        )
    return inboxes
