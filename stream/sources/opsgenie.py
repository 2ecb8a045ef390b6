"""Opsgenie's and Jira Service Management's webhooks, which have one form: one action on one alert a post."""

from typing import Any

from stream.sources.agents import IGNORED, NOBODY, RAISED, USER, AgentTable
from stream.sources.document import Document
from stream.sources.incident import IncidentOptions, Places, describe, or_defaults, pattern_of, time_of
from stream.sources.missing import MissingValues
from stream.sources.parsed import Act, BadRequest, Description, Named, Parsed, Raise, Unusable

SOURCE = "opsgenie"
DEFAULTS = IncidentOptions(
    team=("responder", "tag:team", "tag:owner", "detail:team", "detail:owner", "team_id", "tag:service"),
    rule=("detail:alertname", "title_pattern"),
    entity=("entity", "source", "alias"),
    severity=("priority",),
)
PLACES = (
    *("responder", "responder_id", "team_id", "tag:NAME", "detail:NAME"),
    *("entity", "source", "alias", "title_pattern", "priority"),
)
"""The places that options can name; a tag `team:payments` or `team=payments` stands at `tag:team`."""

_PEOPLE = frozenset({"web", "mobile", "ios", "android", "iphone", "phone", "sms", "email", "slack", "msteams", "user"})
_POLICIES = ("system", "policy", "rotation", "schedule", "escalation", "maintenance")
_POWERS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))  # from the first on it counts units of the second in a second


def read(document: Any, options: IncidentOptions, agents: AgentTable, received_at: float) -> Parsed:
    """What a post of Opsgenie or Jira Service Management says.

    An alert is raised at `alert.createdAt`; an act is of `alert.updatedAt`, else of when the body came. Both may count
    seconds, milliseconds, microseconds or nanoseconds.

    Args:
        document: the body, decoded.
        options: of this source.
        agents: who did it, by source.
        received_at: when the body came, seconds since 1970.

    Raises:
        BadRequest: 422, it is no such post.
    """
    options = or_defaults(options, DEFAULTS)
    body = Document(document, missing=MissingValues(options.missing))
    action = body.text("action")
    if action is None:
        raise BadRequest(
            422, "action", "there is no text `action`, which says what happened; send Opsgenie's body as it is"
        )
    if not body.inner("alert").fields:
        raise BadRequest(422, "alert", "there is no object `alert`; send Opsgenie's body as it is, with alert details")
    parsed = Parsed([])
    try:
        _read_action(body, action, options, agents, received_at, parsed)
    except Unusable as fault:
        parsed.refused.append(fault.refused(document))
    return parsed


def _read_action(
    body: Document, action: str, options: IncidentOptions, agents: AgentTable, received_at: float, parsed: Parsed
) -> None:
    alert, by = body.inner("alert"), _by(body)
    account = alert.text("username")
    decided = agents.decide(SOURCE, action, by, (account, alert.text("userId")) if by == USER else ())
    if decided is None:
        parsed.ignored.append("unknown_action")
        parsed.notes.append(f"`action` {action[:100]!r} is not known; it is counted and nothing else")
        return
    if decided.kind == IGNORED:
        parsed.ignored.append("not_an_act")
        return
    subject = Named(alert.id("alertId"))
    raised_at = _moment(alert.fields.get("createdAt"), received_at)
    description = None if raised_at is None else _describe(alert, options, raised_at)
    if decided.kind == RAISED:
        if description is None:
            raise Unusable(
                "alert.createdAt", "missing", "`alert.createdAt` is no time, as in the test of the integration's page"
            )
        parsed.items.append(Raise(subject, description))
        return
    at = _moment(alert.fields.get("updatedAt"), received_at)
    act = Act(
        subject=subject,
        at=at if at is not None else received_at,
        kind=decided.kind,
        agent=decided.agent,
        agent_why=decided.why,
        actor=(alert.text("userId") or account) if by == USER else None,
        until=_until(alert) if decided.kind == "snoozed" else None,
        alert=description,
    )
    parsed.items.append(act)


def _by(body: Document) -> str:
    """What did it: `user`, `policy` (a policy, rotation or the system), `integration`, or `none`."""
    source = (body.inner("source").text("type") or "").casefold()
    if any(word in source for word in _POLICIES):
        return "policy"
    if source in _PEOPLE or body.inner("alert").text("userId") is not None:
        return USER
    return "integration" if source else NOBODY


def _moment(value: Any, received_at: float) -> float | None:
    """Seconds since 1970 of a number of any unit, whichever its size tells."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e20:
        return time_of(value, received_at)
    unit = next((unit for power, unit in _POWERS if value >= power), 1.0)
    return time_of(value / unit, received_at, "epoch_seconds")


def _until(alert: Document) -> float | None:
    """The end of a snooze, which may lie in the future."""
    for name in ("snoozedUntil", "snoozeEndDate"):
        until = _moment(alert.fields.get(name), float("inf"))
        if until is not None:
            return until
    return None


def _describe(alert: Document, options: IncidentOptions, at: float) -> Description:
    title = alert.title("message")
    places = _places(alert, title[0])
    labels = {place.partition(":")[2]: text for place, text in places if place.startswith(("tag:", "detail:"))}
    return describe(places, options, at, title, labels)


def _places(alert: Document, title: str | None) -> Places:
    found: list[tuple[str, str | None]] = []
    for responder in alert.inners("responders"):
        if responder.text("type") == "team":
            found += [("responder", responder.text("name")), ("responder_id", responder.text("id"))]
    found += [("team_id", team) for team in alert.texts("teams")]
    for tag in alert.texts("tags"):
        name, sign, value = tag.partition("=" if "=" in tag else ":")
        found.append((f"tag:{name.strip()}", value.strip() if sign else "true"))
    details = alert.inner("details")
    found += [(f"detail:{name}", details.text(name)) for name in list(details.fields)[:200]]
    found += [(name, alert.text(name)) for name in ("entity", "source", "alias", "priority")]
    found.append(("title_pattern", pattern_of(title)))
    return [(place, text) for place, text in found if text]
