"""Bodies of incident tools without what they say of people, for alerts.failed: no name or address is stored."""

from typing import Any

LEFT_OUT = "(left out)"
PEOPLE = frozenset(
    {
        *("agent", "assignee", "assignees", "assignments", "acknowledgers", "acknowledgements", "client", "user"),
        *("users", "userid", "username", "owner", "actor", "responder", "responders", "requester", "recipients"),
        *("caller_id", "opened_by", "resolved_by", "closed_by", "assigned_to", "sys_updated_by", "sys_created_by"),
        *("work_notes", "comments", "note", "watch_list"),
    }
)
"""Fields, in lower case, that are about people or hold what people wrote."""
KEPT = frozenset(
    {
        *("id", "type", "event_type", "resource_type", "occurred_at", "created_at", "updated_at", "resolved_at"),
        *("createdat", "updatedat", "action", "alertid", "incident_number", "number", "sys_id", "state"),
        *("incident_state", "status", "priority", "urgency", "severity", "opened_at", "sys_updated_on"),
        *("sys_created_on", "event_action", "escalationid"),
    }
)
"""Fields, in lower case, whose texts are kept: what happened to what, and when."""


def redact(value: Any) -> Any:
    """The same structure with the texts of KEPT only, and without PEOPLE; numbers, true and null stay.

    >>> redact({"event": {"id": "EV1", "agent": {"summary": "Kim Berg"}, "data": {"title": "call kim@example.net"}}})
    {'event': {'id': 'EV1', 'agent': '(left out)', 'data': {'title': '(left out)'}}}
    """
    if isinstance(value, dict):
        return {name: _field(str(name).casefold(), inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [redact(inner) for inner in value]
    return LEFT_OUT if isinstance(value, str) else value


def _field(name: str, value: Any) -> Any:
    if name in PEOPLE and value is not None:
        return LEFT_OUT
    return value if name in KEPT and isinstance(value, str) else redact(value)
