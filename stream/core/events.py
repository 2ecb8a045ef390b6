"""What enters: `Raised`, `Acted`, `Tick`, and their one decoder.

Event time is float seconds since 1970-01-01T00:00:00Z everywhere inside; RFC 3339 text at the edges.
"""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from stream.core import limits
from stream.core.errors import BadRecord
from stream.core.kinds import AGENT_ENDING, Agent

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Id = Annotated[str, Meta(min_length=1, max_length=limits.ID_LENGTH)]
Text = Annotated[str, Meta(max_length=limits.NAME_LENGTH)]
LabelKey = Annotated[str, Meta(max_length=limits.LABEL_KEY_LENGTH)]
LabelValue = Annotated[str, Meta(max_length=limits.LABEL_VALUE_LENGTH)]
Labels = Annotated[dict[LabelKey, LabelValue], Meta(max_length=limits.LABELS)]
At = Annotated[datetime, Meta(tz=True)]
Kind = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=limits.NAME_LENGTH,
        extra_json_schema={"not": {"pattern": AGENT_ENDING.pattern}},  # checked by hand: a pattern costs each event
    ),
]


class Raised(Struct, frozen=True, tag_field="type", tag="raised", omit_defaults=True, gc=False):  # no cycles
    """One firing of an alert; `team` owns it when raised, `alert_id` is unique within the team."""

    at: At
    alert_id: Id
    team: Name
    rule: Name
    entity: Name
    severity: Text | None = None
    source: Text | None = None
    title: Annotated[str, Meta(max_length=limits.TITLE_LENGTH)] | None = None
    labels: Labels = {}


class Acted(Struct, frozen=True, tag_field="type", tag="acted", omit_defaults=True, gc=False):
    """Somebody or something acted on an alert; `team` is the owner when the alert was raised."""

    at: At
    alert_id: Id
    team: Name
    action_id: Id
    kind: Kind
    actor: Text | None = None
    agent: Agent | None = None  # who did it; None: nobody says
    reason: Annotated[str, Meta(max_length=limits.REASON_LENGTH)] | None = None
    until: At | None = None  # of a snooze


class Tick(Struct, frozen=True, tag_field="type", tag="tick", gc=False):
    """Time passed in a quiet partition, so that due expiries are folded."""

    at: At


Event = Raised | Acted | Tick

_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


def decode_event(value: bytes) -> Event:
    """Decode and validate one record value.

    Raises:
        BadRecord: reason `too_large`, `not_json`, `unknown_type`, `nul` or `bad_field`, with the field in the detail.
    """
    if len(value) > limits.EVENT_BYTES:
        raise BadRecord("too_large", f"{len(value)} bytes, at most {limits.EVENT_BYTES} are read")
    try:
        event: Event = _decoder.decode(value)
    except msgspec.ValidationError as error:
        detail = str(error)
        raise BadRecord("unknown_type" if detail.endswith("`$.type`") else "bad_field", detail) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord("not_json", str(error) or "nested too deep") from None
    if type(event) is Acted and "@" in event.kind and AGENT_ENDING.search(event.kind):
        raise BadRecord("bad_field", "`$.kind` ends in @person or @automation; give who did it as `agent`")
    if b"\\u0000" in value and _holds_nul(event):
        raise BadRecord("nul", "a text holds the character NUL, which no name may")
    return event


def encode_event(event: Event) -> bytes:
    """The event as one line of JSON, without the line end."""
    return _encoder.encode(event)


def seconds(at: datetime) -> float:
    """Event time in seconds since 1970-01-01T00:00:00Z."""
    return at.timestamp()


def moment(at: float) -> datetime:
    """The moment of `at` seconds since 1970-01-01T00:00:00Z, in UTC."""
    return datetime.fromtimestamp(at, UTC)


def check_time(at: float, recorded_at: float) -> None:
    """Hold event time against its record's timestamp (both seconds since 1970).

    Raises:
        BadRecord: reason `before_floor` or `beyond_skew`.
    """
    if at < limits.FLOOR_SECONDS:
        raise BadRecord("before_floor", f"`at` is {at:.0f} s from 1970, before {moment(limits.FLOOR_SECONDS):%Y-%m-%d}")
    if at > limits.CEILING_SECONDS:
        raise BadRecord("beyond_skew", f"`at` is {at:.0f} s from 1970, after {moment(limits.CEILING_SECONDS):%Y-%m-%d}")
    if at > recorded_at + limits.SKEW_SECONDS:
        ahead = at - recorded_at
        raise BadRecord(
            "beyond_skew",
            f"`at` is {ahead:.0f} s after its record was written, {limits.SKEW_SECONDS:.0f} s are allowed",
        )


def _holds_nul(event: Event) -> bool:
    return b"\\u0000" in _encoder.encode(event).replace(b"\\\\", b"")
