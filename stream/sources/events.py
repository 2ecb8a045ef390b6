"""Our own form of events: one, a list, or one a line; in Kafka's form of `stream/core/events.py`, to the letter."""

import re

import msgspec
from msgspec import Raw

from stream.core import limits
from stream.core.errors import BadRecord
from stream.core.events import Acted, Raised, decode_event, seconds
from stream.core.kinds import RESERVED
from stream.sources.body import Body, decode_json, read_lines
from stream.sources.options import SourceOptions
from stream.sources.parsed import Act, BadRequest, Description, Named, Parsed, Raise, Refused
from stream.sources.times import BadTime, check_time

TEAM = "field:team"
_raws = msgspec.json.Decoder(list[Raw])
_AT = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")


def read(body: Body, options: SourceOptions, received_at: float) -> Parsed:
    """The events of a body. A team and an id are taken as they are: whoever writes this form knows them.

    Of several events those that can't be used are refused by themselves; ticks and reserved kinds always are.

    Raises:
        BadRequest: the body is not JSON, or its one event can't be used; the field is named.
    """
    parsed = Parsed([], notes=list(body.notes))
    if body.is_lines:
        for number, line in read_lines(body):
            add_event(parsed, line, f"line {number}", received_at)
        return parsed
    value = decode_json(body.text, takes_lines=True)
    if isinstance(value, list):
        if len(value) > limits.ITEMS:
            raise BadRequest(413, "", f"the body has {len(value)} events, at most {limits.ITEMS} are read; send fewer")
        for number, raw in enumerate(_raws.decode(body.text)):
            add_event(parsed, bytes(raw), f"[{number}]", received_at)
        return parsed
    if not isinstance(value, dict):
        raise BadRequest(422, "", "the body is neither an event nor a list of events; see the schema of alerts.events")
    if "type" not in value:
        raise BadRequest(
            422, "type", "`type` is missing: it says whether the event is raised or acted; send our own form"
        )
    add_event(parsed, body.text, "", received_at)
    refuse_alone(parsed)
    return parsed


def add_event(parsed: Parsed, value: bytes, where: str, received_at: float) -> None:
    """Add what one event's JSON says to `parsed`, or why it can't be used."""
    try:
        parsed.items.append(_item(value, received_at))
    except BadRecord as error:
        field, detail = _field(error)
        place = ".".join(part for part in (where, field) if part)
        parsed.refused.append(
            Refused(place, error.reason, f"`{place}`: {detail}" if place else detail, _as_json(value))
        )


def refuse_alone(parsed: Parsed) -> None:
    """Refuse the whole body where the one thing in it is refused.

    Raises:
        BadRequest: 422, with the field and the sentence of what was refused.
    """
    if parsed.refused and not parsed.items:
        refused = parsed.refused[0]
        raise BadRequest(422, refused.where, f"{refused.detail}; mend the event")


def _item(value: bytes, received_at: float) -> Raise | Act:
    event = decode_event(value)
    if not isinstance(event, Raised | Acted):
        raise BadRecord("tick", "a tick is written by the scorer only - at `$.type`")
    if isinstance(event, Acted) and event.kind in RESERVED:
        raise BadRecord("reserved_kind", f"kind {event.kind} is written by noisegate only - at `$.kind`")
    at = seconds(event.at)
    try:
        check_time(at, received_at)
    except BadTime as error:
        raise BadRecord(error.reason, f"{error} - at `$.at`") from None
    subject = Named(event.alert_id, event.team)
    if isinstance(event, Raised):
        return Raise(
            subject,
            Description(
                at=at,
                rule=event.rule,
                entity=event.entity,
                severity=event.severity,
                title=event.title,
                labels=event.labels,
                cut=bool(event.cut),
            ),
            event.source,
        )
    return Act(
        subject=subject,
        at=at,
        kind=event.kind,
        agent=event.agent,
        agent_why="the event's own field `agent`" if event.agent else "",
        actor=event.actor,
        action_id=event.action_id,
        reason=event.reason,
        until=seconds(event.until) if event.until is not None else None,
    )


def _field(error: BadRecord) -> tuple[str, str]:
    """The field that a decoder's detail names, and the detail without it."""
    detail = error.detail
    found = _AT.search(detail)
    inside = found[1] if found else ""
    if missing := _MISSING.search(detail):
        inside = ".".join(part for part in (inside, missing[1]) if part)
    return inside, _AT.sub("", detail)


def _as_json(value: bytes) -> bytes:
    return value[: limits.EVENT_BYTES]
