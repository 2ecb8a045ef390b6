"""PagerDuty's webhooks, version 3: one event of one incident a post.

Once a body is known to be such an event nothing in it refuses the post: three refused posts switch a subscription off.
What can't be used is reported in `Parsed.refused`, and types that nobody knows are ignored and counted.
"""

from typing import Any

from stream.sources.agents import IGNORED, NOBODY, RAISED, AgentTable, Decided
from stream.sources.document import Document
from stream.sources.incident import IncidentOptions, Places, describe, or_defaults, pattern_of, time_of
from stream.sources.missing import MissingValues
from stream.sources.parsed import Act, BadRequest, Description, Named, Parsed, Raise, Unusable

SOURCE = "pagerduty"
DEFAULTS = IncidentOptions(
    team=("team", "team_id", "service", "service_id", "escalation_policy", "escalation_policy_id"),
    rule=("title_pattern",),
    entity=("service", "service_id"),
    severity=("priority", "urgency"),
)
PLACES = (*DEFAULTS.team, "title_pattern", "incident_key", "incident_type", "priority", "urgency")
"""The places that options can name. A team's id stays when it is renamed, so `teams` may map ids to names."""

_RESOLVED, _MERGED = "incident.resolved", "incident.merged"
_V3 = "make a version 3 webhook subscription (Integrations, Generic Webhooks)"


def read(document: Any, options: IncidentOptions, agents: AgentTable, received_at: float) -> Parsed:
    """What a post of PagerDuty says.

    An alert is raised at its incident's `created_at`, else at the event's `occurred_at`; an act is of `occurred_at`.

    Args:
        document: the body, decoded.
        options: of this source.
        agents: who did it, by source.
        received_at: when the body came, seconds since 1970; the time of an act that has none.

    Raises:
        BadRequest: 422, it is no version 3 event; the sentence says what it is.
    """
    options = or_defaults(options, DEFAULTS)
    body = Document(document, missing=MissingValues(options.missing))
    event = body.inner("event")
    event_type = event.text("event_type")
    if event_type is None:
        raise _refusal(body)
    parsed = Parsed([], delivery=event.text("id"))
    try:
        _read_event(event, event_type, options, agents, received_at, parsed)
    except Unusable as fault:
        parsed.refused.append(fault.refused(document))
    return parsed


def _read_event(
    event: Document, event_type: str, options: IncidentOptions, agents: AgentTable, received_at: float, parsed: Parsed
) -> None:
    data, agent = event.inner("data"), event.inner("agent")
    by = (agent.text("type") or NOBODY).removesuffix("_reference")
    name = _MERGED if event_type == _RESOLVED and _is_merge(data) else event_type
    accounts = (agent.text("id"), agent.text("summary")) if by == "user" else ()
    decided = agents.decide(SOURCE, name, by, accounts)
    if decided is None or decided.kind == IGNORED:
        _ignore(parsed, event_type, decided)
        return
    at = time_of(event.fields.get("occurred_at"), received_at)
    whole = data.fields.get("type") == "incident" or not data.inner("incident").fields
    subject = Named((data if whole else data.inner("incident")).id("id"))
    alert = _describe(data, options, received_at, at) if whole else None
    if decided.kind == RAISED:
        if alert is None:
            raise Unusable("event.data", "bad_field", "`event.data` is no incident, of which its type speaks")
        parsed.items.append(Raise(subject, alert))
        return
    act = Act(
        subject=subject,
        at=at if at is not None else received_at,
        kind=decided.kind,
        agent=decided.agent,
        agent_why=decided.why,
        actor=agent.text("id") if by == "user" else None,
        action_id=event.text("id"),
        alert=alert,
    )
    parsed.items.append(act)


def _describe(
    data: Document, options: IncidentOptions, received_at: float, occurred_at: float | None
) -> Description | None:
    at = time_of(data.fields.get("created_at"), received_at)
    if at is None:
        at = occurred_at
    if at is None:
        return None
    service, policy = data.inner("service"), data.inner("escalation_policy")
    title = data.title("title")
    labels = {
        "service": service.text("summary"),
        "service_id": service.text("id"),
        "escalation_policy": policy.text("summary"),
        "urgency": data.text("urgency"),
        "incident_type": data.inner("incident_type").text("name"),
    }
    return describe(_places(data, title[0]), options, at, title, labels)


def _places(data: Document, title: str | None) -> Places:
    service, policy = data.inner("service"), data.inner("escalation_policy")
    found: list[tuple[str, str | None]] = []
    for team in data.inners("teams"):
        found += [("team", team.text("summary")), ("team_id", team.text("id"))]
    found += [
        ("service", service.text("summary")),
        ("service_id", service.text("id")),
        ("escalation_policy", policy.text("summary")),
        ("escalation_policy_id", policy.text("id")),
        ("title_pattern", pattern_of(title)),
        ("incident_key", data.text("incident_key")),
        ("incident_type", data.inner("incident_type").text("name")),
        ("priority", data.inner("priority").text("summary")),
        ("urgency", data.text("urgency")),
    ]
    return [(place, text) for place, text in found if text is not None]


def _is_merge(data: Document) -> bool:
    reason = data.inner("resolve_reason").text("type") or data.text("resolve_reason") or ""
    return reason.startswith("merge")


def _ignore(parsed: Parsed, event_type: str, decided: Decided | None) -> None:
    if decided is not None:
        parsed.ignored.append("ping" if event_type.startswith("pagey.") else "not_of_an_incident")
        return
    parsed.ignored.append("unknown_event_type")
    parsed.notes.append(f"`event.event_type` {event_type[:100]!r} is not known; it is counted and nothing else")


def _refusal(body: Document) -> BadRequest:
    fields = body.fields
    if "messages" in fields:
        return BadRequest(422, "messages", f"this is a version 2 webhook (`messages`), which is not read; {_V3}")
    if "event_action" in fields or "dedup_key" in fields:
        return BadRequest(
            422, "event_action", f"this is an event for PagerDuty's Events API v2, not a v3 webhook; {_V3}"
        )
    if "service_key" in fields:
        return BadRequest(
            422, "service_key", f"this is an event for PagerDuty's Events API v1, not a v3 webhook; {_V3}"
        )
    if not isinstance(fields.get("event"), dict):
        return BadRequest(422, "event", "there is no object `event`, which PagerDuty's v3 webhooks have; send it")
    return BadRequest(422, "event.event_type", "there is no text `event.event_type`, which says what happened; send it")
