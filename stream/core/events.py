"""What enters: `Raised`, `Acted`, `Tick`, and their one decoder.

Event time is float seconds since 1970-01-01T00:00:00Z everywhere inside; RFC 3339 text at the edges.
"""

import math
import re
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from stream.core import limits
from stream.core.errors import BadRecord, SettingsError
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
    cut: bool | None = None  # whether texts for people were cut, or labels left out, before it was published


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


_DAY = 86_400.0
_ABOUT_A_DAY = 0.9 * _DAY
_UNITS = {"m": 60.0, "h": 3_600.0, "d": _DAY, "w": 7 * _DAY}
Event = Raised | Acted | Tick

_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()
_fields = msgspec.json.Decoder(dict[str, Raw])
_NAMES = {of: frozenset({"type", *of.__struct_fields__}) for of in (Raised, Acted, Tick)}
_NO_LABELS = "Expected `object`, got `null` - at `$.labels`"
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_NO_NUMBER = re.compile(rb"[:,\[]\s*(NaN|-?Infinity)\s*[,}\]]")
_OPEN_SURROGATE, _END_SURROGATE = range(0xD800, 0xDC00), range(0xDC00, 0xE000)


def decode_event(value: bytes) -> Event:
    """Decode and validate one record value; an optional field that is null counts as absent.

    Raises:
        BadRecord: reason `too_large`, `not_json`, `unknown_type`, `nul` or `bad_field`, with the field in the detail.
    """
    if len(value) > limits.EVENT_BYTES:
        raise BadRecord("too_large", f"{len(value)} bytes, at most {limits.EVENT_BYTES} are read")
    try:
        event: Event = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        event = _decode_without_labels(value, error)
    if type(event) is Acted and "@" in event.kind and AGENT_ENDING.search(event.kind):
        raise BadRecord("bad_field", "`$.kind` ends in @person or @automation; give who did it as `agent`")
    if b"\\u0000" in value and _holds_nul(event):
        raise BadRecord("nul", "a text holds the character NUL, which no name may")
    return event


def unknown_fields(event: Event, value: bytes) -> list[str]:
    """The names in an event's record value that nothing reads, as they come; `value` is what it was decoded from.

    >>> value = b'{"type":"tick","at":"2026-03-01T10:05:00Z","tiem":1}'
    >>> unknown_fields(decode_event(value), value)
    ['tiem']
    """
    known = _NAMES[type(event)]
    return [name for name in _fields.decode(value) if name not in known]


def encode_event(event: Event) -> bytes:
    """The event as one line of JSON, without the line end."""
    return _encoder.encode(event)


def seconds(at: datetime) -> float:
    """Event time in seconds since 1970-01-01T00:00:00Z."""
    return at.timestamp()


def moment(at: float) -> datetime:
    """The moment of `at` seconds since 1970-01-01T00:00:00Z, in UTC."""
    return datetime.fromtimestamp(at, UTC)


def is_simulated(alert: Raised) -> bool:
    """Whether the alert says that it is made up, as those of the simulated organisation do."""
    return alert.labels.get("simulated") == "true"


def words_for(seconds: float) -> str:
    """A length of time in its largest whole unit.

    >>> words_for(40.0), words_for(3_000.0), words_for(5 * 3_600.0), words_for(86_400.0), words_for(180_000.0)
    ('40 s', '50 min', '5 h', '1 day', '2 days')
    """
    if seconds < 120.0:
        return f"{seconds:.0f} s"
    if seconds < 7_200.0:
        return f"{seconds / 60.0:.0f} min"
    days = round(seconds / _DAY)
    if seconds < _ABOUT_A_DAY:
        return f"{seconds / 3_600.0:.0f} h"
    return f"{days} day" + "s" * (days > 1)


def parse_when(text: str, option: str, now: float) -> float:
    """The time that a text gives, in seconds since 1970: a length before `now` such as 30d or 12h, or RFC 3339.

    Raises:
        SettingsError: it is neither; `option` names it.

    >>> parse_when("12h", "--since", 50_000.0)
    6800.0
    >>> parse_when("1970-01-02T00:00:00Z", "--since", 0.0)
    86400.0
    """
    try:
        return max(seconds(msgspec.convert(text, At)), 0.0)
    except msgspec.ValidationError:
        pass
    try:
        ago = float(text[:-1]) * _UNITS[text[-1:]]
    except (ValueError, KeyError):
        ago = math.nan
    if not 0.0 < ago < math.inf:
        raise SettingsError(
            f"{option} {text}: give a length such as 30d or 12h, or a time such as 2026-03-01T00:00:00Z"
        )
    return max(now - ago, 0.0)


def parse_past(text: str, option: str, now: float) -> float:
    """As `parse_when`, of what has to be past.

    Raises:
        SettingsError: it is no time, or has not come; `option` names it.

    >>> parse_past("12h", "--since", 50_000.0)
    6800.0
    """
    at = parse_when(text, option, now)
    if at > now:
        raise SettingsError(f"{option} {text}: that has not come yet", "give a past time, or a length such as 12h")
    return at


def event_time(event: Event, recorded_at: float) -> float:
    """Event time as it is folded, given its record's timestamp; both in seconds since 1970.

    A tick moves time no further than its record's timestamp, so a worker's fast clock ends nothing before its time.

    Raises:
        BadRecord: see `check_time`.
    """
    at = event.at.timestamp()
    check_time(at, recorded_at)
    return min(at, recorded_at) if type(event) is Tick else at


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
        detail = f"`at` is {ahead:.0f} s after its record was written, {limits.SKEW_SECONDS:.0f} s are allowed"
        if ahead > _ABOUT_A_DAY:
            detail += (
                f": a clock is about {words_for(ahead)} wrong, its source's or the one that stamps records; set it"
            )
        raise BadRecord("beyond_skew", detail)


def _decode_without_labels(value: bytes, error: Exception) -> Event:
    """What could not be decoded only because its `labels` is null; that is rare, so the one decoder stays quick."""
    if str(error) == _NO_LABELS:
        try:
            fields = msgspec.json.decode(value)
            if fields["labels"] is None:
                del fields["labels"]
            event: Event = msgspec.convert(fields, Event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as other:
            error = other
        else:
            return event
    raise _bad_record(value, error) from None


def _bad_record(value: bytes, error: Exception) -> BadRecord:
    detail = str(error)
    if isinstance(error, msgspec.ValidationError):
        return BadRecord("unknown_type" if detail.endswith("`$.type`") else "bad_field", detail)
    if surrogate := _lone_surrogate(value):
        detail = f"a text holds {surrogate}, half of a surrogate pair, which is no character"
    elif number := _NO_NUMBER.search(value):
        detail = f"{number[1].decode()} is no JSON; write null"
    return BadRecord("not_json", detail or "nested too deep")


def _lone_surrogate(value: bytes) -> str | None:
    r"""The first escape of half a surrogate pair without its other half, as it is written.

    >>> _lone_surrogate(rb'"\ud83d\ude00 \\ud800 \ud800"')
    '\\ud800'
    """
    opened: re.Match[bytes] | None = None
    for found in _ESCAPE.finditer(value):
        code = int(found[1], 16) if found[1] else 0
        if opened is not None and not (code in _END_SURROGATE and found.start() == opened.end()):
            return opened[0].decode()
        if opened is None and code in _END_SURROGATE:
            return found[0].decode()
        opened = found if opened is None and code in _OPEN_SURROGATE else None
    return opened[0].decode() if opened is not None else None


def _holds_nul(event: Event) -> bool:
    return b"\\u0000" in _encoder.encode(event).replace(b"\\\\", b"")
