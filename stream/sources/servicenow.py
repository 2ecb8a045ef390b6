"""ServiceNow's incidents, as a business rule or flow posts them: one record, or many.

A record tells what an incident is now. What changed is known where the rule sends `changed`, a list of field names.
"""

import re
from typing import Any

from stream.core import limits
from stream.sources.agents import IGNORED, NOBODY, RAISED, USER, AgentTable
from stream.sources.document import Document
from stream.sources.incident import IncidentOptions, Places, describe, or_defaults, pattern_of, time_of
from stream.sources.missing import MissingValues
from stream.sources.parsed import Act, BadRequest, Description, Named, Parsed, Raise, Unusable

SOURCE = "servicenow"
STATES = {
    "1": "new",
    "2": "in progress",
    "3": "on hold",
    "6": "resolved",
    "7": "closed",
    "8": "canceled",
    "active": "in progress",
    "awaiting user info": "on hold",
    "awaiting problem": "on hold",
    "awaiting vendor": "on hold",
    "cancelled": "canceled",
    **{name: name for name in ("new", "in progress", "on hold", "resolved", "closed", "canceled")},
}
"""States by their numbers and their names in English, without regard to case."""
DEFAULTS = IncidentOptions(
    team=("assignment_group", "assignment_group_id", "service_offering", "business_service"),
    rule=("category",),
    entity=("cmdb_ci", "cmdb_ci_id", "business_service", "location", "caller_id"),
    severity=("priority", "severity", "urgency"),
    states=STATES,
)
MORE_MISSING = ("(empty)", "-- None --")

_FIELDS = ("assignment_group", "service_offering", "business_service", "cmdb_ci", "location", "caller_id")
_CHOICES = ("priority", "severity", "urgency")
_LABELS = ("contact_type", "impact", "urgency", "location")
PLACES = (*_FIELDS, "assignment_group_id", "cmdb_ci_id", "category", "title_pattern", *_CHOICES)
"""The places that options can name; of `category` the subcategory is a part."""
_SYS_ID = re.compile(r"[0-9a-f]{32}")
_NOTES = frozenset({"comments", "work_notes", "comments_and_work_notes"})


def read(document: Any, options: IncidentOptions, agents: AgentTable, received_at: float) -> Parsed:
    """What a post of ServiceNow says: a record, a list of them, or one under `records` or `result`.

    An alert is raised at `opened_at`, else `sys_created_on`; an act is of `sys_updated_on`, else of when the body came.

    Args:
        document: the body, decoded.
        options: of this source; `zone` is that of times without one, `states` those in another language.
        agents: who did it, by source.
        received_at: when the body came, seconds since 1970.

    Raises:
        BadRequest: 422, it holds no record; 413, it holds too many.
    """
    options = or_defaults(options, DEFAULTS)
    missing = MissingValues((*options.missing, *MORE_MISSING))
    parsed = Parsed([])
    for where, value in _records(document):
        record = Document(value, where, missing)
        try:
            _read_record(record, options, agents, received_at, parsed)
        except Unusable as fault:
            parsed.refused.append(fault.refused(value))
    return parsed


def _records(document: Any) -> list[tuple[str, Any]]:
    name, records = "", document
    if isinstance(document, dict):
        name = next((name for name in ("records", "result") if isinstance(document.get(name), list | dict)), "")
        records = document[name] if name else document
    if isinstance(records, dict):
        if "number" not in records and "sys_id" not in records:
            raise BadRequest(422, "number", "there is no `number`; send the incident's record, with number and state")
        return [(name, records)]
    if not isinstance(records, list) or not records:
        raise BadRequest(422, "", "the body is no incident's record; send an object with number, state and opened_at")
    if len(records) > limits.RECORDS:
        raise BadRequest(413, name, f"there are {len(records)} records, at most {limits.RECORDS} are read; send fewer")
    return [(f"{name}[{number}]", record) for number, record in enumerate(records)]


def _read_record(
    record: Document, options: IncidentOptions, agents: AgentTable, received_at: float, parsed: Parsed
) -> None:
    number = record.id("number")
    event = _event(record, options)
    account = _display(record, "sys_updated_by") or _display(record, "resolved_by") or _display(record, "closed_by")
    decided = agents.decide(SOURCE, event, USER if account else NOBODY, (account,))
    if decided is None or decided.kind == IGNORED:
        parsed.ignored.append("not_an_act")
        return
    alert = _describe(record, options, received_at)
    if decided.kind == RAISED:
        if alert is None:
            where = record.place("opened_at")
            raise Unusable(where, "missing", f"`{where}` is no time, and neither is `sys_created_on`")
        parsed.items.append(Raise(Named(number), alert))
        return
    at = _time(record, "sys_updated_on", options, received_at)
    if at is None:
        at = received_at
    update = record.text("sys_mod_count")
    act = Act(
        subject=Named(number),
        at=max(at, alert.at) if alert is not None else at,
        kind=decided.kind,
        agent=decided.agent,
        agent_why=decided.why,
        actor=account,
        action_id=f"{number}-{update}"[: limits.ID_LENGTH] if update else None,
        alert=alert,
    )
    parsed.items.append(act)


def _event(record: Document, options: IncidentOptions) -> str:
    """The state's name in English; or what else changed, where the record tells and its state did not."""
    changed = set(record.texts("changed"))
    if changed and not changed & {"state", "incident_state"}:
        if "assignment_group" in changed:
            return "reassigned"
        return "commented" if changed & _NOTES else "updated"
    if "reopen_count" in changed:
        return "reopened"
    said = []
    for name in ("state", "incident_state"):
        value, display = _both(record, name)
        for text in (value, display):
            if text is not None:
                said.append(text)
                if (state := options.states.get(text.casefold())) is not None:
                    return state
    where = record.place("state")
    if not said:
        raise Unusable(where, "missing", f"`{where}` is not there; it says what became of the incident")
    raise Unusable(
        where, "unknown_state", f"`{where}` {said[0][:100]!r} is not known; name it under `states` of the source"
    )


def _describe(record: Document, options: IncidentOptions, received_at: float) -> Description | None:
    at = _time(record, "opened_at", options, received_at)
    if at is None:
        at = _time(record, "sys_created_on", options, received_at)
    if at is None:
        return None
    title = record.title("short_description")
    labels = {name: _display(record, name) for name in _LABELS}
    return describe(_places(record, title[0]), options, at, title, labels)


def _places(record: Document, title: str | None) -> Places:
    found: list[tuple[str, str | None]] = []
    for name in _FIELDS:
        value, display = _both(record, name)
        if value is not None and _SYS_ID.fullmatch(value):
            found.append((f"{name}_id", value))
            value = None
        found.append((name, display or value))
    found += [(name, _display(record, name)) for name in _CHOICES]
    parts = [text for name in ("category", "subcategory") if (text := _display(record, name)) is not None]
    found += [("category", "/".join(parts)[: limits.NAME_LENGTH] or None), ("title_pattern", pattern_of(title))]
    return [(place, text) for place, text in found if text is not None]


def _time(record: Document, name: str, options: IncidentOptions, received_at: float) -> float | None:
    value, display = _both(record, name)
    return time_of(value or display, received_at, zone=options.zone)


def _both(record: Document, name: str) -> tuple[str | None, str | None]:
    """A field's raw value and what people see of it; plain fields are both in one, and count as the value."""
    inner = record.inner(name)
    if inner.fields:
        return inner.text("value"), inner.text("display_value")
    return record.text(name), None


def _display(record: Document, name: str) -> str | None:
    value, display = _both(record, name)
    return display or value
