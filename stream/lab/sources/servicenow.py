"""ServiceNow's exports: the incident table, and one row an update of an incident; mappings fitted to the columns."""

from collections.abc import Sequence

import msgspec

from stream.core.errors import LogError
from stream.lab.sources.mapping import ActionRule, ColumnRule, Defaults, Mapping, TimeRule
from stream.lab.sources.table import Table

_UPDATED = ("sys_updated_at", "sys_updated_on")
_TEXTS = {  # what each is, by the first of these columns that is there
    "team": ("assignment_group",),
    "entity": ("cmdb_ci", "business_service", "location", "caller_id"),
    "severity": ("priority", "severity"),
    "title": ("short_description",),
}
_LABELS = ("contact_type", "impact", "urgency", "location", "u_symptom")
_STATES = {"Resolved": "resolved", "Closed": "closed", "6": "resolved", "7": "closed"}
_AUTO_CLOSED = {"Closed": "auto_closed", "7": "auto_closed"}
_MACHINE = "system"  # the account of scheduled jobs
AUTOMATION = (  # accounts that are no people, as integrations are commonly named
    _MACHINE, "guest", "soap.guest", "maint", "*integration*", "*automation*", "svc[._-]*", "*[._-]svc", "*[._-]bot",
    "bot[._-]*", "mid[._]server*", "api[._-]*", "*[._-]api", "monitor", "*monitoring*",
)  # fmt: skip
_WORKED = {"Active": "worked", "In Progress": "worked", "2": "worked"}


def servicenow_mapping(table: Table, time: TimeRule, automation: Sequence[str] = AUTOMATION) -> Mapping:
    """The shipped mapping that fits the table, with the columns that it has.

    `automation` are patterns of accounts that are no people; case does not count.

    Raises:
        LogError: it is not an incident export; the column it lacks is named.
    """
    has = set(table.header)
    if {"documentkey", "fieldname"} <= has:
        raise LogError(
            f"{table.path}: is a sys_audit export, which names no team and no rule",
            f"export the incident table instead",
        )
    for column in ("number", "assignment_group", "category"):
        table.find(column, "an incident export")
    update = _first(has, _UPDATED) if has & {"incident_state", "sys_mod_count"} else None
    mapping = _updates(table, time, update) if update is not None else _incidents(table, time)
    return msgspec.structs.replace(mapping, automation=list(automation))


def _incidents(table: Table, time: TimeRule) -> Mapping:
    has = set(table.header)
    raised = _first(has, ("opened_at", "sys_created_on", "sys_created_at"))
    if raised is None:
        table.find("opened_at", "an incident export")
    actions = []
    if {"closed_at", "closed_by"} <= has:
        machine = {"closed_by": _MACHINE}
        actions.append(ActionRule(at="closed_at", kind="auto_closed", actor="closed_by", when=machine))
    actions += [
        ActionRule(at=at, kind=kind, actor=_first(has, (who,)))
        for at, kind, who in (
            ("work_start", "worked", "assigned_to"),
            ("resolved_at", "resolved", "resolved_by"),
            ("closed_at", "closed", "closed_by"),
        )
        if at in has
    ]
    return Mapping(form="alert", columns=_columns(has, raised or ""), time=time, defaults=_DEFAULTS, action=actions)


def _updates(table: Table, time: TimeRule, updated: str) -> Mapping:
    has = set(table.header)
    columns = msgspec.structs.replace(
        _columns(has, updated),
        raised_at=_first(has, ("opened_at", "sys_created_on", "sys_created_at")),
        update_id=_first(has, ("sys_mod_count",)),
        actor=_first(has, ("sys_updated_by",)),
    )
    state = _first(has, ("incident_state", "state"))
    actions = []
    if state and columns.actor:
        machine = {columns.actor: _MACHINE}
        actions.append(ActionRule(changed=state, kind_column=state, kinds=_AUTO_CLOSED, when=machine))
    if state:
        actions.append(ActionRule(changed=state, kind_column=state, kinds=_STATES))
    if "reassignment_count" in has:
        actions.append(ActionRule(changed="reassignment_count", kind="reassigned"))
    if state:
        actions.append(ActionRule(kind_column=state, kinds=_WORKED))
    actions.append(ActionRule(kind="commented"))
    return Mapping(form="update", columns=columns, time=time, defaults=_DEFAULTS, action=actions)


_DEFAULTS = Defaults(entity="unknown", rule="unknown", source="servicenow")


def _columns(has: set[str], at: str) -> ColumnRule:
    texts = {name: _first(has, columns) for name, columns in _TEXTS.items()}
    rule: list[str] = [column for column in ("category", "subcategory") if column in has]
    labels = {column: column for column in _LABELS if column in has}
    return ColumnRule(alert_id="number", at=at, rule=rule, labels=labels, **texts)


def _first(has: set[str], columns: tuple[str, ...]) -> str | None:
    return next((column for column in columns if column in has), None)
