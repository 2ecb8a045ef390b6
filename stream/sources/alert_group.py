"""A group of alerts with labels, the form that Alertmanager made and Grafana took over."""

from collections.abc import Callable, Mapping
from typing import Any

from stream.core import limits
from stream.sources.agents import IGNORED, RAISED, Decided
from stream.sources.labels import LabelReader, Labels
from stream.sources.options import SourceOptions
from stream.sources.parsed import Act, BadRequest, Description, Firing, Parsed, Raise, Refused, Unusable
from stream.sources.texts import as_json
from stream.sources.times import BadTime, check_time, read_time

Adapt = Callable[[Mapping[str, Any], Labels, Mapping[str, Any], Description], Description | str]
"""What a source makes of an alert: its description, or the short name by which the alert is ignored."""


RESOLVED = "resolved"
"""The status of what is over, and by this name an event of the source's table of who did it."""


def read_group(
    group: Mapping[str, Any],
    options: SourceOptions,
    received_at: float,
    resolved: Decided | None,
    adapt: Adapt | None = None,
) -> Parsed:
    """Everything that a group's `alerts` say; each by its own status, whatever the group's is.

    Args:
        group: the body.
        options: of the source.
        received_at: when the body came, seconds since 1970; the end of what ended without a time.
        resolved: what the source's table says of what is resolved; None or `ignored`: nothing, it is counted.
        adapt: what the source makes of an alert.
    """
    alerts = group["alerts"]
    if len(alerts) > limits.ITEMS:
        raise BadRequest(
            413, "alerts", f"`alerts` has {len(alerts)} entries, at most {limits.ITEMS} are read; send fewer"
        )
    reader = LabelReader(options)
    parsed = Parsed([])
    for number, alert in enumerate(alerts):
        where = f"alerts[{number}]"
        try:
            item = _item(alert, reader, options, received_at, resolved, adapt)
        except Unusable as fault:
            field = f"{where}.{fault.where}" if fault.where else where
            parsed.refused.append(Refused(field, fault.reason, fault.detail, as_json(alert)))
            continue
        if isinstance(item, str):
            parsed.ignored.append(item)
            continue
        what, left_out = item
        parsed.items.append(what)
        if left_out and len(parsed.notes) < limits.NOTES:
            parsed.notes.append(f"{where}: {left_out}")
    truncated = group.get("truncatedAlerts")
    if isinstance(truncated, int) and truncated > 0:
        parsed.notes.append(f"{truncated} alerts of the group were not sent; raise the receiver's max_alerts")
    if not alerts:
        parsed.ignored.append("no_alerts")
    return parsed


def _item(
    alert: Any,
    reader: LabelReader,
    options: SourceOptions,
    received_at: float,
    resolved: Decided | None,
    adapt: Adapt | None,
) -> tuple[Raise | Act, str] | str:
    if not isinstance(alert, dict):
        raise Unusable("", "bad_field", "it is no object")
    status = alert.get("status")
    if status not in ("firing", RESOLVED):
        raise Unusable("status", "bad_field", f"{str(status)[:40]!r} is neither firing nor resolved")
    labels = reader.read(_table(alert, "labels"))
    if not labels.whole:
        raise Unusable("labels", "no_labels", "there are no labels, so nothing tells this alert from others")
    annotations = _table(alert, "annotations")
    starts_at = _starts_at(alert, options, received_at)
    description = reader.describe(labels, annotations, starts_at)
    if adapt is not None:
        adapted = adapt(alert, labels, annotations, description)
        if isinstance(adapted, str):
            return adapted
        description = adapted
    firing = Firing(labels.whole, starts_at)
    if status == "firing":
        return Raise(firing, description), labels.left_out
    if resolved is None or resolved.kind in (RAISED, IGNORED):
        return RESOLVED
    at = _ends_at(alert, options, received_at, starts_at)
    act = Act(
        subject=firing,
        at=at,
        kind=resolved.kind,
        agent=resolved.agent,
        agent_why=resolved.why,
        alert=description,
        ends=True,
    )
    return act, labels.left_out


def _table(alert: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = alert.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unusable(name, "bad_field", "it is no object of names and texts")
    return value


def _starts_at(alert: Mapping[str, Any], options: SourceOptions, received_at: float) -> float:
    try:
        return check_time(read_time(alert.get("startsAt"), zone=options.zone), received_at)
    except BadTime as error:
        raise Unusable("startsAt", error.reason, str(error)) from None


def _ends_at(alert: Mapping[str, Any], options: SourceOptions, received_at: float, starts_at: float) -> float:
    """When it ended: as said, but not before it began; when the body came where nothing usable is said."""
    try:
        at = check_time(read_time(alert.get("endsAt"), zone=options.zone), received_at)
    except BadTime:
        at = received_at
    return max(at, starts_at)
