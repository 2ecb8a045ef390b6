"""How a body is read, as a report: what `noisegate intake explain` shows."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from stream.sources.agents import AgentTable
from stream.sources.body import open_body
from stream.sources.decisions import Decision, Resolution
from stream.sources.firing_store import MemoryFiringStore
from stream.sources.options import Sources
from stream.sources.parsed import BadRequest
from stream.sources.readers import find_reader, name_of
from stream.sources.resolve import Resolver


class Explanation(Struct):
    """What became of a body.

    Attributes:
        resolution: what was decided; None where the whole body is refused.
        error: the sentence with which it is refused, its HTTP status and field; None where it is not.
    """

    resolution: Resolution | None = None
    error: BadRequest | None = None

    @property
    def is_understood(self) -> bool:
        """Whether anything of the body was read, be it as something that needs nothing."""
        return self.resolution is not None and bool(self.resolution.decisions or self.resolution.ignored)

    def as_dict(self) -> dict[str, Any]:
        """The report for machines."""
        if self.resolution is None:
            assert self.error is not None
            return {"error": str(self.error), "status": self.error.status, "field": self.error.field}
        found = self.resolution
        return {
            "events": [_event(decision) for decision in found.decisions],
            "refused": [{"where": one.where, "reason": one.reason, "detail": one.detail} for one in found.refused],
            "ignored": found.ignored,
            "notes": found.notes,
            "default_teams": found.default_teams,
        }


def explain(
    raw: bytes,
    headers: Mapping[str, str],
    source: str,
    sources: Sources,
    max_bytes: int,
    received_at: float,
    agents: AgentTable | None = None,
) -> Explanation:
    """How a body would be read by an intake that remembers nothing yet.

    Raises:
        SettingsError: there is no such source.
    """
    read = find_reader(sources, source, agents)
    resolver = Resolver(name_of(sources, source), sources.of(source), MemoryFiringStore(), lambda _: "(a pseudonym)")
    try:
        parsed = read(open_body(raw, headers, max_bytes), received_at)
    except BadRequest as error:
        return Explanation(error=error)
    return Explanation(resolver.resolve(parsed, received_at))


def _event(decision: Decision) -> dict[str, Any]:
    return {
        "event": decision.event,
        "duplicate": decision.duplicate,
        "team_why": decision.team_why,
        "id_why": decision.id_why,
        "agent_why": decision.agent_why,
        "cut": decision.cut,
    }
